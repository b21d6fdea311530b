"""
Recovery of deliveries whose worker crashed: their leases have expired.

The state says how far the worker got. ``sending``: surely not delivered, so the delivery is due at
once. ``data_done``: perhaps delivered, so it is sent once more with the same Message-ID, and is
``unknown`` if that attempt is lost too (RFC 1047 has no better answer).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, select

from digestbot.model import DeliveryState
from digestbot.store.claims import waiting_kinds
from digestbot.store.tables import deliveries
from digestbot.store.transitions import (
    LOCKED_COLUMNS,
    NO_LEASE,
    bring_forward,
    failed_attempt,
    log_attempts,
    move_each,
)
from digestbot.store.values import Recovered

_S = DeliveryState

MAX_LOST: Final = 3
"""Workers that may crash while sending one delivery before it is quarantined."""
FAR: Final = timedelta(days=2)
"""Longer than any lease or back-off: a time further ahead was written by a wrong clock."""


def in_doubt(connection: Connection, now: datetime) -> Mapping[int, datetime]:
    query = select(deliveries.c.id, deliveries.c.lease_until)
    query = query.where(deliveries.c.state == _S.DATA_DONE)
    return {
        row.id: row.lease_until
        for expired in _expired(now)
        for row in connection.execute(query.where(expired))
    }


def recover(
    connection: Connection, now: datetime, silent: Mapping[int, datetime] | None
) -> Recovered:
    rows = [
        row
        for expired in _expired(now)
        for row in connection.execute(_locked(expired)).all()
        if silent is None or row.state is not _S.DATA_DONE or silent.get(row.id) == row.lease_until
    ]
    outcomes = [recovered_state(row.state, row.lost, row.doubts) for row in rows]
    _end_leases(connection, rows, outcomes, now)
    for kind in waiting_kinds(connection):
        bring_forward(connection, kind, now + FAR, now)
    return Recovered(
        retrying=outcomes.count(_S.RETRYING),
        unknown=outcomes.count(_S.UNKNOWN),
        quarantined=outcomes.count(_S.QUARANTINED),
    )


def recovered_state(state: DeliveryState, lost: int, doubts: int) -> DeliveryState:
    """
    Return the state after the lease of a delivery expired.

    Args:
        state: ``sending`` or ``data_done``.
        lost: Workers that crashed before while sending it.
        doubts: Attempts that were left in doubt before.
    """
    if state is _S.DATA_DONE:
        return _S.UNKNOWN if doubts else _S.RETRYING
    return _S.QUARANTINED if lost + 1 >= MAX_LOST else _S.RETRYING


def _expired(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Conditions on a lease: over, or set by a clock far ahead; two, so that both use the index."""
    lease = deliveries.c.lease_until
    return lease <= now, lease > now + FAR


def _locked(condition: Any) -> Any:
    """Select and lock deliveries. Rows locked elsewhere are skipped."""
    return select(*LOCKED_COLUMNS).where(condition).with_for_update(skip_locked=True)


def _end_leases(
    connection: Connection,
    rows: Sequence[Row[Any]],
    outcomes: Sequence[DeliveryState],
    now: datetime,
) -> None:
    moves: list[tuple[Row[Any], DeliveryState, dict[str, Any]]] = []
    attempts: list[dict[str, Any]] = []
    for row, to in zip(rows, outcomes, strict=True):
        is_in_doubt = row.state is _S.DATA_DONE
        when = "before the server replied" if is_in_doubt else "while sending"
        error = f"the process crashed {when}"
        attempts.append(failed_attempt(row, to, None, error))
        values = {
            "next_at": now if to is _S.RETRYING else None,
            "last_error": error,
            "last_code": None,
            "lost": row.lost + (not is_in_doubt),
            "doubts": row.doubts + is_in_doubt,
            **NO_LEASE,
        }
        moves.append((row, to, values))
    move_each(connection, moves)
    log_attempts(connection, attempts)
