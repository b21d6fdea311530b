"""The outbox: claims, transitions, recovery."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from digestbot.model import Delivery, DeliveryState, Destination, DestinationKind, Origin
from digestbot.model import SubscriptionState as Subscribed
from digestbot.store import Recovered, Store, Transition, open_store
from digestbot.store.delivery_queries import message_id
from digestbot.store.recovery import MAX_LOST, recovered_state
from digestbot.store.tables import deliveries, delivery_attempts
from digestbot.store.transitions import (
    AWAITING_OPERATOR,
    ENTERED_FROM,
    FAILED,
    LEASED,
    REQUEUEABLE,
    WAITING,
    write_checked,
)
from tests.store import marks
from tests.store.samples import DAY, MINUTE, NOW, mail, queue, register, statements

S = DeliveryState
SLACK = Destination(kind=DestinationKind.SLACK, address="#papers")


def claim(store: Store, **overrides: Any) -> tuple[Delivery, ...]:
    fields: dict[str, Any] = {"now": NOW, "lease_s": 600, "limit": 100}
    return store.outbox.claim(**fields | overrides)


def state(store: Store, delivery_id: int) -> DeliveryState:
    return got(store, delivery_id).state


def got(store: Store, delivery_id: int) -> Delivery:
    delivery = store.outbox.get(delivery_id)
    assert delivery is not None
    return delivery


def mails(count: int) -> list[Destination]:
    return [mail(f"r{number}@example.org") for number in range(count)]


# Claims


def test_a_claim_is_sending_and_held(store: Store) -> None:
    (key,) = queue(store)
    (claimed,) = claim(store)
    assert (claimed.id, claimed.state, claimed.attempts) == (key, S.SENDING, 1)
    assert (claimed.next_at, claimed.lease_until) == (None, NOW + timedelta(seconds=600))
    assert claimed == store.outbox.get(key)


def test_nothing_is_claimed_twice(store: Store) -> None:
    keys = queue(store, *mails(5))
    first, second = claim(store, limit=3), claim(store, limit=3)
    assert sorted(d.id for d in first + second) == list(keys)
    assert claim(store) == ()


def test_what_is_not_due_yet_is_left(store: Store) -> None:
    (key,) = queue(store)
    assert claim(store, now=NOW - MINUTE) == ()
    claim(store)
    marks.retry(store, key, "greylisted", "450", NOW + MINUTE)
    assert claim(store) == ()
    assert [d.attempts for d in claim(store, now=NOW + MINUTE)] == [2]


def test_the_longest_waiting_come_first(store: Store) -> None:
    first, second = queue(store, *mails(2))
    claim(store)
    marks.retry(store, first, "", None, NOW + 3 * MINUTE)
    marks.retry(store, second, "", None, NOW + 2 * MINUTE)
    assert [d.id for d in claim(store, now=NOW + DAY)] == [second, first]


def test_a_claim_can_be_narrowed_to_kinds_and_editions(store: Store) -> None:
    channel, _ = queue(store, SLACK, mail())
    (other,) = queue(store)
    assert [d.id for d in claim(store, kinds={DestinationKind.SLACK})] == [channel]
    assert [d.id for d in claim(store, edition_ids={got(store, other).edition_id})] == [other]
    assert claim(store, kinds=()) == ()
    assert claim(store, edition_ids=()) == ()
    assert len(claim(store)) == 1


@pytest.mark.parametrize("limit", [0, 1, 4, 5, 6])
def test_no_more_than_the_limit(store: Store, limit: int) -> None:
    queue(store, SLACK, *mails(4))
    assert len(claim(store, limit=limit)) == min(limit, 5)


def test_a_claim_of_more_than_one_statement_holds(store: Store) -> None:
    queue(store, *mails(1200))
    assert len(claim(store, limit=1100)) == 1100
    assert len(claim(store, limit=1100)) == 100


def test_a_suppressed_address_is_cancelled_and_does_not_count(store: Store) -> None:
    bad, good = queue(store, mail("Gone@Example.org"), mail("r@example.org"))
    store.subscriptions.suppress("gone@example.ORG", "bounced", NOW)
    assert [d.id for d in claim(store, limit=1)] == [good]
    assert state(store, bad) is S.CANCELLED
    assert got(store, bad).last_error == "the address is suppressed: bounced"


@pytest.mark.parametrize("ended", [Subscribed.UNSUBSCRIBED, Subscribed.PENDING])
def test_who_is_not_subscribed_any_more_is_not_written_to(store: Store, ended: Subscribed) -> None:
    there = store.subscriptions.add(
        "digest-0", mail(), origin=Origin.COMMAND, state=Subscribed.PENDING, now=NOW
    )
    if ended is Subscribed.UNSUBSCRIBED:
        store.subscriptions.remove("digest-0", mail(), NOW)
    (key,) = queue(store, subscription_id=there.id)
    assert claim(store) == ()
    assert got(store, key).last_error == f"the subscription is {ended}"


def test_who_is_subscribed_is_written_to(store: Store) -> None:
    there = store.subscriptions.add(
        "digest-0", mail(), origin=Origin.COMMAND, state=Subscribed.CONFIRMED, now=NOW
    )
    (key,) = queue(store, subscription_id=there.id)
    assert [d.id for d in claim(store)] == [key]


def test_a_doubt_is_remembered_whatever_follows_until_a_person_queues_it_again(
    store: Store,
) -> None:
    (key,) = queue(store)
    for error, in_doubt in (("cut", True), ("greylisted", False)):
        claim(store)
        marks.retry(store, key, error, None, NOW, in_doubt=in_doubt)
    assert got(store, key).doubts == 1
    assert [d.doubts for d in claim(store)] == [1]
    marks.data_done(store, key, NOW)
    store.outbox.recover(NOW + DAY)
    assert (state(store, key), got(store, key).doubts) == (S.UNKNOWN, 2)
    store.outbox.requeue([key], NOW)
    assert got(store, key).doubts == 0


def test_a_claim_that_is_given_back_is_as_if_it_had_not_been(store: Store) -> None:
    (key,) = queue(store)
    before = got(store, key)
    claim(store)
    assert store.outbox.release_claims({key: 1}, NOW) == 1
    assert got(store, key) == before
    assert store.outbox.attempts(key) == ()
    claim(store)
    marks.retry(store, key, "greylisted", "450", NOW)
    claim(store)
    assert store.outbox.release_claims({key: 2}, NOW) == 1
    assert (state(store, key), got(store, key).attempts) == (S.RETRYING, 1)
    assert [d.attempts for d in claim(store)] == [2]
    assert [a.attempt for a in store.outbox.attempts(key)] == [1, 2]


# Transitions

Step = Callable[[Store, int], bool]

STEPS: dict[str, tuple[DeliveryState, Step]] = {
    "data_done": (S.DATA_DONE, lambda s, key: marks.data_done(s, key, NOW, attempt=1)),
    "acknowledge": (S.SENDING, lambda s, key: marks.acknowledge(s, key, "1.0", NOW + DAY)),
    "sent": (S.SENT, lambda s, key: marks.sent(s, key, "250 ok", NOW, attempt=1)),
    "retry": (S.RETRYING, lambda s, key: marks.retry(s, key, "busy", "450", NOW)),
    "dead": (S.DEAD, lambda s, key: marks.dead(s, key, "no such user", "550 5.1.1")),
    "unknown": (S.UNKNOWN, lambda s, key: marks.unknown(s, key, "the link broke")),
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


def force(store: Store, delivery_id: int, to: DeliveryState) -> None:
    """Put the delivery into *to*, past all rules but the database's own."""
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


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_taken_from_the_states_it_may_be_and_no_other(store: Store, step: str) -> None:
    (key,) = queue(store)
    to, take = STEPS[step]
    for before in DeliveryState:
        force(store, key, before)
        if before in ENTERED.get(step, ENTERED_FROM[to]):
            assert take(store, key) is True
            assert state(store, key) is to
        else:
            unchanged = got(store, key)
            assert take(store, key) is False
            assert got(store, key) == unchanged


