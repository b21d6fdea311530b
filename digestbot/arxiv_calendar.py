"""
arXiv's announcement calendar: which days have one, and when each channel shows it.

A day is that of the daily feed, Monday to Friday in US Eastern time. Its papers were submitted
until 14:00 of the business day before, and are announced at 20:00 of the evening before
(info.arxiv.org/help/availability). Pure: every function takes the moment. Holidays are data, in
``arxiv_holidays.csv``; the operator can add days.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from itertools import count
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
DEADLINE = time(14)
ANNOUNCEMENT = time(20)
OAI_UPDATE = time(22, 30)
"""When OAI-PMH has the announcement, on the evening before its day."""
SATURDAY = 5
MONDAY = 0


class Occasion(StrEnum):
    """Kind of a day: with an announcement, or why it has none."""

    ANNOUNCEMENT = "announcement"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


@dataclass(frozen=True, slots=True)
class Calendar:
    """arXiv's business days and holidays."""

    holidays: frozenset[date]
    """Days whose submissions are announced with those of the next business day."""

    def occasion(self, day: date) -> Occasion:
        """Return the kind of *day*."""
        if day.weekday() >= SATURDAY:
            return Occasion.WEEKEND
        is_holiday = _business_day_before(day) in self.holidays
        return Occasion.HOLIDAY if is_holiday else Occasion.ANNOUNCEMENT

    def has_announcement(self, day: date) -> bool:
        """Return True if *day* has an announcement."""
        return self.occasion(day) is Occasion.ANNOUNCEMENT

    def next_day(self, day: date) -> date:
        """Return the first day with an announcement after *day*."""
        return next(filter(self.has_announcement, _days(day, 1)))

    def previous_day(self, day: date) -> date:
        """Return the last day with an announcement before *day*."""
        return next(filter(self.has_announcement, _days(day, -1)))

    def latest_day(self, moment: datetime) -> date:
        """Return the last day whose announcement was due by the aware *moment*."""
        today = moment.astimezone(_eastern()).date()
        return next(
            day
            for day in _days(today + 2 * DAY, -1)
            if self.has_announcement(day) and announced_at(day) <= moment
        )

    def expected_day(self, submitted: datetime) -> date:
        """
        Return the earliest day on which a paper *submitted* then can be announced.

        Moderation can hold it for days or weeks.
        """
        local = submitted.astimezone(_eastern())
        day = local.date() + (DAY if local.time() >= DEADLINE else DAY * 0)
        business_day = next(
            each
            for each in _days(day - DAY, 1)
            if each.weekday() < SATURDAY and each not in self.holidays
        )
        return _business_day_after(business_day)


def calendar_with(holidays: Iterable[date] = ()) -> Calendar:
    """Return arXiv's calendar with additional *holidays*."""
    return Calendar(_published_holidays() | frozenset(holidays))


def announced_at(day: date) -> datetime:
    """Return when the announcement of *day* is made, in UTC."""
    return _in_utc(day - DAY, ANNOUNCEMENT)


def oai_at(day: date) -> datetime:
    """Return when OAI-PMH has the announcement of *day*, in UTC."""
    return _in_utc(day - DAY, OAI_UPDATE)


def feed_at(day: date) -> datetime:
    """Return when the daily feed has the announcement of *day*, in UTC."""
    return _in_utc(day, time())


def day_in_words(day: date) -> str:
    """Return *day* as ``Fri 20 Nov``."""
    return f"{day:%a} {day.day} {day:%b}"


def feed_day(moment: datetime) -> date:
    """Return the day that the daily feed should show at *moment*."""
    return moment.astimezone(_eastern()).date()


def latest_feed_day(moment: datetime, calendar: Calendar) -> date:
    """Return the last day with an announcement whose feed was due by *moment*."""
    day = calendar.latest_day(moment)
    return day if feed_at(day) <= moment else calendar.previous_day(day)


def latest_oai_day(moment: datetime, calendar: Calendar) -> date:
    """Return the last day whose announcement OAI-PMH should have by *moment*."""
    day = calendar.latest_day(moment)
    return day if oai_at(day) <= moment else calendar.previous_day(day)


def _business_day_before(day: date) -> date:
    return day - DAY * (3 if day.weekday() == MONDAY else 1)


def _business_day_after(day: date) -> date:
    return day + DAY * (3 if day.weekday() == SATURDAY - 1 else 1)


def _days(beside: date, step: int) -> Iterator[date]:
    """Yield the days after *beside*, or with a negative *step* those before it."""
    return (beside + DAY * step * n for n in count(1))


def _in_utc(day: date, at: time) -> datetime:
    return datetime.combine(day, at, _eastern()).astimezone(UTC)


@cache
def _eastern() -> ZoneInfo:
    return ZoneInfo("America/New_York")


@cache
def _published_holidays() -> frozenset[date]:
    text = files("digestbot").joinpath("arxiv_holidays.csv").read_text(encoding="utf-8")
    return frozenset(date.fromisoformat(row["date"]) for row in csv.DictReader(text.splitlines()))
