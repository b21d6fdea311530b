"""
Papers and what happens to them: a pure function of a seed.

`make_world` decides which papers each evening announces, cross-lists and replaces, and when each
channel has the result. `World` then tells the state of each paper on a channel at any moment.
"""

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import cached_property
from itertools import accumulate

from digestbot import taxonomy
from digestbot.model import Channel
from tests.simulated_arxiv.calendar import DAY, Window, eastern, windows
from tests.simulated_arxiv.faults import NONE, BatchFault, Faults

FIRST, LAST = date(2026, 10, 4), date(2026, 12, 3)
"""Evenings of the simulation: listed from Monday 5 October to Friday 4 December."""
PER_BATCH = {"cs.DC": 3, "cs.OS": 1, "cs.LG": 3, "math.NA": 2, "hep-th": 1.5}
"""Average number of new papers of each primary category."""
TERM = "serverless"
"""Word in three of four titles, for filters."""
OLD_PAPERS = 60
"""Papers of 2025 that are replaced or cross-listed now."""
HELD_DAYS = (1, 2, 4, 9, 16, 20, 24)
"""Days of one paper in eight with a moderator; 24 happened (scirate issue 170)."""
RSS_VERSIONS = 5
"""Highest version that the daily feeds list."""
HOUR = timedelta(hours=1)


class Kind(IntEnum):
    """What a batch says of a paper; of several, the feed lists the first."""

    NEW = 0
    CROSS = 1
    REPLACE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Announcement of a paper; what it was after that."""

    kind: Kind
    batch: int
    """Number of the batch; -1 for the years before the simulation."""
    version: int
    categories: tuple[str, ...]
    """All categories from now on, the primary one first."""
    added: frozenset[str]
    """Categories that are new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimPaper:
    """One paper with all that happens to it."""

    id: str
    title: str
    abstract: str
    authors: tuple[str, ...]
    submitted: tuple[datetime, ...]
    """Time of each version's submission."""
    events: tuple[Event, ...]
    is_withdrawn: bool = False
    """True if the last version says so."""
    edits: tuple[datetime, ...] = ()
    """Changes of the record that are no news."""

    @property
    def is_old(self) -> bool:
        """True if announced before the simulation."""
        return self.events[0].batch < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Paper as a channel shows it."""

    paper: SimPaper
    version: int
    categories: tuple[str, ...]
    datestamp: date
    """UTC day of the last change, by OAI-PMH."""
    is_edited: bool

    @property
    def comment(self) -> str | None:
        """Comment of the current version."""
        is_last = self.version == len(self.paper.submitted)
        return "This paper has been withdrawn" if self.paper.is_withdrawn and is_last else None

    @property
    def journal_ref(self) -> str | None:
        """Reference, added by an edit of the record."""
        return "J. Sim. 1 (2026)" if self.is_edited else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Announcement of one evening."""

    number: int
    listed: date
    """Date in the feeds and listings."""
    closes: datetime
    announced_at: datetime
    since: Mapping[Channel, datetime]
    """When each channel has it."""
    faults: frozenset[BatchFault]
    missing: Mapping[Channel, frozenset[str]] = field(default_factory=dict)
    """Ids that a channel lacks."""


