"""The outbox: what each of its methods is allowed to do."""

from collections.abc import Callable

import pytest

from digestbot.model import DeliveryState
from digestbot.model import DeliveryState as S
from digestbot.store import AWAITING_OPERATOR, Store
from digestbot.store.transitions import ENTERED_FROM, LEASED, REQUEUEABLE
from tests.store import steps
from tests.store.samples import (
    DAY,
    MINUTE,
    NOW,
    SLACK,
    claim,
    force_state,
    get,
    mails,
    queue,
    state_of,
)

Step = Callable[[Store, int], bool]


STEPS: dict[str, tuple[DeliveryState, Step]] = {
    "data_done": (S.DATA_DONE, lambda s, key: steps.data_done(s, key, NOW, attempt=1)),
    "acknowledge": (S.SENDING, lambda s, key: steps.acknowledge(s, key, "1.0", NOW + DAY)),
    "sent": (S.SENT, lambda s, key: steps.sent(s, key, "250 ok", NOW, attempt=1)),
    "retry": (S.RETRYING, lambda s, key: steps.retry(s, key, "busy", "450", NOW)),
    "dead": (S.DEAD, lambda s, key: steps.dead(s, key, "no such user", "550 5.1.1")),
    "unknown": (S.UNKNOWN, lambda s, key: steps.unknown(s, key, "the link broke")),
    "cancel": (S.CANCELLED, lambda s, key: s.outbox.cancel(key, "not wanted")),
    "requeue": (S.QUEUED, lambda s, key: s.outbox.requeue([key], NOW) == 1),
    "release": (
        S.QUEUED,
        lambda s, key: s.outbox.requeue([key], NOW, states=AWAITING_OPERATOR) == 1,
    ),
    "release_claims": (S.QUEUED, lambda s, key: s.outbox.release_claims({key: 1}, NOW) == 1),
}


ENTERED: dict[str, frozenset[DeliveryState]] = {
    "acknowledge": LEASED,
    "requeue": REQUEUEABLE - {S.HELD},
    "release": AWAITING_OPERATOR,
    "release_claims": frozenset({S.SENDING}),
}


@pytest.mark.parametrize("step", STEPS)
def test_each_method_is_allowed_from_its_states_only(store: Store, step: str) -> None:
    (key,) = queue(store)
    to, take = STEPS[step]
    for before in DeliveryState:
        force_state(store, key, before)
        if before in ENTERED.get(step, ENTERED_FROM[to]):
            assert take(store, key) is True
            assert state_of(store, key) is to
        else:
            unchanged = get(store, key)
            assert take(store, key) is False
            assert get(store, key) == unchanged


def test_the_cases_cover_every_state_but_those_of_the_operator() -> None:
    """Claims and recovery lead to these two; see their own tests."""
    assert set(DeliveryState) - {to for to, _ in STEPS.values()} == AWAITING_OPERATOR


def test_unknown_delivery_is_refused(store: Store) -> None:
    assert [steps.sent(store, 99, "250", NOW), store.outbox.release_claims({99: 1}, NOW)] == [
        False,
        0,
    ]
    for step in ("data_done", "acknowledge"):
        assert STEPS[step][1](store, 99) is False


def test_acknowledged_messages_outlive_the_attempt(store: Store) -> None:
    (key,) = queue(store, SLACK)
    claim(store)
    for mark in ("1.0", "2.0"):
        steps.data_done(store, key, NOW)
        steps.acknowledge(store, key, mark, NOW + DAY)
    assert (state_of(store, key), get(store, key).lease_until) == (S.SENDING, NOW + DAY)
    steps.retry(store, key, "rate limited", "429", NOW)
    (again,) = claim(store)
    assert again.acknowledged == ("1.0", "2.0")


def test_data_done_can_be_repeated_in_one_attempt(store: Store) -> None:
    (key,) = queue(store, SLACK)
    claim(store)
    steps.data_done(store, key, NOW)
    steps.data_done(store, key, NOW)
    assert state_of(store, key) is S.DATA_DONE


def test_data_done_is_refused_after_the_lease(store: Store) -> None:
    (key,) = queue(store)
    claim(store, lease_s=60)
    assert not steps.data_done(store, key, NOW + MINUTE)
    assert state_of(store, key) is S.SENDING


def test_old_attempt_cannot_change_the_next_one(store: Store) -> None:
    (key,) = queue(store)
    (slow,) = claim(store, lease_s=60)
    store.outbox.recover(NOW + MINUTE)
    claim(store, now=NOW + MINUTE, lost=1)
    before = get(store, key)
    assert not steps.data_done(store, key, NOW + MINUTE, attempt=slow.attempts)
    assert not steps.acknowledge(store, key, "1.0", NOW + DAY, attempt=slow.attempts)
    assert not steps.sent(store, key, "250", NOW, attempt=slow.attempts)
    assert not steps.retry(store, key, "", None, NOW, attempt=slow.attempts)
    assert not steps.dead(store, key, "", None, attempt=slow.attempts)
    assert not steps.unknown(store, key, "", attempt=slow.attempts)
    assert not store.outbox.release_claims({key: slow.attempts}, NOW)
    assert get(store, key) == before
    assert steps.sent(store, key, "250", NOW, attempt=before.attempts)


def test_requeued_deliveries_are_due_again(store: Store) -> None:
    dead, sent, waiting = queue(store, *mails(3))
    claim(store, limit=2)
    steps.dead(store, dead, "no such user", "550")
    steps.sent(store, sent, "250", NOW)
    assert store.outbox.requeue([dead, sent, waiting, 99], NOW + MINUTE) == 1
    again = get(store, dead)
    assert (again.state, again.next_at, again.last_error) == (
        S.QUEUED,
        NOW + MINUTE,
        "no such user",
    )
    assert {d.id: d.attempts for d in claim(store, now=NOW + MINUTE)} == {dead: 2, waiting: 1}
