"""
What to do after a failed delivery: a pure decision, the pipeline does it.

::

    TransientFailure   Retry, later and later; Dead when the digest is stale
    PermanentFailure   Dead
    OutcomeUnknown     Retry once, under the same Message-ID; then Unknown
    Misconfigured      StopAll: this one waits, and no other of its kind is tried in this run
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)

STALE_AFTER = timedelta(hours=48)
"""A digest older than this is no news; RFC 5321 4.5.4.1 would go on for 4 or 5 days."""
MIN_ATTEMPTS = 3
"""Made however old the delivery is: a laptop that slept for a week meets its first greylisting."""
AFTER_MISCONFIGURED = timedelta(minutes=15)
UNKNOWN_CODE = "unknown"
"""The `code` of every OutcomeUnknown."""

_FIRST = timedelta(minutes=5)
_FIRST_SPREAD = timedelta(minutes=10)
_LATER = tuple(timedelta(minutes=minutes) for minutes in (30, 60, 120, 240))
"""At least half an hour apart (RFC 5321 4.5.4.1), growing to hours."""
_LATER_SPREAD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The same again, not before then."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Not tried again by itself."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Perhaps delivered; a person may look."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAll:
    """This delivery waits; the others of its kind are left as they are."""

    at: datetime
    reason: str


def decide(
    error: DeliveryError,
    *,
    attempts: int,
    first_at: datetime,
    now: datetime,
    jitter: float,
    doubts: int = 0,
) -> Retry | Dead | Unknown | StopAll:
    """
    What follows from *error*.

    Args:
        error: Of the attempt that has just failed.
        attempts: How many there were, this one included.
        first_at: When the delivery was queued.
        now: Aware, UTC.
        jitter: In [0, 1), spreads what failed together.
        doubts: Attempts before whose outcome nobody knows, whatever came between: RFC 1047 lets
            one be repeated, never in a loop.
    """
    match error:
        case Misconfigured():
            return StopAll(at=now + AFTER_MISCONFIGURED, reason=str(error))
        case PermanentFailure():
            return Dead(reason=str(error))
        case OutcomeUnknown():
            at = now + _delay(1, jitter)
            is_over = doubts or _is_stale(at, attempts, first_at)
            return Unknown(reason=str(error)) if is_over else Retry(at=at)
    at = now + max(_delay(attempts, jitter), _asked_for(error))
    if _is_stale(at, attempts, first_at):
        return Dead(reason=f"given up after {attempts} attempts, the digest is stale: {error}")
    return Retry(at=at)


def _is_stale(at: datetime, attempts: int, first_at: datetime) -> bool:
    return attempts >= MIN_ATTEMPTS and at - first_at > STALE_AFTER


def _delay(attempts: int, jitter: float) -> timedelta:
    """5 to 15 minutes after the first attempt, then 30 to 45, 60 to 90 … 240 to 360."""
    if attempts <= 1:
        return _FIRST + _FIRST_SPREAD * jitter
    later = _LATER[min(attempts - 2, len(_LATER) - 1)]
    return later * (1 + _LATER_SPREAD * jitter)


def _asked_for(error: DeliveryError) -> timedelta:
    seconds = error.retry_after_s if isinstance(error, TransientFailure) else None
    return timedelta(seconds=seconds or 0)
