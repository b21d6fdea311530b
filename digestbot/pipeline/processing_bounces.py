"""
What comes back: each returned mail is written down with its delivery, and what follows is done.

It stands beside the three stages: nothing waits for it, and it can be killed anywhere. A mail that
is not ours changes nothing; one that breaks the reader is left and stops no other.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from digestbot.bounces import Box, classify, open_box, read_report, suppression_reason
from digestbot.config import Config
from digestbot.deliver.verp import delivery_of
from digestbot.errors import DeliveryError, MailboxError, PermanentFailure, StoreError
from digestbot.model import Bounce, BounceKind, Delivery
from digestbot.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced:
    """What a look at returned mails found."""

    kinds: tuple[BounceKind, ...] = ()
    """Of each mail that names one of our deliveries."""
    suppressed: int = 0
    unknown: int = 0
    """Mails that are no bounces, or not ours; they are left as they are."""
    error: str | None = None
    """Why the mailbox could not be read, or not to its end."""

    @property
    def facts(self) -> dict[str, object]:
        """The counts, for JSON."""
        counts = Counter(self.kinds)
        kinds: dict[str, object] = {str(kind): counts[kind] for kind in BounceKind}
        return {
            **kinds,
            "suppressed": self.suppressed,
            "unknown": self.unknown,
            "error": self.error,
        }

    @property
    def in_words(self) -> str:
        """``1 soft, 2 complaint, 2 addresses suppressed, 1 not ours``, for a person."""
        counts = Counter(self.kinds)
        parts = [f"{counts[kind]} {kind}" for kind in BounceKind if counts[kind]]
        parts += [f"{self.suppressed} suppressed"] if self.suppressed else []
        parts += [f"{self.unknown} not ours"] if self.unknown else []
        return ", ".join(parts) or "nothing"


class Reader:
    """Takes returned mails one by one; counts what they were."""

    def __init__(self, store: Store, config: Config, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._delivery_of = _token_reader(config)
        self._kinds: list[BounceKind] = []
        self._suppressed = 0
        self._unknown = 0

    def take(self, raw: bytes) -> bool:
        """Whether the mail was about one of our deliveries; then it is written down."""
        try:
            bounce = self._bounce(raw)
        except StoreError:
            raise
        except Exception:  # the fence: one mail must not keep the others from being read
            log.exception("a returned mail could not be read, it is left as it is")
            bounce = None
        if bounce is None:
            self._unknown += 1
            return False
        fingerprint = hashlib.sha256(raw).hexdigest()[:32]
        judge = partial(suppression_reason, bounce.kind, now=bounce.at)
        reason = self._store.bounces.record(bounce, fingerprint, judge)
        log.info("bounce", extra={"delivery": bounce.delivery_id, "kind": bounce.kind})
        self._kinds.append(bounce.kind)
        self._suppressed += reason is not None
        return True

    def take_all(self, box: Box) -> None:
        """
        Every new mail of the box; how far it is read is remembered after each.

        Raises:
            MailboxError: The box broke; what was read before is kept.
        """
        for item in box.items(self._store.bounces.mailbox(box.name).mark):
            box.settle(item, is_ours=self.take(item.raw))
            if item.mark:
                self._store.bounces.set_mark(box.name, item.mark)

    def result(self, error: str | None = None) -> Bounced:
        """What was found so far."""
        return Bounced(
            kinds=tuple(self._kinds),
            suppressed=self._suppressed,
            unknown=self._unknown,
            error=error,
        )

    def _bounce(self, raw: bytes) -> Bounce | None:
        report = read_report(raw, self._delivery_of)
        if report is None or self._store.outbox.get(report.delivery_id) is None:
            return None
        return Bounce(
            delivery_id=report.delivery_id,
            kind=report.kind,
            code=report.code,
            detail=report.detail,
            at=self._clock(),
        )


def note_refusal(store: Store, delivery: Delivery, error: DeliveryError, now: datetime) -> None:
    """
    What the end of *delivery* says of the address: a server may refuse it to our face.

    It is written down and counts like a bounce; refusals of the message do not.
    """
    is_dead = isinstance(error, PermanentFailure) and error.suppress
    if not (is_dead or error.about_recipient):
        return
    status = (error.code or "").rpartition(" ")[2]
    kind = BounceKind.HARD if is_dead else classify("failed", status if "." in status else "5.0.0")
    if kind is None:
        return
    bounce = Bounce(delivery_id=delivery.id, kind=kind, code=error.code, detail=str(error), at=now)
    store.bounces.record(
        bounce,
        f"attempt {delivery.attempts} of {delivery.id}",
        partial(suppression_reason, kind, now=now),
    )


def read_bounces(store: Store, config: Config, *, clock: Callable[[], datetime]) -> Bounced:
    """
    A look into the mailbox that the config names for bounces; blocks, at most for its time-outs.

    Why it could not be read is in the result, and in the store for `status`.
    """
    settings = config.bounces
    if settings is None:
        return Bounced()
    reader = Reader(store, config, clock)
    try:
        with open_box(settings) as box:
            reader.take_all(box)
    except MailboxError as error:
        store.bounces.set_checked(settings.place, str(error), clock())
        return reader.result(str(error))
    store.bounces.set_checked(settings.place, None, clock())
    return reader.result()


def believes_bounces(config: Config) -> bool:
    """Whether the mails have bounce addresses that name their delivery, signed."""
    return bool(config.smtp and config.smtp.has_tokens)


def _token_reader(config: Config) -> Callable[[str], int | None]:
    smtp = config.smtp
    if not believes_bounces(config) or not (smtp and smtp.envelope_from and smtp.secret):
        return lambda _: None
    template, key = smtp.envelope_from, smtp.secret.reveal()
    return lambda address: delivery_of(address, template, key)
