"""
The third stage: what the outbox holds goes out, each delivery in four steps.

Claim (committed), mark that the server may accept from now on (committed), send, mark what came of
it (committed). A crash between two of them leaves a state that tells the next run what is certain.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Protocol

from digestbot.brakes import day_of
from digestbot.config import Config
from digestbot.deliver import Checkpoint, Sender, open_sender
from digestbot.deliver.retry import Dead, Retry, StopAll, Unknown, decide
from digestbot.errors import (
    DeliveryError,
    DigestbotError,
    LeaseLost,
    OutcomeUnknown,
    PermanentFailure,
    StoreError,
    TransientFailure,
)
from digestbot.model import Delivery, DestinationKind
from digestbot.pipeline.letters import Letters
from digestbot.store import Cap, Store

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
LEASE_S = 120.0
"""A claim ends by itself so long after its holder died: it is renewed while the holder lives, since
a server may take ten minutes to answer the final dot (RFC 5321 4.5.3.2.6)."""
RENEW_S = 30.0
CLAIM = 40
"""Deliveries claimed at once: few enough to be sent within a lease by one slow server."""
AT_ONCE = 8
"""Deliveries under way at once; each sender bounds its own connections below that."""


class DeliverProgress(Protocol):
    """Told after each delivery."""

    def __call__(self, *, done: int, waiting: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of the deliveries that were due."""

    sent: int = 0
    retrying: int = 0
    dead: int = 0
    unknown: int = 0
    errors: tuple[str, ...] = ()
    """One line for each kind of failure, with the number of deliveries that it hit."""

    @property
    def is_well(self) -> bool:
        """Everything that was due has gone out."""
        return not (self.retrying or self.dead or self.unknown)


def _no_progress(*, done: int, waiting: int) -> None:
    """For callers that do not look."""


async def deliver(
    store: Store,
    config: Config,
    *,
    clock: Clock,
    random: Random,
    progress: DeliverProgress = _no_progress,
    stop: Callable[[], bool] = lambda: False,
) -> Delivered:
    """
    Send every delivery that is due, until none is left or *stop* says so (asked between claims).

    One destination that fails stops no other; a server that refuses us as such (a wrong password)
    stops its own kind for this call.
    """
    run = _Run(store, config, clock, random, progress)
    try:
        await asyncio.to_thread(store.outbox.recover, clock())
        while not stop() and await run.claim_and_send():
            pass
    finally:
        await run.close()
    return run.result()


@dataclass(frozen=True, slots=True)
class _StoreCheckpoint(Checkpoint):
    """Where a sender says what is certain now; each word is committed before it goes on."""

    store: Store
    delivery: Delivery
    clock: Clock

    async def data_done(self) -> None:
        await asyncio.to_thread(
            self.store.outbox.data_done,
            self.delivery.id,
            self.clock(),
            attempt=self.delivery.attempts,
        )

    async def acknowledged(self, mark: str) -> None:
        lease_until = self.clock() + timedelta(seconds=LEASE_S)
        await asyncio.to_thread(
            self.store.outbox.acknowledge,
            self.delivery.id,
            mark,
            lease_until,
            attempt=self.delivery.attempts,
        )


def _cap(config: Config, now: datetime) -> Cap | None:
    """How many deliveries one destination gets today."""
    if not config.brakes.per_day:
        return None
    day = day_of(now, config.timezone)
    return Cap(per_day=config.brakes.per_day, day=day.name, next_at=day.next_at)


