"""
Record returned mail with its delivery, and draw the consequences.

Separate from the three stages: none of them waits for it, and it can be killed anywhere. Mail that
is not a bounce of ours changes nothing; mail that breaks the parser is skipped and left in place.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from digestbot.bounces.mailboxes import Box, open_box
from digestbot.bounces.parsing import read_report
from digestbot.bounces.scoring import classify, suppression_reason
from digestbot.config import Config
from digestbot.deliver.verp import delivery_of
from digestbot.errors import DeliveryError, MailboxError, PermanentFailure, StoreError
from digestbot.model import Bounce, BounceKind, Delivery
from digestbot.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced:
    """Outcome of reading returned mail."""

    kinds: tuple[BounceKind, ...] = ()
    """One for each mail that names a delivery of ours."""
    suppressed: int = 0
    unknown: int = 0
    """Other mails, and bounces of other programs; they stay in place."""
    error: str | None = None
    """Why reading the mailbox failed or stopped early."""

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
    def summary(self) -> str:
        """The counts as text: ``1 soft, 2 complaint, 2 suppressed, 1 not ours``."""
        counts = Counter(self.kinds)
        parts = [f"{counts[kind]} {kind}" for kind in BounceKind if counts[kind]]
        parts += [f"{self.suppressed} suppressed"] if self.suppressed else []
        parts += [f"{self.unknown} not ours"] if self.unknown else []
        return ", ".join(parts) or "nothing"


class BounceReader:
    """Reads returned mails one by one, records those about our deliveries, and counts them."""

    def __init__(self, store: Store, config: Config, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._delivery_of = _token_verifier(config)
        self._kinds: list[BounceKind] = []
        self._suppressed = 0
        self._unknown = 0

    def read(self, raw: bytes) -> bool:
        """Record the mail and return True if it is about one of our deliveries."""
        try:
            bounce = self._bounce(raw)
        except StoreError:
            raise
        except Exception:  # one malformed mail must not block the others
            log.exception("returned mail not readable, left in place")
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

    def read_all(self, box: Box) -> None:
        """
        Read every new mail in *box*, and save the position after each.

        Raises:
            MailboxError: The box failed; what was read before is kept.
        """
        for item in box.items(self._store.bounces.mailbox(box.name).mark):
            box.settle(item, is_ours=self.read(item.raw))
            if item.mark:
                self._store.bounces.set_mark(box.name, item.mark)

    def result(self, error: str | None = None) -> Bounced:
        """Return the counts so far."""
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


def record_refusal(store: Store, delivery: Delivery, error: DeliveryError, now: datetime) -> None:
    """
    Count a refusal of the recipient during delivery like a bounce.

    Refusals of the message itself say nothing about the address and do not count.
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
    Read the mailbox that the config names for bounces; block for at most its time-outs.

    A failure of the mailbox is in the result, and in the store for `status`.
    """
    settings = config.bounces
    if settings is None:
        return Bounced()
    reader = BounceReader(store, config, clock)
    try:
        with open_box(settings) as box:
            reader.read_all(box)
    except MailboxError as error:
        store.bounces.set_checked(settings.place, str(error), clock())
        return reader.result(str(error))
    store.bounces.set_checked(settings.place, None, clock())
    return reader.result()


def can_verify_bounces(config: Config) -> bool:
    """Return True if mails carry a signed token that names their delivery."""
    return bool(config.smtp and config.smtp.has_tokens)


def _token_verifier(config: Config) -> Callable[[str], int | None]:
    """Return the function that finds the delivery named by a bounce address, if it is ours."""
    smtp = config.smtp
    if not can_verify_bounces(config) or not (smtp and smtp.envelope_from and smtp.secret):
        return lambda _: None
    template, key = smtp.envelope_from, smtp.secret.reveal()
    return lambda address: delivery_of(address, template, key)
