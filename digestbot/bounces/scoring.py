"""
What a bounce means for the address: pure decisions.

::

    hard        a server says that there is no such mailbox     suppressed at once
    soft        not delivered: full, unreachable, no reason     a point a day; suppressed by score
    other       refused for what we sent, not for to whom       recorded
    delayed     still on its way                                recorded
    complaint   the reader called it spam                       unsubscribed and suppressed at once
    unsubscribe the reader asked to leave, by mail              unsubscribed from that digest
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from digestbot.model import BounceKind
from digestbot.status_codes import DEAD_ADDRESS

HALF_LIFE: Final = timedelta(days=14)
"""In which a point loses half of its worth."""
THRESHOLD: Final = 2.5
"""A daily reader reaches it on the third day in a row, a weekly one in the fourth week."""

_ABOUT_US: Final = frozenset({"5", "6", "7"})
"""RFC 3463 subjects protocol, content and policy: they do not depend on the recipient."""
_TOO_BIG: Final = frozenset({"5.2.3", "5.3.4"})


def weigh(action: str, status: str) -> BounceKind | None:
    """
    The kind of bounce that one recipient's fields of a report (RFC 3464) amount to.

    Args:
        action: ``failed``, ``delayed``, ``delivered``, ``relayed`` or ``expanded``; opensmtpd says
            ``error``, others add comments.
        status: Such as ``5.1.1`` (RFC 3463).

    Returns:
        None if nothing failed.
    """
    word = action.strip().lower()
    if word.startswith("delayed"):
        return BounceKind.DELAYED
    if not word.startswith(("fail", "error")):
        return None
    if status in DEAD_ADDRESS:
        return BounceKind.HARD
    subject = status.split(".")[1:2]
    if status.startswith("5") and (status in _TOO_BIG or _ABOUT_US.intersection(subject)):
        return BounceKind.OTHER
    return BounceKind.SOFT


def score(moments: Collection[datetime], now: datetime) -> float:
    """
    The points of an address whose soft bounces came at *moments*: one a day at most, and fading.

    Args:
        moments: In UTC, in any order.
        now: In UTC; what is later, since a clock was set back, counts in full.
    """
    latest = {moment.date(): moment for moment in sorted(moments)}
    ages = (max(now - moment, timedelta(0)) for moment in latest.values())
    return float(sum(0.5 ** (age / HALF_LIFE) for age in ages))


def verdict(kind: BounceKind, moments: Collection[datetime], now: datetime) -> str | None:
    """
    The reason for which the address is suppressed; None if it is not.

    Args:
        kind: Of the bounce that has just come.
        moments: Of the soft bounces of the address, the newest included.
        now: When it came.
    """
    if kind is BounceKind.COMPLAINT:
        return "complained"
    if kind is BounceKind.HARD:
        return "bounced"
    if kind is BounceKind.SOFT and score(moments, now) >= THRESHOLD:
        return "bounced again and again"
    return None
