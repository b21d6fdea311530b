"""
Claims: which worker sends a delivery, and until when its lease lasts.

A claim is known by the delivery and the attempt it began (`Delivery.attempts`). A worker whose
lease expired therefore cannot change what another worker has claimed since.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, func, select

from digestbot.model import Delivery, DeliveryState, SubscriptionState
from digestbot.store.daily_cap import apply_cap, uncount
from digestbot.store.database import CHUNK, Database
from digestbot.store.delivery_queries import loaded, to_delivery
from digestbot.store.tables import deliveries, suppressions
from digestbot.store.transitions import (
    LEASED,
    LOCK_BY_ID,
    NO_LEASE,
    lock,
    move,
    move_each,
    set_each,
)
from digestbot.store.values import Cap

_S = DeliveryState
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_LOCK_FREE_BY_ID: Final = LOCK_BY_ID.with_for_update(skip_locked=True)


def claim(
    database: Database,
    connection: Connection,
    now: datetime,
    lease_until: datetime,
    *,
    limit: int,
    kinds: Collection[str] | None,
    edition_ids: Collection[int] | None,
    lost: int,
    cap: Cap | None,
    is_archive: bool,
) -> list[Row[Any]]:
    """Lease due deliveries and return their former rows; see `Outbox.claim`."""
    claimed: list[Row[Any]] = []
    for kind in waiting_kinds(connection) if kinds is None else sorted(kinds):
        while room := min(limit - len(claimed), CHUNK):
            query = due_ids(kind, now, room, edition_ids, lost=lost)
            rows = _due(connection, query)
            if not rows:
                break
            good = _cancel_unwanted(connection, rows)
            if not is_archive:
                good = _hold_expired(connection, good, now)
                if cap is not None:
                    good = apply_cap(database, connection, good, cap)
            _lease(connection, good, now, lease_until)
            claimed += good
    return claimed


def to_claimed(row: Row[Any], lease_until: datetime) -> Delivery:
    """Make the leased delivery from its former row."""
    now = {"state": _S.SENDING, "attempts": row.attempts + 1}
    return to_delivery(row, **now, next_at=None, lease_until=lease_until)


def release(
    connection: Connection,
    leased: Mapping[int, int],
    now: datetime,
    cap_day: Callable[[datetime], str] | None,
) -> int:
    rows = [row for row in _leased(connection, leased) if row.state is _S.SENDING]
    move_each(
        connection,
        (
            (
                row,
                _S.RETRYING if row.attempts > 1 else _S.QUEUED,
                {"attempts": row.attempts - 1, "next_at": now, **NO_LEASE},
            )
            for row in rows
        ),
    )
    if cap_day is not None:
        uncount(connection, [row for row in rows if row.attempts == 1], cap_day)
    return len(rows)


def postpone(
    connection: Connection,
    leased: Mapping[int, int],
    at: datetime,
    error: str,
    code: str | None,
    cap_day: Callable[[datetime], str] | None,
) -> int:
    rows = _leased(connection, leased)
    facts = {"next_at": at, "last_error": error, "last_code": code, **NO_LEASE}
    move_each(
        connection, ((row, _S.RETRYING, {"attempts": row.attempts - 1, **facts}) for row in rows)
    )
    if cap_day is not None:
        uncount(connection, [row for row in rows if row.attempts == 1], cap_day)
    return len(rows)


def renew(connection: Connection, leased: Mapping[int, int], lease_until: datetime) -> int:
    rows = _leased(connection, leased, _LOCK_FREE_BY_ID)
    set_each(connection, ({"key": row.id, "lease_until": lease_until} for row in rows))
    return len(rows)


def waiting_kinds(connection: Connection) -> Sequence[str]:
    """
    Return the kinds of destination of waiting deliveries, in order.

    Reads one index entry per kind ("loose index scan"): a plain DISTINCT would read the whole
    queue.
    """
    waiting = select(func.min(deliveries.c.kind)).where(deliveries.c.next_at.is_not(None))
    kinds = waiting.with_only_columns(func.min(deliveries.c.kind).label("kind"))
    found = kinds.cte("waiting_kinds", recursive=True)
    following = waiting.where(deliveries.c.kind > found.c.kind).scalar_subquery()
    found = found.union_all(select(following).where(found.c.kind.is_not(None)))
    return connection.execute(select(found.c.kind).where(found.c.kind.is_not(None))).scalars().all()


def due_ids(
    kind: str,
    now: datetime,
    limit: int,
    edition_ids: Collection[int] | None,
    *,
    lost: int,
) -> Select[Any]:
    """
    Select due deliveries of one kind, longest waiting first.

    One kind at a time and without a join, so that the index returns them in this very order: the
    claim costs the same with ten rows and with ten million. On PostgreSQL it skips rows that
    another transaction is claiming; SQLite has one writer anyway.
    """
    query = select(deliveries.c.id).where(deliveries.c.kind == kind, deliveries.c.lost == lost)
    query = query.where(deliveries.c.next_at <= now)
    if edition_ids is not None:
        query = query.where(deliveries.c.edition_id.in_(sorted(edition_ids)))
    query = query.order_by(deliveries.c.next_at, deliveries.c.id).limit(limit)
    return query.with_for_update(skip_locked=True)


def _due(connection: Connection, due: Select[Any]) -> Sequence[Row[Any]]:
    ids = connection.execute(due).scalars().all()
    if not ids:
        return ()
    query = loaded().where(deliveries.c.id.in_(_IDS))
    query = query.order_by(deliveries.c.next_at, deliveries.c.id)
    return connection.execute(query, {"ids": ids}).all()


def _cancel_unwanted(connection: Connection, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Cancel deliveries to suppressed or unsubscribed readers. Return the others."""
    suppressed = _suppression_reasons(connection, [row.address for row in rows])
    reasons: dict[int, str] = {}
    for row in rows:
        state = row.subscription_state
        if reason := suppressed.get(row.address.lower()):
            reasons[row.id] = f"the address is suppressed: {reason}"
        elif state not in {None, SubscriptionState.CONFIRMED}:
            reasons[row.id] = f"the subscription is {state}"
    move_each(
        connection,
        (
            (row, _S.CANCELLED, {"next_at": None, "last_error": reasons[row.id]})
            for row in rows
            if row.id in reasons
        ),
    )
    return [row for row in rows if row.id not in reasons]


