"""Digests: their cursors and due times."""

import pytest

from digestbot.model import Origin
from digestbot.store import DigestState, Store
from tests.store.samples import DAY, MINUTE, NOW, edition, record, register


def test_new_digest_is_stored_as_registered(store: Store) -> None:
    state = store.digests.register(
        "systems",
        origin=Origin.CONFIG,
        fingerprint="daily",
        cursor=7,
        next_due_at=NOW,
        rescheduled_to=None,
        now=NOW,
    )
    assert state == DigestState(
        id=state.id,
        name="systems",
        origin=Origin.CONFIG,
        fingerprint="daily",
        cursor=7,
        covered_to=None,
        skipped=None,
        next_due_at=NOW,
        last_error=None,
        editions=0,
        last_edition_at=None,
    )
    assert store.digests.find("systems") == state == store.digests.state("systems")


def test_registering_again_changes_nothing(store: Store) -> None:
    register(store, cursor=7)
    before = store.digests.state("systems")
    register(store, cursor=99, next_due_at=NOW + DAY, rescheduled_to=NOW + DAY)
    assert store.digests.state("systems") == before


def test_new_schedule_changes_only_the_due_time(store: Store) -> None:
    register(store, cursor=7)
    register(store, cursor=99, fingerprint="weekly", next_due_at=NOW, rescheduled_to=NOW + 3 * DAY)
    state = store.digests.state("systems")
    assert (state.cursor, state.next_due_at) == (7, NOW + 3 * DAY)


def test_unknown_digest_is_not_found(store: Store) -> None:
    assert store.digests.find("none") is None
    with pytest.raises(LookupError, match='digest "none" is not in the store'):
        store.digests.state("none")


def test_due_digests_come_longest_overdue_first(store: Store) -> None:
    for name, due in (("now", NOW), ("late", NOW - DAY), ("soon", NOW + MINUTE), ("never", None)):
        register(store, name, next_due_at=due)
    assert [state.name for state in store.digests.due(NOW)] == ["late", "now"]
    assert [state.name for state in store.digests.due(NOW, limit=1)] == ["late"]


def test_due_time_can_be_set_and_cleared(store: Store) -> None:
    register(store)
    store.digests.set_next_due("systems", NOW + DAY)
    assert store.digests.due(NOW) == ()
    assert store.digests.due(NOW + DAY)
    store.digests.set_next_due("systems", None)
    assert store.digests.due(NOW + 999 * DAY) == ()


def test_last_error_is_cleared_by_an_edition(store: Store) -> None:
    register(store)
    store.digests.set_error("systems", "the template has no end")
    assert store.digests.state("systems").last_error == "the template has no end"
    store.digests.set_error("systems", None)
    assert store.digests.state("systems").last_error is None
    store.digests.set_error("systems", "again")
    record(store, edition())
    assert store.digests.state("systems").last_error is None


def test_digests_are_listed_by_name(store: Store) -> None:
    for name in ("b", "a", "c"):
        register(store, name)
    assert [state.name for state in store.digests.states()] == ["a", "b", "c"]
