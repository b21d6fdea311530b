"""Editions: recorded once, whole or not at all."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from digestbot.addresses import make_message_id
from digestbot.model import DeliveryState, DestinationKind, Edition, Form
from digestbot.store import Store
from tests.store.samples import (
    DAY,
    NOW,
    edition,
    fetched,
    ingest,
    log,
    mail,
    record,
    register,
    shown,
)


def prepared(store: Store) -> Edition:
    """A log of four papers, a registered digest, and an edition that shows the first two."""
    ingest(store, 1, 2, 3, 4)
    register(store)
    first, second, _, _ = log(store)
    return edition([shown(second, score=9.0), shown(first)], to_seq=4, omitted=1, considered=4)


def test_an_edition_comes_back_as_it_was_made(store: Store) -> None:
    made = prepared(store)
    key = record(store, made)
    assert store.editions.get("systems", 1) == replace(made, id=key)


def test_the_digest_moves_on_with_the_edition(store: Store) -> None:
    record(store, prepared(store), next_due_at=NOW + DAY)
    state = store.digests.state("systems")
    assert (state.cursor, state.next_due_at) == (4, NOW + DAY)
    assert (state.editions, state.last_edition_at) == (1, NOW)


def test_its_deliveries_are_queued_with_it(store: Store) -> None:
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


def test_a_destination_that_is_named_twice_gets_it_once(store: Store) -> None:
    record(store, prepared(store), to=(mail(), mail()))
    assert len(store.outbox.list()) == 1


def test_its_forms_are_kept_as_they_were_made(store: Store) -> None:
    key = record(store, prepared(store))
    assert key is not None
    assert store.editions.rendition(key, Form.TEXT) == "the text"
    assert store.editions.rendition(key, Form.HTML) is None


def test_an_edition_without_papers_readers_or_forms(store: Store) -> None:
    register(store)
    key = store.editions.record("systems", edition(), (), {}, (), None, NOW, message_domain="x.org")
    assert store.editions.get("systems", 1) == replace(edition(), id=key)
    assert store.outbox.list() == ()


def test_who_comes_second_from_the_same_cursor_records_nothing(store: Store) -> None:
    made = prepared(store)
    record(store, made)
    again = replace(made, number=2, slot="another")
    assert record(store, again) is None
    assert len(store.editions.list()) == 1
    assert len(store.outbox.list()) == 1


def test_a_slot_has_one_edition(store: Store) -> None:
    made = prepared(store)
    record(store, made, next_due_at=NOW)
    again = replace(made, number=2, from_seq=4)
    assert record(store, again, next_due_at=NOW + DAY) is None
    assert store.digests.state("systems").next_due_at == NOW
    assert store.digests.state("systems").editions == 1


def test_a_number_has_one_edition_though_the_cursor_stands_still(store: Store) -> None:
    register(store)
    assert record(store, edition()) is not None
    assert record(store, edition(slot="another")) is None
    assert record(store, edition(slot="another", number=2)) is not None


def test_an_unknown_digest_records_nothing(store: Store) -> None:
    assert record(store, edition()) is None


def test_a_subscription_that_is_not_there_is_a_bug_and_undoes_all(store: Store) -> None:
    made = prepared(store)
    record(store, made)
    second = replace(made, number=2, slot="another", from_seq=4)
    with pytest.raises(IntegrityError):
        record(store, second, subscription_id=99)
    assert store.digests.state("systems").editions == 1
    assert len(store.editions.list()) == 1


def test_advance_moves_the_cursor_alone(store: Store) -> None:
    register(store)
    assert store.editions.advance("systems", 0, 9, NOW + DAY)
    state = store.digests.state("systems")
    assert (state.cursor, state.next_due_at, state.editions) == (9, NOW + DAY, 0)
    assert not store.editions.advance("systems", 0, 10, NOW)
    assert store.digests.state("systems") == state


def test_what_was_shown_or_fell_to_the_limit_counts_as_offered(store: Store) -> None:
    made = prepared(store)
    _, _, third, fourth = log(store)
    record(store, made, omitted=[shown(third)])
    keys = {(f"arxiv:2611.0000{number}", 1) for number in (1, 2, 3, 4)}
    unoffered = {(fourth.paper.id, 1)}
    assert store.editions.offered("systems", keys) == keys - unoffered
    assert store.editions.offered("systems", {("arxiv:2611.00001", 2)}) == set()
    assert store.editions.offered("systems", ()) == set()
    register(store, "other")
    assert store.editions.offered("other", keys) == set()


def test_offered_takes_more_papers_than_a_statement_has_variables(store: Store) -> None:
    record(store, prepared(store))
    keys = {(fetched(number).id, 1) for number in range(1, 2000)}
    assert len(store.editions.offered("systems", keys)) == 2


def test_what_fell_to_the_limit_is_not_in_the_edition(store: Store) -> None:
    made = prepared(store)
    record(store, made, omitted=[shown(log(store)[2])])
    assert store.editions.get("systems", 1) == replace(made, id=store.editions.list()[0].id)


def test_editions_of_a_paper_say_whether_they_show_it(store: Store) -> None:
    made = prepared(store)
    record(store, made, omitted=[shown(log(store)[2])])
    second = edition([made.papers[0]], number=2, slot="another", from_seq=4, to_seq=4)
    record(store, second)
    assert store.editions.of_paper("systems", made.papers[0].paper.id) == {
        "systems/1": True,
        "systems/2": True,
    }
    assert store.editions.of_paper("systems", "arxiv:2611.00003") == {"systems/1": False}
    assert store.editions.of_paper("other", made.papers[0].paper.id) == {}


def test_lists_are_newest_first_and_paged(store: Store) -> None:
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


def test_an_unknown_edition(store: Store) -> None:
    register(store)
    assert store.editions.get("systems", 1) is None
    assert store.editions.rendition(1, Form.TEXT) is None