def test_every_state_is_entered_by_a_step_but_for_those_that_wait_for_a_person() -> None:
    assert set(ENTERED_FROM) == set(DeliveryState)
    assert set(DeliveryState) - {to for to, _ in STEPS.values()} == AWAITING_OPERATOR


def test_an_unknown_delivery_takes_no_step(store: Store) -> None:
    assert [marks.sent(store, 99, "250", NOW), store.outbox.release_claims({99: 1}, NOW)] == [
        False,
        0,
    ]
    for step in ("data_done", "acknowledge"):
        assert STEPS[step][1](store, 99) is False


def test_sent_keeps_the_receipt_and_forgets_the_errors(store: Store) -> None:
    (key,) = queue(store)
    claim(store)
    marks.retry(store, key, "greylisted", "450 4.7.1", NOW)
    retrying = got(store, key)
    assert (retrying.last_error, retrying.last_code) == ("greylisted", "450 4.7.1")
    claim(store)
    marks.data_done(store, key, NOW)
    assert store.outbox.receipt(key) is None
    assert marks.sent(store, key, "250 2.0.0 queued as 4711", NOW + MINUTE)
    sent = got(store, key)
    assert (sent.sent_at, sent.last_error, sent.last_code) == (NOW + MINUTE, None, None)
    assert (sent.lease_until, sent.next_at, sent.attempts) == (None, None, 2)
    assert store.outbox.receipt(key) == "250 2.0.0 queued as 4711"


