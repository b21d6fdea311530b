"""Claims: leasing, releasing and renewing deliveries."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from digestbot.model import DeliveryState as S
from digestbot.model import DestinationKind, Origin
from digestbot.model import SubscriptionState as Subscribed
from digestbot.store import AWAITING_OPERATOR, Store, open_store
from digestbot.store.tables import deliveries
from tests.store import steps
from tests.store.samples import (
    DAY,
    FOLDER,
    MINUTE,
    NOW,
    SLACK,
    claim,
    claimed_addresses,
    get,
    mail,
    mails,
    queue,
    record_edition,
    state_of,
)


def test_claimed_delivery_is_sending_and_leased(store: Store) -> None:
    (key,) = queue(store)
    (claimed,) = claim(store)
    assert (claimed.id, claimed.state, claimed.attempts) == (key, S.SENDING, 1)
    assert (claimed.next_at, claimed.lease_until) == (None, NOW + timedelta(seconds=600))
    assert claimed == store.outbox.get(key)


def test_each_delivery_is_claimed_once(store: Store) -> None:
    keys = queue(store, *mails(5))
    first, second = claim(store, limit=3), claim(store, limit=3)
    assert sorted(d.id for d in first + second) == list(keys)
    assert claim(store) == ()


def test_deliveries_not_due_are_left(store: Store) -> None:
    (key,) = queue(store)
    assert claim(store, now=NOW - MINUTE) == ()
    claim(store)
    steps.retry(store, key, "greylisted", "450", NOW + MINUTE)
    assert claim(store) == ()
    assert [d.attempts for d in claim(store, now=NOW + MINUTE)] == [2]


def test_longest_waiting_deliveries_come_first(store: Store) -> None:
    first, second = queue(store, *mails(2))
    claim(store)
    steps.retry(store, first, "", None, NOW + 3 * MINUTE)
    steps.retry(store, second, "", None, NOW + 2 * MINUTE)
    assert [d.id for d in claim(store, now=NOW + DAY)] == [second, first]


def test_claim_can_be_limited_to_kinds_and_editions(store: Store) -> None:
    channel, _ = queue(store, SLACK, mail())
    (other,) = queue(store)
    assert [d.id for d in claim(store, kinds={DestinationKind.SLACK})] == [channel]
    assert [d.id for d in claim(store, edition_ids={get(store, other).edition_id})] == [other]
    assert claim(store, kinds=()) == ()
    assert claim(store, edition_ids=()) == ()
    assert len(claim(store)) == 1


@pytest.mark.parametrize("limit", [0, 1, 4, 5, 6])
def test_claim_keeps_to_the_limit(store: Store, limit: int) -> None:
    queue(store, SLACK, *mails(4))
    assert len(claim(store, limit=limit)) == min(limit, 5)


def test_claim_larger_than_one_statement(store: Store) -> None:
    queue(store, *mails(1200))
    assert len(claim(store, limit=1100)) == 1100
    assert len(claim(store, limit=1100)) == 100


def test_suppressed_address_is_cancelled_on_claim(store: Store) -> None:
    bad, good = queue(store, mail("Gone@Example.org"), mail("r@example.org"))
    store.subscriptions.suppress("gone@example.ORG", "bounced", NOW)
    assert [d.id for d in claim(store, limit=1)] == [good]
    assert state_of(store, bad) is S.CANCELLED
    assert get(store, bad).last_error == "the address is suppressed: bounced"


@pytest.mark.parametrize("ended", [Subscribed.UNSUBSCRIBED, Subscribed.PENDING])
def test_ended_subscription_is_cancelled_on_claim(store: Store, ended: Subscribed) -> None:
    there = store.subscriptions.add(
        "digest-0", mail(), origin=Origin.COMMAND, state=Subscribed.PENDING, now=NOW
    )
    if ended is Subscribed.UNSUBSCRIBED:
        store.subscriptions.remove("digest-0", mail(), NOW)
    (key,) = queue(store, subscription_id=there.id)
    assert claim(store) == ()
    assert get(store, key).last_error == f"the subscription is {ended}"


def test_confirmed_subscription_is_claimed(store: Store) -> None:
    there = store.subscriptions.add(
        "digest-0", mail(), origin=Origin.COMMAND, state=Subscribed.CONFIRMED, now=NOW
    )
    (key,) = queue(store, subscription_id=there.id)
    assert [d.id for d in claim(store)] == [key]


def test_released_claim_leaves_no_trace(store: Store) -> None:
    (key,) = queue(store)
    before = get(store, key)
    claim(store)
    assert store.outbox.release_claims({key: 1}, NOW) == 1
    assert get(store, key) == before
    assert store.outbox.attempts(key) == ()
    claim(store)
    steps.retry(store, key, "greylisted", "450", NOW)
    claim(store)
    assert store.outbox.release_claims({key: 2}, NOW) == 1
    assert (state_of(store, key), get(store, key).attempts) == (S.RETRYING, 1)
    assert [d.attempts for d in claim(store)] == [2]
    assert [a.attempt for a in store.outbox.attempts(key)] == [1, 2]


def test_renew_skips_locked_rows(postgres_schema_url: str) -> None:
    with open_store(postgres_schema_url) as store, open_store(postgres_schema_url) as other:
        first, *_ = queue(store, *mails(3))
        held = {delivery.id: delivery.attempts for delivery in claim(store)}
        with other._database.write() as connection:
            connection.execute(select(deliveries).where(deliveries.c.id == first).with_for_update())
            assert store.outbox.renew(held, NOW + DAY) == 2
        assert store.outbox.renew(held, NOW + DAY) == 3


def test_crashed_deliveries_are_claimed_separately(store: Store) -> None:
    guilty, innocent = queue(store, *mails(2))
    now = NOW
    for lost in range(2):
        assert [d.id for d in claim(store, lease_s=60, now=now, limit=1, lost=lost)] == [guilty]
        now += MINUTE
        store.outbox.recover(now)
    assert [d.id for d in claim(store, now=now)] == [innocent]
    assert claim(store, now=now, lost=1) == ()
    assert [d.id for d in claim(store, now=now, lost=2)] == [guilty]


def test_renewed_claims_are_not_recovered(store: Store) -> None:
    ids = queue(store, *mails(3))
    held = {d.id: d.attempts for d in store.outbox.claim(NOW, lease_s=60, limit=2)}
    later = NOW + timedelta(seconds=600)
    assert store.outbox.renew(held | {ids[2]: 1, 10**6: 1}, later) == 2
    assert store.outbox.recover(NOW + timedelta(seconds=120)).retrying == 0
    assert store.outbox.recover(later).retrying == 2
    assert store.outbox.renew(held, later) == 0


@pytest.mark.parametrize("late", [timedelta(0), DAY])
def test_expired_edition_is_held_until_released(store: Store, late: timedelta) -> None:
    (old, folder) = record_edition(store, "d", mail(), FOLDER, expires_at=NOW + DAY)
    record_edition(store, "ageless", mail("b@x.org"))
    at = NOW + DAY + late
    assert sorted(claimed_addresses(store, at)) == ["/out", "b@x.org"]
    held = store.outbox.get(old.id)
    assert held is not None
    assert (held.state, held.attempts, held.next_at) == (S.HELD, 0, None)
    assert held.last_error == "the edition of 2026-11-23 is too old; release it to send it anyway"
    assert folder.id != old.id
    store.outbox.requeue([old.id], at, states=AWAITING_OPERATOR)
    assert claimed_addresses(store, at) == ["reader@example.org"]
    steps.retry(store, old.id, "busy", "450", at)
    assert claimed_addresses(store, at + DAY) == ["reader@example.org"]


def test_edition_is_claimed_until_it_expires(store: Store) -> None:
    record_edition(store, "d", expires_at=NOW + DAY)
    assert claimed_addresses(store, NOW + DAY - MINUTE) == ["reader@example.org"]
