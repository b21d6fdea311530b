"""
Every change of a delivery's state, and the table that allows it.

::

    created ──► queued ───claim──► sending ──data done──► data_done
                retrying ─claim──►    │   ◄─acknowledged─     │
                                      ├────► sent ◄───────────┤   accepted by the server
                                      ├────► retrying ◄───────┤   failed for now, or worker crashed
                                      ├────► dead ◄───────────┤   rejected permanently
                                      ├────► unknown ◄────────┘   perhaps delivered
                                      ├────► quarantined          three workers crashed on it
                                      └────► queued, retrying     claim released unused
    created, queued, retrying ──► held                            too many, or too old
    retrying, dead, unknown, quarantined, held, cancelled ──requeue──► queued
    queued, retrying, dead, unknown, quarantined, held ──cancel──► cancelled

`ENTERED_FROM` is the table of allowed changes. All writes to ``deliveries`` go through this module
(``tests/store/test_transitions.py`` checks it). Begin at `move`; workers use `TransitionWriter`.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    Update,
    bindparam,
    case,
    insert,
    null,
    select,
    update,
)

from digestbot.model import DeliveryState
from digestbot.store.bulk_values import BulkValues
from digestbot.store.database import Database, chunks
from digestbot.store.tables import deliveries, delivery_attempts
from digestbot.store.values import Transition

_S = DeliveryState

LEASED: Final = frozenset({_S.SENDING, _S.DATA_DONE})
"""States in which a worker holds a lease."""
WAITING: Final = frozenset({_S.QUEUED, _S.RETRYING})
"""States that a claim takes deliveries from, once they are due."""
FAILED: Final = frozenset({_S.RETRYING, _S.DEAD, _S.UNKNOWN})
"""States that a worker's failed attempt leads to."""
AWAITING_OPERATOR: Final = frozenset({_S.QUARANTINED, _S.HELD})
"""States that only the operator ends, by releasing or cancelling the delivery."""
REQUEUEABLE: Final = AWAITING_OPERATOR | FAILED | {_S.CANCELLED}
"""States from which the operator may queue a delivery again."""

CREATED_AS: Final = frozenset({_S.QUEUED, _S.HELD})
"""States of a new delivery."""
IMPORTED_AS: Final = frozenset(_S) - WAITING - LEASED
"""States of a delivery from another store's ledger: the import itself must not send anything."""

ENTERED_FROM: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    # From sending when a claim is released before its first attempt.
    _S.QUEUED: REQUEUEABLE | {_S.SENDING},
    # From data_done when the server has acknowledged one of several messages.
    _S.SENDING: WAITING | LEASED,
    # From data_done when one message is tried again in another form.
    _S.DATA_DONE: LEASED,
    _S.SENT: LEASED,
    _S.RETRYING: LEASED,
    _S.DEAD: LEASED,
    _S.UNKNOWN: LEASED,
    _S.QUARANTINED: frozenset({_S.SENDING}),
    _S.HELD: WAITING,
    _S.CANCELLED: WAITING | AWAITING_OPERATOR | {_S.DEAD, _S.UNKNOWN},
}
"""For each state, the states it may be entered from."""

_COMMON: Final = frozenset({_S.DATA_DONE, _S.SENT})
"""The two steps of a delivery that succeeds at once."""
NO_LEASE: Final = {"begun_at": None, "lease_until": None}
"""Columns of a delivery without a lease."""

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
LOCKED_COLUMNS: Final = (
    deliveries.c.id,
    deliveries.c.state,
    deliveries.c.attempts,
    deliveries.c.begun_at,
    deliveries.c.lease_until,
    deliveries.c.acknowledged,
    deliveries.c.lost,
    deliveries.c.doubts,
)
"""Columns that decide on a transition; read with the row locked."""
# Built once: a transaction of ten transitions spends most of its time on building statements.
LOCK_BY_ID: Final = (
    select(*LOCKED_COLUMNS)
    .where(deliveries.c.id.in_(_IDS))
    .order_by(deliveries.c.id)
    .with_for_update()
)


class ForbiddenTransition(Exception):
    """A change of state outside `ENTERED_FROM`: a bug in the caller."""


def check_allowed(before: DeliveryState, to: DeliveryState) -> None:
    """Raise `ForbiddenTransition` unless `ENTERED_FROM` allows the change."""
    if before not in ENTERED_FROM[to]:
        raise ForbiddenTransition(f"a delivery cannot change from {before} to {to}")