def test_of_a_first_attempt_that_succeeds_nothing_more_is_stored(store: Store) -> None:
    (key,) = queue(store)
    claim(store)
    marks.data_done(store, key, NOW)
    (running,) = store.outbox.attempts(key)
    assert (running.attempt, running.at, running.outcome) == (1, NOW, S.SENDING)
    marks.sent(store, key, "250 2.0.0 queued as 4711", NOW + MINUTE)
    (only,) = store.outbox.attempts(key)
    assert (only.attempt, only.at, only.outcome) == (1, NOW + MINUTE, S.SENT)
    assert (only.code, only.error) == (None, None)
    with store._database.read() as connection:
        assert connection.execute(select(delivery_attempts)).all() == []


def test_every_attempt_is_remembered(store: Store) -> None:
    (key,) = queue(store)
    claim(store)
    marks.retry(store, key, "greylisted", "450", NOW + MINUTE)
    claim(store, now=NOW + MINUTE)
    assert store.outbox.attempts(key)[-1].outcome is S.SENDING
    marks.dead(store, key, "no such user", "550 5.1.1")
    first, second = store.outbox.attempts(key)
    assert (first.attempt, first.at, first.outcome) == (1, NOW, S.RETRYING)
    assert (first.code, first.error) == ("450", "greylisted")
    assert (second.attempt, second.at, second.outcome) == (2, NOW + MINUTE, S.DEAD)


def test_acknowledged_messages_outlive_the_attempt(store: Store) -> None:
    (key,) = queue(store, SLACK)
    claim(store)
    for mark in ("1.0", "2.0"):
        marks.data_done(store, key, NOW)
        marks.acknowledge(store, key, mark, NOW + DAY)
    assert (state(store, key), got(store, key).lease_until) == (S.SENDING, NOW + DAY)
    marks.retry(store, key, "rate limited", "429", NOW)
    (again,) = claim(store)
    assert again.acknowledged == ("1.0", "2.0")


def test_one_message_may_be_in_doubt_twice_in_one_attempt(store: Store) -> None:
    (key,) = queue(store, SLACK)
    claim(store)
    marks.data_done(store, key, NOW)
    marks.data_done(store, key, NOW)
    assert state(store, key) is S.DATA_DONE


def test_who_lost_the_lease_must_not_send(store: Store) -> None:
    (key,) = queue(store)
    claim(store, lease_s=60)
    assert not marks.data_done(store, key, NOW + MINUTE)
    assert state(store, key) is S.SENDING


def test_who_lost_the_delivery_changes_nothing_of_the_next_one_s(store: Store) -> None:
    (key,) = queue(store)
    (slow,) = claim(store, lease_s=60)
    store.outbox.recover(NOW + MINUTE)
    claim(store, now=NOW + MINUTE, lost=1)
    before = got(store, key)
    assert not marks.data_done(store, key, NOW + MINUTE, attempt=slow.attempts)
    assert not marks.acknowledge(store, key, "1.0", NOW + DAY, attempt=slow.attempts)
    assert not marks.sent(store, key, "250", NOW, attempt=slow.attempts)
    assert not marks.retry(store, key, "", None, NOW, attempt=slow.attempts)
    assert not marks.dead(store, key, "", None, attempt=slow.attempts)
    assert not marks.unknown(store, key, "", attempt=slow.attempts)
    assert not store.outbox.release_claims({key: slow.attempts}, NOW)
    assert got(store, key) == before
    assert marks.sent(store, key, "250", NOW, attempt=before.attempts)


