"""Syncing the config into the store: new, changed, removed and returning digests."""

import asyncio
from datetime import timedelta
from random import Random

import pytest

from digestbot import subscriptions
from digestbot.config import Config
from digestbot.model import DeliveryState, Origin, SubscriptionState
from digestbot.pipeline import deliver, make_editions
from digestbot.render import load_templates
from digestbot.store import Store
from digestbot.syncing import (
    REMOVED_REASON,
    is_due,
    next_due_at,
    removed_digests,
    start_seq,
    sync_config,
)
from tests.pipeline.conftest import DAY, MONDAY, LoadConfig, configured, paper
from tests.store.samples import register, statements

__all__ = ["configured"]

D = "  d: {schedule: daily 09:00, deliver: [{folder: out}]}\n"
E = "  e: {schedule: daily 09:00, deliver: [{folder: out}]}\n"
CONFIRMED, ENDED = SubscriptionState.CONFIRMED, SubscriptionState.ENDED


def states(store: Store, digest: str = "d") -> dict[Origin, SubscriptionState]:
    """Return the state of the digest's subscription of each origin."""
    return {s.origin: s.state for s in store.subscriptions.list(digest)}


def subscribe(store: Store, digest: str = "d") -> None:
    """Subscribe a reader by command."""
    subscriptions.add(store, digest, "reader@example.org", name="", now=MONDAY)


def make(store: Store, config: Config) -> None:
    """Make the editions that are due on Monday, with one paper."""
    store.papers.ingest("a", [paper(1)], {}, MONDAY)
    made = make_editions(store, config, load_templates(None), now=MONDAY)
    assert [m.error for m in made] == [None] * len(config.digests)


def test_a_new_digest_is_registered_with_its_subscriptions(
    store: Store, configured: LoadConfig
) -> None:
    store.papers.ingest("a", [paper(1)], {}, MONDAY - 30 * DAY)
    store.papers.ingest("a", [paper(2)], {}, MONDAY - 2 * DAY)
    config = configured(D)
    expected = (next_due_at(config.digests["d"], None, MONDAY), start_seq(store, None, MONDAY))
    sync_config(store, config, MONDAY)
    state = store.digests.state("d")
    assert (state.next_due_at, state.cursor) == expected == (MONDAY, 1)
    assert is_due(config.digests["d"], state, MONDAY)
    assert states(store) == {Origin.CONFIG: CONFIRMED}


def test_syncing_again_takes_two_queries(store: Store, configured: LoadConfig) -> None:
    one = "schedule: daily 09:00, deliver: [{folder: out}]"
    config = configured("".join(f"  d{n}: {{{one}}}\n" for n in range(40)))
    sync_config(store, config, MONDAY)
    with statements(store) as sent:
        sync_config(store, config, MONDAY + timedelta(minutes=1))
    assert len(sent) == 2


def test_only_the_changed_digest_is_changed(store: Store, configured: LoadConfig) -> None:
    sync_config(store, configured(D + E), MONDAY - DAY)
    before = store.digests.state("e")
    changed = (D + E).replace("daily 09:00", "daily 09:05", 1).replace("out", "elsewhere", 1)
    sync_config(store, configured(changed), MONDAY)
    assert store.digests.state("d").next_due_at == MONDAY + timedelta(minutes=5)
    assert store.digests.state("e") == before
    (folder,) = store.subscriptions.confirmed("d")
    assert folder.destination.address.endswith("elsewhere")


def test_a_due_time_beyond_the_next_slot_is_corrected(store: Store, configured: LoadConfig) -> None:
    """It was written while the clock ran ahead."""
    config = configured(D)
    sync_config(store, config, MONDAY)
    store.digests.set_next_due("d", MONDAY + 365 * DAY)
    expected = next_due_at(config.digests["d"], store.digests.state("d"), MONDAY)
    sync_config(store, config, MONDAY)
    assert store.digests.state("d").next_due_at == expected == MONDAY + DAY


