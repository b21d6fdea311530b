"""
Decide which records of OAI-PMH are news, of which type, and when they were announced.

A record is served again after every edit, and bulk updates touch thousands: its datestamp alone
says nothing. News is what arXiv cannot have announced before the channel was first read, by the
submission and by the order of ids. Pure. Begin at `NewsRule.apply`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from digestbot.arxiv_calendar import Calendar
from digestbot.ids import arxiv_order
from digestbot.model import AnnounceType, FetchedPaper
from digestbot.sources.arxiv_oai import OaiRecord

DAY = timedelta(days=1)
LONGEST_DELAY = timedelta(days=4)
"""Longest time from a later version's submission to a datestamp that is its announcement."""
LOOK_BACK = timedelta(days=4)
"""How far a first pass reads before the floor, to learn the ids announced before."""
REMEMBERED_DAYS = 40
"""Days whose ids are kept, to date papers that moderation held."""

Order = tuple[int, int, int]
"""Place of an id in the order of announcement; see `ids.arxiv_order`."""


@dataclass(slots=True)
class AnnouncedIds:
    """Known ids of each day: all of a day lie between its least and its greatest."""

    days: dict[date, tuple[Order, Order]] = field(default_factory=dict)

    def add(self, day: date, order: Order) -> None:
        """Widen the range of *day*; forget the oldest of many days."""
        least, greatest = self.days.get(day, (order, order))
        self.days[day] = (min(least, order), max(greatest, order))
        if len(self.days) > REMEMBERED_DAYS:
            del self.days[min(self.days)]

    def bounds(self, order: Order) -> tuple[date | None, date | None]:
        """Return the first and the last day on which the id can have been announced."""
        earliest = max(
            (day for day, (least, _) in self.days.items() if least <= order), default=None
        )
        latest = min((day for day, (_, last) in self.days.items() if last >= order), default=None)
        return earliest, latest


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsRule:
    """Rule that tells the news of one source."""

    wanted: frozenset[str]
    """Codes of its categories, aliases included."""
    floor: date
    """Day since which the channel has been read continuously."""
    calendar: Calendar

    def first_id(self, records: Iterable[OaiRecord], known: Order | None) -> Order | None:
        """
        Return the least id that may have been announced since the floor, if known.

        It follows the greatest id of a record from before the floor.
        """
        before = [
            (year, month, number + 1)
            for record in records
            if record.datestamp < self.floor
            for year, month, number in [arxiv_order(record.paper.id)]
        ]
        return max([*before, *([known] if known else [])], default=None)

    def apply(
        self, record: OaiRecord, *, first_id: Order | None, ids: AnnouncedIds
    ) -> FetchedPaper:
        """Return the paper of *record* with its type and day, or marked as backlog."""
        paper = replace(record.paper, type=announce_type(record.paper, self.wanted))
        if not self.is_news(record, first_id):
            return replace(paper, backlog=True)
        return replace(paper, announced_on=self.announced_on(record, ids))

    def is_news(self, record: OaiRecord, first_id: Order | None) -> bool:
        """
        Return True if the version counts as announced since the floor.

        A version submitted too late for that is news. So is a paper whose id follows those from
        before the floor, however long moderation held it. Before any of these is known, all ids
        from the month of the floor count: an extra paper is better than a lost one.
        """
        if self._is_recent(record.paper.updated):
            return True
        if record.version != 1:
            return record.paper.updated is None
        day = self.floor - DAY
        return arxiv_order(record.paper.id) >= (first_id or (day.year, day.month, 0))

    def announced_on(self, record: OaiRecord, ids: AnnouncedIds) -> date | None:
        """
        Return the day on which the version was announced, if it can be told.

        It lies between the first day that the submission allows and the datestamp, which the order
        of ids narrows down for first versions.
        """
        updated = record.paper.updated
        if updated is None:
            return None
        first = self.calendar.expected_day(updated)
        last = max(record.datestamp, first)
        if record.version == 1:
            earliest, latest = ids.bounds(arxiv_order(record.paper.id))
            first = max(first, earliest or first)
            last = max(first, min(last, latest or last))
        elif last > max(first, updated.date() + LONGEST_DELAY):
            return None
        return _last_announcement(self.calendar, first, last)

    def sure(self, records: Iterable[OaiRecord]) -> Iterator[tuple[date, Order]]:
        """
        Yield day and id of the first versions that were surely announced on their datestamp.

        It is the first day that their submission allows, so they can have been neither announced
        nor edited before.
        """
        for record in records:
            if record.version == 1 and self._expected(record.first_submitted) == record.datestamp:
                yield record.datestamp, arxiv_order(record.paper.id)

    def _is_recent(self, submitted: datetime | None) -> bool:
        """Return True if a version submitted then was announced since the floor."""
        expected = self._expected(submitted)
        return expected is not None and expected >= self.floor

    def _expected(self, submitted: datetime | None) -> date | None:
        return None if submitted is None else self.calendar.expected_day(submitted)


def announce_type(paper: FetchedPaper, wanted: frozenset[str]) -> AnnounceType:
    """Return the type by the rule of the daily feed: relative to the categories *wanted*."""
    if paper.primary_category in wanted:
        return AnnounceType.NEW if paper.version == 1 else AnnounceType.REPLACE
    return AnnounceType.CROSS if paper.version == 1 else AnnounceType.REPLACE_CROSS


def _last_announcement(calendar: Calendar, first: date, last: date) -> date:
    """Return the last day with an announcement from *first*, which has one, to *last*."""
    day = last
    while day > first and not calendar.has_announcement(day):
        day -= DAY
    return max(day, first)
