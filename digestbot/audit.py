"""
Was this sent to them: what the store knows of one paper, one digest and one destination.

`trace` gathers, `answer` decides in words; begin there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from digestbot.deliver import REGISTRY
from digestbot.model import (
    Delivery,
    DeliveryState,
    Destination,
    DestinationKind,
    Subscription,
    SubscriptionState,
)
from digestbot.store import Store

_S = DeliveryState


class Said(StrEnum):
    """The short answer."""

    YES = "yes"
    NO = "no"
    NOT_YET = "not yet"
    PERHAPS = "perhaps"


SAID: Final[Mapping[DeliveryState, tuple[Said, str]]] = {
    _S.SENT: (Said.YES, "sent"),
    _S.QUEUED: (Said.NOT_YET, "waits for the next run"),
    _S.SENDING: (Said.NOT_YET, "on its way"),
    _S.RETRYING: (Said.NOT_YET, "tried, and tried again later"),
    _S.HELD: (Said.NOT_YET, "held until you release it"),
    _S.QUARANTINED: (Said.NOT_YET, "quarantined until you release it"),
    _S.DATA_DONE: (Said.PERHAPS, "the server has it all and has not answered yet"),
    _S.UNKNOWN: (Said.PERHAPS, "the server had it all and never answered"),
    _S.DEAD: (Said.NO, "given up"),
    _S.CANCELLED: (Said.NO, "cancelled"),
}
_BEST_FIRST = (Said.YES, Said.PERHAPS, Said.NOT_YET, Said.NO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What there is of one paper in one digest for one destination."""

    digest: str
    editions: Mapping[str, bool]
    """Those in which the paper matched; False: it fell to the limit."""
    deliveries: tuple[Delivery, ...]
    """Of editions that show it, to the destination, the likeliest to have arrived first."""
    receipt: str | None
    """What the server said to the first of them."""
    subscription: Subscription | None
    suppressed: str | None
    """Why the address is suppressed now."""


def destinations(text: str) -> tuple[Destination, ...]:
    """What *text* may name: a mail address; or a channel, a webhook's fingerprint, a folder."""
    kinds = (DestinationKind.EMAIL,) if "@" in text else tuple(REGISTRY)
    return tuple(Destination(kind=kind, address=text) for kind in kinds)


def trace(store: Store, digest: str, paper_id: str, destination: Destination) -> Trace:
    """What the store knows; reads only."""
    editions = store.editions.of_paper(digest, paper_id)
    subscriptions = store.subscriptions.of(destination)
    spellings = {destination.address, *(s.destination.address for s in subscriptions)}
    shown = [name for name, is_included in editions.items() if is_included]
    found = store.outbox.to(destination.kind, spellings, shown)
    deliveries = sorted(found, key=lambda d: (_BEST_FIRST.index(SAID[d.state][0]), d.id))
    return Trace(
        digest=digest,
        editions=editions,
        deliveries=tuple(deliveries),
        receipt=store.outbox.receipt(deliveries[0].id) if deliveries else None,
        subscription=next((s for s in subscriptions if s.digest == digest), None),
        suppressed=store.subscriptions.why_suppressed(destination.address),
    )


def answer(found: Trace, *, matches: bool, is_waiting: bool) -> tuple[Said, str]:
    """
    Whether it was sent, and why not.

    Args:
        found: Of the store.
        matches: Whether the digest, as it is now, takes the paper.
        is_waiting: Whether the digest has not looked at it yet.
    """
    if found.deliveries:
        said, words = SAID[found.deliveries[0].state]
        error = found.deliveries[0].last_error
        return said, f"{words}: {error}" if error and said is not Said.YES else words
    why = _not_reached(found)
    shown = [name for name, is_included in found.editions.items() if is_included]
    if shown:
        return Said.NO, f"{', '.join(shown)} had it and did not go there: {why or 'added later'}"
    if why:
        return Said.NO, why
    if found.editions:
        return Said.NO, f"it fell to the limit in {', '.join(found.editions)}"
    if not matches:
        return Said.NO, "it does not match"
    if is_waiting:
        return Said.NOT_YET, "the next edition has it"
    return Said.NO, "no edition had it, though it matches now: the digest was another one then"


def _not_reached(found: Trace) -> str | None:
    """Why the destination gets nothing of the digest; None if it does."""
    if found.suppressed:
        return f"the address is suppressed: {found.suppressed}"
    if found.subscription is None:
        return "not subscribed"
    if found.subscription.state is not SubscriptionState.CONFIRMED:
        return f"the subscription is {found.subscription.state}"
    return None