def test_a_removed_digest_ends_all_its_subscriptions(store: Store, configured: LoadConfig) -> None:
    sync_config(store, configured(D + E), MONDAY)
    subscribe(store)
    sync_config(store, configured(E), MONDAY + DAY)
    assert states(store) == {Origin.CONFIG: ENDED, Origin.COMMAND: ENDED}
    assert states(store, "e") == {Origin.CONFIG: CONFIRMED}
    state = store.digests.state("d")
    assert (state.is_removed, state.next_due_at) == (True, None)
    with statements(store) as sent:
        sync_config(store, configured(E), MONDAY + DAY)
    assert len(sent) == 2


def test_the_waiting_mail_of_a_removed_digest_is_cancelled(
    store: Store, configured: LoadConfig
) -> None:
    config = configured(D)
    sync_config(store, config, MONDAY)
    subscribe(store)
    make(store, config)
    queued = store.outbox.list()
    assert [d.state for d in queued] == [DeliveryState.QUEUED] * 2
    without = configured(E)
    sync_config(store, without, MONDAY)
    assert {(d.state, d.last_error) for d in store.outbox.list()} == {
        (DeliveryState.CANCELLED, REMOVED_REASON)
    }
    done = asyncio.run(deliver(store, without, clock=lambda: MONDAY, random=Random(1)))
    assert done.sent == 0


def test_a_delivery_under_way_at_the_removal_is_not_retried(
    store: Store, configured: LoadConfig
) -> None:
    sync_config(store, configured(D), MONDAY)
    make(store, configured(D))
    (leased,) = store.outbox.claim(MONDAY, lease_s=60, limit=1)
    sync_config(store, configured(E), MONDAY)
    assert store.outbox.get(leased.id).state is DeliveryState.SENDING  # type: ignore[union-attr]
    store.outbox.release_claims({leased.id: leased.attempts}, MONDAY)
    assert store.outbox.claim(MONDAY + DAY, lease_s=60, limit=1) == ()
    after = store.outbox.get(leased.id)
    assert after is not None
    assert (after.state, after.last_error) == (
        DeliveryState.CANCELLED,
        "the subscription is ended",
    )


def test_a_digest_put_back_gets_its_subscribers_back(store: Store, configured: LoadConfig) -> None:
    """It resumes at its next slot, at most a week back; unsubscribed readers stay out."""
    sync_config(store, configured(D), MONDAY)
    subscribe(store)
    gone = subscriptions.add(store, "d", "gone@example.org", name="", now=MONDAY)
    store.subscriptions.remove("d", gone.destination, MONDAY)
    sync_config(store, configured(E), MONDAY)
    store.papers.ingest("a", [paper(1)], {}, MONDAY + DAY)
    later = MONDAY + 30 * DAY
    config, state = configured(D.replace("out", "new")), store.digests.state("d")
    expected = (next_due_at(config.digests["d"], state, later), start_seq(store, state, later))
    sync_config(store, config, later)
    state = store.digests.state("d")
    assert (state.next_due_at, state.cursor) == expected == (later + DAY, 1)
    found = [
        (s.destination.address.rpartition("/")[2], s.state) for s in store.subscriptions.list("d")
    ]
    assert found == [
        ("out", ENDED),
        ("reader@example.org", CONFIRMED),
        ("gone@example.org", SubscriptionState.UNSUBSCRIBED),
        ("new", CONFIRMED),
    ]


def test_digests_made_by_command_are_not_removed(store: Store, configured: LoadConfig) -> None:
    register(store, "own", origin=Origin.COMMAND)
    sync_config(store, configured(D), MONDAY)
    assert not store.digests.state("own").is_removed
    assert removed_digests(configured(D), store.digests.states()) == []


@pytest.mark.parametrize("digests", [D, D + E, E, D.replace("out", "new")])
def test_listing_shows_what_the_next_sync_will_write(
    store: Store, configured: LoadConfig, digests: str
) -> None:
    sync_config(store, configured(D), MONDAY)
    subscribe(store)
    _assert_listing_is_true(store, configured(digests))
    _assert_listing_is_true(store, configured(D))


def _assert_listing_is_true(store: Store, config: Config) -> None:
    def facts() -> list[tuple[object, ...]]:
        found = subscriptions.listed(store, config, MONDAY)
        return sorted((s.digest, str(s.destination), s.state, s.origin) for s in found)

    before = facts()
    sync_config(store, config, MONDAY)
    assert before == facts()
    stored = store.subscriptions.list()
    assert before == sorted((s.digest, str(s.destination), s.state, s.origin) for s in stored)
