"""
Retry decisions after failed deliveries: pure functions, carried out by the pipeline.

::

    TransientFailure   Retry with growing delays; Dead once the digest is stale
    PermanentFailure   Dead
    OutcomeUnknown     Retry once, with the same Message-ID; then Unknown
    Misconfigured      StopAll: it waits, and its kind is not tried again in this run
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
"""Age at which retries end; RFC 5321 4.5.4.1 would continue for 4 or 5 days."""
MIN_ATTEMPTS = 3
"""Attempts made at any age: after a week of sleep, a laptop still has to pass greylisting."""
AFTER_MISCONFIGURED = timedelta(minutes=15)
UNKNOWN_CODE = "unknown"
"""``code`` of every OutcomeUnknown."""

_FIRST = timedelta(minutes=5)
_FIRST_SPREAD = timedelta(minutes=10)
_LATER = tuple(timedelta(minutes=minutes) for minutes in (30, 60, 120, 240))
"""At least half an hour apart (RFC 5321 4.5.4.1), growing to hours."""
_LATER_SPREAD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again at *at* or later."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Give up; only the operator can retry it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Leave the outcome open: it may have been delivered."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAll:
    """Retry this delivery later, and leave all others of its kind untouched."""

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
    Decide what follows from *error*.

    Args:
        error: Failure of the latest attempt.
        attempts: Number of attempts so far, including the latest.
        first_at: When the delivery was queued.
        now: Aware, UTC.
        jitter: In [0, 1); spreads deliveries that failed together.
        doubts: Earlier attempts with an unknown outcome: RFC 1047 allows repeating one, but not in
            a loop.
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
    at = now + max(_delay(attempts, jitter), _requested_delay(error))
    if _is_stale(at, attempts, first_at):
        return Dead(reason=f"given up after {attempts} attempts, the digest is stale: {error}")
    return Retry(at=at)


def _is_stale(at: datetime, attempts: int, first_at: datetime) -> bool:
    return attempts >= MIN_ATTEMPTS and at - first_at > STALE_AFTER


def _delay(attempts: int, jitter: float) -> timedelta:
    """Return 5 to 15 minutes after the first attempt, then 30 to 45, 60 to 90 … 240 to 360."""
    if attempts <= 1:
        return _FIRST + _FIRST_SPREAD * jitter
    later = _LATER[min(attempts - 2, len(_LATER) - 1)]
    return later * (1 + _LATER_SPREAD * jitter)


def _requested_delay(error: DeliveryError) -> timedelta:
    seconds = error.retry_after_s if isinstance(error, TransientFailure) else None
    return timedelta(seconds=seconds or 0)