def some_mark(dice: Random, key: int, *, well: bool) -> Transition:
    """A step of a holder, as it goes with nearly all of a thousand if *well*."""
    failed = [S.SENDING, S.RETRYING, S.DEAD, S.UNKNOWN, S.CANCELLED]
    to = dice.choice([S.DATA_DONE, S.SENT, *(() if well else failed)])
    return Transition(
        key,
        to,
        NOW + (0 if well else dice.choice([0, 0, 2])) * DAY,
        1 if well else dice.choice([1, 1, 2, None]),
        receipt=dice.choice(["250 ok", "", 'a "quote" \\', "☃ 😀", "\udcff and \x00"]),
        error="busy" if to in FAILED else None,
        code="450" if to in FAILED else None,
        acknowledged="1.0" if to is S.SENDING else None,
        in_doubt=dice.random() < 0.5,
    )


def rows_of(store: Store, keys: Sequence[int]) -> list[dict[str, Any]]:
    """All that stands in the deliveries, but for what tells them apart."""
    query = select(deliveries).where(deliveries.c.id.in_(keys)).order_by(deliveries.c.id)
    with store._database.read() as connection:
        return [
            {name: row[name] for name in row if name not in {"id", "address"}}
            for row in connection.execute(query).mappings()
        ]


def test_marks_are_made_together_as_one_by_one(store: Store) -> None:
    """The twins' marks are made by the way that looks at each delivery first."""
    dice = Random(4)
    keys = queue(store, *mails(12))
    ours, twins = keys[:6], keys[6:]
    all_made = 0
    for _ in range(150):
        well = dice.random() < 0.3
        chosen = dice.choices(range(6), k=dice.randrange(1, 8))
        for at in range(6):
            before = dice.choice(sorted(LEASED) if well else sorted(S))
            for key in (ours[at], twins[at]):
                force(store, key, before)
        steps = [(at, some_mark(dice, 0, well=well)) for at in chosen]
        made = store.outbox.apply([replace(mark, delivery_id=ours[at]) for at, mark in steps])
        one_by_one = [
            made
            for at, mark in steps
            for made in store.outbox._writer.write_with(
                write_checked, [replace(mark, delivery_id=twins[at])]
            )
        ]
        assert made == one_by_one
        assert rows_of(store, ours) == rows_of(store, twins)
        all_made += all(made)
    assert 20 < all_made < 130


def test_an_acknowledgement_counts_once_however_often_it_is_written(store: Store) -> None:
    """After a commit whose answer was lost it is written once more."""
    (key,) = queue(store, SLACK)
    claim(store)
    for mark in ("1.0", "1.0", "2.0", "1.0"):
        assert marks.acknowledge(store, key, mark, NOW + DAY, attempt=1)
    assert got(store, key).acknowledged == ("1.0", "2.0")


def test_some_marks_of_many_are_refused(store: Store) -> None:
    keys = queue(store, *mails(4))
    claim(store, limit=3)
    made = store.outbox.apply(
        [
            Transition(keys[0], S.SENT, NOW, 1, receipt="250"),
            Transition(keys[1], S.RETRYING, NOW, 1, error="busy"),
            Transition(keys[2], S.CANCELLED, None, error="no"),
            Transition(keys[3], S.DATA_DONE, NOW, 0),
        ]
    )
    assert made == [True, True, False, False]
    assert [state(store, key) for key in keys] == [S.SENT, S.RETRYING, S.SENDING, S.QUEUED]


def test_the_steps_of_many_mails_are_one_statement(store: Store) -> None:
    keys = queue(store, *mails(20))
    claim(store)
    steps = [Transition(key, S.DATA_DONE, NOW, 1) for key in keys[:10]]
    steps += [Transition(key, S.SENT, NOW, 1, receipt="250") for key in keys[10:]]
    with statements(store) as sent:
        assert all(store.outbox.apply(steps))
    assert [statement.split()[0] for statement, _ in sent] == ["UPDATE"]


def test_a_claim_whose_row_is_locked_is_renewed_the_next_time(postgres_schema_url: str) -> None:
    with open_store(postgres_schema_url) as store, open_store(postgres_schema_url) as other:
        first, *_ = queue(store, *mails(3))
        held = {delivery.id: delivery.attempts for delivery in claim(store)}
        with other._database.write() as connection:
            connection.execute(select(deliveries).where(deliveries.c.id == first).with_for_update())
            assert store.outbox.renew(held, NOW + DAY) == 2
        assert store.outbox.renew(held, NOW + DAY) == 3


