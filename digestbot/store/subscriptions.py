"""
Who gets which digest, and which addresses must not be written to.

A subscription names its digest by name, since one may subscribe before the digest has ever run. A
person's word outlasts the config's: what was unsubscribed stays so whatever the config says, until
the person, or the owner by command, subscribes again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, text, update

from digestbot.model import (
    Destination,
    DestinationKind,
    Origin,
    Subscription,
    SubscriptionState,
    Suppression,
)
from digestbot.store.database import Database, chunks
from digestbot.store.tables import FROM_CONFIG, bounces, subscriptions, suppressions

_State = SubscriptionState
_ACTIVE = (_State.PENDING, _State.CONFIRMED)


class Subscriptions:
    """The part of the store that holds subscriptions and suppressions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        digest: str,
        destination: Destination,
        *,
        origin: Origin,
        state: SubscriptionState,
        name: str = "",
        now: datetime,
    ) -> Subscription:
        """
        Subscribe, or give the subscription that is there already; see `after_add` for its state.

        Args:
            digest: The digest's name; need not be registered.
            destination: Mail addresses that differ in case only are one.
            origin: Who asks.
            state: ``pending`` until the person has confirmed, or ``confirmed``.
            name: What the owner calls the reader.
            now: When.
        """
        row = _new_row(digest, destination, origin, state, name, now)
        with self._database.write() as connection:
            self._add(connection, row)
            return _to_subscription(_find(connection, row))

    def add_all(
        self,
        readers: Iterable[tuple[str, Destination, str]],
        *,
        origin: Origin,
        state: SubscriptionState,
        now: datetime,
    ) -> None:
        """Subscribe *readers* (digest, destination, name), some hundreds a transaction."""
        rows = [
            _new_row(digest, destination, origin, state, name, now)
            for digest, destination, name in readers
        ]
        for some in chunks(rows):
            with self._database.write() as connection:
                for row in some:
                    self._add(connection, row)

    def _add(self, connection: Connection, row: Mapping[str, Any]) -> None:
        new = self._database.insert(subscriptions).values(dict(row)).on_conflict_do_nothing()
        if connection.execute(new).rowcount == 1:
            return
        there = _find(connection, row)
        after = after_add(there.state, row["state"], row["origin"])
        values: dict[str, Any] = {"name": row["name"] or there.name}
        if after is not there.state:
            values |= {"state": after, "origin": row["origin"], "changed_at": row["changed_at"]}
        this = subscriptions.c.id == there.id
        connection.execute(update(subscriptions).where(this).values(values))

    def sync_config(self, digest: str, destinations: Sequence[Destination], now: datetime) -> None:
        """
        Make the subscriptions of origin ``config`` what the config says of this digest.

        Adds and confirms what is named, ends what is no longer named. Leaves alone what others
        subscribed, and never revives what was unsubscribed.
        """
        wanted: dict[tuple[DestinationKind, str], Destination] = {}
        for destination in destinations:
            wanted.setdefault(_key(destination), destination)
        # Mostly there is nothing to do: nobody is locked.
        with self._database.read() as connection:
            missing, changed = _out_of_step(connection, digest, wanted)
        if not missing and not changed:
            return
        with self._database.write() as connection:
            missing, changed = _out_of_step(connection, digest, wanted, lock=True)
            for destination in missing:
                self._add_from_config(connection, digest, destination, now)
            for key, after in changed.items():
                _set_state(connection, key, after, now)

    def end_digest(self, digest: str, now: datetime) -> int:
        """
        End the confirmed subscriptions of a removed digest; return how many.

        Pending ones stay: they get nothing, and `restore_digest` must not confirm them.
        """
        here = subscriptions.c
        confirmed = (here.digest == digest, here.state == _State.CONFIRMED)
        ended = {"state": _State.ENDED, "changed_at": now}
        with self._database.write() as connection:
            return connection.execute(
                update(subscriptions).where(*confirmed).values(ended)
            ).rowcount

    def restore_digest(self, digest: str, now: datetime) -> int:
        """
        Confirm again what `end_digest` ended; return how many.

        Those of origin ``config`` are left to `sync_config`, which knows what the config names now.
        """
        here = subscriptions.c
        ended = (here.digest == digest, here.state == _State.ENDED, here.origin != Origin.CONFIG)
        confirmed = {"state": _State.CONFIRMED, "changed_at": now}
        with self._database.write() as connection:
            return connection.execute(
                update(subscriptions).where(*ended).values(confirmed)
            ).rowcount

    def out_of_step(self, named: Mapping[str, Sequence[Destination]]) -> frozenset[str]:
        """
        The digests for which `sync_config` may have something to do, in few queries for all.

        Those of which nobody but the config has subscribed what it names are told for certain.

        Args:
            named: Digest → the destinations that the config names.
        """
        there: dict[str, dict[tuple[DestinationKind, str], SubscriptionState]]
        there = {digest: {} for digest in named}
        here = subscriptions.c
        query = select(here.digest, here.kind, here.address_key, here.state)
        query = query.where(text(f"subscriptions.{FROM_CONFIG}"))
        with self._database.read() as connection:
            for some in chunks(sorted(named)):
                for row in connection.execute(query.where(here.digest.in_(some))):
                    there[row.digest][row.kind, row.address_key] = row.state
        return frozenset(
            digest
            for digest, destinations in named.items()
            if not _is_in_step({_key(one) for one in destinations}, there[digest])
        )

    def remove(self, digest: str | None, destination: Destination, now: datetime) -> int:
        """Unsubscribe from one digest, or from all if None; gives from how many."""
        with self._database.write() as connection:
            return end_subscriptions(connection, digest, destination, now)

    def list(
        self,
        digest: str | None = None,
        states: Collection[SubscriptionState] | None = None,
        kind: DestinationKind | None = None,
    ) -> tuple[Subscription, ...]:
        """In the order in which they were made; of this digest, these states, this kind or all."""
        query = select(subscriptions).order_by(subscriptions.c.id)
        if digest is not None:
            query = query.where(subscriptions.c.digest == digest)
        if states is not None:
            query = query.where(subscriptions.c.state.in_(sorted(states)))
        if kind is not None:
            query = query.where(subscriptions.c.kind == kind)
        with self._database.read() as connection:
            return tuple(map(_to_subscription, connection.execute(query)))

    def of(self, destination: Destination) -> tuple[Subscription, ...]:
        """All that the destination was ever subscribed to, whatever the state."""
        kind, key = _key(destination)
        query = select(subscriptions).order_by(subscriptions.c.id)
        query = query.where(subscriptions.c.kind == kind, subscriptions.c.address_key == key)
        with self._database.read() as connection:
            return tuple(map(_to_subscription, connection.execute(query)))

    def confirmed(self, digest: str) -> tuple[Subscription, ...]:
        """Those that an edition of the digest goes to."""
        return self.list(digest, (_State.CONFIRMED,))

    def count_confirmed(self, digest: str) -> int:
        """How many an edition of the digest goes to."""
        query = select(func.count()).select_from(subscriptions)
        query = query.where(subscriptions.c.digest == digest)
        with self._database.read() as connection:
            return connection.execute(
                query.where(subscriptions.c.state == _State.CONFIRMED)
            ).scalar_one()

    def suppress(self, address: str, reason: str, now: datetime) -> None:
        """Never write to the address again; a second time changes the reason only."""
        with self._database.write() as connection:
            insert_suppression(self._database, connection, address, reason, now)

    def suppress_all(self, wanted: Collection[Suppression]) -> int:
        """Suppress them, those already suppressed left as they are; gives how many were not."""
        rows: list[dict[str, Any]] = [
            {"address": s.address.lower(), "reason": s.reason, "created_at": s.created_at}
            for s in wanted
        ]
        added = 0
        with self._database.write() as connection:
            for some in chunks(rows):
                new = self._database.insert(suppressions).values(list(some))
                new = new.on_conflict_do_nothing(index_elements=["address"])
                added += len(connection.execute(new.returning(suppressions.c.address)).all())
        return added

    def unsuppress(self, address: str) -> bool:
        """Allow the address again, its former bounces forgiven; False if it was allowed."""
        key = address.lower()
        gone = delete(suppressions).where(suppressions.c.address == key)
        forgiven = update(bounces).where(bounces.c.address == key, bounces.c.counts)
        with self._database.write() as connection:
            connection.execute(forgiven.values(counts=False))
            return connection.execute(gone).rowcount == 1

    def suppressions(self) -> tuple[Suppression, ...]:
        """All of them, by address."""
        query = select(suppressions).order_by(suppressions.c.address)
        with self._database.read() as connection:
            return tuple(Suppression(**row._mapping) for row in connection.execute(query))

    def is_suppressed(self, address: str) -> bool:
        """Whether the address, in any case, must not be written to."""
        return self.why_suppressed(address) is not None

    def why_suppressed(self, address: str) -> str | None:
        """The reason for which the address, in any case, is suppressed; None if it is not."""
        query = select(suppressions.c.reason).where(suppressions.c.address == address.lower())
        with self._database.read() as connection:
            reason: str | None = connection.execute(query).scalar()
        return reason

    def _add_from_config(
        self, connection: Connection, digest: str, destination: Destination, now: datetime
    ) -> None:
        row = _new_row(digest, destination, Origin.CONFIG, _State.CONFIRMED, "", now)
        connection.execute(
            self._database.insert(subscriptions).values(row).on_conflict_do_nothing()
        )


