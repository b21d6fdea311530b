"""Listing and counting deliveries."""

from sqlalchemy import select

from digestbot.model import DeliveryState, DestinationKind
from digestbot.model import DeliveryState as S
from digestbot.store import Store
from digestbot.store.delivery_queries import message_id
from digestbot.store.tables import delivery_attempts
from tests.store import steps
from tests.store.samples import MINUTE, NOW, SLACK, claim, get, mail, mails, queue, register


def test_message_id_never_changes() -> None:
    """A change here would make mailboxes show repeats as new messages after an upgrade."""
    made = message_id("systems/12", NOW, mail(), "example.org")
    assert made == "<ccaa94f2a1ea9b2d24ade2fefdc710d2cdd7d8fb@example.org>"


def test_deliveries_can_be_filtered_and_paged(store: Store) -> None:
    first, second = queue(store, SLACK, mail())
    (third,) = queue(store)
    everything = store.outbox.list()
    assert [d.id for d in everything] == [third, second, first]
    assert [d.id for d in store.outbox.list(digest="digest-0")] == [second, first]
    (channel,) = store.outbox.list(kind=DestinationKind.SLACK)
    assert channel.destination == SLACK
    store.outbox.cancel(third, "not wanted")
    assert [d.id for d in store.outbox.list(states={S.CANCELLED})] == [third]
    assert store.outbox.list((S.SENT,)) == ()
    assert [d.id for d in store.outbox.list(limit=1, offset=1)] == [second]
    assert store.outbox.get(99) is None


def test_counts_have_every_state(store: Store) -> None:
    assert store.outbox.counts() == dict.fromkeys(DeliveryState, 0)
    queue(store, *mails(3))
    claim(store, limit=1)
    expected = dict.fromkeys(DeliveryState, 0) | {S.QUEUED: 2, S.SENDING: 1}
    assert store.outbox.counts() == expected


def test_delivery_is_named_after_its_edition(store: Store) -> None:
    register(store, "unrelated")
    (key,) = queue(store)
    delivery = get(store, key)
    assert (delivery.edition_name, delivery.digest) == ("digest-1/1", "digest-1")


def test_sent_stores_receipt_and_clears_errors(store: Store) -> None:
    (key,) = queue(store)
    claim(store)
    steps.retry(store, key, "greylisted", "450 4.7.1", NOW)
    retrying = get(store, key)
    assert (retrying.last_error, retrying.last_code) == ("greylisted", "450 4.7.1")
    claim(store)
    steps.data_done(store, key, NOW)
    assert store.outbox.receipt(key) is None
    assert steps.sent(store, key, "250 2.0.0 queued as 4711", NOW + MINUTE)
    sent = get(store, key)
    assert (sent.sent_at, sent.last_error, sent.last_code) == (NOW + MINUTE, None, None)
    assert (sent.lease_until, sent.next_at, sent.attempts) == (None, None, 2)
    assert store.outbox.receipt(key) == "250 2.0.0 queued as 4711"


def test_successful_first_attempt_has_no_row(store: Store) -> None:
    (key,) = queue(store)
    claim(store)
    steps.data_done(store, key, NOW)
    (running,) = store.outbox.attempts(key)
    assert (running.attempt, running.at, running.outcome) == (1, NOW, S.SENDING)
    steps.sent(store, key, "250 2.0.0 queued as 4711", NOW + MINUTE)
    (only,) = store.outbox.attempts(key)
    assert (only.attempt, only.at, only.outcome) == (1, NOW + MINUTE, S.SENT)
    assert (only.code, only.error) == (None, None)
    with store._database.read() as connection:
        assert connection.execute(select(delivery_attempts)).all() == []


def test_every_attempt_is_listed(store: Store) -> None:
    (key,) = queue(store)
    claim(store)
    steps.retry(store, key, "greylisted", "450", NOW + MINUTE)
    claim(store, now=NOW + MINUTE)
    assert store.outbox.attempts(key)[-1].outcome is S.SENDING
    steps.dead(store, key, "no such user", "550 5.1.1")
    first, second = store.outbox.attempts(key)
    assert (first.attempt, first.at, first.outcome) == (1, NOW, S.RETRYING)
    assert (first.code, first.error) == ("450", "greylisted")
    assert (second.attempt, second.at, second.outcome) == (2, NOW + MINUTE, S.DEAD)
