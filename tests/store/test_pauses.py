"""Pauses of kinds of destination, shared by all processes."""

from datetime import timedelta

from digestbot.store import Cap, KindPause, Store
from tests.store.samples import DAY, NOW, claimed_addresses, record_edition

MINUTE = timedelta(minutes=1)


def pause(kind: str = "email", *, minutes: int = 1, needs_operator: bool = False) -> KindPause:
    return KindPause(
        kind=kind,
        until=NOW + minutes * MINUTE,
        failures=2,
        needs_operator=needs_operator,
        error="the mail server refused the login: 454 later",
    )


def test_pause_is_read_back_until_a_success_ends_it(store: Store) -> None:
    assert store.pauses.get("email") is None
    store.pauses.begin(pause())
    assert store.pauses.get("email") == pause()
    assert store.pauses.get("slack") is None
    store.pauses.end("email")
    assert store.pauses.get("email") is None


def test_pause_that_is_over_keeps_its_failures(store: Store) -> None:
    store.pauses.begin(pause())
    assert store.pauses.list(NOW) == (pause(),)
    assert store.pauses.list(NOW + MINUTE) == ()
    assert store.pauses.get("email") == pause()


def test_the_later_end_of_two_processes_counts(store: Store) -> None:
    for minutes in (5, 1, 9):
        store.pauses.begin(pause(minutes=minutes))
    assert store.pauses.get("email") == pause(minutes=9)


def test_operator_lifts_pauses(store: Store) -> None:
    store.pauses.begin(pause())
    store.pauses.begin(pause("slack", needs_operator=True))
    assert store.pauses.lift(only_operator=True) == 1
    assert store.pauses.list(NOW) == (pause(),)
    assert store.pauses.lift() == 1
    assert store.pauses.list(NOW) == ()


def test_postponed_claim_costs_no_attempt_and_no_place(store: Store) -> None:
    cap = Cap(per_day=1, day="2026-11-23", next_at=NOW + DAY)
    (delivery,) = record_edition(store, "d")
    for _ in range(3):
        assert claimed_addresses(store, cap=cap) == ["reader@example.org"]
        leased = {delivery.id: 1}
        day_of = {"cap_day": lambda at: at.date().isoformat()}
        assert store.outbox.postpone(leased, NOW, error="down", code="421", **day_of) == 1
        found = store.outbox.get(delivery.id)
        assert found is not None
        assert (found.attempts, found.last_error, found.next_at) == (0, "down", NOW)
        assert store.outbox.attempts(delivery.id) == ()
    assert store.outbox.count_due("email", NOW) == 1
    assert store.outbox.count_due("email", NOW - MINUTE) == 0


def test_postponing_needs_the_lease(store: Store) -> None:
    (delivery,) = record_edition(store, "d")
    claimed_addresses(store)
    assert store.outbox.postpone({delivery.id: 2}, NOW, error="down") == 0
