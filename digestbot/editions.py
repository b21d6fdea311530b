"""
Select and order the papers of an edition, and compute its coverage.

Pure functions without store or clock. Begin at `select`; `cover` counts the candidates.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from digestbot.ids import is_publication
from digestbot.model import (
    FRESH,
    NOTICES,
    REPLACEMENTS,
    STATUS_CHANGES,
    Announcement,
    AnnounceType,
    Batch,
    CategoryCoverage,
    EditionPaper,
    Offered,
    Overflow,
    SourceCoverage,
    Verdict,
)

CATEGORIES = 50
"""Maximum categories counted per source; feeds may have a new one for every paper."""

MAX_WAITS = 3
"""Editions that a paper waits for with `Overflow.NEXT`; the following one lists it."""

BATCHES = 200
"""Maximum batches kept per source, the latest."""

_RANK = {announce_type: rank for rank, announce_type in enumerate(AnnounceType)}

_Candidate = tuple[Announcement, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All matching papers, best first, divided at the limit."""

    included: tuple[EditionPaper, ...]
    listed: tuple[EditionPaper, ...] = ()
    """Beyond the limit; shown in one line each."""
    waiting: tuple[EditionPaper, ...] = ()
    """Beyond the limit; they wait for the next edition."""


def select(
    candidates: Iterable[_Candidate],
    *,
    limit: int,
    already: Collection[int] = (),
    carried: Iterable[EditionPaper] = (),
    overflow: Overflow = Overflow.LIST,
    works: Mapping[str, str] = MappingProxyType({}),
) -> Selection:
    """
    Select one entry per matching paper, best first, divided at *limit*.

    The order is total: retractions and withdrawals first; then by score, highest first; then by
    date, newest first (`updated`, else `published`, else when it was seen); then by id. The order
    of the candidates is irrelevant.

    Args:
        candidates: Announcements of one window with their verdicts; those that do not match are
            ignored.
        limit: Maximum number of included papers; 0 or more.
        already: Seqs of announcements that readers know, see `is_known`; they are ignored.
        carried: Papers that waited for this edition, ranked with the others.
        overflow: Where papers beyond the limit go.
        works: Paper id → name of its work, for papers that share one; each work is one entry.
    """
    announced: dict[str, list[_Candidate]] = defaultdict(list)
    for announcement, verdict in candidates:
        paper_id = announcement.paper.id
        if verdict.matched and announcement.seq not in already:
            announced[works.get(paper_id, paper_id)].append((announcement, verdict))
    entries = {work: _merge(several) for work, several in announced.items()}
    for waited in carried:
        work = works.get(waited.paper.id, waited.paper.id)
        found = entries.get(work)
        entries[work] = _rejoined(found, waited) if found else waited
    ranked = sorted(entries.values(), key=_best_first)
    return _divided(ranked, limit, overflow)


def is_known(row: Announcement, offered: Iterable[Offered]) -> bool:
    """
    Return True if readers of *offered*, entries of the same work, know what *row* announces.

    They know a first announcement if they had the work under any id. Each version, and each change
    of status, is news once.
    """
    paper = row.paper
    if row.type in STATUS_CHANGES:
        return any(_has_status(entry, row) for entry in offered)
    return any(
        (row.type in FRESH and paper.document_type not in NOTICES)
        or (entry.paper_id, entry.version) == (paper.id, paper.version)
        or (paper.document_type in NOTICES and _has_status(entry, row))
        for entry in offered
    )


def _has_status(entry: Offered, row: Announcement) -> bool:
    """Return True if *entry* has the change of status in *row*."""
    paper = row.paper
    if row.type is AnnounceType.PUBLISHED:
        return entry.type is AnnounceType.PUBLISHED or is_publication(entry.paper_id)
    # Each of arXiv's versions is news, though the one before was withdrawn too.
    is_version = entry.paper_id == paper.id and {entry.type, row.type} <= REPLACEMENTS
    return entry.document_type is paper.document_type and not is_version


def _divided(ranked: Sequence[EditionPaper], limit: int, overflow: Overflow) -> Selection:
    included = tuple(replace(entry, waits=0) if entry.waits else entry for entry in ranked[:limit])
    if overflow is not Overflow.NEXT:
        beyond = tuple(replace(entry, waits=0) for entry in ranked[limit:])
        return Selection(included=included, listed=beyond)
    return Selection(
        included=included,
        listed=tuple(replace(e, waits=0) for e in ranked[limit:] if e.waits >= MAX_WAITS),
        waiting=tuple(replace(e, waits=e.waits + 1) for e in ranked[limit:] if e.waits < MAX_WAITS),
    )


