"""
arXiv's calendar: when submissions close, when a batch is announced, when each channel has it.

All of it follows the wall clock of New York, across its clock changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")
DAY = timedelta(days=1)
DEFERRED = frozenset({date(2026, 11, 26), date(2026, 12, 25), date(2026, 12, 29)})
"""Evenings of 2026 from October on without an announcement."""
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Submissions that one evening announces."""

    evening: date
    """Day of the announcement at 20:00."""
    opens: datetime
    closes: datetime
    """14:00, the last submission that is announced."""

    @property
    def listed(self) -> date:
        """Date in the daily feeds and listings: the day after the evening."""
        return self.evening + DAY


def eastern(day: date, hour: int, minute: int = 0) -> datetime:
    """Return the UTC moment of a wall-clock time in New York."""
    return datetime.combine(day, time(hour, minute), EASTERN).astimezone(UTC)


def has_announcement(evening: date) -> bool:
    """Return True from Sunday to Thursday, unless deferred."""
    return evening.weekday() not in (_FRIDAY, _SATURDAY) and evening not in DEFERRED


def windows(first: date, last: date) -> Iterator[Window]:
    """Yield the window of each announcement on the evenings from *first* to *last*."""
    opens = None
    for evening in filter(has_announcement, _days(first - 7 * DAY, last)):
        closes = eastern(_closing_day(evening), 14)
        if opens is not None and evening >= first:
            yield Window(evening=evening, opens=opens, closes=closes)
        opens = closes


def _closing_day(evening: date) -> date:
    """Return the day whose 14:00 closes the submissions: Friday for the announcement on Sunday."""
    return evening - 2 * DAY if evening.weekday() == _SUNDAY else evening


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += DAY
