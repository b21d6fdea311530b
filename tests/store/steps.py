"""
Transitions of a worker, one function each.

Each returns True if the store allowed the transition.
"""

from datetime import datetime
from typing import Any

from digestbot.model import DeliveryState
from digestbot.store import Store, Transition


def _apply(store: Store, *fields: Any, **named: Any) -> bool:
    (made,) = store.outbox.apply([Transition(*fields, **named)])
    return made


def data_done(store: Store, key: int, now: datetime, *, attempt: int | None = None) -> bool:
    return _apply(store, key, DeliveryState.DATA_DONE, now, attempt)


def acknowledge(
    store: Store, key: int, message: str, lease_until: datetime, *, attempt: int | None = None
) -> bool:
    return _apply(store, key, DeliveryState.SENDING, lease_until, attempt, acknowledged=message)


def sent(
    store: Store, key: int, receipt: str, now: datetime, *, attempt: int | None = None
) -> bool:
    return _apply(store, key, DeliveryState.SENT, now, attempt, receipt=receipt)


def retry(
    store: Store,
    key: int,
    error: str,
    code: str | None,
    next_at: datetime,
    *,
    attempt: int | None = None,
    in_doubt: bool = False,
) -> bool:
    failure = {"error": error, "code": code, "in_doubt": in_doubt}
    return _apply(store, key, DeliveryState.RETRYING, next_at, attempt, **failure)


def dead(
    store: Store, key: int, error: str, code: str | None, *, attempt: int | None = None
) -> bool:
    return _apply(store, key, DeliveryState.DEAD, None, attempt, error=error, code=code)


def unknown(store: Store, key: int, error: str, *, attempt: int | None = None) -> bool:
    return _apply(store, key, DeliveryState.UNKNOWN, None, attempt, error=error)
