"""
Bounce scoring: when an address is suppressed. Pure functions.

::

    hard        the mailbox does not exist                      suppressed at once
    soft        not delivered: full, unreachable, no reason     a point a day; suppressed by score
    other       refused for its content or sender               recorded
    delayed     still being retried by a server                 recorded
    complaint   the reader reported it as spam                  unsubscribed and suppressed at once
    unsubscribe the reader asked to leave, by mail              unsubscribed from that digest
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from digestbot.model import BounceKind
from digestbot.status_codes import DEAD_ADDRESS

HALF_LIFE: Final = timedelta(days=14)
"""Time in which a point loses half its value."""
THRESHOLD: Final = 2.5
"""Score at which an address is suppressed: the third bounced day in a row, or the fourth week."""

_ABOUT_US: Final = frozenset({"5", "6", "7"})
"""Subjects of RFC 3463 that concern us: protocol, content and policy."""
_TOO_BIG: Final = frozenset({"5.2.3", "5.3.4"})


def classify(action: str, status: str) -> BounceKind | None:
    """
    Return the kind of bounce of one recipient in a delivery report (RFC 3464).

    Args:
        action: ``failed``, ``delayed``, ``delivered``, ``relayed`` or ``expanded``; opensmtpd sends
            ``error``, others add comments.
        status: Such as ``5.1.1`` (RFC 3463).

    Returns:
        None if nothing failed.
    """
    action = action.strip().lower()
    if action.startswith("delayed"):
        return BounceKind.DELAYED
    if not action.startswith(("fail", "error")):
        return None
    if status in DEAD_ADDRESS:
        return BounceKind.HARD
    subject = status.split(".")[1:2]
    if status.startswith("5") and (status in _TOO_BIG or _ABOUT_US.intersection(subject)):
        return BounceKind.OTHER
    return BounceKind.SOFT


def score(moments: Collection[datetime], now: datetime) -> float:
    """
    Return the score of soft bounces at *moments*: at most one point a day, decaying.

    Args:
        moments: In UTC, in any order.
        now: In UTC; later moments, as after a clock was set back, count in full.
    """
    latest = {moment.date(): moment for moment in sorted(moments)}
    ages = (max(now - moment, timedelta(0)) for moment in latest.values())
    return float(sum(0.5 ** (age / HALF_LIFE) for age in ages))


def suppression_reason(
    kind: BounceKind, moments: Collection[datetime], now: datetime
) -> str | None:
    """
    Return the reason to suppress the address, if any.

    Args:
        kind: Kind of the latest bounce.
        moments: Times of the address's soft bounces, including the latest.
        now: Time of the latest bounce.
    """
    if kind is BounceKind.COMPLAINT:
        return "complained"
    if kind is BounceKind.HARD:
        return "bounced"
    if kind is BounceKind.SOFT and score(moments, now) >= THRESHOLD:
        return "bounced again and again"
    return None
