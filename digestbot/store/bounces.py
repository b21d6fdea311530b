"""
Bounces of deliveries, and the positions up to which their mailboxes are read.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from digestbot.model import Bounce, BounceKind, Destination
from digestbot.store.database import Database
from digestbot.store.subscriptions import end_subscriptions, insert_suppression
from digestbot.store.tables import bounces, deliveries, digests, editions, mailboxes
from digestbot.store.values import MailboxState

Verdict = Callable[[Sequence[datetime]], str | None]
"""Returns a reason to suppress an address, given the times of its soft bounces."""


class Bounces:
    """The part of the store with bounces and the positions in mailboxes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, bounce: Bounce, fingerprint: str, verdict: Verdict) -> str | None:
        """
        Record a bounce, and suppress the address if *verdict* says so.

        This is one transaction. A complaint also ends all subscriptions of the address, an
        unsubscribe request the one to the digest. Returned emails that were read before, and those
        of unknown deliveries, change nothing.

        Args:
            bounce: The bounce, with its delivery.
            fingerprint: Hash of the returned email.
            verdict: Called within the transaction.

        Returns:
            The reason if the address was suppressed now, else None.
        """
        with self._database.write() as connection:
            destination = _destination(connection, bounce.delivery_id)
            if destination is None or not self._insert(
                connection, bounce, fingerprint, destination
            ):
                return None
            if bounce.kind is BounceKind.COMPLAINT:
                end_subscriptions(connection, None, destination, bounce.at)
            if bounce.kind is BounceKind.UNSUBSCRIBE:
                digest = _digest(connection, bounce.delivery_id)
                end_subscriptions(connection, digest, destination, bounce.at)
            reason = verdict(_soft_bounces(connection, destination.address))
            if reason is None:
                return None
            insert_suppression(self._database, connection, destination.address, reason, bounce.at)
            return reason

    def of_delivery(self, delivery_id: int) -> tuple[Bounce, ...]:
        """List the bounces of one delivery, oldest first."""
        rows = bounces.c
        query = select(rows.delivery_id, rows.kind, rows.code, rows.detail, rows.at)
        query = query.where(rows.delivery_id == delivery_id).order_by(rows.id)
        with self._database.read() as connection:
            return tuple(Bounce(**row._mapping) for row in connection.execute(query))

    def mailbox(self, name: str) -> MailboxState:
        """Return the state of a mailbox. Its mark is empty at first."""
        query = select(mailboxes).where(mailboxes.c.name == name)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return MailboxState(name=name, mark="", last_ok_at=None, last_error=None)
        return MailboxState(**row._mapping)

    def set_mark(self, name: str, mark: str) -> None:
        """Store the position up to which the mailbox is read."""
        self._set_mailbox(name, mark=mark)

    def set_checked(self, name: str, error: str | None, now: datetime) -> None:
        """Record a check of the mailbox. It succeeded if *error* is None."""
        success = {"last_ok_at": now} if error is None else {}
        self._set_mailbox(name, last_error=error, **success)

    def _set_mailbox(self, name: str, **values: Any) -> None:
        new = self._database.insert(mailboxes).values({"name": name, "mark": "", **values})
        with self._database.write() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=values))

    def _insert(
        self, connection: Connection, bounce: Bounce, fingerprint: str, destination: Destination
    ) -> bool:
        row = {
            "fingerprint": fingerprint,
            "delivery_id": bounce.delivery_id,
            "address": destination.address.lower(),
            "kind": bounce.kind,
            "code": bounce.code,
            "detail": bounce.detail,
            "at": bounce.at,
            "counts": bounce.kind is BounceKind.SOFT,
        }
        new = self._database.insert(bounces).values(row).on_conflict_do_nothing()
        return connection.execute(new.returning(bounces.c.id)).first() is not None


def _destination(connection: Connection, delivery_id: int) -> Destination | None:
    query = select(deliveries.c.kind, deliveries.c.address).where(deliveries.c.id == delivery_id)
    row = connection.execute(query).first()
    return Destination(kind=row.kind, address=row.address) if row else None


def _digest(connection: Connection, delivery_id: int) -> str:
    query = select(digests.c.name).join_from(deliveries, editions)
    query = query.join(digests, digests.c.id == editions.c.digest_id)
    name: str = connection.execute(query.where(deliveries.c.id == delivery_id)).scalar_one()
    return name


def _soft_bounces(connection: Connection, address: str) -> Sequence[datetime]:
    """Return the times of the bounces that count for the address."""
    query = select(bounces.c.at).where(bounces.c.address == address.lower(), bounces.c.counts)
    return connection.execute(query.order_by(bounces.c.at)).scalars().all()
