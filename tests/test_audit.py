"""Was this sent: the answer for each combination of facts."""

from dataclasses import replace
from typing import Any

import pytest

from digestbot.audit import BY_STATE, Sent, Trace, answer, destinations, of_delivery
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
        "waits": False,
        "subscription": subscribed(),
        "suppressed": None,
    }
    return Trace(**fields | known)


def test_every_delivery_state_has_an_answer() -> None:
    assert set(BY_STATE) == set(DeliveryState)


@pytest.mark.parametrize("state", DeliveryState)
def test_an_attempt_in_doubt_is_never_a_no(state: DeliveryState) -> None:
    """Such as one that the machine before the move left without an answer."""
    sent, why = of_delivery(replace(delivery(state), doubts=1))
    assert sent is (Sent.YES if state is DeliveryState.SENT else Sent.PERHAPS)
    assert why.startswith(BY_STATE[state][1])


SHOWN, CUT = {"systems/1": True}, {"systems/1": False}
SENT = (delivery(DeliveryState.SENT, "an older error"),)
LEFT = subscribed(SubscriptionState.UNSUBSCRIBED)


@pytest.mark.parametrize(
    ("known", "matches", "is_waiting", "sent", "why"),
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
            "systems/1 had it but did not go to this destination: not subscribed",
        ),
        (
            {"editions": SHOWN},
            True,
            False,
            "no",
            "systems/1 had it but did not go to this destination: it was subscribed later",
        ),
        (
            {"editions": CUT},
            True,
            False,
            "no",
            "systems/1 had it but did not go to this destination: it was subscribed later",
        ),
        ({"waits": True}, True, False, "not yet", "the limit left it for the next edition"),
        ({}, False, True, "no", "it does not match"),
        ({}, True, True, "not yet", "it will be in the next edition"),
        (
            {},
            True,
            False,
            "no",
            "it matches today's filter, but an earlier version of the filter was applied when it "
            "was announced (23 Nov)",
        ),
    ],
)
def test_each_case_is_explained(
    known: dict[str, Any], matches: bool, is_waiting: bool, sent: str, why: str
) -> None:
    found = answer(traced(**known), matches=matches, is_waiting=is_waiting, announced_at=NOW)
    assert found == (sent, why)


def test_a_text_names_a_mailbox_or_other_destinations() -> None:
    assert destinations("r@example.org") == (READER,)
    assert {d.kind for d in destinations("#papers")} == set(REGISTRY)