def test_requeued_deliveries_are_due_again(store: Store) -> None:
    dead, sent, waiting = queue(store, *mails(3))
    claim(store, limit=2)
    marks.dead(store, dead, "no such user", "550")
    marks.sent(store, sent, "250", NOW)
    assert store.outbox.requeue([dead, sent, waiting, 99], NOW + MINUTE) == 1
    again = got(store, dead)
    assert (again.state, again.next_at, again.last_error) == (
        S.QUEUED,
        NOW + MINUTE,
        "no such user",
    )
    assert {d.id: d.attempts for d in claim(store, now=NOW + MINUTE)} == {dead: 2, waiting: 1}


# Recovery


@pytest.mark.parametrize(
    ("before", "lost", "doubts", "after"),
    [
        pytest.param(S.SENDING, 0, 0, S.RETRYING, id="surely not delivered"),
        pytest.param(S.SENDING, 0, 9, S.RETRYING, id="former doubts do not count"),
        pytest.param(S.SENDING, MAX_LOST - 2, 0, S.RETRYING, id="bad luck, perhaps"),
        pytest.param(S.SENDING, MAX_LOST - 1, 0, S.QUARANTINED, id="it kills whoever sends it"),
        pytest.param(S.DATA_DONE, 0, 0, S.RETRYING, id="in doubt: once more"),
        pytest.param(S.DATA_DONE, 0, 1, S.UNKNOWN, id="in doubt again: never loop"),
        pytest.param(S.DATA_DONE, MAX_LOST, 0, S.RETRYING, id="it can be sent, so not suspicious"),
    ],
)
def test_what_becomes_of_a_lost_lease(
    before: DeliveryState, lost: int, doubts: int, after: DeliveryState
) -> None:
    assert recovered_state(before, lost, doubts) is after


def test_what_holders_died_of_is_claimed_apart(store: Store) -> None:
    guilty, innocent = queue(store, *mails(2))
    now = NOW
    for lost in range(2):
        assert [d.id for d in claim(store, lease_s=60, now=now, limit=1, lost=lost)] == [guilty]
        now += MINUTE
        store.outbox.recover(now)
    assert [d.id for d in claim(store, now=now)] == [innocent]
    assert claim(store, now=now, lost=1) == ()
    assert [d.id for d in claim(store, now=now, lost=2)] == [guilty]


def test_who_gets_as_far_as_the_dot_is_no_suspect(store: Store) -> None:
    (key,) = queue(store, SLACK)
    now = NOW
    for n in range(2 * MAX_LOST):
        claim(store, lease_s=60, now=now, lost=min(n, 1))
        marks.data_done(store, key, now)
        marks.acknowledge(store, key, "1.0", now + MINUTE)
        now += MINUTE
        store.outbox.recover(now)
        assert state(store, key) is S.RETRYING


@pytest.mark.parametrize("days", [3, 400])
def test_a_clock_that_was_ahead_and_is_set_back_holds_nothing_up(store: Store, days: int) -> None:
    ahead = NOW + days * DAY
    held, waiting, _ = queue(store, *mails(3))
    claim(store, now=ahead, lease_s=60, limit=2)
    marks.retry(store, waiting, "greylisted", "450", ahead + MINUTE)
    assert store.outbox.recover(NOW) == Recovered(retrying=1, unknown=0, quarantined=0)
    assert [len(claim(store, now=NOW, lost=lost)) for lost in (0, 1)] == [2, 1]
    assert state(store, held) is S.SENDING


def test_many_steps_are_written_down_at_once_each_by_its_own_right(store: Store) -> None:
    keys = queue(store, *mails(6))
    first, second, third, foreign, _ = (d.id for d in claim(store, limit=5))
    made = store.outbox.apply(
        [
            Transition(first, S.DATA_DONE, NOW, 1),
            Transition(first, S.SENT, NOW, 1, receipt="250 one"),
            Transition(second, S.RETRYING, NOW + DAY, 1, error="greylisted", code="450"),
            Transition(third, S.DATA_DONE, NOW + DAY, 1),
            Transition(foreign, S.SENT, NOW, 2, receipt="250 of another attempt"),
            Transition(keys[5], S.SENT, NOW, 1, receipt="250 of what nobody holds"),
            Transition(99, S.SENT, NOW, 1, receipt="250 of what is not there"),
        ]
    )
    assert made == [True, True, True, False, False, False, False]
    states = [state(store, key) for key in keys]
    assert states == [S.SENT, S.RETRYING, S.SENDING, S.SENDING, S.SENDING, S.QUEUED]
    assert store.outbox.apply([]) == []


