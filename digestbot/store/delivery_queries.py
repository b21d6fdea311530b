"""
Queries for deliveries.

`loaded` is the one SELECT that makes a `Delivery`, `to_delivery` the way from its row.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, select, text

from digestbot.addresses import make_message_id
from digestbot.model import Delivery, DeliveryState, Destination
from digestbot.store.tables import (
    NOT_SENT,
    deliveries,
    delivery_attempts,
    digests,
    editions,
    subscriptions,
)
from digestbot.store.transitions import LEASED
from digestbot.store.values import Attempt

_S = DeliveryState
_NOT_LOADED: Final = {"begun_at", "receipt", "lost"}


def message_id(
    edition_name: str, created_at: datetime, destination: Destination, domain: str
) -> str:
    """
    Return the Message-ID of an edition to a destination.

    It is the same for every attempt, and computed from values that never change, so that a million
    deliveries need not store it. The time is one of them: after the loss of a database, number 1 is
    made again with other papers, and a mailbox that knows its old Message-ID would drop it as a
    duplicate.
    """
    moment = created_at.isoformat()
    return make_message_id(edition_name, moment, str(destination), domain=domain)


@cache
def loaded() -> Select[Any]:
    """Select deliveries joined with edition, digest and subscription."""
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


def to_delivery(row: Row[Any], **changed: Any) -> Delivery:
    """Make a delivery of a row of `loaded`. *changed* has fields written since."""
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


def list_deliveries(
    connection: Connection,
    states: Collection[DeliveryState] | None,
    digest: str | None,
    kind: str | None,
    limit: int,
    offset: int,
) -> tuple[Delivery, ...]:
    query = loaded().order_by(deliveries.c.id.desc()).limit(limit).offset(offset)
    if states is not None:
        query = query.where(deliveries.c.state.in_(sorted(states)))
        if _S.SENT not in states:
            query = query.where(text(f"deliveries.{NOT_SENT}"))
    if digest is not None:
        query = query.where(digests.c.name == digest)
    if kind is not None:
        query = query.where(deliveries.c.kind == kind)
    return tuple(map(to_delivery, connection.execute(query)))


def of_editions(
    connection: Connection, kind: str, addresses: Collection[str], edition_names: Collection[str]
) -> tuple[Delivery, ...]:
    found: tuple[Delivery, ...] = ()
    for name in edition_names:
        digest, _, number = name.rpartition("/")
        query = loaded().where(digests.c.name == digest, editions.c.number == int(number))
        query = query.where(deliveries.c.kind == kind)
        query = query.where(deliveries.c.address.in_(sorted(addresses)))
        found += tuple(map(to_delivery, connection.execute(query)))
    return found


def get(connection: Connection, delivery_id: int) -> Delivery | None:
    row = connection.execute(loaded().where(deliveries.c.id == delivery_id)).first()
    return to_delivery(row) if row else None


def receipt(connection: Connection, delivery_id: int) -> str | None:
    query = select(deliveries.c.receipt).where(deliveries.c.id == delivery_id)
    reply: str | None = connection.execute(query).scalar()
    return reply


def attempts(connection: Connection, delivery_id: int) -> tuple[Attempt, ...]:
    """
    Return the attempts of one delivery, oldest first.

    Failed attempts have rows; the latest is read from the delivery while it is in progress or once
    it has succeeded.
    """
    rows = delivery_attempts.c
    query = select(rows.attempt, rows.at, rows.outcome, rows.code, rows.error)
    query = query.where(rows.delivery_id == delivery_id).order_by(rows.attempt)
    here = deliveries.c
    last = select(here.state, here.attempts, here.begun_at, here.sent_at)
    failed = tuple(Attempt(**row._mapping) for row in connection.execute(query))
    row = connection.execute(last.where(here.id == delivery_id)).first()
    at = (row.begun_at or row.sent_at) if row else None
    if row is None or at is None:
        return failed
    outcome = _S.SENDING if row.state in LEASED else _S.SENT
    return (*failed, Attempt(attempt=row.attempts, at=at, outcome=outcome))


def count_due(connection: Connection, kind: str, now: datetime) -> int:
    """Count the waiting deliveries of *kind* that are due."""
    due = (deliveries.c.kind == kind, deliveries.c.next_at <= now)
    query = select(func.count()).select_from(deliveries).where(*due)
    return connection.execute(query).scalar_one()


def retries(connection: Connection, now: datetime) -> int:
    is_unsent = text(f"deliveries.{NOT_SENT}")  # for the index
    later = (deliveries.c.state == _S.RETRYING, deliveries.c.next_at > now, is_unsent)
    return connection.execute(select(func.count()).where(*later)).scalar_one()


def leases(connection: Connection) -> Mapping[int, datetime]:
    query = select(deliveries.c.id, deliveries.c.lease_until)
    rows = connection.execute(query.where(deliveries.c.lease_until.is_not(None)))
    return {row.id: row.lease_until for row in rows}


def counts(connection: Connection) -> Mapping[DeliveryState, int]:
    """Count deliveries by state. Sent ones are the remainder, since the index omits them."""
    by_state = select(deliveries.c.state, func.count()).where(text(f"deliveries.{NOT_SENT}"))
    every = select(func.count()).select_from(deliveries)
    rows = connection.execute(by_state.group_by(deliveries.c.state)).all()
    total = connection.execute(every).scalar_one()
    found = {row[0]: row[1] for row in rows}
    found[_S.SENT] = total - sum(found.values())
    return {state: found.get(state, 0) for state in DeliveryState}
