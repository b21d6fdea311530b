"""
Sources: where papers come from, one module per kind behind the common `Options.fetch`.

To add a kind, write a module with its options and add one line to `REGISTRY`.
"""

from collections.abc import Iterator, MutableMapping
from importlib import import_module

from digestbot.sources.protocols import OnDisk, Options, Page

__all__ = ["REGISTRY", "OnDisk", "Options", "Page"]


class _Registry(MutableMapping[str, type[Options]]):
    """Options by kind; a kind's module is imported when it is first used."""

    def __init__(self, **modules: str) -> None:
        self._found: dict[str, str | type[Options]] = dict(modules)

    def __getitem__(self, kind: str) -> type[Options]:
        found = self._found[kind]
        if isinstance(found, str):
            module, name = found.split(":")
            options: type[Options] = getattr(import_module(f"digestbot.sources.{module}"), name)
            self._found[kind] = found = options
        return found

    def __setitem__(self, kind: str, options: type[Options]) -> None:
        self._found[kind] = options

    def __delitem__(self, kind: str) -> None:
        del self._found[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


REGISTRY: MutableMapping[str, type[Options]] = _Registry(
    arxiv="arxiv:ArxivOptions",
    feed="feed:FeedOptions",
    opml="opml:OpmlOptions",
    folder="folder:FolderOptions",
    biorxiv="biorxiv:BiorxivOptions",
    crossref="crossref:CrossrefOptions",
    europepmc="europepmc:EuropepmcOptions",
    openalex="openalex:OpenalexOptions",
    pubmed="pubmed:PubmedOptions",
    semanticscholar="semanticscholar:SemanticScholarOptions",
    openreview="openreview:OpenreviewOptions",
    huggingface="huggingface:HuggingfaceOptions",
    dblp="dblp:DblpOptions",
)
"""``kind:`` in the config → its options."""