def is_same(one: Destination, other: Destination) -> bool:
    """Return True if both are one destination; email addresses compare without case."""
    return _key(one) == _key(other)


def after_sync_of_all(
    rows: Iterable[Subscription],
    named: Mapping[str, Sequence[Destination]],
    *,
    removed: Collection[str],
    restored: Collection[str],
    now: datetime,
) -> tuple[Subscription, ...]:
    """
    Return *rows* as a sync of the config leaves them, followed by those it adds.

    Args:
        rows: Subscriptions of whole digests, or of one destination.
        named: Digest → the destinations that the config names, as far as *rows* may have them.
        removed: Digests that the sync ends.
        restored: Digests that the sync puts back.
        now: The moment of the sync.
    """
    missing: dict[str, dict[tuple[DestinationKind, str], Destination]] = {}
    for digest, destinations in named.items():
        missing[digest] = {}
        for destination in destinations:
            missing[digest].setdefault(_key(destination), destination)
    found: list[Subscription] = []
    for row in rows:
        state, key = row.state, _key(row.destination)
        if row.digest in named:
            is_named = missing[row.digest].pop(key, None) is not None
            state = after_sync(state, row.origin, is_named=is_named)
            is_restored = row.digest in restored and row.origin is not Origin.CONFIG
            if is_restored and state is _State.ENDED:
                state = _State.CONFIRMED
        elif row.digest in removed and state is _State.CONFIRMED:
            state = _State.ENDED
        found.append(replace(row, state=state))
    found += (
        Subscription(
            id=0,
            digest=digest,
            destination=destination,
            state=_State.CONFIRMED,
            origin=Origin.CONFIG,
            created_at=now,
        )
        for digest, destinations_by_key in missing.items()
        for destination in destinations_by_key.values()
    )
    return tuple(found)


