"""
The third stage: what the outbox holds goes out, each delivery in four steps.

Claim (committed), mark that the server may accept from now on (committed), send, mark what came of
it (committed). A crash between two of them leaves a state that tells the next run what is certain.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Protocol

from digestbot.config import Config
from digestbot.deliver import REGISTRY, Checkpoint, Sender, open_sender
from digestbot.deliver.retry import Dead, Retry, StopAll, Unknown, decide
from digestbot.errors import (
    DeliveryError,
    DigestbotError,
    LeaseLost,
    OutcomeUnknown,
    PermanentFailure,
    StoreError,
    StoreUnavailable,
    TransientFailure,
)
from digestbot.model import Delivery, DeliveryState, Form, OutgoingMessage
from digestbot.pipeline.group_commit import GroupCommit, Sleep, retry_while_unavailable
from digestbot.pipeline.messages import MessageBuilder
from digestbot.pipeline.processing_bounces import note_refusal
from digestbot.sending_limits import day_of
from digestbot.store import Cap, Store, Transition

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
LEASE_S = 120.0
"""A claim ends by itself so long after its holder died: it is renewed while the holder lives, since
a server may take ten minutes to answer the final dot (RFC 5321 4.5.3.2.6)."""
RENEW_S = 30.0
SILENCE_S = 60
"""What is in doubt is sent once more if its holder, whose lease has ended by our clock, has not
renewed it for so long: perhaps he lives, and our clock is ahead, or was just set forward."""
LOTS = (200, 10, 1)
"""Deliveries claimed at once, by how many of their holders have died: first so many that reading
them together pays, then ever fewer, so that one that kills whoever sends it is soon alone with
its deed, and the others of its lot are quit of it."""
AT_ONCE = 128
"""Deliveries of one kind under way at once, so that no connection ever waits for us; each sender
bounds its own connections below that."""


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
    sleep: Sleep = asyncio.sleep,
) -> Delivered:
    """
    Send every delivery that is due, until none is left or *stop* says so (asked between claims).

    One destination that fails stops no other, nor does a slow kind; a server that refuses us as
    such (a wrong password) stops its own kind for this call. What was claimed and not begun is
    given back at the end, whatever ends it.

    Raises:
        StoreError: The database was away for too long; what had been sent by then and could not be
            written down is in doubt.
    """
    run = _Run(store, config, clock, random, progress, sleep)
    try:
        in_doubt = await retry_while_unavailable(lambda: store.outbox.in_doubt(clock()), sleep)
        await retry_while_unavailable(lambda: store.outbox.recover(clock(), silent={}), sleep)
        await run.send_all(stop)
        if in_doubt and await _silence(stop, sleep):
            await retry_while_unavailable(
                lambda: store.outbox.recover(clock(), silent=in_doubt), sleep
            )
            await run.send_all(stop)
    finally:
        await run.close()
    return run.result()


async def _silence(stop: Callable[[], bool], sleep: Sleep) -> bool:
    """Wait for `SILENCE_S`; False if *stop* says so before."""
    log.warning("a process may have died while its server answered: waiting whether it lives")
    for _ in range(SILENCE_S):
        if stop():
            return False
        await sleep(1)
    return True


@dataclass(frozen=True, slots=True)
class _StoreCheckpoint(Checkpoint):
    """Where a sender says what is certain now; each word is committed before it goes on."""

    commits: GroupCommit
    delivery: Delivery
    clock: Clock

    async def data_done(self) -> None:
        await self._write(DeliveryState.DATA_DONE, self.clock())

    async def acknowledged(self, mark: str) -> None:
        lease_until = self.clock() + timedelta(seconds=LEASE_S)
        await self._write(DeliveryState.SENDING, lease_until, acknowledged=mark)

    async def _write(
        self, to: DeliveryState, at: datetime, *, acknowledged: str | None = None
    ) -> None:
        delivery = self.delivery
        mark = Transition(delivery.id, to, at, delivery.attempts, acknowledged=acknowledged)
        if not await self.commits.write(mark):
            raise LeaseLost(f"delivery {delivery.id} was held for too long")


def _cap(config: Config, now: datetime) -> Cap | None:
    """How many deliveries one destination gets today."""
    if not config.sending_limits.per_day:
        return None
    day = day_of(now, config.timezone)
    return Cap(per_day=config.sending_limits.per_day, day=day.name, next_at=day.next_at)


def _cap_day(config: Config) -> Callable[[datetime], str] | None:
    """The day for which a claim counts."""
    return (lambda at: day_of(at, config.timezone).name) if config.sending_limits.per_day else None


class _Run:
    """One call of `deliver`: its senders, its counts, the kinds that it has given up."""

    def __init__(
        self,
        store: Store,
        config: Config,
        clock: Clock,
        random: Random,
        progress: DeliverProgress,
        sleep: Sleep,
    ) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._progress = progress
        self._commits = GroupCommit(store, sleep=sleep)
        self._messages = MessageBuilder(store, config.smtp)
        self._senders: dict[str, Sender] = {}
        self._given_up: set[str] = set()
        self._held: dict[int, int] = {}
        """What is claimed and has not ended: delivery → attempt."""
        self._broken: StoreError | None = None
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    async def send_all(self, stop: Callable[[], bool]) -> None:
        """Each kind by itself, so that a slow one holds up no other."""
        renewing = asyncio.create_task(self._renew())
        try:
            async with asyncio.TaskGroup() as kinds:
                for kind in REGISTRY:
                    kinds.create_task(self._send_kind(kind, stop))
        finally:
            renewing.cancel()
        if self._broken is not None:
            raise self._broken

    async def _send_kind(self, kind: str, stop: Callable[[], bool]) -> None:
        """
        What is due of one kind, lot by lot, the next one claimed while the last is under way.

        What others have died of comes last, in small lots that wait for one another.
        """
        gate = asyncio.Semaphore(AT_ONCE)

        def is_over() -> bool:
            return stop() or kind in self._given_up or self._broken is not None

        async def send(delivery: Delivery) -> None:
            try:
                if not is_over():
                    await self._deliver(delivery)
            finally:
                gate.release()

        async with asyncio.TaskGroup() as sending:
            while not is_over() and (claimed := await self._claim(kind)):
                for delivery in claimed:
                    await gate.acquire()
                    sending.create_task(send(delivery))
        for lost in range(1, len(LOTS)):
            while not is_over() and (claimed := await self._claim(kind, lost=lost)):
                async with asyncio.TaskGroup() as sending:
                    for delivery in claimed:
                        await gate.acquire()
                        sending.create_task(send(delivery))

    async def _claim(self, kind: str, *, lost: int = 0) -> tuple[Delivery, ...]:
        """The next lot, what its letters need read ahead; none if the store is not there."""
        now = self._clock()
        claim = partial(
            self._store.outbox.claim,
            now,
            lease_s=LEASE_S,
            kinds={kind},
            cap=_cap(self._config, now),
            is_archive=REGISTRY[kind].is_archive,
        )
        try:
            claimed = await retry_while_unavailable(
                partial(claim, limit=LOTS[lost], lost=lost), self._sleep
            )
            self._held |= {delivery.id: delivery.attempts for delivery in claimed}
            forms = REGISTRY[kind].forms
            await retry_while_unavailable(
                partial(self._messages.read_ahead, claimed, forms), self._sleep
            )
        except StoreError as error:
            self._broken = self._broken or error
            return ()
        return claimed

    async def _renew(self) -> None:
        """Keep the claims that are still worked on, and take back those of others that died."""
        while True:
            await asyncio.sleep(RENEW_S)
            now = self._clock()
            lease_until = now + timedelta(seconds=LEASE_S)
            try:
                # In this order: after a clock was set forward, ours look as if they had ended.
                await asyncio.to_thread(self._store.outbox.renew, dict(self._held), lease_until)
                await asyncio.to_thread(self._store.outbox.recover, now, silent={})
            except StoreError as error:
                log.warning("claims could not be renewed: %s", error)

    async def _deliver(self, delivery: Delivery) -> None:
        """One delivery and its fence."""
        try:
            await self._send(delivery)
        except DeliveryError as error:
            await self._settle(delivery, error)
        except LeaseLost:
            log.warning("a delivery took too long and is another's", extra={"id": delivery.id})
        except StoreError as error:
            self._broken = self._broken or error
            return
        except DigestbotError as error:
            await self._settle(delivery, PermanentFailure(str(error)))
        except Exception as error:
            log.exception("a delivery failed in a way nobody foresaw", extra={"id": delivery.id})
            text = f"{type(error).__name__}: a bug, see the log"
            await self._settle(delivery, TransientFailure(text))
        del self._held[delivery.id]
        self._progress(done=sum(self._counts.values()), waiting=0)

    async def _send(self, delivery: Delivery) -> None:
        sender = self._sender(delivery.destination.kind)
        forms = REGISTRY[delivery.destination.kind].forms
        outgoing = await self._message(delivery, forms)
        checkpoint = _StoreCheckpoint(self._commits, delivery, self._clock)
        receipt = await sender.send(outgoing, checkpoint)
        now = self._clock()
        await self._commits.write(
            Transition(
                delivery.id, DeliveryState.SENT, now, delivery.attempts, receipt=receipt.detail
            )
        )
        self._counts["sent"] += 1

    async def _message(self, delivery: Delivery, forms: Collection[Form]) -> OutgoingMessage:
        """Build the message, mostly from what was read ahead, so that no thread is needed."""
        make = partial(self._messages.build, delivery, forms)
        try:
            return make()
        except StoreUnavailable:
            return await self._commits.retry_while_unavailable(make)

    def _sender(self, kind: str) -> Sender:
        """
        The sender for *kind*, opened when first needed.

        Raises:
            Misconfigured: The config has no longer what this kind needs.
        """
        if kind not in self._senders:
            self._senders[kind] = open_sender(kind, self._config)
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
        mark = partial(Transition, delivery.id, attempt=delivery.attempts, error=str(error))
        try:
            match decision:
                case Retry(at=at) | StopAll(at=at):
                    if isinstance(decision, StopAll):
                        self._given_up.add(delivery.destination.kind)
                    in_doubt = isinstance(error, OutcomeUnknown)
                    retrying = DeliveryState.RETRYING
                    await self._commits.write(
                        mark(retrying, at, code=error.code, in_doubt=in_doubt)
                    )
                    self._counts["retrying"] += 1
                case Dead():
                    note = partial(note_refusal, self._store, delivery, error, self._clock())
                    await self._commits.retry_while_unavailable(note)
                    await self._commits.write(mark(DeliveryState.DEAD, None, code=error.code))
                    self._counts["dead"] += 1
                case Unknown():
                    await self._commits.write(mark(DeliveryState.UNKNOWN, None))
                    self._counts["unknown"] += 1
        except StoreError as broken:
            self._broken = self._broken or broken

    async def close(self) -> None:
        """
        End all senders, then give back what is still claimed.

        In this order: once no link is open and nothing waits to be written down, what is still
        ``sending`` has surely not been accepted.
        """
        for sender in self._senders.values():
            await sender.close()
        await self._commits.close()
        if self._held:
            release_claims = partial(self._store.outbox.release_claims, self._held, self._clock())
            try:
                await self._commits.retry_while_unavailable(
                    partial(release_claims, cap_day=_cap_day(self._config))
                )
            except StoreError as error:
                log.warning("claims could not be given back, they end by themselves: %s", error)

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