def cover(
    source: str,
    rows: Iterable[Announcement],
    selection: Selection,
    *,
    status: str,
    as_of: datetime | None,
    note: str | None,
    batches: Iterable[Batch] = (),
) -> SourceCoverage:
    """
    Count the papers that *source* announced in a window, and those in *selection*.

    Args:
        rows: The announcements of the window, from all sources.
        status: State of the source, detailed by *as_of* and *note*.
        batches: The batches of the window, from all sources.
    """
    here = [row for row in rows if row.source == source]
    papers = {row.paper.id: frozenset(row.paper.categories) for row in here}
    beyond = (*selection.listed, *selection.waiting)
    omitted = papers.keys() & {entry.paper.id for entry in beyond}
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
        batches=tuple(batch for batch in batches if batch.source == source)[-BATCHES:],
    )


def _merge(several: Sequence[_Candidate]) -> EditionPaper:
    """
    Merge several announcements of one paper in the window into one entry.

    Text, `seq` and matches come from the newest version, because the span of a match is valid only
    in its own text. The type is the first of new, cross, replace, replace-cross: a new paper stays
    new even if its second version follows in the same window.
    """
    shown, verdict = max(_newest_of_each(several), key=_notices_first)
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


def _rejoined(found: EditionPaper, waited: EditionPaper) -> EditionPaper:
    """Merge a paper that waited with its announcements in this window."""
    newest = max(waited, found, key=lambda entry: entry.paper.version)
    return replace(
        newest,
        type=min(found.type, waited.type, key=_RANK.__getitem__),
        source=waited.source,
        seen_at=waited.seen_at,
        score=max(found.score, waited.score),
        waits=waited.waits,
    )


def add_coverage(
    earlier: Iterable[SourceCoverage], latest: Iterable[SourceCoverage]
) -> tuple[SourceCoverage, ...]:
    """Add the counts of an *earlier* window to the *latest*; state and order are the latest's."""
    before = {coverage.source: coverage for coverage in earlier}
    return tuple(
        _added(before[coverage.source], coverage) if coverage.source in before else coverage
        for coverage in latest
    )


def _added(earlier: SourceCoverage, latest: SourceCoverage) -> SourceCoverage:
    announced: Counter[str] = Counter()
    matched: Counter[str] = Counter()
    for part in (*earlier.categories, *latest.categories):
        announced[part.category] += part.announced
        matched[part.category] += part.matched
    ordered = sorted(announced, key=lambda category: (-announced[category], category))
    return replace(
        latest,
        announced=earlier.announced + latest.announced,
        matched=earlier.matched + latest.matched,
        omitted=earlier.omitted + latest.omitted,
        first_at=earlier.first_at or latest.first_at,
        last_at=latest.last_at or earlier.last_at,
        categories=tuple(
            CategoryCoverage(category=name, announced=announced[name], matched=matched[name])
            for name in ordered[:CATEGORIES]
        ),
    )


def _newest_of_each(several: Iterable[_Candidate]) -> Iterable[_Candidate]:
    """Return the newest version under each id of a work."""
    newest: dict[str, _Candidate] = {}
    for candidate in sorted(several, key=_newest_version):
        newest[candidate[0].paper.id] = candidate
    return newest.values()


def _notices_first(candidate: _Candidate) -> tuple[bool, int, float, int]:
    """Sort a journal's retraction above the versions of the preprint."""
    return candidate[0].paper.document_type in NOTICES, *_newest_version(candidate)


def _newest_version(candidate: _Candidate) -> tuple[int, float, int]:
    announcement, verdict = candidate
    return announcement.paper.version, verdict.score, -announcement.seq


def _first_seen(announcement: Announcement) -> tuple[float, int]:
    return announcement.seen_at.timestamp(), announcement.seq


def _best_first(entry: EditionPaper) -> tuple[bool, float, float, str]:
    newest = entry.paper.updated or entry.paper.published or entry.seen_at
    newest = min(newest, entry.seen_at)  # the day of a journal's issue may lie ahead
    is_notice = entry.paper.document_type in NOTICES
    return not is_notice, -entry.score, -newest.timestamp(), entry.paper.id
