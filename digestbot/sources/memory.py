"""Building blocks for the memory of a source: hashes without secrets, and recent papers."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from digestbot.model import AnnounceType, FetchedPaper

REMEMBERED = 300
"""Papers whose ids and titles are kept, to recognize a feed that changes all its ids."""
RENAMED_SHARE = 0.8
"""Share of unknown ids with known titles that marks such a change."""
_RANKS = {kind: rank for rank, kind in enumerate(AnnounceType)}


def fingerprint(text: str) -> str:
    """Return a hash of *text*, such as a URL with a password."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def best_types(papers: Iterable[FetchedPaper]) -> tuple[FetchedPaper, ...]:
    """
    Return each version once, as it was read last, with the best of its announce types.

    One paper is new in the feed of its primary category and a cross-list in another feed.
    """
    best: dict[tuple[str, int], FetchedPaper] = {}
    for paper in papers:
        before = best.get((paper.id, paper.version), paper)
        kind = min(before.type, paper.type, key=_RANKS.__getitem__)
        best[paper.id, paper.version] = replace(paper, type=kind)
    return tuple(best.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentPapers:
    """Latest papers of a source, as short hashes of ids and titles, newest first."""

    ids: tuple[str, ...]
    titles: tuple[str, ...]

    @classmethod
    def read(cls, memory: Mapping[str, str]) -> "RecentPapers":
        """Return the papers that `written` put into *memory*."""
        return cls(
            ids=tuple(memory.get("ids", "").split()),
            titles=tuple(memory.get("titles", "").split()),
        )

    def written(self) -> dict[str, str]:
        """Return the papers as entries of a memory, about 5 KB at most."""
        return {"ids": " ".join(self.ids), "titles": " ".join(self.titles)}

    def with_papers(self, papers: Collection[FetchedPaper]) -> "RecentPapers":
        """Return the latest papers once *papers* have been read too."""
        ids = dict.fromkeys([*(_short(paper.id) for paper in papers), *self.ids])
        titles = dict.fromkeys([*map(_short_title, papers), *self.titles])
        return replace(self, ids=tuple(ids)[:REMEMBERED], titles=tuple(titles)[:REMEMBERED])

    def renamed(self, papers: Collection[FetchedPaper]) -> set[str]:
        """
        Return the ids of *papers* that are known under other ids.

        It is empty unless most of *papers* changed their ids at once, as when a feed moves to
        https: a few new ids with known titles are new papers.
        """
        if not papers or not self.ids:
            return set()
        unknown = [paper for paper in papers if _short(paper.id) not in self.ids]
        same_title = [paper for paper in unknown if _short_title(paper) in self.titles]
        is_most = len(unknown) >= RENAMED_SHARE * len(papers)
        if not is_most or len(same_title) < RENAMED_SHARE * len(unknown):
            return set()
        return {paper.id for paper in papers if _short_title(paper) in self.titles}


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _short_title(paper: FetchedPaper) -> str:
    return _short(" ".join(paper.title.casefold().split()))
