"""Subscriptions and suppressions."""

from dataclasses import replace

import pytest

from digestbot.model import Destination, DestinationKind, Origin, Subscription, Suppression
from digestbot.model import SubscriptionState as State
from digestbot.store import Store
from digestbot.store.subscriptions import after_add, after_sync
from tests.store.samples import DAY, MINUTE, NOW, mail

PENDING, CONFIRMED, UNSUBSCRIBED, ENDED = State
CONFIG, COMMAND, WEB = Origin
FOLDER = Destination(kind=DestinationKind.FOLDER, address="/Out")


def add(
    store: Store,
    destination: Destination | None = None,
    *,
    digest: str = "systems",
    origin: Origin = COMMAND,
    state: State = CONFIRMED,
    name: str = "",
) -> Subscription:
    to = destination or mail()
    return store.subscriptions.add(digest, to, origin=origin, state=state, name=name, now=NOW)


def states(store: Store, digest: str = "systems") -> dict[str, State]:
    return {s.destination.address: s.state for s in store.subscriptions.list(digest)}


def test_subscription_is_stored_as_added(store: Store) -> None:
    made = add(store, origin=WEB, state=PENDING, name="Ana")
    assert made == Subscription(
        id=made.id,
        digest="systems",
        destination=mail(),
        state=PENDING,
        origin=WEB,
        created_at=NOW,
        name="Ana",
    )
    assert store.subscriptions.list() == (made,)


def test_adding_again_returns_the_existing_one(store: Store) -> None:
    first = add(store, name="Ana")
    assert add(store) == first
    assert add(store, mail("READER@example.org")) == first
    assert add(store, name="Ana P.") == replace(first, name="Ana P.")


def test_only_email_addresses_ignore_case(store: Store) -> None:
    add(store, FOLDER)
    add(store, replace(FOLDER, address="/out"))
    assert len(store.subscriptions.list()) == 2


def test_destination_can_get_several_digests(store: Store) -> None:
    add(store, digest="a")
    add(store, digest="b")
    assert [s.digest for s in store.subscriptions.list()] == ["a", "b"]


@pytest.mark.parametrize(
    ("there", "asked", "origin", "after"),
    [
        pytest.param(PENDING, CONFIRMED, WEB, CONFIRMED, id="opted in"),
        pytest.param(PENDING, PENDING, WEB, PENDING, id="asked twice"),
        pytest.param(
            CONFIRMED, PENDING, WEB, CONFIRMED, id="a second request cannot undo an opt-in"
        ),
        pytest.param(UNSUBSCRIBED, PENDING, WEB, PENDING, id="subscribes again"),
        pytest.param(UNSUBSCRIBED, CONFIRMED, COMMAND, CONFIRMED, id="the operator adds it again"),
        pytest.param(UNSUBSCRIBED, CONFIRMED, CONFIG, UNSUBSCRIBED, id="the config cannot revive"),
        pytest.param(ENDED, PENDING, WEB, PENDING, id="left the config, subscribed on the web"),
        pytest.param(ENDED, CONFIRMED, CONFIG, CONFIRMED, id="in the config again"),
    ],
)
def test_state_after_adding_again(
    store: Store, there: State, asked: State, origin: Origin, after: State
) -> None:
    assert after_add(there, asked, origin) is after
    add(store, state=there)
    assert add(store, state=asked, origin=origin).state is after


@pytest.mark.parametrize(
    ("there", "origin", "is_named", "after"),
    [
        pytest.param(CONFIRMED, CONFIG, True, CONFIRMED, id="stays"),
        pytest.param(CONFIRMED, CONFIG, False, ENDED, id="left the config"),
        pytest.param(ENDED, CONFIG, True, CONFIRMED, id="back in the config"),
        pytest.param(ENDED, CONFIG, False, ENDED, id="stays ended"),
        pytest.param(
            UNSUBSCRIBED, CONFIG, True, UNSUBSCRIBED, id="unsubscribed, made by the config"
        ),
        pytest.param(UNSUBSCRIBED, WEB, True, UNSUBSCRIBED, id="unsubscribed, made on the web"),
        pytest.param(CONFIRMED, WEB, False, CONFIRMED, id="confirmed, unrelated to the config"),
        pytest.param(PENDING, WEB, False, PENDING, id="pending, unrelated to the config"),
        pytest.param(PENDING, WEB, True, CONFIRMED, id="confirmed by the operator"),
    ],
)
def test_state_after_a_config_sync(
    store: Store, there: State, origin: Origin, is_named: bool, after: State
) -> None:
    assert after_sync(there, origin, is_named=is_named) is after
    add(store, state=there, origin=origin)
    named = {"systems": [mail()] if is_named else []}
    is_changed = store.subscriptions.out_of_step(named) == {"systems"}
    assert is_changed or after is there
    store.subscriptions.sync_config("systems", named["systems"], NOW)
    assert states(store) == {mail().address: after}
    # It also names digests whose destinations were subscribed in another way.
    of_others = origin is not CONFIG and is_named
    assert store.subscriptions.out_of_step(named) == ({"systems"} if of_others else set())


