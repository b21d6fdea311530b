"""
Subscriptions, and the addresses that are suppressed.

A subscription refers to its digest by name, since a reader can subscribe before the digest has ever
run. The reader takes precedence over the config: once unsubscribed, a reader the config still names
stays unsubscribed, until the reader, or the operator by command, subscribes again.
"""

from collections import defaultdict
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
    """The part of the store with subscriptions and suppressions."""

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
        Subscribe, or return the existing subscription.

        `after_add` decides on the state of an existing one.

        Args:
            digest: Name of the digest, registered or not.
            destination: Email addresses are compared without case.
            origin: Where the request comes from.
            state: ``pending`` until the reader confirms, or ``confirmed``.
            name: The operator's name for the reader.
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
        """Subscribe *readers* (digest, destination, name) in one transaction."""
        rows = [
            _new_row(digest, destination, origin, state, name, now)
            for digest, destination, name in readers
        ]
        with self._database.write() as connection:
            known = _keys(connection, rows)
            new = [row for row in rows if _row_key(row) not in known]
            if new:
                statement = self._database.insert(subscriptions).on_conflict_do_nothing()
                connection.execute(statement, new)
            for row in rows:
                if _row_key(row) in known:
                    self._add(connection, row)

    def find_all(self, readers: Iterable[tuple[str, Destination]]) -> tuple[Subscription, ...]:
        """Return the subscriptions that exist among *readers* (digest, destination)."""
        with self._database.read() as connection:
            rows = _among(connection, [(digest, *_key(to)) for digest, to in readers])
            return tuple(map(_to_subscription, rows))

    def suppressed_among(self, addresses: Iterable[str]) -> frozenset[str]:
        """Return the suppressed ones of *addresses*, in lower case."""
        found: list[str] = []
        with self._database.read() as connection:
            for some in chunks(sorted({address.lower() for address in addresses})):
                query = select(suppressions.c.address).where(suppressions.c.address.in_(some))
                found += connection.execute(query).scalars()
        return frozenset(found)

    def _add(self, connection: Connection, row: Mapping[str, Any]) -> None:
        new = self._database.insert(subscriptions).values(dict(row)).on_conflict_do_nothing()
        if connection.execute(new).rowcount == 1:
            return
        found = _find(connection, row)
        after = after_add(found.state, row["state"], row["origin"])
        values: dict[str, Any] = {"name": row["name"] or found.name}
        if after is not found.state:
            values |= {"state": after, "origin": row["origin"], "changed_at": row["changed_at"]}
        this = subscriptions.c.id == found.id
        connection.execute(update(subscriptions).where(this).values(values))

    def sync_config(self, digest: str, destinations: Sequence[Destination], now: datetime) -> None:
        """
        Make the digest's subscriptions of origin ``config`` match the config.

        Adds and confirms those that the config names, and ends those it no longer names. Keeps
        subscriptions of other origins and those that were unsubscribed.
        """
        wanted: dict[tuple[str, str], Destination] = {}
        for destination in destinations:
            wanted.setdefault(_key(destination), destination)
        # Usually nothing has changed, and no row needs to be locked.
        with self._database.read() as connection:
            missing, changed = _config_changes(connection, digest, wanted)
        if not missing and not changed:
            return
        with self._database.write() as connection:
            missing, changed = _config_changes(connection, digest, wanted, lock=True)
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
        Reconfirm subscriptions ended by `end_digest`; return the count.

        `sync_config` restores subscriptions of origin ``config``.
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
        Return the digests that need `sync_config`.

        Takes few queries for all digests. The answer may include a digest that needs no sync, if a
        destination of the config was subscribed in another way.

        Args:
            named: Digest → the destinations that the config names.
        """
        stored: dict[str, dict[tuple[str, str], SubscriptionState]]
        stored = {digest: {} for digest in named}
        here = subscriptions.c
        query = select(here.digest, here.kind, here.address_key, here.state)
        query = query.where(text(f"subscriptions.{FROM_CONFIG}"))
        with self._database.read() as connection:
            for some in chunks(sorted(named)):
                for row in connection.execute(query.where(here.digest.in_(some))):
                    stored[row.digest][row.kind, row.address_key] = row.state
        return frozenset(
            digest
            for digest, destinations in named.items()
            if not _is_synced({_key(one) for one in destinations}, stored[digest])
        )

    def remove(self, digest: str | None, destination: Destination, now: datetime) -> int:
        """Unsubscribe from one digest, or all by default. Return the number ended."""
        with self._database.write() as connection:
            return end_subscriptions(connection, digest, destination, now)

    def list(
        self,
        digest: str | None = None,
        states: Collection[SubscriptionState] | None = None,
        kind: str | None = None,
    ) -> tuple[Subscription, ...]:
        """List subscriptions by digest, state and kind, oldest first."""
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
        """List the subscriptions of a destination in any state."""
        kind, key = _key(destination)
        query = select(subscriptions).order_by(subscriptions.c.id)
        query = query.where(subscriptions.c.kind == kind, subscriptions.c.address_key == key)
        with self._database.read() as connection:
            return tuple(map(_to_subscription, connection.execute(query)))

    def confirmed(self, digest: str) -> tuple[Subscription, ...]:
        """List the subscriptions that receive the digest's editions."""
        return self.list(digest, (_State.CONFIRMED,))

    def count_confirmed(self, digest: str) -> int:
        """Count the subscriptions that receive the digest's editions."""
        query = select(func.count()).select_from(subscriptions)
        query = query.where(subscriptions.c.digest == digest)
        with self._database.read() as connection:
            return connection.execute(
                query.where(subscriptions.c.state == _State.CONFIRMED)
            ).scalar_one()

    def suppress(self, address: str, reason: str, now: datetime) -> None:
        """Suppress the address, or change the reason."""
        with self._database.write() as connection:
            insert_suppression(self._database, connection, address, reason, now)

    def suppress_all(self, wanted: Collection[Suppression]) -> int:
        """Suppress further addresses. Return the number of new ones."""
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
        """Allow the address again and forgive its bounces. Return False if it was allowed."""
        key = address.lower()
        gone = delete(suppressions).where(suppressions.c.address == key)
        forgiven = update(bounces).where(bounces.c.address == key, bounces.c.counts)
        with self._database.write() as connection:
            connection.execute(forgiven.values(counts=False))
            return connection.execute(gone).rowcount == 1

    def suppressions(self) -> tuple[Suppression, ...]:
        """List all suppressions by address."""
        query = select(suppressions).order_by(suppressions.c.address)
        with self._database.read() as connection:
            return tuple(Suppression(**row._mapping) for row in connection.execute(query))

    def is_suppressed(self, address: str) -> bool:
        """Return True if the address is suppressed. Case is ignored."""
        return self.why_suppressed(address) is not None

    def why_suppressed(self, address: str) -> str | None:
        """Return why the address is suppressed, if it is. Case is ignored."""
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
    missing: dict[str, dict[tuple[str, str], Destination]] = {}
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


