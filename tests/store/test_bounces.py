"""Bounces, and their effects on suppressions and subscriptions."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from digestbot.model import Bounce, BounceKind, Origin, SubscriptionState
from digestbot.store import Store
from tests.store.samples import DAY, NOW, mail, queue


def bounce(delivery_id: int, kind: BounceKind = BounceKind.SOFT, at: datetime = NOW) -> Bounce:
    return Bounce(delivery_id=delivery_id, kind=kind, code="5.2.2", detail="full", at=at)


def never(moments: Sequence[datetime]) -> str | None:
    return None


def test_bounce_is_stored_with_its_delivery(store: Store) -> None:
    first, second = queue(store, mail(), mail("b@x.org"))
    assert store.bounces.record(bounce(first), "a", never) is None
    assert store.bounces.record(bounce(first, BounceKind.DELAYED, NOW + DAY), "b", never) is None
    assert [(b.kind, b.at) for b in store.bounces.of_delivery(first)] == [
        (BounceKind.SOFT, NOW),
        (BounceKind.DELAYED, NOW + DAY),
    ]
    assert store.bounces.of_delivery(second) == ()


def test_repeated_mail_is_ignored(store: Store) -> None:
    (number,) = queue(store)
    store.bounces.record(bounce(number), "a", never)
    assert store.bounces.record(bounce(number), "a", lambda _: "bounced") is None
    assert store.subscriptions.suppressions() == ()
    assert len(store.bounces.of_delivery(number)) == 1


def test_bounce_of_unknown_delivery_changes_nothing(store: Store) -> None:
    assert store.bounces.record(bounce(77), "a", lambda _: "bounced") is None
    assert store.subscriptions.suppressions() == ()


def test_verdict_gets_soft_bounces_of_the_address(store: Store) -> None:
    first, second, other = queue(store, mail("A@x.org"), mail("b@x.org"), mail("c@x.org"))
    again = queue(store, mail("a@X.org"))[0]
    assert second != other
    asked: list[Sequence[datetime]] = []

    def verdict(moments: Sequence[datetime]) -> str | None:
        asked.append(list(moments))
        return None

    store.bounces.record(bounce(first), "1", verdict)
    store.bounces.record(bounce(other), "2", verdict)
    store.bounces.record(bounce(first, BounceKind.OTHER), "3", verdict)
    store.bounces.record(bounce(again, at=NOW + DAY), "4", verdict)
    assert asked == [[NOW], [NOW], [NOW], [NOW, NOW + DAY]]
    store.subscriptions.unsuppress("a@x.org")
    store.bounces.record(bounce(again, at=NOW + 2 * DAY), "5", verdict)
    assert asked[-1] == [NOW + 2 * DAY]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (BounceKind.HARD, SubscriptionState.CONFIRMED),
        (BounceKind.COMPLAINT, SubscriptionState.UNSUBSCRIBED),
    ],
)
def test_complaint_suppresses_and_ends_subscriptions(
    store: Store, kind: BounceKind, state: SubscriptionState
) -> None:
    confirmed = SubscriptionState.CONFIRMED
    for digest in ("d", "e"):
        store.subscriptions.add(
            digest, mail("R@x.org"), origin=Origin.WEB, state=confirmed, now=NOW
        )
    (number,) = queue(store, mail("r@X.org"))
    assert store.bounces.record(bounce(number, kind), "a", lambda _: "why") == "why"
    assert store.subscriptions.is_suppressed("r@x.org")
    assert {s.state for s in store.subscriptions.list()} == {state}


def test_failing_verdict_undoes_everything(store: Store) -> None:
    def broken(moments: Sequence[datetime]) -> str | None:
        raise RuntimeError("broken")

    (number,) = queue(store)
    with pytest.raises(RuntimeError):
        store.bounces.record(bounce(number), "a", broken)
    assert store.bounces.of_delivery(number) == ()


def test_unsubscribe_request_ends_that_digest_only(store: Store) -> None:
    (number,) = queue(store)
    for digest in ("digest-0", "another"):
        store.subscriptions.add(
            digest, mail(), origin=Origin.WEB, state=SubscriptionState.CONFIRMED, now=NOW
        )
    store.bounces.record(bounce(number, BounceKind.UNSUBSCRIBE), "a", never)
    assert [s.digest for s in store.subscriptions.list(states={SubscriptionState.CONFIRMED})] == [
        "another"
    ]
    assert store.subscriptions.suppressions() == ()


def test_mailbox_keeps_position_and_last_error(store: Store) -> None:
    assert store.bounces.mailbox("box").mark == ""
    store.bounces.set_mark("box", "7:12")
    store.bounces.set_checked("box", "refuses the login", NOW)
    broken = store.bounces.mailbox("box")
    assert (broken.mark, broken.last_ok_at) == ("7:12", None)
    assert broken.last_error == "refuses the login"
    store.bounces.set_checked("box", None, NOW)
    well = store.bounces.mailbox("box")
    assert (well.mark, well.last_ok_at, well.last_error) == ("7:12", NOW, None)
