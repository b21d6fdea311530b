"""
Batches: what arXiv announced on each day in each category, and which channels confirm it.

A batch is verified if two channels have served everything that any channel served of it. Reading
the store is all that `batches_of` does; the rest is pure. Begin at `batches_of` and `state_of`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol

from digestbot import taxonomy
from digestbot.arxiv_calendar import (
    DAY,
    Calendar,
    Occasion,
    announced_at,
    feed_at,
    feed_day,
    oai_at,
)
from digestbot.errors import InvalidPaperId
from digestbot.ids import arxiv_order
from digestbot.model import (
    INCOMPLETE,
    REPLACEMENTS,
    AnnounceType,
    Batch,
    BatchOutcome,
    BatchState,
    Channel,
    ChannelAnswer,
    ChannelCheck,
)

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.store import BatchPaper, SourceState, Store

MARGIN = timedelta(days=7)
"""Time before the first day that is read too, for the identifiers of earlier days."""
REACH = timedelta(days=31)
"""Age of the oldest batches that an edition states."""
WEEKEND = timedelta(days=5)
"""Longer than most pauses between two announcements."""
FEW = 5
"""Least number of identifiers that tell where a day begins and ends."""

_ANSWERS = (BatchOutcome.COMPLETE, BatchOutcome.EMPTY, BatchOutcome.PARTIAL)
_Order = tuple[int, int, int]


class ArxivSource(Protocol):
    """Options of a source that reads arXiv's announcements."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories and archives; empty for a query."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The configured channels."""

    @property
    def calendar(self) -> Calendar:
        """Days with an announcement."""

    @property
    def overlap(self) -> timedelta:
        """How far behind its last pass the query API is read again."""


def arxiv_sources(config: "Config") -> dict[str, ArxivSource]:
    """Return the options of the arXiv sources in *config*, by name."""
    from digestbot.sources.arxiv import ArxivOptions

    found = config.sources.items()
    return {name: options for name, options in found if isinstance(options, ArxivOptions)}


def batches_of(
    store: "Store",
    sources: Mapping[str, ArxivSource],
    since: date,
    now: datetime,
    *,
    count_matched: bool = False,
) -> tuple[Batch, ...]:
    """
    Return the batches of *sources* from the day *since* on, by source, day and category.

    They begin with the first day of which a channel had papers or failed, and end with the last one
    whose announcement was due at *now*, or with today in US Eastern time. With *count_matched*,
    they also count the papers that any digest matched.
    """
    if not sources:
        return ()
    first = since - MARGIN
    checks: dict[str, list[ChannelCheck]] = defaultdict(list)
    for name, check in store.batches.checks(first, sources=sources):
        checks[name].append(check)
    papers: dict[str, list[BatchPaper]] = defaultdict(list)
    for paper in store.batches.papers(datetime.combine(first, time(), UTC), sources=sources):
        papers[paper.source].append(paper)
    begins = store.batches.first_days(sources)
    ids = {paper.paper_id for each in papers.values() for paper in each}
    matched = store.editions.receivers(ids).keys() if count_matched else None
    return tuple(
        batch
        for name, options in sources.items()
        if name in begins
        for batch in derive(
            name,
            options,
            checks[name],
            papers[name],
            first=max(since, begins[name]),
            now=now,
            state=store.sources.state(name),
            matched=matched,
        )
    )


def recent_batches(
    store: "Store", config: "Config", names: Iterable[str], begin: datetime | None, now: datetime
) -> tuple[Batch, ...]:
    """
    Return the batches of the named sources that `in_window` may need.

    Args:
        store: Where the sources' announcements are.
        config: Names the sources with their options.
        names: Sources of any kind; only those of arXiv have batches.
        begin: Start of the earliest window; None if it has none.
        now: End of all windows, aware.
    """
    wanted = frozenset(names)
    sources = {name: each for name, each in arxiv_sources(config).items() if name in wanted}
    earliest = max(begin or now - WEEKEND, now - REACH)
    return batches_of(store, sources, earliest.date() - DAY, now)


def in_window(batches: Iterable[Batch], begin: datetime | None, end: datetime) -> tuple[Batch, ...]:
    """
    Return the batches that became due in a window, or are announced and wait for their time.

    Weekends are left out. Without *begin*, return the latest batches.
    """
    if begin is None:
        return latest(batches)
    return tuple(
        batch
        for batch in batches
        if batch.state is not BatchState.WEEKEND and announced_at(batch.day) <= end
        if due_at(batch.day, [answer.channel for answer in batch.answers]) > begin
    )


def latest(batches: Iterable[Batch]) -> tuple[Batch, ...]:
    """Return the batches of each source's last business day."""
    rest = (BatchState.WEEKEND, BatchState.HOLIDAY)
    found = [batch for batch in batches if batch.state not in rest]
    last = {batch.source: batch.day for batch in sorted(found, key=lambda batch: batch.day)}
    return tuple(batch for batch in found if batch.day == last[batch.source])


