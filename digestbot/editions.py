"""
Select and order the papers of an edition, and compute its coverage.

Pure functions without store or clock. Begin at `select`; `cover` counts the candidates.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from digestbot.model import (
    NOTICES,
    Announcement,
    AnnounceType,
    CategoryCoverage,
    EditionPaper,
    SourceCoverage,
    Verdict,
)

CATEGORIES = 50
"""Maximum categories counted per source; feeds may have a new one for every paper."""

_RANK = {announce_type: rank for rank, announce_type in enumerate(AnnounceType)}

_Candidate = tuple[Announcement, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All matching papers, best first, divided at the limit."""

    included: tuple[EditionPaper, ...]
    omitted: tuple[EditionPaper, ...]


def select(
    candidates: Iterable[_Candidate], *, limit: int, already: Collection[tuple[str, int]] = ()
) -> Selection:
    """
    Select one entry per matching paper, best first, cut at *limit*.

    The order is total: retractions and withdrawals first; then by score, highest first; then by
    date, newest first (`updated`, else `published`, else when it was seen); then by id. The order
    of the candidates is irrelevant.

    Args:
        candidates: Announcements of one window with their verdicts; those that do not match are
            ignored.
        limit: Maximum number of included papers; 0 or more.
        already: Pairs (paper id, version) from earlier editions, which are ignored.
    """
    announced: dict[str, list[_Candidate]] = defaultdict(list)
    for announcement, verdict in candidates:
        paper = announcement.paper
        if verdict.matched and (paper.id, paper.version) not in already:
            announced[paper.id].append((announcement, verdict))
    ranked = sorted((_merge(several) for several in announced.values()), key=_best_first)
    return Selection(included=tuple(ranked[:limit]), omitted=tuple(ranked[limit:]))


def cover(
    source: str,
    rows: Iterable[Announcement],
    selection: Selection,
    *,
    status: str,
    as_of: datetime | None,
    note: str | None,
) -> SourceCoverage:
    """
    Count the papers that *source* announced in a window, and those in *selection*.

    Args:
        rows: The announcements of the window, from all sources.
        status: State of the source, detailed by *as_of* and *note*.
    """
    here = [row for row in rows if row.source == source]
    papers = {row.paper.id: frozenset(row.paper.categories) for row in here}
    omitted = papers.keys() & {entry.paper.id for entry in selection.omitted}
    matched = omitted | (papers.keys() & {entry.paper.id for entry in selection.included})
    announced = Counter(category for each in papers.values() for category in each)
    hits = Counter(category for each in matched for category in papers[each])
    ordered = sorted(announced, key=lambda category: (-announced[category], category))
    return SourceCoverage(
        source=source,
        announced=len(papers),
        matched=len(matched),
        omitted=len(omitted),
        first_at=min((row.seen_at for row in here), default=None),
        last_at=max((row.seen_at for row in here), default=None),
        categories=tuple(
            CategoryCoverage(category=name, announced=announced[name], matched=hits[name])
            for name in ordered[:CATEGORIES]
        ),
        status=status,
        as_of=as_of,
        note=note,
    )


def _merge(several: Sequence[_Candidate]) -> EditionPaper:
    """
    Merge several announcements of one paper in the window into one entry.

    Text, `seq` and matches come from the newest version, because the span of a match is valid only
    in its own text. The type is the first of new, cross, replace, replace-cross: a new paper stays
    new even if its second version follows in the same window.
    """
    shown, verdict = max(several, key=_newest_version)
    first = min((announcement for announcement, _ in several), key=_first_seen)
    return EditionPaper(
        seq=shown.seq,
        paper=shown.paper,
        type=min((announcement.type for announcement, _ in several), key=_RANK.__getitem__),
        source=first.source,
        seen_at=first.seen_at,
        score=max(verdict.score for _, verdict in several),
        matches=verdict.matches,
    )


def _newest_version(candidate: _Candidate) -> tuple[int, float, int]:
    announcement, verdict = candidate
    return announcement.paper.version, verdict.score, -announcement.seq


def _first_seen(announcement: Announcement) -> tuple[float, int]:
    return announcement.seen_at.timestamp(), announcement.seq


def _best_first(entry: EditionPaper) -> tuple[bool, float, float, str]:
    newest = entry.paper.updated or entry.paper.published or entry.seen_at
    is_notice = entry.paper.document_type in NOTICES
    return not is_notice, -entry.score, -newest.timestamp(), entry.paper.id
