"""
When deliveries wait for a person, or for tomorrow: pure decisions.

A bug, or a slip in a config, can make a thousand times the usual mails; a machine that was off for
a month can wake up with last month's news. Both are asked about in the transaction that makes or
claims the deliveries, and answered here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from statistics import median
from typing import ClassVar, Final

MIN_DAYS: Final = 5
"""Days with deliveries that a usual day is known by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingLimits:
    """What is too much, the key ``sending_limits:`` of the config."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    volume: int = 10
    """Editions wait for you when they would make a day's deliveries more than so many times those
    of a usual day, the median of the last 30 days that had any; 0 for no such flood_check."""
    volume_floor: int = 500
    """Deliveries of a day that are never too many."""
    per_day: int = 0
    """Deliveries to one destination within a day (of `timezone`); what is beyond waits till the
    next one. 0 for any number; folders take any."""


def flood(settings: SendingLimits, today: int, days: Sequence[int]) -> str | None:
    """
    Why the deliveries that have just been made wait for a person; None if they need not.

    Args:
        settings: Of the owner.
        today: Deliveries made today, these included.
        days: Those of each day of the month before; a day without any does not count.
    """
    usual = [each for each in days if each > 0]
    if not settings.volume or len(usual) < MIN_DAYS or today <= settings.volume_floor:
        return None
    middle = median(usual)
    if today <= settings.volume * middle:
        return None
    return f"{today} deliveries today, and {middle:.0f} on a usual day: waits for you"


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of the owner."""

    name: str
    """``2026-11-23``."""
    next_at: datetime
    """When the next one begins, in UTC."""


def day_of(now: datetime, zone: tzinfo) -> Day:
    """The day that it is at *now* in *zone*, be it of 23 hours or of 25."""
    today = now.astimezone(zone).date()
    midnight = datetime.combine(today + timedelta(days=1), time(), zone)
    return Day(name=today.isoformat(), next_at=midnight.astimezone(now.tzinfo))
