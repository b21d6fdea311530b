"""Column types and constraints, on both databases."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError, StatementError

from digestbot.model import Author
from digestbot.store import Store
from digestbot.store.tables import deliveries, digests, storable
from tests.store.samples import NOW, fetched, queue, register

ANY_TEXT = st.text(st.characters(codec=None))
same_store = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@same_store
@given(title=ANY_TEXT, comment=ANY_TEXT, name=ANY_TEXT)
def test_any_text_can_be_stored(store: Store, title: str, comment: str, name: str) -> None:
    paper = fetched(title=title, abstract=title, comment=comment, authors=(Author(name=name),))
    store.papers.ingest("arxiv", [paper], {name: title}, NOW)
    stored = store.papers.get(paper.id)
    # An empty title means that the source has none; the former one stays.
    assert stored is not None
    assert stored.title_raw == storable(title) or not title


@given(ANY_TEXT)
def test_storable_text_keeps_length_and_encodes(text: str) -> None:
    assert len(storable(text)) == len(text)
    assert "\0" not in storable(text)
    assert storable(text).encode().decode() == storable(text)


@same_store
@given(st.datetimes(timezones=st.just(UTC)))
def test_datetimes_keep_their_microseconds(store: Store, moment: datetime) -> None:
    register(store)
    store.digests.set_next_due("systems", moment)
    back = store.digests.state("systems").next_due_at
    assert back == moment
    assert back is not None
    assert back.tzinfo is UTC


def test_datetimes_come_back_in_utc(store: Store) -> None:
    register(store, next_due_at=NOW.astimezone(timezone(timedelta(hours=-5))))
    assert str(store.digests.state("systems").next_due_at) == "2026-11-23 08:00:00+00:00"


def test_datetimes_of_two_zones_compare(store: Store) -> None:
    register(store, next_due_at=NOW.astimezone(timezone(timedelta(hours=9))))
    assert store.digests.due(NOW)
    assert not store.digests.due(NOW - timedelta(microseconds=1))


def test_naive_datetime_is_refused(store: Store) -> None:
    with pytest.raises(StatementError, match="datetime without a time zone: 2026-11-23T08:00:00"):
        register(store, next_due_at=NOW.replace(tzinfo=None))


def test_database_refuses_unknown_enum_values(store: Store) -> None:
    register(store)
    with pytest.raises(IntegrityError), store._database.write() as connection:
        connection.exec_driver_sql("UPDATE digests SET origin = 'rumor'")


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("UPDATE deliveries SET state = 'sending'", id="sending without a lease"),
        pytest.param("UPDATE deliveries SET next_at = NULL", id="queued without a due time"),
        pytest.param("UPDATE deliveries SET state = 'sent'", id="sent with a due time"),
        pytest.param("DELETE FROM editions", id="edition of a delivery"),
    ],
)
def test_database_constraints_protect_the_outbox(store: Store, sql: str) -> None:
    queue(store)
    with pytest.raises(IntegrityError), store._database.write() as connection:
        connection.exec_driver_sql(sql)


def test_failing_transaction_is_undone(store: Store) -> None:
    register(store)
    with pytest.raises(ZeroDivisionError), store._database.write() as connection:
        assert connection.execute(digests.update().values(cursor=7)).rowcount / 0
    assert store.digests.state("systems").cursor == 0


def test_keys_can_exceed_32_bits(store: Store) -> None:
    register(store, cursor=2**53)
    assert store.digests.state("systems").cursor == 2**53
    assert deliveries.c.id.type.python_type is int


def test_any_kind_of_destination_can_be_stored(store: Store) -> None:
    """Kinds are the registry's names; the database does not list them."""
    queue(store)
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET kind = 'carrier-pigeon'")
    (delivery,) = store.outbox.list()
    assert delivery.destination.kind == "carrier-pigeon"
    assert [d.id for d in store.outbox.claim(NOW, lease_s=60, limit=9)] == [delivery.id]
