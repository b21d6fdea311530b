"""
The outbox: every delivery, its state, and who holds it until when.

::

    queued ──claim──► sending ──data_done──► data_done ──sent──► sent
      ▲                 │ ▲   ◄─acknowledge──    │
      │                 │ └──claim── retrying ◄──┤ retry
      │                 │               ▲        ├─────► dead
      │                 └───retry───────┘        └─────► unknown
      └──requeue── retrying, dead, unknown, quarantined, held, cancelled

What was claimed and not begun is given back. ``sending`` can end like ``data_done``; what waits can
be cancelled, or held for a person, by `Editions.record` or by the claim. A holder that dies leaves
a lease that ends: `Outbox.recover` then tells "surely not delivered" from "perhaps". Each
transition asks for the state it comes from and refuses any other, by False. Those of a holder are
`Transition` values, of which `Outbox.mark` commits any number in one transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
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
    func,
    insert,
    null,
    select,
    text,
    update,
)

from digestbot.addresses import make_message_id
from digestbot.model import (
    Delivery,
    DeliveryState,
    Destination,
    SubscriptionState,
)
from digestbot.store.bulk_values import BulkValues
from digestbot.store.database import CHUNK, Database, chunks
from digestbot.store.tables import (
    NOT_SENT,
    days,
    deliveries,
    delivery_attempts,
    digests,
    editions,
    subscriptions,
    suppressions,
)
from digestbot.store.values import Attempt, Cap, Recovered, Transition

_S = DeliveryState

LEASED: Final = frozenset({_S.SENDING, _S.DATA_DONE})
WAITING: Final = frozenset({_S.QUEUED, _S.RETRYING})
_FORESEEN: Final = frozenset({_S.DATA_DONE, _S.SENT})
"""The steps of every mail with which all goes well."""
FAILED: Final = frozenset({_S.RETRYING, _S.DEAD, _S.UNKNOWN})
"""How an attempt of a living holder may end that has not succeeded."""

FROM: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    _S.QUEUED: frozenset({_S.RETRYING, _S.DEAD, _S.UNKNOWN, _S.QUARANTINED, _S.HELD, _S.CANCELLED}),
    # From data_done when the server has confirmed one of several messages.
    _S.SENDING: WAITING | {_S.SENDING, _S.DATA_DONE},
    # From data_done when one message is tried again in another form.
    _S.DATA_DONE: LEASED,
    _S.SENT: LEASED,
    _S.RETRYING: LEASED,
    _S.DEAD: LEASED,
    _S.UNKNOWN: LEASED,
    _S.QUARANTINED: frozenset({_S.SENDING}),
    _S.HELD: WAITING,
    _S.CANCELLED: WAITING | {_S.DEAD, _S.UNKNOWN, _S.QUARANTINED, _S.HELD},
}
"""The states that each state may be entered from."""
FOR_A_PERSON: Final = frozenset({_S.QUARANTINED, _S.HELD})
"""What a person has to release."""

MAX_LOST: Final = 3
"""After so many holders that died while sending, the delivery is quarantined."""
FAR: Final = timedelta(days=2)
"""Further ahead than any wait that we write down: a moment beyond it is of a wrong clock."""


class Outbox:
    """
    The part of the store that deliveries go through.

    A holder's marks bear the attempt under which it has claimed (`Delivery.attempts`). So one whose
    lease ended while it was busy cannot change what another one has claimed since.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @cached_property
    def _given(self) -> BulkValues:
        """What `_foreseen` is told of each mark; made when needed: most commands write none."""
        return self._database.bulk_values(
            key=deliveries.c.id.type,
            to=deliveries.c.state.type,
            attempt=deliveries.c.attempts.type,
            at=deliveries.c.sent_at.type,
            words=deliveries.c.receipt.type,
        )

    @cached_property
    def _foreseen(self) -> Update:
        return _foreseen(self._given.columns)

    def claim(
        self,
        now: datetime,
        *,
        lease_s: float,
        limit: int,
        kinds: Collection[str] | None = None,
        edition_ids: Collection[int] | None = None,
        lost: int = 0,
        cap: Cap | None = None,
        is_archive: bool = False,
    ) -> tuple[Delivery, ...]:
        """
        Take deliveries that are due: they are ``sending`` and the caller's until the lease ends.

        No two callers get the same one. What may not be sent any more, because its address is
        suppressed or its subscription is not confirmed, is cancelled on the way; what is too old
        is held for a person, what is beyond *cap* waits for its next day. So fewer than *limit*,
        none included, means that no more is due.

        Args:
            now: What is due, and when the attempts begin.
            lease_s: Seconds until `recover` may take them back; more than any send can last.
            limit: At most so many.
            kinds: Only these; None for all.
            edition_ids: Only of these editions; None for all.
            lost: Only those that so many holders died of: none is mixed with what may be poison.
            cap: How many one destination gets a day; None for any number.
            is_archive: These kinds keep editions of any age and number: no age limit, no cap.
        """
        claimed: list[Row[Any]] = []
        lease_until = now + timedelta(seconds=lease_s)
        with self._database.write() as connection:
            for kind in _waiting_kinds(connection) if kinds is None else sorted(kinds):
                while room := min(limit - len(claimed), CHUNK):
                    query = due_ids(kind, now, room, edition_ids, lost=lost)
                    rows = _due(connection, query)
                    if not rows:
                        break
                    good = _cancel_unwanted(connection, rows)
                    if not is_archive:
                        good = _hold_back_old(connection, good, now)
                    if cap is not None and not is_archive:
                        good = self._within_cap(connection, good, cap)
                    _hold(connection, good, now, lease_until)
                    claimed += good
        # Only now: whoever else wants to write need not wait for it.
        return tuple(_to_claimed(row, lease_until) for row in claimed)

    def release_claims(
        self,
        held: Mapping[int, int],
        now: datetime,
        *,
        cap_day: Callable[[datetime], str] | None = None,
    ) -> int:
        """
        Give claims back, nothing tried: due at *now*, the attempt not counted; gives how many.

        Args:
            held: Delivery → the attempt under which it was claimed.
            now: When they are due.
            cap_day: The day of a claim, if it was made under a cap: their places of it are free.
        """
        with self._database.write() as connection:
            held_by_us = _held(connection, held, _BY_ID)
            rows = [row for row in held_by_us if row.state is _S.SENDING]
            values = [
                {
                    "key": row.id,
                    "state": _S.RETRYING if row.attempts > 1 else _S.QUEUED,
                    "attempts": row.attempts - 1,
                    "next_at": now,
                    **_LET_GO,
                }
                for row in rows
            ]
            _update(connection, values)
            if cap_day is not None:
                _free_places(connection, [row for row in rows if row.attempts == 1], cap_day)
        return len(rows)

    def renew(self, held: Mapping[int, int], lease_until: datetime) -> int:
        """
        Hold on to claims that are still being worked on; gives how many were renewed.

        A row that is locked is left for the next time: marks lock theirs in another order, and two
        that wait for each other would be cut off by the database.

        Args:
            held: Delivery → the attempt under which it was claimed.
            lease_until: When `recover` may take them back.
        """
        with self._database.write() as connection:
            rows = _held(connection, held, _BY_ID.with_for_update(skip_locked=True))
            _update(connection, [{"key": row.id, "lease_until": lease_until} for row in rows])
        return len(rows)

    def apply(self, marks: Sequence[Transition]) -> list[bool]:
        """
        Write down what became of deliveries, in one transaction; gives which marks could be made.

        A mark is not made if its delivery is in another state than it may be entered from, or under
        another attempt, or, for ``data_done``, if its lease has ended.
        """
        try:
            return self._marked(marks, self._mark_as_foreseen)
        except _NotAsForeseen:
            return self._marked(marks, _mark)

    def _marked(
        self,
        marks: Sequence[Transition],
        mark: Callable[[Connection, Sequence[Transition]], list[bool]],
    ) -> list[bool]:
        made: list[bool] = []
        with self._database.write() as connection:
            for some in _without_repeats(marks):
                made += mark(connection, some)
        return made

    def _mark_as_foreseen(self, connection: Connection, marks: Sequence[Transition]) -> list[bool]:
        """
        `_mark` for the two steps that every mail takes, without a look at the deliveries first.

        Raises:
            _NotAsForeseen: One of them could not be made; the transaction is to be undone.
        """
        rows = [
            (mark.delivery_id, mark.to, mark.attempt, mark.at, mark.receipt)
            for mark in marks
            if _is_foreseen(mark)
        ]
        if rows:
            result = connection.execute(self._foreseen, self._given.parameters(rows))
            if result.rowcount != len(rows):
                raise _NotAsForeseen
        others = [mark for mark in marks if not _is_foreseen(mark)]
        made = _mark(connection, others) if others else []
        unmade = {mark.delivery_id for mark, yes in zip(others, made, strict=True) if not yes}
        return [mark.delivery_id not in unmade for mark in marks]

    def cancel(self, delivery_id: int, reason: str) -> bool:
        """Not to be sent any more; False if it is on its way or was sent."""
        (made,) = self.apply([Transition(delivery_id, _S.CANCELLED, None, error=reason)])
        return made

    def requeue(
        self,
        ids: Collection[int],
        now: datetime,
        *,
        states: Collection[DeliveryState] = FROM[_S.QUEUED] - {_S.HELD},
    ) -> int:
        """
        Send those after all that failed or that wait for a person; gives how many.

        It is a person's word: they are not held again for their age.

        Args:
            ids: These, as far as they are in one of *states*.
            now: When they are due.
            states: By default all that may be queued again, but for what is held.
        """
        fresh = {
            "state": _S.QUEUED,
            "next_at": now,
            "lost": 0,
            "doubts": 0,
            "released_at": now,
        }
        failed = deliveries.c.state.in_(sorted(FROM[_S.QUEUED].intersection(states)))
        count = 0
        with self._database.write() as connection:
            for some in chunks(sorted(ids)):
                change = update(deliveries).where(deliveries.c.id.in_(some), failed)
                count += connection.execute(change.values(fresh)).rowcount
        return count

    def _within_cap(
        self, connection: Connection, rows: Sequence[Row[Any]], cap: Cap
    ) -> list[Row[Any]]:
        """
        Those of *rows* that their destination may have today; the others wait for the next day.

        A delivery counts on the day of its first attempt. The first statement of each count leaves
        the row locked, so that two claims at once do not both take the last place.
        """
        first: defaultdict[str, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            if row.attempts == 0:
                first[row.address.lower()].append(row)
        beyond: list[Row[Any]] = []
        for address, waiting in sorted(first.items()):
            counts = {"kind": waiting[0].kind, "address": address, "day": cap.day}
            added = len(waiting)
            again = case((days.c.day == cap.day, days.c.deliveries + added), else_=added)
            upsert = self._database.insert(days).values(**counts, deliveries=added)
            upsert = upsert.on_conflict_do_update(
                index_elements=["kind", "address"], set_={"day": cap.day, "deliveries": again}
            )
            total = connection.execute(upsert.returning(days.c.deliveries)).scalar_one()
            late = waiting[max(0, cap.per_day - (total - added)) :]
            _change_count(connection, **counts, by=-len(late))
            beyond += late
        words = f"the destination had its {cap.per_day} of {cap.day}: waits for the next day"
        waits = {"next_at": cap.next_at, "last_error": words}
        _update(connection, ({"key": row.id, **waits} for row in beyond))
        ids = {row.id for row in beyond}
        return [row for row in rows if row.id not in ids]

    def in_doubt(self, now: datetime) -> Mapping[int, datetime]:
        """
        What a server may have taken whose holder seems to have died: delivery → end of its lease.

        For `recover`, a while later: by a clock that is ahead, the living seem to be dead, too.
        """
        rows = (deliveries.c.id, deliveries.c.lease_until)
        query = select(*rows).where(deliveries.c.state == _S.DATA_DONE)
        with self._database.read() as connection:
            return {
                row.id: row.lease_until
                for ended in _ended(now)
                for row in connection.execute(query.where(ended))
            }

    def recover(self, now: datetime, *, silent: Mapping[int, datetime] | None = None) -> Recovered:
        """
        Take back what is held by processes that died: their leases have ended.

        What was still being sent is due at once. What was in doubt is sent once more, with the same
        Message-ID, and is ``unknown`` if that is left in doubt too (RFC 1047 has no better). What a
        clock that was ahead has put off until a moment beyond all waits is due at once, too.

        Args:
            now: When leases have ended.
            silent: Of what is in doubt only these, if they have still that lease; None for all. Who
                is still sending and lives is stopped by its next step and repeats nothing.
        """
        next_at = deliveries.c.next_at
        with self._database.write() as connection:
            lost = [
                row
                for ended in _ended(now)
                for row in connection.execute(_locked(ended)).all()
                if silent is None
                or row.state is not _S.DATA_DONE
                or silent.get(row.id) == row.lease_until
            ]
            outcomes = [after_lost_lease(row.state, row.lost, row.doubts) for row in lost]
            _take_back(connection, lost, outcomes, now)
            for kind in _waiting_kinds(connection):
                put_off = (deliveries.c.kind == kind, next_at > now + FAR)
                connection.execute(update(deliveries).where(*put_off).values(next_at=now))
        return Recovered(
            retrying=outcomes.count(_S.RETRYING),
            unknown=outcomes.count(_S.UNKNOWN),
            quarantined=outcomes.count(_S.QUARANTINED),
        )

    def list(
        self,
        states: Collection[DeliveryState] | None = None,
        digest: str | None = None,
        kind: str | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[Delivery, ...]:
        """The newest first; of these states, this digest, this kind, or of all."""
        query = _loaded().order_by(deliveries.c.id.desc()).limit(limit).offset(offset)
        if states is not None:
            query = query.where(deliveries.c.state.in_(sorted(states)))
            if _S.SENT not in states:
                query = query.where(text(f"deliveries.{NOT_SENT}"))
        if digest is not None:
            query = query.where(digests.c.name == digest)
        if kind is not None:
            query = query.where(deliveries.c.kind == kind)
        with self._database.read() as connection:
            return tuple(map(_to_delivery, connection.execute(query)))

    def to(
        self, kind: str, addresses: Collection[str], edition_names: Collection[str]
    ) -> tuple[Delivery, ...]:
        """The deliveries of those editions, named ``systems/12``, to one of *addresses*."""
        found: tuple[Delivery, ...] = ()
        with self._database.read() as connection:
            for name in edition_names:
                digest, _, number = name.rpartition("/")
                query = _loaded().where(digests.c.name == digest, editions.c.number == int(number))
                query = query.where(deliveries.c.kind == kind)
                query = query.where(deliveries.c.address.in_(sorted(addresses)))
                found += tuple(map(_to_delivery, connection.execute(query)))
        return found

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
        """
        Every try to send it, the first one first.

        Those that failed have rows of their own; the last one stands in the delivery itself while
        it is under way and when it has succeeded.
        """
        rows = delivery_attempts.c
        query = select(rows.attempt, rows.at, rows.outcome, rows.code, rows.error)
        query = query.where(rows.delivery_id == delivery_id).order_by(rows.attempt)
        here = deliveries.c
        last = select(here.state, here.attempts, here.begun_at, here.sent_at)
        with self._database.read() as connection:
            failed = tuple(Attempt(**row._mapping) for row in connection.execute(query))
            row = connection.execute(last.where(here.id == delivery_id)).first()
        at = (row.begun_at or row.sent_at) if row else None
        if row is None or at is None:
            return failed
        outcome = _S.SENDING if row.state in LEASED else _S.SENT
        return (*failed, Attempt(attempt=row.attempts, at=at, outcome=outcome))

    def counts(self) -> Mapping[DeliveryState, int]:
        """How many deliveries are in each state; all states are named."""
        by_state = select(deliveries.c.state, func.count()).where(text(f"deliveries.{NOT_SENT}"))
        every = select(func.count()).select_from(deliveries)
        with self._database.read() as connection:
            rows = connection.execute(by_state.group_by(deliveries.c.state)).all()
            total = connection.execute(every).scalar_one()
        found = {row[0]: row[1] for row in rows}
        found[_S.SENT] = total - sum(found.values())
        return {state: found.get(state, 0) for state in DeliveryState}


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


def message_id(
    edition_name: str, created_at: datetime, destination: Destination, domain: str
) -> str:
    """
    The Message-ID of one edition to one destination, the same at every attempt.

    It is made of what never changes, so that a million deliveries need not store it. The moment is
    part of it: after a lost database, number 1 comes again with other papers, and a mailbox that
    knows the old Message-ID would drop it.
    """
    moment = created_at.isoformat()
    return make_message_id(edition_name, moment, str(destination), domain=domain)


_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_NOT_LOADED: Final = {"begun_at", "receipt", "lost"}


@cache
def _loaded() -> Select[Any]:
    """Deliveries with the names of their edition and digest and the state of the subscription."""
    return (
        select(
            *(column for column in deliveries.c if column.name not in _NOT_LOADED),
            editions.c.number,
            editions.c.message_domain,
            editions.c.created_at.label("edition_at"),
            editions.c.expires_at,
            digests.c.name.label("digest"),
            subscriptions.c.state.label("subscription_state"),
        )
        .join_from(deliveries, editions)
        .join(digests, digests.c.id == editions.c.digest_id)
        .outerjoin(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
    )


def _waiting_kinds(connection: Connection) -> Sequence[str]:
    """
    Return the kinds of destination that waiting deliveries have, in order.

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
    The deliveries of one kind that are due and that *lost* holders died of, the longest waiting
    first.

    One kind at a time and without a join, so that the index gives them in this very order: the
    claim costs the same with ten rows and with ten million. On PostgreSQL rows that another
    transaction is just claiming are passed over, not waited for; SQLite has one writer anyway.
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
    query = _loaded().where(deliveries.c.id.in_(_IDS))
    query = query.order_by(deliveries.c.next_at, deliveries.c.id)
    return connection.execute(query, {"ids": ids}).all()


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


def _hold_back_old(
    connection: Connection, rows: Sequence[Row[Any]], now: datetime
) -> list[Row[Any]]:
    """Those of *rows* that are still news, or that a person has released; the others are held."""
    old = [row for row in rows if _is_old(row, now)]
    values = {"state": _S.HELD, "next_at": None}
    _update(
        connection,
        (
            {"key": row.id, **values, "last_error": f"of {row.edition_at:%Y-%m-%d}: waits for you"}
            for row in old
        ),
    )
    held = {row.id for row in old}
    return [row for row in rows if row.id not in held]


def _is_old(row: Row[Any], now: datetime) -> bool:
    if row.expires_at is None or row.released_at:
        return False
    return bool(row.expires_at <= now)


def _suppression_reasons(connection: Connection, addresses: Sequence[str]) -> dict[str, str]:
    wanted = sorted({address.lower() for address in addresses})
    query = select(suppressions.c.address, suppressions.c.reason)
    query = query.where(suppressions.c.address.in_(bindparam("wanted", expanding=True)))
    rows = connection.execute(query, {"wanted": wanted})
    return {row.address: row.reason for row in rows}


def _free_places(
    connection: Connection, rows: Sequence[Row[Any]], cap_day: Callable[[datetime], str]
) -> None:
    """The claims *rows* count no more on the days on which they were made."""
    begun = {row.id: row.begun_at for row in rows}
    places: Counter[tuple[str, str, str]] = Counter()
    for some in chunks(sorted(begun)):
        query = select(deliveries.c.id, deliveries.c.kind, deliveries.c.address)
        for row in connection.execute(query.where(deliveries.c.id.in_(some))):
            places[row.kind, row.address.lower(), cap_day(begun[row.id])] += 1
    # In the order in which a claim of one kind locks them.
    for (kind, address, day), number in sorted(places.items()):
        _change_count(connection, kind, address, day, by=-number)


def _change_count(connection: Connection, kind: str, address: str, day: str, *, by: int) -> None:
    """One destination has had so many more or fewer on *day*, if that is still its last one."""
    if by:
        counted = (days.c.kind == kind, days.c.address == address, days.c.day == day)
        change = update(days).where(*counted).values(deliveries=days.c.deliveries + by)
        connection.execute(change)


def _cancel(connection: Connection, delivery_id: int, reason: str) -> None:
    values = {"state": _S.CANCELLED, "next_at": None, "last_error": reason}
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(values))


def _hold(
    connection: Connection, rows: Sequence[Row[Any]], now: datetime, lease_until: datetime
) -> None:
    """Transition *rows* as being sent, by the caller."""
    if not rows:
        return
    change = update(deliveries).where(deliveries.c.id.in_(_IDS))
    change = change.values(
        state=_S.SENDING,
        attempts=deliveries.c.attempts + 1,
        begun_at=now,
        lease_until=lease_until,
        next_at=None,
    )
    connection.execute(change, {"ids": [row.id for row in rows]})


def _to_claimed(row: Row[Any], lease_until: datetime) -> Delivery:
    """The delivery as `_hold` has left it, of the row before."""
    now = {"state": _S.SENDING, "attempts": row.attempts + 1}
    return _to_delivery(row, **now, next_at=None, lease_until=lease_until)


_LET_GO: Final = {"begun_at": None, "lease_until": None}
_OF_A_MARK = (
    deliveries.c.id,
    deliveries.c.state,
    deliveries.c.attempts,
    deliveries.c.begun_at,
    deliveries.c.lease_until,
    deliveries.c.acknowledged,
    deliveries.c.lost,
    deliveries.c.doubts,
)


def _ended(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Of leases: over, or of a clock that was far ahead; apart, so that both use the index."""
    lease = deliveries.c.lease_until
    return lease <= now, lease > now + FAR


def _locked(condition: Any) -> Select[Any]:
    """What a step must know of its deliveries; rows that another transaction has are left to it."""
    return select(*_OF_A_MARK).where(condition).with_for_update(skip_locked=True)


def _held(connection: Connection, held: Mapping[int, int], query: Select[Any]) -> list[Row[Any]]:
    """Those of *held* that are still held under that attempt, by `_BY_ID` or a like of it."""
    return [
        row
        for row in _rows(connection, sorted(held), query).values()
        if row.state in LEASED and row.attempts == held[row.id]
    ]


def _rows(connection: Connection, ids: Sequence[int], query: Select[Any]) -> dict[int, Row[Any]]:
    """The deliveries of *ids*, which nobody else changes until the transaction ends."""
    found: dict[int, Row[Any]] = {}
    for some in chunks(ids):
        found |= {row.id: row for row in connection.execute(query, {"ids": some})}
    return found


# Built once: a transaction of ten steps spends more time on making its statements than on all else.
_BY_ID = (
    select(*_OF_A_MARK).where(deliveries.c.id.in_(_IDS)).order_by(deliveries.c.id).with_for_update()
)


def _is_foreseen(mark: Transition) -> bool:
    return mark.to in _FORESEEN and mark.attempt is not None


def _foreseen(given: Mapping[str, ColumnElement[Any]]) -> Update:
    """The steps of `_FORESEEN`, each refused by what it finds in the delivery."""
    columns = deliveries.c
    is_sent = given["to"] == _S.SENT
    held = update(deliveries).where(
        columns.id == given["key"],
        columns.attempts == given["attempt"],
        # Whoever has a lease is in LEASED, by a CHECK of the table.
        case((is_sent, columns.lease_until.is_not(None)), else_=columns.lease_until > given["at"]),
    )
    ended = dict.fromkeys(("last_error", "last_code", "next_at", *_LET_GO), null())
    sent = {"sent_at": given["at"], "receipt": given["words"], **ended}
    return held.values(
        state=given["to"],
        lost=case((is_sent, columns.lost), else_=0),
        **{name: case((is_sent, value), else_=columns[name]) for name, value in sent.items()},
    )


@cache
def _update_of(names: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name: bindparam(name) for name in names if name != "key"}
    return update(deliveries).where(deliveries.c.id == bindparam("key")).values(values)


def _update(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Set the values of each of *rows* in the delivery ``key``, those of the same names at once."""
    by_names: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_names[tuple(row)].append(row)
    for names, same in by_names.items():
        connection.execute(_update_of(names), same)


def _without_repeats(marks: Sequence[Transition]) -> Iterator[list[Transition]]:
    """*marks* in order, in parts within which no delivery comes twice."""
    part: dict[int, Transition] = {}
    for mark in marks:
        if mark.delivery_id in part:
            yield list(part.values())
            part = {}
        part[mark.delivery_id] = mark
    yield list(part.values())


class _NotAsForeseen(Exception):
    """A mark that could not be made, so that each has to be looked at by itself."""


def _mark(connection: Connection, marks: Sequence[Transition]) -> list[bool]:
    rows = _rows(connection, sorted(mark.delivery_id for mark in marks), _BY_ID)
    made = [_may_be_made(mark, rows.get(mark.delivery_id)) for mark in marks]
    steps = [(mark, rows[mark.delivery_id]) for mark, yes in zip(marks, made, strict=True) if yes]
    _update(connection, ({"key": row.id, **_values(mark, row)} for mark, row in steps))
    _end_attempts(
        connection,
        [_failed(row, mark.to, mark.code, mark.error) for mark, row in steps if mark.to in FAILED],
    )
    return made


def _may_be_made(mark: Transition, row: Row[Any] | None) -> bool:
    if row is None or row.state not in FROM[mark.to]:
        return False
    if mark.attempt not in {None, row.attempts}:
        return False
    if mark.to is _S.DATA_DONE:
        return mark.at is not None and row.lease_until > mark.at
    return mark.to is not _S.SENDING or row.state in LEASED


def _values(mark: Transition, row: Row[Any]) -> dict[str, Any]:
    """The columns that *mark* changes in its delivery."""
    values: dict[str, Any] = {"state": mark.to}
    match mark.to:
        case _S.DATA_DONE:
            return values | {"lost": 0}
        case _S.SENDING:
            # Made once more when the answer to its commit was lost: it must not count twice, or
            # the message behind it would be taken for sent.
            is_new = mark.acknowledged not in row.acknowledged
            marks = [*row.acknowledged, mark.acknowledged] if is_new else row.acknowledged
            return values | {"acknowledged": marks, "lease_until": mark.at}
        case _S.SENT:
            values |= {"sent_at": mark.at, "receipt": mark.receipt}
        case _S.RETRYING:
            values |= {"doubts": row.doubts + mark.in_doubt}
    due_at = mark.at if mark.to is _S.RETRYING else None
    words = {"last_error": mark.error, "last_code": mark.code}
    return values | words | {"next_at": due_at} | _LET_GO


def _take_back(
    connection: Connection,
    rows: Sequence[Row[Any]],
    outcomes: Sequence[DeliveryState],
    now: datetime,
) -> None:
    """Write down that the holders of *rows* have died, and what becomes of each."""
    values: list[dict[str, Any]] = []
    attempts: list[dict[str, Any]] = []
    for row, to in zip(rows, outcomes, strict=True):
        in_doubt = row.state is _S.DATA_DONE
        when = "before the server answered" if in_doubt else "while sending"
        error = f"its process ended {when}"
        attempts.append(_failed(row, to, None, error))
        values.append(
            {
                "key": row.id,
                "state": to,
                "next_at": now if to is _S.RETRYING else None,
                "last_error": error,
                "last_code": None,
                "lost": row.lost + (not in_doubt),
                "doubts": row.doubts + in_doubt,
                **_LET_GO,
            }
        )
    _update(connection, values)
    _end_attempts(connection, attempts)


def _failed(
    row: Row[Any], outcome: DeliveryState, code: str | None, error: str | None
) -> dict[str, Any]:
    """The attempt that is under way in *row*, ended."""
    return {
        "delivery_id": row.id,
        "attempt": row.attempts,
        "at": row.begun_at,
        "outcome": outcome,
        "code": code,
        "error": error,
    }


def _end_attempts(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(delivery_attempts), rows)


def _to_delivery(row: Row[Any], **changed: Any) -> Delivery:
    """The delivery of one row of `_loaded`, but for what has *changed* since."""
    name = f"{row.digest}/{row.number}"
    destination = Destination(kind=row.kind, address=row.address)
    fields = {
        "id": row.id,
        "edition_id": row.edition_id,
        "edition_name": name,
        "digest": row.digest,
        "destination": destination,
        "state": row.state,
        "message_id": message_id(name, row.edition_at, destination, row.message_domain),
        "attempts": row.attempts,
        "created_at": row.created_at,
        "next_at": row.next_at,
        "lease_until": row.lease_until,
        "sent_at": row.sent_at,
        "last_error": row.last_error,
        "last_code": row.last_code,
        "doubts": row.doubts,
        "acknowledged": tuple(row.acknowledged),
    }
    return Delivery(**fields | changed)