def due_at(day: date, channels: Collection[Channel]) -> datetime:
    """Return when the first of *channels* should have the announcement of *day*, in UTC."""
    return min((_due_at(channel, day) for channel in channels), default=feed_at(day))


def derive(
    name: str,
    options: ArxivSource,
    checks: Iterable[ChannelCheck],
    papers: Sequence["BatchPaper"],
    *,
    first: date,
    now: datetime,
    state: "SourceState | None" = None,
    matched: Collection[str] | None = None,
) -> tuple[Batch, ...]:
    """
    Derive the batches of one source from the day *first* on.

    Args:
        name: The source.
        options: Its options.
        checks: What its channels served of each day.
        papers: Its rows of the log, beginning some days before *first*.
        first: The first day.
        now: When the batches are described, aware.
        state: State of the source; None if it is unknown.
        matched: Ids of the papers to count as matched.
    """
    calendar = options.calendar
    found = {(check.channel, check.announced_on): check for check in checks}
    next_try_at = state.next_try_at if state else None
    announced = _by_day(calendar, papers)
    return tuple(
        _batch(
            name,
            spec,
            day,
            options,
            _checks_of(day, options, found, state),
            [paper for paper in announced.get(day, ()) if _is_in(codes, paper)],
            now,
            next_try_at,
            matched,
        )
        for day in _days(first, max(calendar.latest_day(now), feed_day(now)))
        for spec, codes in _specs(options)
    )


def state_of(
    occasion: Occasion, answers: Sequence[ChannelAnswer], papers: int, *, is_over: bool
) -> BatchState:
    """
    Return the state of a batch of which *papers* are known.

    Args:
        occasion: What the calendar says of the day.
        answers: What the channels say whose time has come; an outcome of None for the others.
        papers: Papers that any channel has served.
        is_over: The next announcement is due, so that nothing more is to be expected.
    """
    if not papers and occasion is not Occasion.ANNOUNCEMENT:
        return BatchState.WEEKEND if occasion is Occasion.WEEKEND else BatchState.HOLIDAY
    outcomes = {answer.outcome for answer in answers if answer.outcome is not None}
    confirming = [answer for answer in answers if answer.confirms]
    if confirming:
        objections = [a for a in answers if a.outcome in _ANSWERS and not a.confirms]
        if objections and len(confirming) < 2:
            return BatchState.PARTIAL
        # Before a late announcement all channels are empty.
        is_empty = {answer.outcome for answer in confirming} == {BatchOutcome.EMPTY}
        return BatchState.NOT_YET if is_empty and not is_over else BatchState.ANNOUNCED
    if not outcomes and not is_over:
        return BatchState.NOT_YET
    if outcomes - {BatchOutcome.DOWN} == {BatchOutcome.STALE}:
        return BatchState.STALE
    return BatchState.PARTIAL if papers or outcomes.intersection(_ANSWERS) else BatchState.DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Announced:
    """One new or cross-listed paper of a batch."""

    id: str
    categories: frozenset[str]
    channels: frozenset[Channel]
    is_misplaced: bool


def _batch(
    name: str,
    spec: str,
    day: date,
    options: ArxivSource,
    checks: Mapping[Channel, ChannelCheck | None],
    papers: Sequence[_Announced],
    now: datetime,
    next_try_at: datetime | None,
    matched: Collection[str] | None,
) -> Batch:
    answers = tuple(
        _answer(
            channel,
            check if now >= _due_at(channel, day) else None,
            [paper for paper in papers if _is_in_reach(channel, paper, day - options.overlap)],
        )
        for channel, check in checks.items()
    )
    occasion = options.calendar.occasion(day)
    is_over = day < options.calendar.latest_day(now)
    state = state_of(occasion, answers, len(papers), is_over=is_over)
    is_open = state in {*INCOMPLETE, BatchState.NOT_YET}
    return Batch(
        source=name,
        category=spec,
        day=day,
        state=state,
        papers=len(papers),
        matched=None if matched is None else sum(paper.id in matched for paper in papers),
        answers=answers,
        misplaced=sum(paper.is_misplaced for paper in papers),
        asked_again_at=next_try_at if is_open and next_try_at and next_try_at > now else None,
    )


def _checks_of(
    day: date,
    options: ArxivSource,
    found: Mapping[tuple[Channel, date], ChannelCheck],
    state: "SourceState | None",
) -> Mapping[Channel, ChannelCheck | None]:
    """Return what each configured channel served of *day*."""
    implied = _implied(options, day, state.last_ok_at if state else None)
    return {channel: found.get((channel, day), implied) for channel in options.channels}


def _implied(options: ArxivSource, day: date, read_at: datetime | None) -> ChannelCheck | None:
    """
    Return the check of a past day without papers, for a source with the query API only.

    The API confirms a day once it has a paper of it or of a later one, which a rare query may not
    have for weeks.
    """
    is_rare = options.channels == (Channel.API,)
    if not is_rare or read_at is None or read_at < feed_at(options.calendar.next_day(day)):
        return None
    return ChannelCheck(
        channel=Channel.API, announced_on=day, outcome=BatchOutcome.EMPTY, at=read_at
    )