def test_leases_that_last_are_left_alone(store: Store) -> None:
    queue(store)
    claim(store, lease_s=60)
    assert store.outbox.recover(NOW) == Recovered(retrying=0, unknown=0, quarantined=0)


def test_a_delivery_whose_holder_died_while_sending_is_due_at_once(store: Store) -> None:
    (key,) = queue(store)
    claim(store, lease_s=60)
    later = NOW + MINUTE
    assert store.outbox.recover(later) == Recovered(retrying=1, unknown=0, quarantined=0)
    again = got(store, key)
    assert (again.state, again.next_at, again.lease_until) == (S.RETRYING, later, None)
    assert again.last_error == "the process died while sending"
    assert store.outbox.attempts(key)[0].outcome is S.RETRYING


def test_the_message_id_never_changes() -> None:
    """A repeat after an upgrade must be known for one: whoever changes this makes duplicates."""
    made = message_id("systems/12", NOW, mail(), "example.org")
    assert made == "<ccaa94f2a1ea9b2d24ade2fefdc710d2cdd7d8fb@example.org>"


def test_a_delivery_in_doubt_is_sent_once_more_under_the_same_message_id(store: Store) -> None:
    (key,) = queue(store)
    (first,) = claim(store, lease_s=60)
    marks.data_done(store, key, NOW)
    store.outbox.recover(NOW + MINUTE)
    (second,) = claim(store, lease_s=60, now=NOW + MINUTE)
    assert second.message_id == first.message_id
    marks.data_done(store, key, NOW + MINUTE)
    later = NOW + 2 * MINUTE
    assert store.outbox.recover(later) == Recovered(retrying=0, unknown=1, quarantined=0)
    assert (state(store, key), claim(store, now=NOW + DAY)) == (S.UNKNOWN, ())
    assert got(store, key).last_error == "the process died before the server replied"


def test_what_is_in_doubt_is_taken_back_from_the_silent_only(store: Store) -> None:
    keys = queue(store, *mails(3))
    claim(store, lease_s=60)
    for key in keys[:2]:
        marks.data_done(store, key, NOW)
    later = NOW + DAY
    in_doubt = store.outbox.in_doubt(later)
    assert in_doubt == dict.fromkeys(keys[:2], NOW + MINUTE)
    assert store.outbox.in_doubt(NOW) == {}
    assert store.outbox.renew({keys[0]: 1}, NOW + 2 * MINUTE) == 1
    assert store.outbox.recover(later, silent={}).retrying == 1
    assert store.outbox.recover(later, silent=in_doubt).retrying == 1
    assert [state(store, key) for key in keys] == [S.DATA_DONE, S.RETRYING, S.RETRYING]


def test_a_delivery_that_kills_whoever_sends_it_is_quarantined(store: Store) -> None:
    (key,) = queue(store)
    now = NOW
    for lost in range(MAX_LOST):
        assert claim(store, lease_s=60, now=now, lost=lost)
        now += MINUTE
        store.outbox.recover(now)
    assert state(store, key) is S.QUARANTINED
    assert store.outbox.requeue([key], now) == 1
    claim(store, lease_s=60, now=now)
    store.outbox.recover(now + MINUTE)
    assert state(store, key) is S.RETRYING


# Looking


def test_lists_can_be_narrowed_and_paged(store: Store) -> None:
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


def test_counts_name_every_state(store: Store) -> None:
    assert store.outbox.counts() == dict.fromkeys(DeliveryState, 0)
    queue(store, *mails(3))
    claim(store, limit=1)
    expected = dict.fromkeys(DeliveryState, 0) | {S.QUEUED: 2, S.SENDING: 1}
    assert store.outbox.counts() == expected


def test_a_delivery_is_named_after_its_edition(store: Store) -> None:
    register(store, "unrelated")
    (key,) = queue(store)
    delivery = got(store, key)
    assert (delivery.edition_name, delivery.digest) == ("digest-1/1", "digest-1")


def test_a_living_holder_keeps_its_claims_and_no_others(store: Store) -> None:
    ids = queue(store, *mails(3))
    held = {d.id: d.attempts for d in store.outbox.claim(NOW, lease_s=60, limit=2)}
    later = NOW + timedelta(seconds=600)
    assert store.outbox.renew(held | {ids[2]: 1, 10**6: 1}, later) == 2
    assert store.outbox.recover(NOW + timedelta(seconds=120)).retrying == 0
    assert store.outbox.recover(later).retrying == 2
    assert store.outbox.renew(held, later) == 0
