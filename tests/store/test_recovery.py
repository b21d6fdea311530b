"""Recovery: deliveries whose workers crashed."""

import pytest

from digestbot.model import DeliveryState
from digestbot.model import DeliveryState as S
from digestbot.store import Recovered, Store
from digestbot.store.recovery import MAX_LOST, recovered_state
from tests.store import steps
from tests.store.samples import DAY, MINUTE, NOW, SLACK, claim, get, mails, queue, state_of


@pytest.mark.parametrize(
    ("before", "lost", "doubts", "after"),
    [
        pytest.param(S.SENDING, 0, 0, S.RETRYING, id="surely not delivered"),
        pytest.param(S.SENDING, 0, 9, S.RETRYING, id="earlier doubts ignored"),
        pytest.param(S.SENDING, MAX_LOST - 2, 0, S.RETRYING, id="second crash"),
        pytest.param(S.SENDING, MAX_LOST - 1, 0, S.QUARANTINED, id="third crash"),
        pytest.param(S.DATA_DONE, 0, 0, S.RETRYING, id="in doubt once"),
        pytest.param(S.DATA_DONE, 0, 1, S.UNKNOWN, id="in doubt twice"),
        pytest.param(S.DATA_DONE, MAX_LOST, 0, S.RETRYING, id="in doubt after crashes"),
    ],
)
def test_state_after_an_expired_lease(
    before: DeliveryState, lost: int, doubts: int, after: DeliveryState
) -> None:
    assert recovered_state(before, lost, doubts) is after


def test_valid_leases_are_left_alone(store: Store) -> None:
    queue(store)
    claim(store, lease_s=60)
    assert store.outbox.recover(NOW) == Recovered(retrying=0, unknown=0, quarantined=0)


def test_crash_while_sending_is_due_at_once(store: Store) -> None:
    (key,) = queue(store)
    claim(store, lease_s=60)
    later = NOW + MINUTE
    assert store.outbox.recover(later) == Recovered(retrying=1, unknown=0, quarantined=0)
    again = get(store, key)
    assert (again.state, again.next_at, again.lease_until) == (S.RETRYING, later, None)
    assert again.last_error == "the process crashed while sending"
    assert store.outbox.attempts(key)[0].outcome is S.RETRYING


def test_delivery_in_doubt_is_sent_once_more(store: Store) -> None:
    (key,) = queue(store)
    (first,) = claim(store, lease_s=60)
    steps.data_done(store, key, NOW)
    store.outbox.recover(NOW + MINUTE)
    (second,) = claim(store, lease_s=60, now=NOW + MINUTE)
    assert second.message_id == first.message_id
    steps.data_done(store, key, NOW + MINUTE)
    later = NOW + 2 * MINUTE
    assert store.outbox.recover(later) == Recovered(retrying=0, unknown=1, quarantined=0)
    assert (state_of(store, key), claim(store, now=NOW + DAY)) == (S.UNKNOWN, ())
    assert get(store, key).last_error == "the process crashed before the server replied"


def test_doubts_last_until_requeued(
    store: Store,
) -> None:
    (key,) = queue(store)
    for error, in_doubt in (("cut", True), ("greylisted", False)):
        claim(store)
        steps.retry(store, key, error, None, NOW, in_doubt=in_doubt)
    assert get(store, key).doubts == 1
    assert [d.doubts for d in claim(store)] == [1]
    steps.data_done(store, key, NOW)
    store.outbox.recover(NOW + DAY)
    assert (state_of(store, key), get(store, key).doubts) == (S.UNKNOWN, 2)
    store.outbox.requeue([key], NOW)
    assert get(store, key).doubts == 0


def test_doubtful_delivery_is_recovered_if_silent(store: Store) -> None:
    keys = queue(store, *mails(3))
    claim(store, lease_s=60)
    for key in keys[:2]:
        steps.data_done(store, key, NOW)
    later = NOW + DAY
    in_doubt = store.outbox.in_doubt(later)
    assert in_doubt == dict.fromkeys(keys[:2], NOW + MINUTE)
    assert store.outbox.in_doubt(NOW) == {}
    assert store.outbox.renew({keys[0]: 1}, NOW + 2 * MINUTE) == 1
    assert store.outbox.recover(later, silent={}).retrying == 1
    assert store.outbox.recover(later, silent=in_doubt).retrying == 1
    assert [state_of(store, key) for key in keys] == [S.DATA_DONE, S.RETRYING, S.RETRYING]


def test_delivery_that_kills_workers_is_quarantined(store: Store) -> None:
    (key,) = queue(store)
    now = NOW
    for lost in range(MAX_LOST):
        assert claim(store, lease_s=60, now=now, lost=lost)
        now += MINUTE
        store.outbox.recover(now)
    assert state_of(store, key) is S.QUARANTINED
    assert store.outbox.requeue([key], now) == 1
    claim(store, lease_s=60, now=now)
    store.outbox.recover(now + MINUTE)
    assert state_of(store, key) is S.RETRYING


def test_reaching_data_done_resets_the_crash_count(store: Store) -> None:
    (key,) = queue(store, SLACK)
    now = NOW
    for n in range(2 * MAX_LOST):
        claim(store, lease_s=60, now=now, lost=min(n, 1))
        steps.data_done(store, key, now)
        steps.acknowledge(store, key, "1.0", now + MINUTE)
        now += MINUTE
        store.outbox.recover(now)
        assert state_of(store, key) is S.RETRYING


@pytest.mark.parametrize("days", [3, 400])
def test_corrected_clock_delays_no_delivery(store: Store, days: int) -> None:
    ahead = NOW + days * DAY
    held, waiting, _ = queue(store, *mails(3))
    claim(store, now=ahead, lease_s=60, limit=2)
    steps.retry(store, waiting, "greylisted", "450", ahead + MINUTE)
    assert store.outbox.recover(NOW) == Recovered(retrying=1, unknown=0, quarantined=0)
    assert [len(claim(store, now=NOW, lost=lost)) for lost in (0, 1)] == [2, 1]
    assert state_of(store, held) is S.SENDING