def _is_in_step(
    named: Set[tuple[DestinationKind, str]],
    there: Mapping[tuple[DestinationKind, str], SubscriptionState],
) -> bool:
    """Whether what the config has made is what it names, each in the state that it wants."""
    return named <= there.keys() and all(
        after_sync(state, Origin.CONFIG, is_named=key in named) is state
        for key, state in there.items()
    )


def _out_of_step(
    connection: Connection,
    digest: str,
    wanted: Mapping[tuple[DestinationKind, str], Destination],
    *,
    lock: bool = False,
) -> tuple[list[Destination], dict[int, SubscriptionState]]:
    """
    What is missing of *wanted*, and what must change: subscription → its new state.

    Asks only for what the config has made or names, of a digest that a hundred thousand may get.
    With *lock* no other transaction can change it meanwhile.
    """
    here = select(subscriptions).where(subscriptions.c.digest == digest)
    queries = [here.where(subscriptions.c.origin == Origin.CONFIG)]
    keys = sorted({key for _, key in wanted})
    queries += [here.where(subscriptions.c.address_key.in_(some)) for some in chunks(keys)]
    there: dict[tuple[DestinationKind, str], Row[Any]] = {}
    for query in queries:
        rows = connection.execute(query.with_for_update() if lock else query)
        there |= {(row.kind, row.address_key): row for row in rows}
    after = {
        row.id: (row.state, after_sync(row.state, row.origin, is_named=key in wanted))
        for key, row in there.items()
    }
    missing = [destination for key, destination in wanted.items() if key not in there]
    return missing, {key: new for key, (old, new) in after.items() if new is not old}


