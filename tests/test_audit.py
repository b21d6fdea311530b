"""Whether something was sent, by what the store knows: a table."""

from typing import Any

import pytest

from digestbot.audit import SAID, Trace, answer, destinations
from digestbot.deliver import REGISTRY
from digestbot.model import (
    Delivery,
    DeliveryState,
    Destination,
    DestinationKind,
    Origin,
    Subscription,
    SubscriptionState,
)
from tests.factories import NOW

READER = Destination(kind=DestinationKind.EMAIL, address="r@example.org")


def delivery(state: DeliveryState, error: str | None = None) -> Delivery:
    return Delivery(
        id=1,
        edition_id=1,
        edition_name="systems/1",
        digest="systems",
        destination=READER,
        state=state,
        message_id="<a@example.org>",
        attempts=1,
        created_at=NOW,
        last_error=error,
    )


def subscribed(state: SubscriptionState = SubscriptionState.CONFIRMED) -> Subscription:
    return Subscription(
        id=1,
        digest="systems",
        destination=READER,
        state=state,
        origin=Origin.CONFIG,
        created_at=NOW,
    )


def traced(**known: Any) -> Trace:
    fields: dict[str, Any] = {
        "digest": "systems",
        "editions": {},
        "deliveries": (),
        "receipt": None,
        "subscription": subscribed(),
        "suppressed": None,
    }
    return Trace(**fields | known)


def test_every_state_has_an_answer() -> None:
    assert set(SAID) == set(DeliveryState)


SHOWN, CUT = {"systems/1": True}, {"systems/1": False}
SENT = (delivery(DeliveryState.SENT, "an older error"),)
LEFT = subscribed(SubscriptionState.UNSUBSCRIBED)


@pytest.mark.parametrize(
    ("known", "matches", "is_waiting", "said", "why"),
    [
        ({"deliveries": SENT}, True, False, "yes", "sent"),
        ({"deliveries": SENT, "suppressed": "bounced"}, True, False, "yes", "sent"),
        (
            {"deliveries": (delivery(DeliveryState.DEAD, "550 5.7.1 no"),)},
            True,
            False,
            "no",
            "given up: 550 5.7.1 no",
        ),
        ({"suppressed": "bounced"}, True, True, "no", "the address is suppressed: bounced"),
        ({"subscription": None}, True, True, "no", "not subscribed"),
        ({"subscription": LEFT}, True, True, "no", "the subscription is unsubscribed"),
        (
            {"editions": SHOWN, "subscription": None},
            True,
            False,
            "no",
            "systems/1 had it and did not go there: not subscribed",
        ),
        (
            {"editions": SHOWN},
            True,
            False,
            "no",
            "systems/1 had it and did not go there: added later",
        ),
        ({"editions": CUT}, True, False, "no", "it fell to the limit in systems/1"),
        ({}, False, True, "no", "it does not match"),
        ({}, True, True, "not yet", "the next edition has it"),
        (
            {},
            True,
            False,
            "no",
            "no edition had it, though it matches now: the digest was another one then",
        ),
    ],
)
def test_each_case_has_its_words(
    known: dict[str, Any], matches: bool, is_waiting: bool, said: str, why: str
) -> None:
    assert answer(traced(**known), matches=matches, is_waiting=is_waiting) == (said, why)


def test_a_text_names_a_mailbox_or_anything_else() -> None:
    assert destinations("r@example.org") == (READER,)
    assert {d.kind for d in destinations("#papers")} == set(REGISTRY)