@dataclass(frozen=True, kw_only=True)
class World:
    """All papers and batches of a simulation."""

    papers: Sequence[SimPaper]
    batches: Sequence[Batch]
    faults: Faults

    @property
    def begins(self) -> datetime:
        """Moment eight hours before the first announcement."""
        return self.batches[0].announced_at - 8 * HOUR

    @property
    def ends(self) -> datetime:
        """Moment two days after the last announcement."""
        return self.batches[-1].announced_at + 2 * DAY

    @cached_property
    def by_batch(self) -> Mapping[int, Sequence[tuple[SimPaper, Event]]]:
        """Papers of each batch, in the order of their ids, with what happened."""
        found: dict[int, list[tuple[SimPaper, Event]]] = {b.number: [] for b in self.batches}
        for paper in self.papers:
            for event in paper.events:
                if event.batch >= 0:
                    found[event.batch].append((paper, event))
        return found

    @cached_property
    def _cache(self) -> dict[tuple[Channel, int, date, bool], tuple[State, ...]]:
        return {}

    def visible(self, channel: Channel, now: datetime) -> int:
        """Return the number of batches that *channel* has."""
        return sum(batch.since[channel] <= now for batch in self.batches)

    def states(self, channel: Channel, now: datetime) -> tuple[State, ...]:
        """List the papers as *channel* shows them."""
        key = (channel, self.visible(channel, now), now.date(), now.hour >= EDIT_HOUR)
        if key not in self._cache:
            found = (self._state(paper, channel, key[1], now) for paper in self.papers)
            self._cache[key] = tuple(state for state in found if state is not None)
        return self._cache[key]

    def _state(
        self, paper: SimPaper, channel: Channel, visible: int, now: datetime
    ) -> State | None:
        events = [e for e in paper.events if e.batch < visible and self._has(channel, paper, e)]
        if not events:
            return None
        last = events[-1]
        edits = [edit for edit in paper.edits if edit <= now]
        if last.batch >= 0:
            stamp = self.batches[last.batch].since[channel]
        else:
            stamp = paper.submitted[last.version - 1] + 2 * DAY
        return State(
            paper=paper,
            version=max(event.version for event in events),
            categories=last.categories,
            datestamp=max([stamp, *edits]).date(),
            is_edited=bool(edits),
        )

    def _has(self, channel: Channel, paper: SimPaper, event: Event) -> bool:
        if event.batch < 0:
            return True
        return paper.id not in self.batches[event.batch].missing.get(channel, frozenset())

    def feed_of(self, day: date, now: datetime) -> Sequence[tuple[SimPaper, Event]]:
        """Return what the daily feed holds on *day*, a date in New York."""
        batch = next((batch for batch in self.batches if batch.listed == day), None)
        if batch is None:
            return ()
        is_stale = BatchFault.STALE in batch.faults and now < _noon(day)
        if (is_stale or BatchFault.STALE_ALL_DAY in batch.faults) and batch.number > 0:
            return self._fed(self.batches[batch.number - 1])
        if now < batch.since[Channel.RSS]:
            return ()
        entries = self._fed(batch)
        is_partial = BatchFault.PARTIAL in batch.faults and now < _noon(day)
        if is_partial or BatchFault.PARTIAL_ALL_DAY in batch.faults:
            return entries[: len(entries) // 2]
        return entries

    def _fed(self, batch: Batch) -> Sequence[tuple[SimPaper, Event]]:
        return [
            (paper, event)
            for paper, event in self.by_batch[batch.number]
            if event.version <= RSS_VERSIONS and self._has(Channel.RSS, paper, event)
        ]


EDIT_HOUR = 15
"""Hour, UTC, at which records are edited."""


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def make_world(
    *,
    seed: int = 1,
    faults: Faults = NONE,
    first: date = FIRST,
    last: date = LAST,
    scale: float = 1,
) -> World:
    """
    Return the papers and batches of the evenings from *first* to *last*.

    Args:
        seed: Of everything random; equal arguments return equal worlds.
        faults: What goes wrong.
        first: First evening.
        last: Last evening.
        scale: Papers per batch, as a multiple of `PER_BATCH`.
    """
    evenings = tuple(windows(first, last))
    papers = (*_Author(random.Random(seed), evenings, scale).papers(),)
    batches = _batches(random.Random(seed + 1), evenings, faults, papers)
    edited = _edited(random.Random(seed + 2), batches, papers)
    return World(papers=edited, batches=batches, faults=faults)


@dataclass(frozen=True, slots=True)
class _Author:
    """Invents papers."""

    dice: random.Random
    evenings: Sequence[Window]
    scale: float

    def papers(self) -> Iterator[SimPaper]:
        """Yield the papers in the order of their ids."""
        for number in range(1, OLD_PAPERS + 1):
            yield self._old(number)
        numbers: dict[str, int] = {}
        for batch, window in enumerate(self.evenings):
            month = f"{window.evening:%y%m}"
            for primary in self._primaries():
                # Other categories, which the simulation leaves out, take the numbers between.
                numbers[month] = numbers.get(month, 0) + self.dice.randint(1, 9)
                yield self._new(f"{month}.{numbers[month]:05}", batch, primary)

    def _primaries(self) -> list[str]:
        counts = {c: self.dice.uniform(0.4, 1.6) * n * self.scale for c, n in PER_BATCH.items()}
        found = [c for c, n in counts.items() for _ in range(int(n + self.dice.random()))]
        self.dice.shuffle(found)
        return found

    def _new(self, id_: str, batch: int, primary: str) -> SimPaper:
        window = self.evenings[batch]
        submitted = window.opens + self.dice.random() * (window.closes - window.opens)
        if self.dice.random() < 0.12:
            submitted -= self.dice.choice(HELD_DAYS) * DAY
        categories = self._categories(primary)
        event = Event(
            kind=Kind.NEW,
            batch=batch,
            version=1,
            categories=categories,
            added=frozenset(categories),
        )
        return self._with_later(self._draft(id_, submitted, event), batch)

    def _old(self, number: int) -> SimPaper:
        submitted = datetime(2025, 3, 1, 12, tzinfo=UTC) + number * 5 * DAY
        categories = self._categories(self.dice.choice(list(PER_BATCH)))
        event = Event(
            kind=Kind.NEW,
            batch=-1,
            version=1,
            categories=categories,
            added=frozenset(categories),
        )
        draft = self._draft(f"{submitted:%y%m}.{number:05}", submitted, event)
        return self._with_later(draft, self.dice.randrange(len(self.evenings)))

    def _draft(self, id_: str, submitted: datetime, event: Event) -> SimPaper:
        word = f"{TERM.capitalize()} " if self.dice.random() < 0.75 else ""
        names = self.dice.sample(_NAMES, self.dice.randint(1, 4))
        return SimPaper(
            id=id_,
            title=f"{word}{self.dice.choice(_SUBJECTS)} ({id_})",
            abstract=f"We study {id_}. If $a<b$ then c>d & more.",
            authors=tuple(names),
            submitted=(submitted.replace(microsecond=0),),
            events=(event,),
        )

    def _with_later(self, paper: SimPaper, batch: int) -> SimPaper:
        """Add the cross-lists and replacements of *paper* after *batch*."""
        plans: dict[int, Kind] = {}
        if self.dice.random() < 0.2:
            plans[batch + self.dice.randint(1, 20)] = Kind.CROSS
        at = batch
        for _ in range(self.dice.choice((0, 0, 0, 1, 1, 2, 6))):
            at += self.dice.choice((1, 2, 5, 11))
            plans.setdefault(at, Kind.REPLACE)
        for at, kind in sorted(plans.items()):
            if at < len(self.evenings):
                paper = self._crossed(paper, at) if kind is Kind.CROSS else self._next(paper, at)
        is_withdrawn = len(paper.submitted) > 1 and self.dice.random() < 0.06
        return replace(paper, is_withdrawn=is_withdrawn)

    def _crossed(self, paper: SimPaper, batch: int) -> SimPaper:
        last = paper.events[-1]
        added = self.dice.choice([c for c in PER_BATCH if c not in last.categories])
        event = replace(
            last,
            kind=Kind.CROSS,
            batch=batch,
            categories=(*last.categories, added),
            added=frozenset({added}),
        )
        return replace(paper, events=(*paper.events, event))

    def _next(self, paper: SimPaper, batch: int) -> SimPaper:
        window = self.evenings[batch]
        submitted = window.opens + self.dice.random() * (window.closes - window.opens)
        event = replace(
            paper.events[-1],
            kind=Kind.REPLACE,
            batch=batch,
            version=len(paper.submitted) + 1,
            added=frozenset(),
        )
        return replace(
            paper,
            submitted=(*paper.submitted, submitted.replace(microsecond=0)),
            events=(*paper.events, event),
        )

    def _categories(self, primary: str) -> tuple[str, ...]:
        others = self.dice.sample(_OTHERS, self.dice.choice((0, 0, 1, 1, 2)))
        alias = ["cs.NA"] if primary == "math.NA" and self.dice.random() < 0.7 else []
        return tuple(dict.fromkeys([primary, *alias, *others]))


_OTHERS = ("cs.DC", "cs.OS", "cs.LG", "hep-th", "cs.PF", "stat.ML")
_NAMES = ("Ana Pérez", "Ion Stoica", "Mei Li", "Łukasz Kowalski", "J. R. O'Neill", "Søren Berg")
_SUBJECTS = ("Cold Starts", "Byzantine Agreement", "Erasure Codes", "GPU Kernels", "Graph Joins")


def _batches(
    dice: random.Random, evenings: Sequence[Window], faults: Faults, papers: Sequence[SimPaper]
) -> tuple[Batch, ...]:
    plans = [_plan(dice, window, faults.on(window.listed)) for window in evenings]
    # An index is built in order: a batch on a lagging channel delays those after it.
    since = {
        channel: list(accumulate((plan[channel] for plan in plans), max)) for channel in Channel
    }
    return tuple(
        Batch(
            number=number,
            listed=window.listed,
            closes=window.closes,
            announced_at=_announced_at(window, faults.on(window.listed)),
            since={channel: since[channel][number] for channel in Channel},
            faults=faults.on(window.listed),
            missing=_missing(dice, faults.on(window.listed), number, papers),
        )
        for number, window in enumerate(evenings)
    )


def _announced_at(window: Window, faults: Collection[BatchFault]) -> datetime:
    return eastern(window.evening, 20) + 9 * HOUR * (BatchFault.LATE in faults)


def _plan(
    dice: random.Random, window: Window, faults: Collection[BatchFault]
) -> Mapping[Channel, datetime]:
    late = 9 * HOUR * (BatchFault.LATE in faults)
    midnight = eastern(window.listed, 0)
    indexed = midnight + dice.uniform(0.5, 6) * HOUR + late
    return {
        Channel.OAI: eastern(window.evening, 22, 30) + late,
        Channel.RSS: midnight + late,
        Channel.API: indexed + 2 * DAY * (BatchFault.LAGGING in faults),
    }


_MISSING: Mapping[Channel, BatchFault] = {
    Channel.API: BatchFault.MISSING_API,
    Channel.RSS: BatchFault.MISSING_RSS,
    Channel.OAI: BatchFault.MISSING_OAI,
}


def _missing(
    dice: random.Random, faults: Collection[BatchFault], batch: int, papers: Sequence[SimPaper]
) -> Mapping[Channel, frozenset[str]]:
    """Choose the ids that a channel lacks; the others have them."""
    ids = [p.id for p in papers if any(e.batch == batch for e in p.events)]
    return {
        channel: frozenset(dice.sample(ids, len(ids) // 3))
        for channel, fault in _MISSING.items()
        if fault in faults
    }


def _edited(
    dice: random.Random, batches: Sequence[Batch], papers: Sequence[SimPaper]
) -> tuple[SimPaper, ...]:
    """Edit the record of a few papers every day, and of many in a bulk update."""
    edits: dict[str, list[datetime]] = {}
    for batch in batches:
        known = [paper.id for paper in papers if paper.events[0].batch < batch.number]
        share = len(known) * 4 // 10 if BatchFault.BULK_EDIT in batch.faults else 2
        for id_ in dice.sample(known, min(share, len(known))):
            edits.setdefault(id_, []).append(_noon(batch.listed) + (EDIT_HOUR - 12) * HOUR)
    return tuple(replace(paper, edits=tuple(edits.get(paper.id, ()))) for paper in papers)


# Truth


Matches = Callable[[SimPaper], bool]


def has_term(paper: SimPaper) -> bool:
    """Return True if the title has `TERM`."""
    return TERM in paper.title.lower()


def expand(categories: Collection[str]) -> frozenset[str]:
    """Return *categories* with their aliases."""
    return frozenset(code for spec in categories for code in taxonomy.expand(spec))


def first_news(world: World, paper: SimPaper, codes: Collection[str]) -> Event | None:
    """Return the event that first brings *paper* to readers of *codes*, if in the simulation."""
    event = next((event for event in paper.events if not event.added.isdisjoint(codes)), None)
    return None if event is None or event.batch < 0 else event


def expected(
    world: World, categories: Collection[str], matches: Matches = has_term
) -> dict[str, Event]:
    """Return each paper that a subscriber of *categories* must get, once, and why."""
    codes = expand(categories)
    found = {p.id: first_news(world, p, codes) for p in world.papers if matches(p)}
    return {id_: event for id_, event in found.items() if event is not None}