def _suppression_reasons(connection: Connection, addresses: Sequence[str]) -> dict[str, str]:
    wanted = sorted({address.lower() for address in addresses})
    query = select(suppressions.c.address, suppressions.c.reason)
    query = query.where(suppressions.c.address.in_(bindparam("wanted", expanding=True)))
    rows = connection.execute(query, {"wanted": wanted})
    return {row.address: row.reason for row in rows}


def _hold_expired(
    connection: Connection, rows: Sequence[Row[Any]], now: datetime
) -> list[Row[Any]]:
    """Hold deliveries of editions that are too old. Return the others."""
    old = {row.id for row in rows if _is_expired(row, now)}
    move_each(
        connection,
        (
            (row, _S.HELD, {"next_at": None, "last_error": _too_old(row.edition_at)})
            for row in rows
            if row.id in old
        ),
    )
    return [row for row in rows if row.id not in old]


def _is_expired(row: Row[Any], now: datetime) -> bool:
    if row.expires_at is None or row.released_at:
        return False
    return bool(row.expires_at <= now)


def _too_old(edition_at: datetime) -> str:
    return f"the edition of {edition_at:%Y-%m-%d} is too old; release it to send it anyway"


def _lease(
    connection: Connection, rows: Sequence[Row[Any]], now: datetime, lease_until: datetime
) -> None:
    lease = {"begun_at": now, "lease_until": lease_until, "next_at": None}
    move(connection, rows, _S.SENDING, attempts=deliveries.c.attempts + 1, **lease)


def _leased(
    connection: Connection, leased: Mapping[int, int], query: Select[Any] = LOCK_BY_ID
) -> list[Row[Any]]:
    """Lock the deliveries that are still leased under these attempts."""
    return [
        row
        for row in lock(connection, sorted(leased), query).values()
        if row.state in LEASED and row.attempts == leased[row.id]
    ]