def end_subscriptions(
    connection: Connection, digest: str | None, destination: Destination, now: datetime
) -> int:
    """Unsubscribe from one digest, or from all if None; gives from how many."""
    kind, key = _key(destination)
    change = update(subscriptions).where(
        subscriptions.c.kind == kind,
        subscriptions.c.address_key == key,
        subscriptions.c.state.in_(_ACTIVE),
    )
    if digest is not None:
        change = change.where(subscriptions.c.digest == digest)
    change = change.values(state=_State.UNSUBSCRIBED, changed_at=now)
    return connection.execute(change).rowcount


def insert_suppression(
    database: Database, connection: Connection, address: str, reason: str, now: datetime
) -> None:
    """Suppress the address; a second time changes the reason only."""
    row = database.insert(suppressions).values(
        address=address.lower(), reason=reason, created_at=now
    )
    connection.execute(
        row.on_conflict_do_update(index_elements=["address"], set_={"reason": reason})
    )


def after_add(
    there: SubscriptionState, asked: SubscriptionState, origin: Origin
) -> SubscriptionState:
    """
    The state after *asked* meets what is *there*.

    Confirmed stays confirmed. What has ended begins anew as asked, except that the config cannot
    bring back a person who unsubscribed.
    """
    if there is _State.CONFIRMED:
        return there
    if there is _State.UNSUBSCRIBED and origin is Origin.CONFIG:
        return there
    return asked


def after_sync(there: SubscriptionState, origin: Origin, *, is_named: bool) -> SubscriptionState:
    """The state after the config was read, of a subscription that it names or does not name."""
    if is_named:
        return _State.CONFIRMED if there in {_State.PENDING, _State.ENDED} else there
    if origin is Origin.CONFIG and there in _ACTIVE:
        return _State.ENDED
    return there


def _key(destination: Destination) -> tuple[DestinationKind, str]:
    """What makes two destinations the same: mail addresses are compared without case."""
    if destination.kind is DestinationKind.EMAIL:
        return destination.kind, destination.address.lower()
    return destination.kind, destination.address


def _new_row(
    digest: str,
    destination: Destination,
    origin: Origin,
    state: SubscriptionState,
    name: str,
    now: datetime,
) -> dict[str, Any]:
    kind, key = _key(destination)
    return {
        "digest": digest,
        "kind": kind,
        "address": destination.address,
        "address_key": key,
        "state": state,
        "origin": origin,
        "name": name,
        "created_at": now,
        "changed_at": now,
    }


def _find(connection: Connection, row: Mapping[str, Any]) -> Row[Any]:
    """The row that *row* would be, locked against other transactions."""
    names = ("digest", "kind", "address_key")
    query = select(subscriptions).where(*(subscriptions.c[name] == row[name] for name in names))
    return connection.execute(query.with_for_update()).one()


def _set_state(
    connection: Connection, subscription_id: int, state: SubscriptionState, now: datetime
) -> None:
    change = update(subscriptions).where(subscriptions.c.id == subscription_id)
    connection.execute(change.values(state=state, changed_at=now))


def _to_subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        id=row.id,
        digest=row.digest,
        destination=Destination(kind=row.kind, address=row.address),
        state=row.state,
        origin=row.origin,
        created_at=row.created_at,
        name=row.name,
    )
