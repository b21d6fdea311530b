"""
The outbox: every delivery, its state, and who holds it until when.

::

    queued ──claim──► sending ──data_done──► data_done ──sent──► sent
      ▲                 │ ▲   ◄─acknowledge──    │
      │                 │ └──claim── retrying ◄──┤ retry
      │                 │               ▲        ├─────► dead
      │                 └───retry───────┘        └─────► unknown
      └──requeue── retrying, dead, unknown, quarantined, cancelled

What was claimed and not begun is released. ``sending`` can end like ``data_done``; what waits can
be cancelled. A holder that dies leaves a lease that ends: `Outbox.recover` then tells "surely not
delivered" from "perhaps". Each transition is one method that asks for the state it comes from and
refuses any other, by False or, where sending on would do harm, by `LeaseLost`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, case, delete, func, insert, literal, select, update

from digestbot.errors import LeaseLost
from digestbot.model import (
    Delivery,
    DeliveryState,
    Destination,
    DestinationKind,
    SubscriptionState,
)
from digestbot.store.database import CHUNK, Database, chunks
from digestbot.store.tables import (
    deliveries,
    delivery_attempts,
    digests,
    editions,
    subscriptions,
    suppressions,
)
from digestbot.store.values import Attempt, Recovered

_S = DeliveryState

HELD: Final = frozenset({_S.SENDING, _S.DATA_DONE})
WAITING: Final = frozenset({_S.QUEUED, _S.RETRYING})

FROM: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    _S.QUEUED: frozenset({_S.RETRYING, _S.DEAD, _S.UNKNOWN, _S.QUARANTINED, _S.CANCELLED}),
    # From data_done when the server has confirmed one of several messages.
    _S.SENDING: WAITING | {_S.SENDING, _S.DATA_DONE},
    # From data_done when one message is tried again in another form.
    _S.DATA_DONE: HELD,
    _S.SENT: HELD,
    _S.RETRYING: HELD,
    _S.DEAD: HELD,
    _S.UNKNOWN: HELD,
    _S.QUARANTINED: frozenset({_S.SENDING}),
    _S.CANCELLED: WAITING | {_S.DEAD, _S.UNKNOWN, _S.QUARANTINED},
}
"""The states that each state may be entered from."""

MAX_LOST: Final = 5
"""After so many holders that died while sending, the delivery itself is under suspicion."""


class Outbox:
    """
    The part of the store that deliveries go through.

    The methods that end an attempt take the *attempt* that the caller holds (`Delivery.attempts`
    as claimed). A holder whose lease ended while it was busy then cannot change what another one
    has claimed since.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self,
        now: datetime,
        *,
        lease_s: float,
        limit: int,
        kinds: Collection[DestinationKind] | None = None,
        edition_ids: Collection[int] | None = None,
    ) -> tuple[Delivery, ...]:
        """
        Take deliveries that are due: they are ``sending`` and the caller's until the lease ends.

        No two callers get the same one. What may not be sent any more, because its address is
        suppressed or its subscription is not confirmed, is cancelled on the way; so fewer than
        *limit*, none included, means that no more is due.

        Args:
            now: What is due, and when the attempts begin.
            lease_s: Seconds until `recover` may take them back; more than any send can last.
            limit: At most so many.
            kinds: Only these; None for all.
            edition_ids: Only of these editions; None for all.
        """
        claimed: tuple[Delivery, ...] = ()
        with self._database.write() as connection:
            for kind in DestinationKind:
                if kinds is not None and kind not in kinds:
                    continue
                while room := min(limit - len(claimed), CHUNK):
                    rows = _due(connection, kind, now, room, edition_ids)
                    if not rows:
                        break
                    good = _cancel_unwanted(connection, rows)
                    claimed += _hold(connection, good, now, now + timedelta(seconds=lease_s))
        return claimed

    def release(self, delivery_id: int, *, attempt: int | None = None) -> bool:
        """Give a claim back, nothing tried: due at once, the attempt not counted."""
        queued, retrying = (literal(s, deliveries.c.state.type) for s in (_S.QUEUED, _S.RETRYING))
        change = update(deliveries).where(*_in_state(delivery_id, {_S.SENDING}, attempt))
        change = change.values(
            state=case((deliveries.c.attempts == 1, queued), else_=retrying),
            attempts=deliveries.c.attempts - 1,
            next_at=deliveries.c.created_at,
            lease_until=None,
        )
        with self._database.write() as connection:
            left = connection.execute(change.returning(deliveries.c.attempts)).scalar()
            if left is None:
                return False
            rows = delivery_attempts.c
            begun = (rows.delivery_id == delivery_id, rows.attempt > left)
            connection.execute(delete(delivery_attempts).where(*begun))
        return True

    def renew(self, held: Mapping[int, int], lease_until: datetime) -> int:
        """
        Hold on to claims that are still being worked on; gives how many are still the caller's.

        Args:
            held: Delivery → the attempt under which it was claimed.
            lease_until: When `recover` may take them back.
        """
        kept = 0
        with self._database.write() as connection:
            for delivery_id, attempt in sorted(held.items()):
                change = update(deliveries).where(*_in_state(delivery_id, HELD, attempt))
                kept += connection.execute(change.values(lease_until=lease_until)).rowcount
        return kept

    def data_done(self, delivery_id: int, now: datetime, *, attempt: int | None = None) -> None:
        """
        The server may accept from now on.

        Raises:
            LeaseLost: The lease has ended, or the delivery is another's: it must not be sent.
        """
        holds = deliveries.c.lease_until > now
        if not self._move(delivery_id, _S.DATA_DONE, attempt, {}, holds):
            raise _lost(delivery_id)

    def acknowledge(
        self, delivery_id: int, mark: str, lease_until: datetime, *, attempt: int | None = None
    ) -> None:
        """
        One of several messages was taken, known as *mark*: nothing is in doubt just now.

        Raises:
            LeaseLost: The delivery is another's by now: no more of it must be sent.
        """
        query = select(deliveries.c.acknowledged).where(*_in_state(delivery_id, HELD, attempt))
        with self._database.write() as connection:
            marks = connection.execute(query.with_for_update()).scalar()
            if marks is None:
                raise _lost(delivery_id)
            values = {"acknowledged": [*marks, mark], "lease_until": lease_until}
            change = update(deliveries).where(deliveries.c.id == delivery_id)
            connection.execute(change.values(values | {"state": _S.SENDING}))

    def sent(
        self, delivery_id: int, receipt: str, now: datetime, *, attempt: int | None = None
    ) -> bool:
        """Taken by the server, whose words are *receipt*."""
        values = {"sent_at": now, "receipt": receipt, "last_error": None, "last_code": None}
        return self._move(delivery_id, _S.SENT, attempt, values)

    def retry(
        self,
        delivery_id: int,
        error: str,
        code: str | None,
        next_at: datetime,
        *,
        attempt: int | None = None,
        in_doubt: bool = False,
    ) -> bool:
        """Not taken, or perhaps taken if *in_doubt*; due again at *next_at*."""
        values: dict[str, Any] = {"last_error": error, "last_code": code, "next_at": next_at}
        if in_doubt:
            values["doubts"] = deliveries.c.doubts + 1
        return self._move(delivery_id, _S.RETRYING, attempt, values)

    def dead(
        self, delivery_id: int, error: str, code: str | None, *, attempt: int | None = None
    ) -> bool:
        """Not taken, and never to be tried again by itself."""
        values = {"last_error": error, "last_code": code}
        return self._move(delivery_id, _S.DEAD, attempt, values)

    def unknown(self, delivery_id: int, error: str, *, attempt: int | None = None) -> bool:
        """Perhaps taken; not to be tried again by itself."""
        values = {"last_error": error, "last_code": None}
        return self._move(delivery_id, _S.UNKNOWN, attempt, values)

    def cancel(self, delivery_id: int, reason: str) -> bool:
        """Not to be sent any more; False if it is on its way or was sent."""
        return self._move(delivery_id, _S.CANCELLED, None, {"last_error": reason})

    def requeue(self, ids: Collection[int], now: datetime) -> int:
        """Try those again now that failed, for good or for the time being; gives how many."""
        fresh = {"state": _S.QUEUED, "next_at": now, "lost": 0, "doubts": 0}
        failed = deliveries.c.state.in_(sorted(FROM[_S.QUEUED]))
        count = 0
        with self._database.write() as connection:
            for some in chunks(sorted(ids)):
                change = update(deliveries).where(deliveries.c.id.in_(some), failed)
                count += connection.execute(change.values(fresh)).rowcount
        return count

    def recover(self, now: datetime) -> Recovered:
        """
        Take back what is held by processes that died: their leases have ended.

        What was still being sent is due at once. What was in doubt is sent once more, with the same
        Message-ID, and is ``unknown`` if that is left in doubt too (RFC 1047 has no better).
        """
        columns = (deliveries.c.id, deliveries.c.state, deliveries.c.lost, deliveries.c.doubts)
        query: Select[Any] = select(*columns).where(deliveries.c.lease_until <= now)
        outcomes = []
        with self._database.write() as connection:
            for row in connection.execute(query.with_for_update(skip_locked=True)).all():
                to = after_lost_lease(row.state, row.lost, row.doubts)
                _take_back(connection, row, to, now)
                outcomes.append(to)
        return Recovered(
            retrying=outcomes.count(_S.RETRYING),
            unknown=outcomes.count(_S.UNKNOWN),
            quarantined=outcomes.count(_S.QUARANTINED),
        )

    def list(
        self,
        states: Collection[DeliveryState] | None = None,
        digest: str | None = None,
        kind: DestinationKind | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[Delivery, ...]:
        """The newest first; of these states, this digest, this kind, or of all."""
        query = _loaded().order_by(deliveries.c.id.desc()).limit(limit).offset(offset)
        if states is not None:
            query = query.where(deliveries.c.state.in_(sorted(states)))
        if digest is not None:
            query = query.where(digests.c.name == digest)
        if kind is not None:
            query = query.where(deliveries.c.kind == kind)
        with self._database.read() as connection:
            return tuple(map(_to_delivery, connection.execute(query)))

    def get(self, delivery_id: int) -> Delivery | None:
        """That delivery."""
        with self._database.read() as connection:
            row = connection.execute(_loaded().where(deliveries.c.id == delivery_id)).first()
        return _to_delivery(row) if row else None

    def receipt(self, delivery_id: int) -> str | None:
        """What the server said when it took the delivery; None if it has not."""
        query = select(deliveries.c.receipt).where(deliveries.c.id == delivery_id)
        with self._database.read() as connection:
            words: str | None = connection.execute(query).scalar()
        return words

    def attempts(self, delivery_id: int) -> tuple[Attempt, ...]:
        """Every try to send it, the first one first."""
        rows = delivery_attempts.c
        query = select(rows.attempt, rows.at, rows.outcome, rows.code, rows.error)
        query = query.where(rows.delivery_id == delivery_id).order_by(rows.attempt)
        with self._database.read() as connection:
            return tuple(Attempt(**row._mapping) for row in connection.execute(query))

    def counts(self) -> Mapping[DeliveryState, int]:
        """How many deliveries are in each state; all states are named."""
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        with self._database.read() as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {state: found.get(state, 0) for state in DeliveryState}

    def _move(
        self,
        delivery_id: int,
        to: DeliveryState,
        attempt: int | None,
        values: Mapping[str, Any],
        *conditions: Any,
    ) -> bool:
        """Enter *to* if it may be entered from where the delivery is; False if not."""
        free = {} if to in HELD else {"lease_until": None, "next_at": None}
        where = _in_state(delivery_id, FROM[to], attempt)
        change = update(deliveries).where(*where, *conditions)
        change = change.values({**free, **values, "state": to}).returning(deliveries.c.attempts)
        with self._database.write() as connection:
            number = connection.execute(change).scalar()
            if number is None:
                return False
            if to not in HELD | {_S.CANCELLED}:
                _end_attempt(connection, delivery_id, number, to, values)
        return True


def after_lost_lease(state: DeliveryState, lost: int, doubts: int) -> DeliveryState:
    """
    What becomes of a delivery whose holder died in *state*.

    Args:
        state: ``sending`` or ``data_done``.
        lost: Holders that died before while sending.
        doubts: Holders that died before with the outcome in doubt.
    """
    if state is _S.DATA_DONE:
        return _S.UNKNOWN if doubts else _S.RETRYING
    return _S.QUARANTINED if lost + 1 >= MAX_LOST else _S.RETRYING


def _lost(delivery_id: int) -> LeaseLost:
    return LeaseLost(f"delivery {delivery_id}: its lease has ended; another process may hold it")


def _in_state(
    delivery_id: int, states: Collection[DeliveryState], attempt: int | None
) -> tuple[Any, ...]:
    where = (deliveries.c.id == delivery_id, deliveries.c.state.in_(sorted(states)))
    return where if attempt is None else (*where, deliveries.c.attempts == attempt)


def _loaded() -> Select[Any]:
    """Deliveries with the names of their edition and digest and the state of the subscription."""
    return (
        select(
            deliveries,
            editions.c.number,
            digests.c.name.label("digest"),
            subscriptions.c.state.label("subscription_state"),
        )
        .join_from(deliveries, editions)
        .join(digests, digests.c.id == editions.c.digest_id)
        .outerjoin(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
    )


def due_ids(
    kind: DestinationKind, now: datetime, limit: int, edition_ids: Collection[int] | None
) -> Select[Any]:
    """
    The deliveries of one kind that are due, the longest waiting first.

    One kind at a time and without a join, so that the index gives them in this very order: the
    claim costs the same with ten rows and with ten million. On PostgreSQL rows that another
    transaction is just claiming are passed over, not waited for; SQLite has one writer anyway.
    """
    query = select(deliveries.c.id).where(deliveries.c.kind == kind, deliveries.c.next_at <= now)
    if edition_ids is not None:
        query = query.where(deliveries.c.edition_id.in_(sorted(edition_ids)))
    query = query.order_by(deliveries.c.next_at, deliveries.c.id).limit(limit)
    return query.with_for_update(skip_locked=True)


def _due(
    connection: Connection,
    kind: DestinationKind,
    now: datetime,
    limit: int,
    edition_ids: Collection[int] | None,
) -> Sequence[Row[Any]]:
    ids = connection.execute(due_ids(kind, now, limit, edition_ids)).scalars().all()
    if not ids:
        return ()
    query = _loaded().where(deliveries.c.id.in_(ids))
    return connection.execute(query.order_by(deliveries.c.next_at, deliveries.c.id)).all()


def _cancel_unwanted(connection: Connection, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Those of *rows* that may be sent; the others are cancelled, with the reason."""
    reasons = _suppression_reasons(connection, [row.address for row in rows])
    good = []
    for row in rows:
        state = row.subscription_state
        if reason := reasons.get(row.address.lower()):
            _cancel(connection, row.id, f"the address is suppressed: {reason}")
        elif state not in {None, SubscriptionState.CONFIRMED}:
            _cancel(connection, row.id, f"the subscription is {state}")
        else:
            good.append(row)
    return good


def _suppression_reasons(connection: Connection, addresses: Sequence[str]) -> dict[str, str]:
    wanted = sorted({address.lower() for address in addresses})
    query = select(suppressions.c.address, suppressions.c.reason)
    rows = connection.execute(query.where(suppressions.c.address.in_(wanted)))
    return {row.address: row.reason for row in rows}


def _cancel(connection: Connection, delivery_id: int, reason: str) -> None:
    values = {"state": _S.CANCELLED, "next_at": None, "last_error": reason}
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(values))


def _hold(
    connection: Connection, rows: Sequence[Row[Any]], now: datetime, lease_until: datetime
) -> tuple[Delivery, ...]:
    """Mark *rows* as being sent, by the caller, and begin an attempt for each."""
    if not rows:
        return ()
    change = update(deliveries).where(deliveries.c.id.in_([row.id for row in rows]))
    change = change.values(
        state=_S.SENDING,
        attempts=deliveries.c.attempts + 1,
        lease_until=lease_until,
        next_at=None,
    )
    connection.execute(change)
    begun = [
        {"delivery_id": row.id, "attempt": row.attempts + 1, "at": now, "outcome": _S.SENDING}
        for row in rows
    ]
    connection.execute(insert(delivery_attempts), begun)
    return tuple(
        replace(
            _to_delivery(row),
            state=_S.SENDING,
            attempts=row.attempts + 1,
            next_at=None,
            lease_until=lease_until,
        )
        for row in rows
    )


def _take_back(connection: Connection, row: Row[Any], to: DeliveryState, now: datetime) -> None:
    in_doubt = row.state is _S.DATA_DONE
    error = "its process ended " + ("before the server answered" if in_doubt else "while sending")
    values = {
        "state": to,
        "lease_until": None,
        "next_at": now if to is _S.RETRYING else None,
        "last_error": error,
        "last_code": None,
        "lost": row.lost + (not in_doubt),
        "doubts": row.doubts + in_doubt,
    }
    change = update(deliveries).where(deliveries.c.id == row.id).values(values)
    number = connection.execute(change.returning(deliveries.c.attempts)).scalar_one()
    _end_attempt(connection, row.id, number, to, values)


def _end_attempt(
    connection: Connection,
    delivery_id: int,
    attempt: int,
    outcome: DeliveryState,
    values: Mapping[str, Any],
) -> None:
    rows = delivery_attempts.c
    change = update(delivery_attempts).where(
        rows.delivery_id == delivery_id, rows.attempt == attempt
    )
    words = {"code": values.get("last_code"), "error": values.get("last_error")}
    connection.execute(change.values(outcome=outcome, **words))


def _to_delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        edition_id=row.edition_id,
        edition_name=f"{row.digest}/{row.number}",
        digest=row.digest,
        destination=Destination(kind=row.kind, address=row.address),
        state=row.state,
        message_id=row.message_id,
        attempts=row.attempts,
        created_at=row.created_at,
        next_at=row.next_at,
        lease_until=row.lease_until,
        sent_at=row.sent_at,
        last_error=row.last_error,
        last_code=row.last_code,
        doubts=row.doubts,
        acknowledged=tuple(row.acknowledged),
    )
