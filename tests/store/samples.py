"""Sample values and helpers for tests of the store; every field can be overridden."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, event, update

from digestbot.model import (
    Announcement,
    Delivery,
    DeliveryState,
    Destination,
    DestinationKind,
    Edition,
    EditionPaper,
    FetchedPaper,
    Form,
    Origin,
)
from digestbot.store import Cap, Store
from digestbot.store.tables import deliveries, delivery_attempts
from digestbot.store.transitions import LEASED, WAITING
from tests.factories import make_coverage, make_match

Statement = tuple[str, Any]

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
SLACK = Destination(kind=DestinationKind.SLACK, address="#papers")
FOLDER = Destination(kind=DestinationKind.FOLDER, address="/out")


def fetched(number: int = 1, **overrides: Any) -> FetchedPaper:
    """Make paper *number* as a source returns it."""
    fields: dict[str, Any] = {
        "id": f"arxiv:2611.{number:05}",
        "title": f"Serverless paper {number}",
        "abstract": f"The abstract of paper {number}.",
        "url": f"https://arxiv.org/abs/2611.{number:05}v1",
    }
    return FetchedPaper(**fields | overrides)


def ingest(store: Store, *numbers: int, source: str = "arxiv", at: datetime = NOW) -> None:
    store.papers.ingest(source, [fetched(number) for number in numbers], {}, at)


def log(store: Store, **wanted: Any) -> list[Announcement]:
    """Return the whole log, or the part that *wanted* selects."""
    defaults: dict[str, Any] = {"sources": None, "types": None}
    return list(store.papers.announcements(0, None, **defaults | wanted))


def mail(address: str = "reader@example.org") -> Destination:
    return Destination(kind=DestinationKind.EMAIL, address=address)


def register(store: Store, name: str = "systems", **overrides: Any) -> None:
    fields: dict[str, Any] = {
        "origin": Origin.CONFIG,
        "fingerprint": "daily",
        "cursor": 0,
        "next_due_at": NOW,
        "rescheduled_to": None,
        "now": NOW,
    }
    store.digests.register(name, **fields | overrides)


def shown(announcement: Announcement, **overrides: Any) -> EditionPaper:
    """Make an edition paper of *announcement*, matched by the first word of its title."""
    fields: dict[str, Any] = {
        "seq": announcement.seq,
        "paper": announcement.paper,
        "type": announcement.type,
        "source": announcement.source,
        "seen_at": announcement.seen_at,
        "score": 2.5,
        "matches": (make_match(announcement.paper, announcement.paper.title.split()[0]),),
    }
    return EditionPaper(**fields | overrides)


def edition(papers: Sequence[EditionPaper] = (), **overrides: Any) -> Edition:
    """Make the first edition of "systems"."""
    fields: dict[str, Any] = {
        "digest": "systems",
        "title": "Systems for ML",
        "number": 1,
        "slot": "2026-11-23",
        "created_at": NOW,
        "from_seq": 0,
        "to_seq": 0,
        "papers": tuple(papers),
        "covers_from": NOW - DAY,
        "covers_to": NOW,
        "considered": len(papers),
        "coverage": (make_coverage(note="one category is missing"), make_coverage(as_of=None)),
    }
    return Edition(**fields | overrides)


def record(
    store: Store,
    made: Edition | None = None,
    *,
    waiting: Sequence[EditionPaper] = (),
    to: Collection[Destination] = (mail(),),
    subscription_id: int | None = None,
    next_due_at: datetime | None = None,
) -> int | None:
    made = made or edition()
    return store.editions.record(
        made.digest,
        made,
        waiting,
        {Form.TEXT: "the text", Form.SUBJECT: "the subject"},
        [(d, subscription_id) for d in to],
        next_due_at,
        NOW,
        message_domain="example.org",
    )


def queue(store: Store, *destinations: Destination, **options: Any) -> tuple[int, ...]:
    """Record an edition of a new digest for *destinations*; return the deliveries' ids."""
    name = f"digest-{len(store.digests.states())}"
    register(store, name)
    record(store, edition(digest=name), to=destinations or (mail(),), **options)
    return tuple(sorted(d.id for d in store.outbox.list(digest=name, limit=10_000)))


def claim(store: Store, **overrides: Any) -> tuple[Delivery, ...]:
    fields: dict[str, Any] = {"now": NOW, "lease_s": 600, "limit": 100}
    return store.outbox.claim(**fields | overrides)


def state_of(store: Store, delivery_id: int) -> DeliveryState:
    return get(store, delivery_id).state


def get(store: Store, delivery_id: int) -> Delivery:
    delivery = store.outbox.get(delivery_id)
    assert delivery is not None
    return delivery


def mails(count: int) -> list[Destination]:
    return [mail(f"r{number}@example.org") for number in range(count)]


def force_state(store: Store, delivery_id: int, to: DeliveryState) -> None:
    """Put a delivery into state *to*, subject only to the database's constraints."""
    values = {
        "state": to,
        "attempts": 1,
        "next_at": NOW if to in WAITING else None,
        "lease_until": NOW + DAY if to in LEASED else None,
        "begun_at": NOW if to in LEASED else None,
    }
    with store._database.write() as connection:
        connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(values))
        connection.execute(delete(delivery_attempts))


def record_edition(
    store: Store, name: str, *to: Destination, at: datetime = NOW, **options: Any
) -> list[Delivery]:
    """Record an edition of the new digest *name*; return its deliveries."""
    register(store, name)
    made = edition(digest=name, created_at=at)
    envelopes = [(destination, None) for destination in to or (mail(),)]
    options |= {"message_domain": "example.org"}
    store.editions.record(name, made, [], {Form.TEXT: "text"}, envelopes, None, at, **options)
    return sorted(store.outbox.list(digest=name), key=lambda d: d.id)


def claimed_addresses(store: Store, now: datetime = NOW, cap: Cap | None = None) -> list[str]:
    claim = partial(store.outbox.claim, now, lease_s=60, limit=100, cap=cap)
    found = claim(kinds={DestinationKind.FOLDER}, is_archive=True)
    return [d.destination.address for d in (*found, *claim(kinds={DestinationKind.EMAIL}))]


@contextmanager
def statements(store: Store) -> Iterator[list[Statement]]:
    """Collect the statements that are sent to the database within the block."""
    sent: list[Statement] = []

    def note(connection: Connection, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            sent.append((statement, values))

    engine = store._database._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)