class _Run:
    """One call of `deliver`: its senders, its counts, the kinds that it has given up."""

    def __init__(
        self, store: Store, config: Config, clock: Clock, random: Random, progress: DeliverProgress
    ) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._random = random
        self._progress = progress
        self._letters = Letters(store, config.smtp)
        self._senders: dict[DestinationKind, Sender] = {}
        self._given_up: set[DestinationKind] = set()
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    async def claim_and_send(self) -> bool:
        """Whether there was anything to claim."""
        kinds = frozenset(DestinationKind) - self._given_up
        claimed = await asyncio.to_thread(self._claim, kinds)
        gate = asyncio.Semaphore(AT_ONCE)
        held = {delivery.id: delivery.attempts for delivery in claimed}

        async def send(delivery: Delivery) -> None:
            async with gate:
                await self._deliver(delivery)
                del held[delivery.id]

        renewing = asyncio.create_task(self._renew(held))
        try:
            await asyncio.gather(*(send(delivery) for delivery in claimed))
        finally:
            renewing.cancel()
        return bool(claimed)

    def _claim(self, kinds: Collection[DestinationKind]) -> tuple[Delivery, ...]:
        """What is due; at the end, alone, what others have died of."""
        now = self._clock()
        claim = partial(
            self._store.outbox.claim, now, lease_s=LEASE_S, kinds=kinds, cap=_cap(self._config, now)
        )
        return claim(limit=CLAIM) or claim(limit=1, suspects=True)

    async def _renew(self, held: Mapping[int, int]) -> None:
        """Keep the claims that are still worked on, until cancelled."""
        while True:
            await asyncio.sleep(RENEW_S)
            lease_until = self._clock() + timedelta(seconds=LEASE_S)
            try:
                await asyncio.to_thread(self._store.outbox.renew, dict(held), lease_until)
            except StoreError as error:
                log.warning("claims could not be renewed: %s", error)

    async def _deliver(self, delivery: Delivery) -> None:
        """One delivery and its fence; a claim that is not worked on goes back as it was."""
        if delivery.destination.kind in self._given_up:
            held = {delivery.id: delivery.attempts}
            await asyncio.to_thread(self._store.outbox.give_back, held, self._clock())
            return
        try:
            await self._send(delivery)
        except DeliveryError as error:
            await self._settle(delivery, error)
        except LeaseLost:
            log.warning("a delivery took too long and is another's", extra={"id": delivery.id})
        except StoreError:
            raise
        except DigestbotError as error:
            await self._settle(delivery, PermanentFailure(str(error)))
        except Exception as error:
            log.exception("a delivery failed in a way nobody foresaw", extra={"id": delivery.id})
            text = f"{type(error).__name__}: a bug, see the log"
            await self._settle(delivery, TransientFailure(text))
        done = sum(self._counts.values())
        self._progress(done=done, waiting=0)

    async def _send(self, delivery: Delivery) -> None:
        sender = self._sender(delivery.destination.kind)
        letter = await asyncio.to_thread(self._letters.letter, delivery, sender.forms)
        checkpoint = _StoreCheckpoint(self._store, delivery, self._clock)
        receipt = await sender.send(letter, checkpoint)
        await asyncio.to_thread(
            self._store.outbox.sent,
            delivery.id,
            receipt.detail,
            self._clock(),
            attempt=delivery.attempts,
        )
        self._counts["sent"] += 1

    def _sender(self, kind: DestinationKind) -> Sender:
        """
        The sender for *kind*, opened when first needed.

        Raises:
            Misconfigured: The config has no longer what this kind needs.
        """
        if kind not in self._senders:
            self._senders[kind] = open_sender(
                kind,
                smtp=self._config.smtp,
                slack=self._config.slack,
                webhooks=self._config.webhooks,
            )
        return self._senders[kind]

    async def _settle(self, delivery: Delivery, error: DeliveryError) -> None:
        """Write down what `decide` makes of the failure."""
        decision = decide(
            error,
            attempts=delivery.attempts,
            first_at=delivery.created_at,
            now=self._clock(),
            jitter=self._random.random(),
            doubts=delivery.doubts,
        )
        self._errors[f"{delivery.destination.kind}: {error}"] += 1
        await asyncio.to_thread(self._write_down, delivery, error, decision)

    def _write_down(
        self, delivery: Delivery, error: DeliveryError, decision: "Retry | Dead | Unknown | StopAll"
    ) -> None:
        outbox, held = self._store.outbox, delivery.attempts
        match decision:
            case Retry(at=at):
                in_doubt = isinstance(error, OutcomeUnknown)
                outbox.retry(
                    delivery.id, str(error), error.code, at, attempt=held, in_doubt=in_doubt
                )
                self._counts["retrying"] += 1
            case StopAll(at=at):
                self._given_up.add(delivery.destination.kind)
                outbox.retry(delivery.id, str(error), error.code, at, attempt=held)
                self._counts["retrying"] += 1
            case Dead():
                outbox.dead(delivery.id, str(error), error.code, attempt=held)
                self._counts["dead"] += 1
                self._suppress_if_told(delivery, error)
            case Unknown():
                outbox.unknown(delivery.id, str(error), attempt=held)
                self._counts["unknown"] += 1

    def _suppress_if_told(self, delivery: Delivery, error: DeliveryError) -> None:
        if isinstance(error, PermanentFailure) and error.suppress:
            self._store.subscriptions.suppress(
                delivery.destination.address, "bounced", self._clock()
            )

    async def close(self) -> None:
        for sender in self._senders.values():
            await sender.close()

    def result(self) -> Delivered:
        return Delivered(
            sent=self._counts["sent"],
            retrying=self._counts["retrying"],
            dead=self._counts["dead"],
            unknown=self._counts["unknown"],
            errors=tuple(
                text if times == 1 else f"{text} ({times} times)"
                for text, times in self._errors.most_common()
            ),
        )