def create(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert new deliveries; their counters start at zero."""
    for row in rows:
        if row["state"] not in CREATED_AS:
            raise ForbiddenTransition(f"a delivery cannot be created as {row['state']}")
    fresh = {"attempts": 0, "acknowledged": [], "lost": 0, "doubts": 0}
    if rows:
        connection.execute(insert(deliveries), [{**row, **fresh} for row in rows])


def lock(
    connection: Connection, ids: Sequence[int], query: Select[Any] = LOCK_BY_ID
) -> dict[int, Row[Any]]:
    """Lock deliveries until the transaction ends. Return them by id."""
    found: dict[int, Row[Any]] = {}
    for some in chunks(ids):
        found |= {row.id: row for row in connection.execute(query, {"ids": some})}
    return found


def move(
    connection: Connection, rows: Sequence[Row[Any]], to: DeliveryState, **values: Any
) -> None:
    """
    Move locked deliveries to one state, in one statement.

    Args:
        connection: In a transaction that has locked *rows*.
        rows: With at least ``id`` and ``state``.
        to: The new state.
        values: Further columns, the same for all, such as the lease.

    Raises:
        ForbiddenTransition: One of the rows is in a state that does not allow it.
    """
    for row in rows:
        check_allowed(row.state, to)
    if rows:
        change = update(deliveries).where(deliveries.c.id.in_(_IDS)).values(state=to, **values)
        connection.execute(change, {"ids": [row.id for row in rows]})


def move_each(
    connection: Connection,
    moves: Iterable[tuple[Row[Any], DeliveryState, Mapping[str, Any]]],
) -> None:
    """
    Move each locked delivery to a state, with values for its other columns.

    Raises:
        ForbiddenTransition: One of the rows is in a state that does not allow it.
    """
    rows = []
    for row, to, values in moves:
        check_allowed(row.state, to)
        rows.append({"key": row.id, "state": to, **values})
    _update_each(connection, rows)


def set_each(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Set columns other than the state. Each row has its delivery in ``key``."""
    changes = [dict(row) for row in rows]
    if any("state" in row for row in changes):
        raise ForbiddenTransition("set_each cannot change a state; use move_each")
    _update_each(connection, changes)


def bring_forward(connection: Connection, kind: str, after: datetime, now: datetime) -> None:
    """Make deliveries due at *now* that would wait until after *after*."""
    waiting = (deliveries.c.kind == kind, deliveries.c.next_at > after)
    connection.execute(update(deliveries).where(*waiting).values(next_at=now))


def requeue(
    connection: Connection, ids: Collection[int], states: Collection[DeliveryState], now: datetime
) -> int:
    """
    Queue deliveries in the given states again. Return their number.

    Their crash and doubt counters start again, and their age no longer holds them.
    """
    fresh = {"next_at": now, "lost": 0, "doubts": 0, "released_at": now}
    allowed = deliveries.c.state.in_(sorted(REQUEUEABLE.intersection(states)))
    count = 0
    for some in chunks(sorted(ids)):
        change = update(deliveries).where(deliveries.c.id.in_(some), allowed)
        count += connection.execute(change.values(state=_S.QUEUED, **fresh)).rowcount
    return count


def log_attempts(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert failed attempts, as `failed_attempt` makes them."""
    if rows:
        connection.execute(insert(delivery_attempts), [dict(row) for row in rows])


def failed_attempt(
    row: Row[Any], outcome: DeliveryState, code: str | None, error: str | None
) -> dict[str, Any]:
    """Return the log row of the current attempt, which ends with *outcome*."""
    return {
        "delivery_id": row.id,
        "attempt": row.attempts,
        "at": row.begun_at,
        "outcome": outcome,
        "code": code,
        "error": error,
    }


def to_exported(row: dict[str, Any]) -> dict[str, Any]:
    """
    Return a delivery as the ledger exports it: held if it was waiting or under way.

    One that the server may have accepted stays in doubt, as after a crash.
    """
    state = row["state"]
    if state not in WAITING | LEASED:
        return row
    error = f"was {state} when it was exported; release it to send it from here"
    doubts = row["doubts"] + (state is _S.DATA_DONE)
    held = {"state": _S.HELD, "next_at": None, "last_error": error, "doubts": doubts}
    return row | held | NO_LEASE


class TransitionWriter:
    """
    Writes the transitions of workers, any number in one transaction.

    Nearly all are the two steps of a delivery that succeeds, so these are tried first, in one
    statement that reads nothing. If it misses a row, all are written again with each row checked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @cached_property
    def _bulk(self) -> BulkValues:
        """Parameters of `_common`, built on first use."""
        return self._database.bulk_values(
            key=deliveries.c.id.type,
            to=deliveries.c.state.type,
            attempt=deliveries.c.attempts.type,
            at=deliveries.c.sent_at.type,
            receipt=deliveries.c.receipt.type,
        )

    @cached_property
    def _common(self) -> Update:
        return _common_update(self._bulk.columns)

    def write(self, transitions: Sequence[Transition]) -> list[bool]:
        """Write *transitions*; return for each whether its delivery allowed it."""
        try:
            return self.write_with(self._write_common, transitions)
        except _Missed:
            return self.write_with(write_checked, transitions)

    def write_with(
        self,
        write: Callable[[Connection, Sequence[Transition]], list[bool]],
        transitions: Sequence[Transition],
    ) -> list[bool]:
        """Write *transitions* by one of the two ways."""
        written: list[bool] = []
        with self._database.write() as connection:
            for some in _without_repeats(transitions):
                written += write(connection, some)
        return written

    def _write_common(
        self, connection: Connection, transitions: Sequence[Transition]
    ) -> list[bool]:
        """
        Write the common steps in one statement, the others with `write_checked`.

        Raises:
            _Missed: A common step was refused; the transaction must be undone.
        """
        common = [t for t in transitions if _is_common(t)]
        rows = [(t.delivery_id, t.to, t.attempt, t.at, t.receipt) for t in common]
        if rows:
            result = connection.execute(self._common, self._bulk.parameters(rows))
            if result.rowcount != len(rows):
                raise _Missed
        others = [t for t in transitions if not _is_common(t)]
        written = write_checked(connection, others) if others else []
        refused = {t.delivery_id for t, done in zip(others, written, strict=True) if not done}
        return [t.delivery_id not in refused for t in transitions]


class _Missed(Exception):
    """A common step missed its row: check each transition alone."""


def write_checked(connection: Connection, transitions: Sequence[Transition]) -> list[bool]:
    """Lock and check each delivery. Return which transitions were allowed."""
    rows = lock(connection, sorted(t.delivery_id for t in transitions))
    allowed = [_is_allowed(t, rows.get(t.delivery_id)) for t in transitions]
    steps = [(t, rows[t.delivery_id]) for t, yes in zip(transitions, allowed, strict=True) if yes]
    move_each(connection, ((row, t.to, _changes(t, row)) for t, row in steps))
    log_attempts(
        connection,
        [failed_attempt(row, t.to, t.code, t.error) for t, row in steps if t.to in FAILED],
    )
    return allowed


def _is_allowed(transition: Transition, row: Row[Any] | None) -> bool:
    if row is None or row.state not in ENTERED_FROM[transition.to]:
        return False
    if transition.attempt not in {None, row.attempts}:
        return False
    if transition.to is _S.DATA_DONE:
        return transition.at is not None and row.lease_until > transition.at
    # A waiting delivery enters sending by a claim only.
    return transition.to is not _S.SENDING or row.state in LEASED


def _changes(transition: Transition, row: Row[Any]) -> dict[str, Any]:
    """Return the columns other than the state that *transition* changes."""
    values: dict[str, Any] = {}
    match transition.to:
        case _S.DATA_DONE:
            return {"lost": 0}
        case _S.SENDING:
            # Written again when the reply to its commit was lost. Counted twice, it would make the
            # next message look sent.
            is_new = transition.acknowledged not in row.acknowledged
            added = [transition.acknowledged] if is_new else []
            return {"acknowledged": [*row.acknowledged, *added], "lease_until": transition.at}
        case _S.SENT:
            values |= {"sent_at": transition.at, "receipt": transition.receipt}
        case _S.RETRYING:
            values |= {"doubts": row.doubts + transition.in_doubt}
    due_at = transition.at if transition.to is _S.RETRYING else None
    error = {"last_error": transition.error, "last_code": transition.code}
    return values | error | {"next_at": due_at} | NO_LEASE


def _is_common(transition: Transition) -> bool:
    return transition.to in _COMMON and transition.attempt is not None


def _common_update(bulk: Mapping[str, ColumnElement[Any]]) -> Update:
    """
    Build the UPDATE of the common steps, which skips rows that forbid them.

    Both are entered from `LEASED`, and by a CHECK of the table a row has a lease exactly in those
    states: so the lease stands for the state.
    """
    columns = deliveries.c
    is_sent = bulk["to"] == _S.SENT
    leased = update(deliveries).where(
        columns.id == bulk["key"],
        columns.attempts == bulk["attempt"],
        case((is_sent, columns.lease_until.is_not(None)), else_=columns.lease_until > bulk["at"]),
    )
    ended = dict.fromkeys(("last_error", "last_code", "next_at", *NO_LEASE), null())
    sent = {"sent_at": bulk["at"], "receipt": bulk["receipt"], **ended}
    return leased.values(
        state=bulk["to"],
        lost=case((is_sent, columns.lost), else_=0),
        **{name: case((is_sent, value), else_=columns[name]) for name, value in sent.items()},
    )


@cache
def _update_of(names: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name: bindparam(name) for name in names if name != "key"}
    return update(deliveries).where(deliveries.c.id == bindparam("key")).values(values)


def _update_each(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Update the delivery ``key`` of each row, in one executemany per column set."""
    by_names: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_names[tuple(row)].append(row)
    for names, same in by_names.items():
        connection.execute(_update_of(names), same)


def _without_repeats(transitions: Sequence[Transition]) -> Iterator[list[Transition]]:
    """Split *transitions* so that no part repeats a delivery."""
    part: dict[int, Transition] = {}
    for transition in transitions:
        if transition.delivery_id in part:
            yield list(part.values())
            part = {}
        part[transition.delivery_id] = transition
    yield list(part.values())