def _is_synced(
    named: Set[tuple[str, str]],
    stored: Mapping[tuple[str, str], SubscriptionState],
) -> bool:
    """Return True if *stored* needs no change to match *named*."""
    return named <= stored.keys() and all(
        after_sync(state, Origin.CONFIG, is_named=key in named) is state
        for key, state in stored.items()
    )


def _config_changes(
    connection: Connection,
    digest: str,
    wanted: Mapping[tuple[str, str], Destination],
    *,
    lock: bool = False,
) -> tuple[list[Destination], dict[int, SubscriptionState]]:
    """
    Return destinations to add, and subscriptions to change with their new states.

    Reads only subscriptions that the config has made or names: the digest may have a hundred
    thousand others. With *lock*, the rows are locked until the transaction ends.
    """
    here = select(subscriptions).where(subscriptions.c.digest == digest)
    queries = [here.where(subscriptions.c.origin == Origin.CONFIG)]
    keys = sorted({key for _, key in wanted})
    queries += [here.where(subscriptions.c.address_key.in_(some)) for some in chunks(keys)]
    found: dict[tuple[str, str], Row[Any]] = {}
    for query in queries:
        rows = connection.execute(query.with_for_update() if lock else query)
        found |= {(row.kind, row.address_key): row for row in rows}
    after = {
        row.id: (row.state, after_sync(row.state, row.origin, is_named=key in wanted))
        for key, row in found.items()
    }
    missing = [destination for key, destination in wanted.items() if key not in found]
    return missing, {key: new for key, (old, new) in after.items() if new is not old}


def end_subscriptions(
    connection: Connection, digest: str | None, destination: Destination, now: datetime
) -> int:
    """Unsubscribe from one digest, or all by default. Return the number ended."""
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
    """Suppress the address, or change the reason of its suppression."""
    row = database.insert(suppressions).values(
        address=address.lower(), reason=reason, created_at=now
    )
    connection.execute(
        row.on_conflict_do_update(index_elements=["address"], set_={"reason": reason})
    )


def after_add(
    before: SubscriptionState, requested: SubscriptionState, origin: Origin
) -> SubscriptionState:
    """
    Return the state of a subscription that is added again.

    A confirmed one stays confirmed. One that has ended starts again as *requested*, except that the
    config cannot bring back a reader who unsubscribed.
    """
    if before is _State.CONFIRMED:
        return before
    if before is _State.UNSUBSCRIBED and origin is Origin.CONFIG:
        return before
    return requested


def after_sync(before: SubscriptionState, origin: Origin, *, is_named: bool) -> SubscriptionState:
    """Return the state of a subscription after a config sync."""
    if is_named:
        return _State.CONFIRMED if before in {_State.PENDING, _State.ENDED} else before
    if origin is Origin.CONFIG and before in _ACTIVE:
        return _State.ENDED
    return before


def _key(destination: Destination) -> tuple[str, str]:
    """Return the key of a destination. Email addresses ignore case."""
    if destination.kind == DestinationKind.EMAIL:
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


def _row_key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["digest"], row["kind"], row["address_key"]


def _keys(
    connection: Connection, rows: Iterable[Mapping[str, Any]]
) -> frozenset[tuple[str, str, str]]:
    found = _among(connection, list(map(_row_key, rows)))
    return frozenset((row.digest, row.kind, row.address_key) for row in found)


def _among(connection: Connection, keys: Sequence[tuple[str, str, str]]) -> list[Row[Any]]:
    """Return the subscriptions with these keys (digest, kind, address key)."""
    here = subscriptions.c
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for digest, kind, address_key in keys:
        groups[digest, kind].append(address_key)
    found: list[Row[Any]] = []
    for (digest, kind), address_keys in sorted(groups.items()):
        for some in chunks(address_keys):
            which = here.digest == digest, here.kind == kind, here.address_key.in_(some)
            found += connection.execute(select(subscriptions).where(*which)).all()
    return found


def _find(connection: Connection, row: Mapping[str, Any]) -> Row[Any]:
    """Lock and return the subscription with the key of *row*."""
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
