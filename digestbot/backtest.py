"""
What a filter would have brought: over the stored log, day by day and term by term.

Sets of papers are Python integers, one bit a paper, so that the booleans of a whole filter over a
month of arXiv are a few operations. Reads the store and changes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from digestbot.config import Config, DigestConfig
from digestbot.filters import Filter, evaluate, hits
from digestbot.filters.tree import AllOf, AnyOf, Atom, Node, NoneOf, atoms
from digestbot.model import Announcement
from digestbot.store import Store

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
    papers = _papers(store, digest, since)
    found = hit_bits(digest.filter, papers)
    matched = matching(digest.filter, papers, found)
    before = None if against is None else matching(against, papers, hit_bits(against, papers))
    return Backtest(
        days=_days(papers, matched, since, now, config),
        considered=len(papers),
        matched=matched.bit_count(),
        terms=_terms(digest.filter, papers, found, matched),
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
    for row in rows:
        first.setdefault((row.paper.id, row.paper.version), row)
    return tuple(first.values())


def hit_bits(filter_: Filter, papers: Sequence[Announcement]) -> dict[Atom, Bits]:
    """The papers that each distinct atom of the filter hits."""
    distinct = dict.fromkeys(atom for atom, _ in atoms(filter_.root))
    return {
        atom: _bits(i for i, paper in enumerate(papers) if hits(atom, paper)) for atom in distinct
    }


def _bits(places: Iterable[int]) -> Bits:
    found = 0
    for place in places:
        found |= 1 << place
    return found


def matching(filter_: Filter, papers: Sequence[Announcement], found: Mapping[Atom, Bits]) -> Bits:
    """The papers that the filter lets in; ``min_score`` is asked of those that are left only."""
    matched = combined(filter_.root, found, (1 << len(papers)) - 1)
    if filter_.min_score is None:
        return matched
    return _bits(i for i in places(matched) if evaluate(filter_, papers[i]).matched)


def combined(node: Node, found: Mapping[Atom, Bits], everything: Bits) -> Bits:
    """The papers for which *node* holds."""
    match node:
        case AllOf(children=children):
            result = everything
            for child in children:
                result &= combined(child, found, everything)
            return result
        case AnyOf(children=children):
            return _union(children, found, everything)
        case NoneOf(children=children):
            return everything & ~_union(children, found, everything)
        case _:
            return found[node]


def _union(children: Sequence[Node], found: Mapping[Atom, Bits], everything: Bits) -> Bits:
    result = 0
    for child in children:
        result |= combined(child, found, everything)
    return result


def places(bits: Bits) -> Iterator[int]:
    """The papers of the set, in order."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _chosen(papers: Sequence[Announcement], bits: Bits) -> tuple[Announcement, ...]:
    return tuple(papers[i] for i in places(bits))


def _terms(
    filter_: Filter, papers: Sequence[Announcement], found: Mapping[Atom, Bits], matched: Bits
) -> tuple[TermCount, ...]:
    everything = (1 << len(papers)) - 1
    counts = []
    for atom in dict.fromkeys(filter_.atoms()):
        without = combined(filter_.root, {**found, atom: 0}, everything)
        alone = (matched & ~without).bit_count()
        counts.append(TermCount(term=atom.in_words(), hits=found[atom].bit_count(), alone=alone))
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
