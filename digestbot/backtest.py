"""
What a filter would have brought: over the stored log, day by day and term by term.

Sets of papers are Python integers, one bit a paper. Reads the store and changes nothing.
"""

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from digestbot.config import Config, DigestConfig
from digestbot.filters import Filter
from digestbot.filters.tree import AllOf, AnyOf, Atom, Node, NoneOf, atoms
from digestbot.model import Announcement
from digestbot.store import Store

if TYPE_CHECKING:
    from digestbot.filters.arrays import Array
    from digestbot.filters.index import Batch

MANY = 50
"""
Conditions from which on it is asked first which of them hit what matches; others add nothing alone.

A filter of 1,900 terms over 1,000 papers takes 1.5 s so, and 8 without.
"""

Bits = int
"""A set of papers: bit i is the i-th announcement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermCount:
    """What one condition of a filter did."""

    term: str
    hits: int
    """Papers that it hit, whether they matched or not."""
    alone: int
    """Papers that match only because of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a filter would have brought."""

    days: tuple[tuple[date, int], ...]
    """Each day of the span, in the owner's time zone, with the papers that match."""
    considered: int
    matched: int
    terms: tuple[TermCount, ...]
    """The noisiest first: by what each adds alone, then by its hits."""
    gained: tuple[Announcement, ...] = ()
    """What matches and did not with the filter it is compared with."""
    lost: tuple[Announcement, ...] = ()
    """What matched with that filter and does not any more."""

    @property
    def a_day(self) -> float:
        """Papers a day."""
        return self.matched / len(self.days) if self.days else 0.0

    @property
    def never(self) -> tuple[str, ...]:
        """The terms that hit nothing."""
        return tuple(term.term for term in self.terms if not term.hits)


def backtest(
    store: Store,
    config: Config,
    digest: DigestConfig,
    *,
    since: datetime,
    now: datetime,
    against: Filter | None = None,
) -> Backtest:
    """
    What *digest* would have brought of all that was announced since then, without its limit.

    Args:
        against: Another version of its filter, to tell what an edit wins and loses.
    """
    from digestbot.filters.index import Batch

    papers = _papers(store, digest, since)
    batch = Batch.of(papers)
    judged = judge(digest.filter, batch)
    matched = judged.matched
    before = None if against is None else judge(against, batch).matched
    return Backtest(
        days=_days(papers, matched, since, now, config),
        considered=len(papers),
        matched=matched.bit_count(),
        terms=_terms(judged),
        gained=() if before is None else _chosen(papers, matched & ~before),
        lost=() if before is None else _chosen(papers, before & ~matched),
    )


def _papers(store: Store, digest: DigestConfig, since: datetime) -> tuple[Announcement, ...]:
    """Each version of each paper once, as it was first announced to the digest."""
    first: dict[tuple[str, int], Announcement] = {}
    rows = store.papers.announcements(
        store.papers.first_seq_since(since),
        None,
        sources=frozenset(digest.sources),
        types=digest.types,
        backlog=True,
    )
    with _no_collection():
        for row in rows:
            first.setdefault((row.paper.id, row.paper.version), row)
    return tuple(first.values())


@contextmanager
def _no_collection() -> Iterator[None]:
    """
    No search for garbage: hundreds of thousands of values come, and all of them stay.

    To look through them again and again was a third of the time that it took to read a month.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a filter and its conditions say of some papers."""

    matched: Bits
    found: Mapping[Atom, Bits]
    """The papers that each distinct condition hits, those below a not too."""
    alone: Mapping[Atom, Bits]
    """The papers that match only because of it; of the conditions that ask for something."""


def judge(filter_: Filter, batch: "Batch") -> Judgement:
    """
    The filter, each of its conditions, and the filter without each of them, asked all at once.

    By the engine: a month of arXiv takes it some tenths of a second, and the evaluator a minute.
    """
    every = tuple(dict.fromkeys(atom for atom, _ in atoms(filter_.root)))
    conditions = [filter_, *(Filter(root=atom) for atom in every)]
    wanted = dict.fromkeys(filter_.atoms(), 0)
    likely = list(wanted)
    if len(wanted) > MANY:
        matched, *bits = _asked(conditions, batch)
        hit = {atom for atom, its in zip(every, bits, strict=True) if its & matched}
        likely = [atom for atom in wanted if atom in hit]
    rests = [replace(filter_, root=_without(filter_.root, atom)) for atom in likely]
    matched, *bits = _asked([*conditions, *rests], batch)
    found, without = bits[: len(every)], bits[len(every) :]
    return Judgement(
        matched=matched,
        found=dict(zip(every, found, strict=True)),
        alone=wanted | {a: matched & ~rest for a, rest in zip(likely, without, strict=True)},
    )


def _asked(filters: Sequence[Filter], batch: "Batch") -> list[Bits]:
    """What each of the filters lets in."""
    from digestbot.filters.index import Index

    index = Index()
    for key, one in enumerate(filters):
        index.put(key, one)
    hits = index.match(batch)
    return [_bits(hits.places_of(key), len(batch)) for key in range(len(filters))]


def _without(node: Node, atom: Atom) -> Node:
    """The tree, with *atom* hitting nothing."""
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        return replace(node, children=tuple(_without(child, atom) for child in node.children))
    return AnyOf(children=()) if node == atom else node


def _bits(places: "Array", count: int) -> Bits:
    import numpy as np

    flags = np.zeros(count, dtype=bool)
    flags[places] = True
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def places(bits: Bits) -> Iterator[int]:
    """The papers of the set, in order."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _chosen(papers: Sequence[Announcement], bits: Bits) -> tuple[Announcement, ...]:
    return tuple(papers[i] for i in places(bits))


def _terms(judged: Judgement) -> tuple[TermCount, ...]:
    counts = [
        TermCount(
            term=atom.in_words(),
            hits=judged.found[atom].bit_count(),
            alone=alone.bit_count(),
        )
        for atom, alone in judged.alone.items()
    ]
    return tuple(sorted(counts, key=lambda count: (-count.alone, -count.hits, count.term)))


def _days(
    papers: Sequence[Announcement], matched: Bits, since: datetime, now: datetime, config: Config
) -> tuple[tuple[date, int], ...]:
    """Every day from the first that the log has, those without a paper too."""
    per_day = Counter(papers[i].seen_at.astimezone(config.timezone).date() for i in places(matched))
    start = min((paper.seen_at for paper in papers), default=now)
    first = max(start, since).astimezone(config.timezone).date().toordinal()
    last = now.astimezone(config.timezone).date().toordinal()
    days = (date.fromordinal(number) for number in range(first, last + 1))
    return tuple((day, per_day[day]) for day in days)