def _answer(
    channel: Channel, check: ChannelCheck | None, papers: Sequence[_Announced]
) -> ChannelAnswer:
    return ChannelAnswer(
        channel=channel,
        outcome=check.outcome if check else None,
        at=check.at if check else None,
        detail=check.detail if check else None,
        lacks=sum(channel not in paper.channels for paper in papers),
    )


def _is_in_reach(channel: Channel, paper: _Announced, oldest: date) -> bool:
    """
    Return True if a pass over *channel* can have *paper*.

    The query API is read back to the day *oldest*, by last update, so it lacks cross-lists of older
    papers.
    """
    order = _order(paper.id)
    return channel is not Channel.API or order is None or order[:2] >= (oldest.year, oldest.month)


def _due_at(channel: Channel, day: date) -> datetime:
    return oai_at(day) if channel is Channel.OAI else feed_at(day)


def _specs(options: ArxivSource) -> list[tuple[str, frozenset[str] | None]]:
    """Return the categories as configured, each with its codes; a query has all papers."""
    return [(spec, taxonomy.expand(spec)) for spec in options.categories] or [("", None)]


def _is_in(codes: frozenset[str] | None, paper: _Announced) -> bool:
    return codes is None or not codes.isdisjoint(paper.categories)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + DAY * n for n in range((last - first).days + 1))


def _by_day(
    calendar: Calendar, papers: Sequence["BatchPaper"]
) -> Mapping[date, Sequence[_Announced]]:
    """Group the new and cross-listed papers by the day of their announcement."""
    identifiers = _Identifiers.of(papers)
    served = _channels_by_paper(papers)
    found: dict[date, list[_Announced]] = defaultdict(list)
    for paper in papers:
        if paper.type in REPLACEMENTS:
            continue
        day = paper.announced_on or identifiers.day(paper, _expected_day(calendar, paper))
        found[day].append(
            _Announced(
                id=paper.paper_id,
                categories=frozenset(paper.categories),
                channels=paper.channels | served[paper.paper_id],
                is_misplaced=identifiers.is_misplaced(paper, day),
            )
        )
    return found


def _channels_by_paper(papers: Iterable["BatchPaper"]) -> Mapping[str, frozenset[Channel]]:
    """
    Return the channels that served any version of each paper, the daily feed left out.

    OAI-PMH and the query API have the latest version only, in place of the one announced.
    """
    found: dict[str, frozenset[Channel]] = defaultdict(frozenset)
    for paper in papers:
        found[paper.paper_id] |= paper.channels - {Channel.RSS}
    return found


def _expected_day(calendar: Calendar, paper: "BatchPaper") -> date:
    submitted = paper.updated or paper.published
    if submitted is None:
        return calendar.latest_day(paper.seen_at)
    return calendar.expected_day(submitted)


@dataclass(frozen=True, slots=True)
class _Identifiers:
    """
    Identifiers of each day's new papers, which lie between those of the days around it.

    arXiv numbers a paper that moderation held when it announces it. Outliers of a day do not
    count: its bounds are the tenth and the ninetieth percentile.
    """

    bounds: Mapping[date, tuple[_Order, _Order]]

    @classmethod
    def of(cls, papers: Iterable["BatchPaper"]) -> "_Identifiers":
        """Collect the identifiers of papers whose day is known."""
        numbers: dict[date, list[_Order]] = defaultdict(list)
        for paper in papers:
            number = _order(paper.paper_id)
            if paper.type is AnnounceType.NEW and paper.announced_on and number is not None:
                numbers[paper.announced_on].append(number)
        return cls(
            {
                day: (found[len(found) // 10], found[-1 - len(found) // 10])
                for day, each in sorted(numbers.items())
                for found in [sorted(each)]
                if len(found) >= FEW
            }
        )

    def day(self, paper: "BatchPaper", expected: date) -> date:
        """Return the day of a paper that only the query API has served: *expected* or later."""
        number = _order(paper.paper_id)
        if number is None:
            return expected
        later = (day for day, (low, _) in self.bounds.items() if day > expected and number >= low)
        return max(later, default=expected)

    def is_misplaced(self, paper: "BatchPaper", day: date) -> bool:
        """Return True if a new paper's identifier belongs to another day than *day*."""
        number = _order(paper.paper_id)
        if paper.type is not AnnounceType.NEW or number is None:
            return False
        before = max((each for each in self.bounds if each < day), default=None)
        after = min((each for each in self.bounds if each > day), default=None)
        is_early = before is not None and number < self.bounds[before][1]
        return is_early or (after is not None and number > self.bounds[after][0])


def _order(paper_id: str) -> _Order | None:
    """Return the place of an arXiv paper in the order of announcements."""
    try:
        return arxiv_order(paper_id)
    except InvalidPaperId:
        return None
