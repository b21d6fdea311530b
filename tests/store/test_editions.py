"""Editions: recorded once, whole or not at all."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from digestbot.addresses import make_message_id
from digestbot.model import DeliveryState, DestinationKind, Edition, Form
from digestbot.store import AWAITING_OPERATOR, Skipped, Store
from tests.store.samples import (
    DAY,
    NOW,
    claimed_addresses,
    edition,
    fetched,
    ingest,
    log,
    mail,
    record,
    record_edition,
    register,
    shown,
)


def prepared(store: Store) -> Edition:
    """Log four papers, register a digest, and make an edition of the first two."""
    ingest(store, 1, 2, 3, 4)
    register(store)
    first, second, _, _ = log(store)
    return edition([shown(second, score=9.0), shown(first)], to_seq=4, considered=4)


def test_edition_round_trips(store: Store) -> None:
    made = prepared(store)
    key = record(store, made)
    assert store.editions.get("systems", 1) == replace(made, id=key)


def test_recording_advances_the_digest(store: Store) -> None:
    record(store, prepared(store), next_due_at=NOW + DAY)
    state = store.digests.state("systems")
    assert (state.cursor, state.next_due_at) == (4, NOW + DAY)
    assert (state.editions, state.last_edition_at) == (1, NOW)


def test_recording_queues_the_deliveries(store: Store) -> None:
    channel = replace(mail(), kind=DestinationKind.SLACK, address="#papers")
    key = record(store, prepared(store), to=(mail(), channel))
    second, first = store.outbox.list()
    assert (first.destination, second.destination) == (mail(), channel)
    assert {d.edition_id for d in (first, second)} == {key}
    assert (first.edition_name, first.digest) == ("systems/1", "systems")
    assert (first.state, first.attempts, first.next_at) == (DeliveryState.QUEUED, 0, NOW)
    parts = ("systems/1", NOW.isoformat(), "email:reader@example.org")
    assert first.message_id == make_message_id(*parts, domain="example.org")
    assert first.message_id != second.message_id


def test_repeated_destination_gets_one_delivery(store: Store) -> None:
    record(store, prepared(store), to=(mail(), mail()))
    assert len(store.outbox.list()) == 1


def test_forms_are_stored_as_made(store: Store) -> None:
    key = record(store, prepared(store))
    assert key is not None
    assert store.editions.rendition(key, Form.TEXT) == "the text"
    assert store.editions.rendition(key, Form.HTML) is None


def test_empty_edition_can_be_recorded(store: Store) -> None:
    register(store)
    key = store.editions.record("systems", edition(), (), {}, (), None, NOW, message_domain="x.org")
    assert store.editions.get("systems", 1) == replace(edition(), id=key)
    assert store.outbox.list() == ()


def test_second_edition_from_one_cursor_is_refused(store: Store) -> None:
    made = prepared(store)
    record(store, made)
    again = replace(made, number=2, slot="another")
    assert record(store, again) is None
    assert len(store.editions.list()) == 1
    assert len(store.outbox.list()) == 1


def test_slot_has_one_edition(store: Store) -> None:
    made = prepared(store)
    record(store, made, next_due_at=NOW)
    again = replace(made, number=2, from_seq=4)
    assert record(store, again, next_due_at=NOW + DAY) is None
    assert store.digests.state("systems").next_due_at == NOW
    assert store.digests.state("systems").editions == 1


def test_number_has_one_edition_at_an_unmoved_cursor(store: Store) -> None:
    register(store)
    assert record(store, edition()) is not None
    assert record(store, edition(slot="another")) is None
    assert record(store, edition(slot="another", number=2)) is not None


def test_unknown_digest_records_nothing(store: Store) -> None:
    assert record(store, edition()) is None


def test_missing_subscription_undoes_the_edition(store: Store) -> None:
    made = prepared(store)
    record(store, made)
    second = replace(made, number=2, slot="another", from_seq=4)
    with pytest.raises(IntegrityError):
        record(store, second, subscription_id=99)
    assert store.digests.state("systems").editions == 1
    assert len(store.editions.list()) == 1


def test_advance_moves_only_the_cursor(store: Store) -> None:
    register(store)
    assert store.editions.advance("systems", 0, 9, NOW + DAY)
    state = store.digests.state("systems")
    assert (state.cursor, state.next_due_at, state.editions) == (9, NOW + DAY, 0)
    assert not store.editions.advance("systems", 0, 10, NOW)
    assert store.digests.state("systems") == state


def test_shown_and_listed_papers_count_as_offered(store: Store) -> None:
    made = prepared(store)
    _, _, third, fourth = log(store)
    record(store, replace(made, more=(shown(third),), waiting=1), waiting=[shown(fourth, waits=1)])
    ids = [f"arxiv:2611.0000{number}" for number in (1, 2, 3, 4)]
    found = store.editions.offered("systems", ids)
    assert sorted((entry.paper_id, entry.version) for entry in found) == [(n, 1) for n in ids[:3]]
    assert store.editions.offered("systems", {"arxiv:2611.00009"}) == ()
    assert store.editions.offered("systems", ()) == ()
    register(store, "other")
    assert store.editions.offered("other", ids) == ()


def test_offered_takes_any_number_of_papers(store: Store) -> None:
    record(store, prepared(store))
    ids = {fetched(number).id for number in range(1, 2000)}
    assert len(store.editions.offered("systems", ids)) == 2


def test_papers_that_wait_belong_to_the_next_edition(store: Store) -> None:
    made = prepared(store)
    _, _, third, fourth = log(store)
    made = replace(made, more=(shown(third),), waiting=1)
    assert store.editions.waiting("systems") == ()
    record(store, made, waiting=[shown(fourth, waits=2)])
    assert store.editions.get("systems", 1) == replace(made, id=store.editions.list()[0].id)
    assert store.editions.waiting("systems") == (shown(fourth, waits=2),)
    second = edition([shown(fourth)], number=2, slot="another", from_seq=4, to_seq=4)
    record(store, second)
    assert store.editions.waiting("systems") == ()
    assert len(store.editions.offered("systems", {fourth.paper.id})) == 1


def test_skipped_windows_are_kept_until_the_next_edition(store: Store) -> None:
    made = prepared(store)
    skipped = Skipped(considered=4, coverage=made.coverage)
    assert store.editions.advance("systems", 0, 4, NOW + DAY, skipped=skipped)
    state = store.digests.state("systems")
    assert (state.covered_to, state.skipped) == (None, skipped)
    record(store, replace(made, from_seq=4))
    state = store.digests.state("systems")
    assert (state.covered_to, state.skipped) == (made.covers_to, None)


def test_editions_of_a_paper_tell_full_from_one_line(store: Store) -> None:
    made = prepared(store)
    record(store, replace(made, more=(shown(log(store)[2]),)))
    second = edition([made.papers[0]], number=2, slot="another", from_seq=4, to_seq=4)
    record(store, second)
    assert store.editions.of_paper("systems", made.papers[0].paper.id) == {
        "systems/1": True,
        "systems/2": True,
    }
    assert store.editions.of_paper("systems", "arxiv:2611.00003") == {"systems/1": False}
    assert store.editions.of_paper("other", made.papers[0].paper.id) == {}


def test_editions_are_listed_newest_first_in_pages(store: Store) -> None:
    for name in ("a", "b"):
        register(store, name)
        for number in (1, 2):
            record(store, edition(digest=name, number=number, slot=str(number)))
    assert [e.name for e in store.editions.list()] == ["b/2", "b/1", "a/2", "a/1"]
    assert [e.name for e in store.editions.list("a")] == ["a/2", "a/1"]
    assert [e.name for e in store.editions.list(limit=2, offset=1)] == ["b/1", "a/2"]
    last = store.editions.last("a")
    assert last is not None
    assert (last.name, last.papers, last.title) == ("a/2", 0, "Systems for ML")
    assert store.editions.last("none") is None


def test_unknown_edition_is_none(store: Store) -> None:
    register(store)
    assert store.editions.get("systems", 1) is None
    assert store.editions.rendition(1, Form.TEXT) is None


def test_flood_holds_all_deliveries_of_the_edition(store: Store) -> None:
    (one, two) = record_edition(
        store, "d", mail("a@x.org"), mail("b@x.org"), flood_check=lambda today, days: "why"
    )
    held = (DeliveryState.HELD, None, "why")
    assert [(d.state, d.next_at, d.last_error) for d in (one, two)] == [held] * 2
    assert claimed_addresses(store) == []
    assert store.outbox.counts()[DeliveryState.HELD] == 2
    assert store.outbox.requeue([one.id, two.id], NOW) == 0
    assert store.outbox.requeue([one.id], NOW, states=AWAITING_OPERATOR) == 1
    assert store.outbox.cancel(two.id, "not wanted")
    assert claimed_addresses(store) == ["a@x.org"]


def test_flood_check_gets_the_last_month(store: Store) -> None:
    asked: list[tuple[int, list[int]]] = []

    def flood_check(today: int, days: Sequence[int]) -> str | None:
        asked.append((today, list(days)))
        return None

    two = (mail("a@x.org"), mail("b@x.org"))
    record_edition(store, "long-ago", at=NOW - 31 * DAY)
    record_edition(store, "month", *two, at=NOW - 30 * DAY)
    record_edition(store, "yesterday", at=NOW - DAY)
    record_edition(store, "today", *two, mail("a@x.org"), flood_check=flood_check)
    record_edition(store, "again", flood_check=flood_check)
    assert [(today, sorted(days)) for today, days in asked] == [(2, [1, 2]), (3, [1, 2])]


def test_refused_edition_is_not_counted(store: Store) -> None:
    asked: list[int] = []

    def flood_check(today: int, days: Sequence[int]) -> str | None:
        asked.append(today)
        return None

    record_edition(store, "d", flood_check=flood_check)
    assert (
        store.editions.record(
            "d", edition(digest="d"), [], {}, [(mail(), None)], None, NOW, message_domain="x.org"
        )
        is None
    )
    record_edition(store, "e", flood_check=flood_check)
    assert asked == [1, 2]