def test_out_of_step_names_digests_to_sync(store: Store) -> None:
    in_step = {f"digest-{n}": [mail(), FOLDER] for n in range(600)}
    for name in ("digest-0", "digest-1", "digest-599"):
        store.subscriptions.sync_config(name, in_step[name], NOW)
    known = {"digest-0", "digest-1", "digest-599"}
    assert store.subscriptions.out_of_step(in_step) == in_step.keys() - known
    fewer_and_more = {"digest-0": [mail()], "digest-1": [mail("READER@example.org"), FOLDER]}
    assert store.subscriptions.out_of_step(fewer_and_more) == {"digest-0"}


def test_sync_adds_missing_subscriptions_once(store: Store) -> None:
    named = [mail("a@x.org"), mail("b@x.org"), mail("A@x.org"), FOLDER]
    for _ in range(2):
        store.subscriptions.sync_config("systems", named, NOW)
    assert states(store) == {"a@x.org": CONFIRMED, "b@x.org": CONFIRMED, "/Out": CONFIRMED}
    assert {s.origin for s in store.subscriptions.list()} == {CONFIG}


def test_sync_of_one_digest_leaves_the_others_alone(store: Store) -> None:
    store.subscriptions.sync_config("a", [mail()], NOW)
    store.subscriptions.sync_config("b", [mail()], NOW)
    store.subscriptions.sync_config("a", [], NOW)
    assert (states(store, "a"), states(store, "b")) == (
        {mail().address: ENDED},
        {mail().address: CONFIRMED},
    )


def test_remove_from_one_digest_or_all(store: Store) -> None:
    for digest in ("a", "b", "c"):
        add(store, digest=digest)
    add(store, mail("other@example.org"), digest="a")
    assert store.subscriptions.remove("a", mail("Reader@EXAMPLE.org"), NOW) == 1
    assert store.subscriptions.remove("a", mail(), NOW) == 0
    assert store.subscriptions.remove(None, mail(), NOW) == 2
    assert states(store, "a") == {mail().address: UNSUBSCRIBED, "other@example.org": CONFIRMED}
    assert store.subscriptions.remove(None, mail("nobody@example.org"), NOW) == 0


def test_confirmed_lists_only_confirmed(store: Store) -> None:
    for number, state in enumerate(State):
        add(store, mail(f"{number}@x.org"), state=state)
    assert [s.state for s in store.subscriptions.confirmed("systems")] == [CONFIRMED]


def test_add_all_equals_adding_one_by_one(store: Store) -> None:
    mailboxes = [mail(f"U{n}@example.org") for n in range(600)]
    store.subscriptions.add("d", mailboxes[0], origin=CONFIG, state=PENDING, now=NOW)
    for _ in range(2):
        store.subscriptions.add_all(
            [("d", mailbox, "Ana") for mailbox in mailboxes],
            origin=COMMAND,
            state=CONFIRMED,
            now=NOW,
        )
    found = store.subscriptions.confirmed("d")
    assert [(s.destination, s.name) for s in found] == [(each, "Ana") for each in mailboxes]
    assert {s.origin for s in found} == {COMMAND}
    assert store.subscriptions.count_confirmed("d") == 600


def test_subscriptions_can_be_filtered(store: Store) -> None:
    add(store, digest="a")
    add(store, FOLDER, digest="b", state=PENDING)
    kinds = store.subscriptions.list(kind=DestinationKind.FOLDER)
    assert [s.destination for s in kinds] == [FOLDER]
    assert [s.digest for s in store.subscriptions.list(states={CONFIRMED})] == ["a"]
    assert store.subscriptions.list("a", (PENDING,)) == ()


def test_suppression_ignores_case(store: Store) -> None:
    store.subscriptions.suppress("Reader@Example.org", "bounced", NOW)
    assert store.subscriptions.is_suppressed("reader@example.ORG")
    assert not store.subscriptions.is_suppressed("other@example.org")
    made = Suppression(address="reader@example.org", reason="bounced", created_at=NOW)
    assert store.subscriptions.suppressions() == (made,)


def test_suppressing_again_changes_only_the_reason(store: Store) -> None:
    store.subscriptions.suppress("a@x.org", "bounced", NOW)
    store.subscriptions.suppress("A@x.org", "complained", NOW + DAY)
    (made,) = store.subscriptions.suppressions()
    assert (made.reason, made.created_at) == ("complained", NOW)


def test_suppression_can_be_lifted(store: Store) -> None:
    store.subscriptions.suppress("a@x.org", "bounced", NOW)
    assert store.subscriptions.unsuppress("A@x.org")
    assert not store.subscriptions.unsuppress("a@x.org")
    assert not store.subscriptions.is_suppressed("a@x.org")


def test_suppression_outlives_the_subscription(store: Store) -> None:
    add(store)
    store.subscriptions.suppress(mail().address, "unsubscribed", NOW)
    store.subscriptions.remove(None, mail(), NOW + MINUTE)
    add(store)
    assert store.subscriptions.is_suppressed(mail().address)


def test_suppress_all_keeps_existing_suppressions(store: Store) -> None:
    store.subscriptions.suppress("a@x.org", "bounced", NOW)
    given = [
        Suppression(address=address, reason="imported", created_at=NOW + DAY)
        for address in ("A@x.org", "b@x.org", "B@x.org")
    ]
    assert store.subscriptions.suppress_all(given) == 1
    assert [(s.address, s.reason) for s in store.subscriptions.suppressions()] == [
        ("a@x.org", "bounced"),
        ("b@x.org", "imported"),
    ]
    assert store.subscriptions.suppress_all([]) == 0
