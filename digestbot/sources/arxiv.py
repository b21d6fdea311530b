"""
arXiv's query API as a source: newest updates first, back to known papers plus an overlap.

Here are its options; `arxiv_pass` reads the pages.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from digestbot import taxonomy
from digestbot.sources.memory import fingerprint
from digestbot.sources.protocols import Page, check_interval, check_span

if TYPE_CHECKING:
    from digestbot.net import Client
    from digestbot.sources.parser_pool import Parse


@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivOptions:
    """arXiv papers by category or by query."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    categories: tuple[str, ...] = ()
    """Categories (`cs.DC`) or whole archives (`cs`, `astro-ph`); alternative to `query`."""
    query: str | None = None
    """Query in arXiv's syntax: `cat:cs.DC AND all:gpu`; alternative to `categories`."""
    url: str = "https://export.arxiv.org/api/query"
    """The query API; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers, counted from the newest paper."""
    interval: timedelta = timedelta(seconds=3)
    """Time between requests; at least 3s for arxiv.org, by its terms of use."""
    page_size: int = 200
    """Papers per request, 1 to 2000; small pages are cheaper to repeat."""
    overlap: timedelta = timedelta(days=14)
    """How far behind the last complete pass to read again: moderation delays papers."""
    max_pages: int = 500
    """Limit of pages per pass."""

    def __post_init__(self) -> None:
        if bool(self.categories) == (self.query is not None):
            raise ValueError('set either "categories" or "query", not both')
        if self.query is not None and not self.query.strip():
            raise ValueError('"query" is empty')
        for category in self.categories:
            _check_category(category)
        if not 1 <= self.page_size <= 2000:
            raise ValueError(f"page_size must be from 1 to 2000, not {self.page_size}")
        if self.max_pages < 1:
            raise ValueError(f"max_pages must be at least 1, not {self.max_pages}")
        check_interval(self.interval)
        check_span("backfill", self.backfill)
        check_span("overlap", self.overlap)

    @property
    def search(self) -> str:
        """``search_query``: the configured query, or the categories and their aliases."""
        if self.query is not None:
            return self.query.strip()
        codes = dict.fromkeys(
            code for spec in self.categories for code in sorted(taxonomy.expand(spec))
        )
        return " OR ".join(f"cat:{code}" for code in codes)

    @property
    def interval_s(self) -> float:
        """Seconds between requests, at least arXiv's minimum on its own hosts."""
        from digestbot.net import allowed_interval_s

        return allowed_interval_s(self.url, self.interval.total_seconds())

    def fetch(
        self,
        name: str,
        client: "Client",
        memory: Mapping[str, str],
        now: datetime,
        *,
        parse: "Parse",
    ) -> AsyncIterator[Page]:
        """Make one pass; see `Options.fetch`."""
        from digestbot.sources.arxiv_pass import ArxivMemory, ArxivPass

        return ArxivPass(
            options=self,
            name=name,
            client=client,
            memory=memory,
            known=ArxivMemory.read(memory, fingerprint(f"{self.url}\n{self.search}")),
            now=now,
        ).pages()


def _check_category(category: str) -> None:
    if taxonomy.expand(category):
        return
    if codes := taxonomy.codes_in(category):
        what = f'"{category[:60]}" is not one category'
        raise ValueError(f"{what}; write categories: [{', '.join(codes)}]")
    nearest = taxonomy.suggest(category)
    hint = taxonomy.meant(nearest) if nearest else ""
    raise ValueError(f'arXiv has no category "{category}"{hint}')
