"""
Limits on sending: when to hold a flood of deliveries, and when a day ends.

A bug or a mistake in the config can make a thousand times the usual deliveries. The store calls
these pure functions in the transaction that makes deliveries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from statistics import median
from typing import ClassVar, Final

MIN_DAYS: Final = 5
"""Days with deliveries needed to know a usual day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingLimits:
    """Limits on sending, the key ``sending_limits:`` of the config."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    volume: int = 10
    """Hold an edition if it raises the day's deliveries above this multiple of a usual day, the
    median of the last 30 days that had any. 0 turns this check off."""
    volume_floor: int = 500
    """Number of deliveries per day that is always allowed."""
    per_day: int = 0
    """Most deliveries to one destination per day (in `timezone`); further ones wait for the next
    day. 0 for no limit; folders have none."""


def flood(settings: SendingLimits, today: int, days: Sequence[int]) -> str | None:
    """
    Return the reason to hold an edition's deliveries, if any.

    Args:
        settings: The configured limits.
        today: Deliveries made today, those of the edition included.
        days: Deliveries of each day of the last month; days without any do not count.
    """
    usual = [count for count in days if count > 0]
    if not settings.volume or len(usual) < MIN_DAYS or today <= settings.volume_floor:
        return None
    usual_day = median(usual)
    if today <= settings.volume * usual_day:
        return None
    return f"{today} deliveries today, {usual_day:.0f} on a usual day; release them to send them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A calendar day in the configured time zone."""

    name: str
    """``2026-11-23``."""
    next_at: datetime
    """Start of the next day, in UTC."""


def day_of(now: datetime, zone: tzinfo) -> Day:
    """Return the day of *now* in *zone*; it may have 23 or 25 hours."""
    today = now.astimezone(zone).date()
    midnight = datetime.combine(today + timedelta(days=1), time(), zone)
    return Day(name=today.isoformat(), next_at=midnight.astimezone(now.tzinfo))
