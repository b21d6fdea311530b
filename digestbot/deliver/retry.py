"""
Retry decisions after failed deliveries: pure functions, carried out by the pipeline.

::

    TransientFailure   Retry with growing delays; Dead once the digest is stale
    PermanentFailure   Dead
    OutcomeUnknown     Retry once, with the same Message-ID; then Unknown
    ServerUnavailable  Pause: its kind rests for growing times, a quota until the next day
    Misconfigured      Pause: its kind rests until the operator has changed something

`decide` looks at one delivery, `pause` at the server: a reply about us costs no delivery an
attempt. `soon` are the short retries that a patient run makes before all this.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    ServerUnavailable,
    TransientFailure,
    UnclearRefusal,
)

STALE_AFTER = timedelta(hours=48)
"""Age at which retries end; RFC 5321 4.5.4.1 would continue for 4 or 5 days."""
MIN_ATTEMPTS = 3
"""Attempts made at any age: after a week of sleep, a laptop still has to pass greylisting."""
AFTER_MISCONFIGURED = timedelta(minutes=15)
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (20, 60, 300, 900, 1800, 3600))
"""Rest of a server after each failure in a row: two tries in the first minute, then ever fewer."""
AFTER_QUOTA = timedelta(hours=1)
"""Rest after a quota that the next day has not lifted: many count the last 24 hours."""
SOON = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30))
"""Short retries of one delivery within a patient run."""
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
    """Give up; only the operator can retry the delivery."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Leave the outcome open: it may have been delivered."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Let the server rest until *until*, and leave all deliveries of its kind as they were."""

    until: datetime
    needs_operator: bool = False
    """The settings have to change first."""


def decide(
    error: DeliveryError,
    *,
    attempts: int,
    first_at: datetime,
    now: datetime,
    jitter: float,
    doubts: int = 0,
) -> Retry | Dead | Unknown:
    """
    Decide what follows from *error* for its delivery, unless `pause` says that it is about us.

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


def pause(
    error: DeliveryError, *, failures: int, now: datetime, next_day: datetime
) -> Pause | None:
    """
    Return the rest that *error* asks for, if it is about us rather than about one delivery.

    Args:
        error: Failure of the latest attempt.
        failures: Earlier failures of this server in a row.
        now: Aware, UTC.
        next_day: Start of the next day, when a daily quota starts again.
    """
    match error:
        case Misconfigured():
            return Pause(until=now + AFTER_MISCONFIGURED, needs_operator=True)
        case ServerUnavailable(until_tomorrow=True):
            return Pause(until=now + AFTER_QUOTA if failures else next_day)
        case ServerUnavailable():
            wait = PAUSES[min(failures, len(PAUSES) - 1)]
            return Pause(until=now + max(wait, _requested_delay(error)))
    return None


def soon(error: DeliveryError, *, retries: int, patience: timedelta) -> timedelta | None:
    """
    Return the wait before a short retry of the delivery, if one is worthwhile.

    Not after a full mailbox or a refusal, nor in doubt, when the message may have arrived.

    Args:
        error: Failure of the latest attempt.
        retries: Short retries of the delivery in this run.
        patience: Time that the run still has for waiting.
    """
    if not isinstance(error, TransientFailure) or isinstance(error, UnclearRefusal):
        return None
    if retries >= len(SOON) or _is_full(error):
        return None
    wait = max(SOON[retries], _requested_delay(error))
    return wait if wait <= patience else None


def _is_full(error: DeliveryError) -> bool:
    """Return True for a mailbox that is full or takes no more for now (RFC 3463 x.2.x)."""
    return (error.code or "").startswith(("450 4.2.1", "452 4.2.", "552"))


def _is_stale(at: datetime, attempts: int, first_at: datetime) -> bool:
    return attempts >= MIN_ATTEMPTS and at - first_at > STALE_AFTER


def _delay(attempts: int, jitter: float) -> timedelta:
    """Return 5 to 15 minutes after the first attempt, then 30 to 45, 60 to 90 … 240 to 360."""
    if attempts <= 1:
        return _FIRST + _FIRST_SPREAD * jitter
    later = _LATER[min(attempts - 2, len(_LATER) - 1)]
    return later * (1 + _LATER_SPREAD * jitter)


def _requested_delay(error: DeliveryError) -> timedelta:
    if isinstance(error, TransientFailure | ServerUnavailable):
        return timedelta(seconds=error.retry_after_s or 0)
    return timedelta(0)
