"""
Answer "was this sent to them?" from what the store knows of a paper, a digest and a destination.

Begin at `trace`, which collects the facts, and `answer`, which decides.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
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


class Sent(StrEnum):
    """Short answer."""

    YES = "yes"
    NO = "no"
    NOT_YET = "not yet"
    PERHAPS = "perhaps"


BY_STATE: Final[Mapping[DeliveryState, tuple[Sent, str]]] = {
    _S.SENT: (Sent.YES, "sent"),
    _S.QUEUED: (Sent.NOT_YET, "queued for the next run"),
    _S.SENDING: (Sent.NOT_YET, "being sent"),
    _S.RETRYING: (Sent.NOT_YET, "failed for now, will be retried"),
    _S.HELD: (Sent.NOT_YET, "held until you release it"),
    _S.QUARANTINED: (Sent.NOT_YET, "quarantined until you release it"),
    _S.DATA_DONE: (Sent.PERHAPS, "the server has the whole message and has not replied yet"),
    _S.UNKNOWN: (Sent.PERHAPS, "the server got the whole message and never replied"),
    _S.DEAD: (Sent.NO, "given up"),
    _S.CANCELLED: (Sent.NO, "cancelled"),
}
"""Answer for each state of a delivery, with its explanation."""
_LIKELIEST_FIRST = (Sent.YES, Sent.PERHAPS, Sent.NOT_YET, Sent.NO)
_DOUBT: Final = "; before, a server got the whole message and did not reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Facts about one paper in one digest for one destination."""

    digest: str
    editions: Mapping[str, bool]
    """Editions that have the paper, True if in full, False if in one line."""
    waits: bool
    """True if the limit left it for the next edition."""
    deliveries: tuple[Delivery, ...]
    """Deliveries to the destination of editions that show the paper, the likeliest to have arrived
    first."""
    receipt: str | None
    """The server's reply to the first of them."""
    subscription: Subscription | None
    suppressed: str | None
    """Why the address is suppressed now."""


def destinations(text: str) -> tuple[Destination, ...]:
    """List the destinations that *text* may name: one mailbox, or one of each kind."""
    kinds = (DestinationKind.EMAIL,) if "@" in text else tuple(REGISTRY)
    return tuple(Destination(kind=kind, address=text) for kind in kinds)


def of_delivery(delivery: Delivery) -> tuple[Sent, str]:
    """Answer for one delivery; an earlier attempt may have arrived, also before a move."""
    sent, words = BY_STATE[delivery.state]
    if delivery.doubts and sent in {Sent.NOT_YET, Sent.NO}:
        return Sent.PERHAPS, f"{words}{_DOUBT}"
    return sent, words


def trace(
    store: Store,
    digest: str,
    paper_id: str,
    destination: Destination,
    subscriptions: Collection[Subscription],
) -> Trace:
    """Collect the facts; *subscriptions* are all that the destination ever had."""
    editions = store.editions.of_paper(digest, paper_id)
    spellings = {destination.address, *(s.destination.address for s in subscriptions)}
    found = store.outbox.to(destination.kind, spellings, tuple(editions))
    deliveries = sorted(found, key=lambda d: (_LIKELIEST_FIRST.index(of_delivery(d)[0]), d.id))
    return Trace(
        digest=digest,
        editions=editions,
        deliveries=tuple(deliveries),
        receipt=store.outbox.receipt(deliveries[0].id) if deliveries else None,
        subscription=next((s for s in subscriptions if s.digest == digest), None),
        waits=any(entry.paper.id == paper_id for entry in store.editions.waiting(digest)),
        suppressed=store.subscriptions.why_suppressed(destination.address),
    )


def answer(
    found: Trace, *, matches: bool, is_waiting: bool, announced_at: datetime
) -> tuple[Sent, str]:
    """
    Decide whether the paper was sent, and explain the answer.

    Args:
        found: The facts from the store.
        matches: True if the digest, with today's filter, takes the paper.
        is_waiting: True if the paper lies beyond the digest's cursor.
        announced_at: When the digest's source announced the paper, in the operator's time zone.
    """
    if found.deliveries:
        sent, words = of_delivery(found.deliveries[0])
        error = found.deliveries[0].last_error
        return sent, f"{words}: {error}" if error and sent is not Sent.YES else words
    why = _not_reached(found)
    if found.editions:
        reason = why or "it was subscribed later"
        names = ", ".join(found.editions)
        return Sent.NO, f"{names} had it but did not go to this destination: {reason}"
    if why:
        return Sent.NO, why
    if found.waits:
        return Sent.NOT_YET, "the limit left it for the next edition"
    if not matches:
        return Sent.NO, "it does not match"
    if is_waiting:
        return Sent.NOT_YET, "it will be in the next edition"
    return Sent.NO, (
        "it matches today's filter, but an earlier version of the filter was applied when it was "
        f"announced ({announced_at.day} {announced_at:%b})"
    )


def _not_reached(found: Trace) -> str | None:
    """Return why the digest skips the destination, if it does."""
    if found.suppressed:
        return f"the address is suppressed: {found.suppressed}"
    if found.subscription is None:
        return "not subscribed"
    if found.subscription.state is not SubscriptionState.CONFIRMED:
        return f"the subscription is {found.subscription.state}"
    return None
