"""
Third stage: send what the outbox holds, each delivery in four steps.

Claim it (commit), mark that the server may accept it from now on (commit), send it, record the
outcome (commit). A crash between two steps leaves a state that tells the next run what is certain.
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
from digestbot.pipeline.processing_bounces import record_refusal
from digestbot.sending_limits import day_of
from digestbot.store import Cap, Store, Transition

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
LEASE_S = 120.0
"""Lifetime of a claim after its worker died. A living worker renews it, since a server may take ten
minutes to answer the final dot (RFC 5321 4.5.3.2.6)."""
RENEW_S = 30.0
GRACE_PERIOD_S = 60
"""Wait before a delivery in doubt is sent once more. By our clock its lease has expired, but its
worker may be alive and our clock ahead, or just set forward; a living worker renews meanwhile."""
BATCH_SIZES = (200, 10, 1)
"""Deliveries per claim, by how many workers died sending them: 200 make reading their messages
together pay; after a crash ever fewer, so that a poison delivery is soon retried alone and the
rest of its batch goes out."""
MAX_CONCURRENT = 128
"""Deliveries of one kind under way at once, enough to keep every connection busy; each sender
limits its own connections below that."""


class DeliverProgress(Protocol):
    """Callback after each delivery."""

    def __call__(self, *, done: int, waiting: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Outcome of the deliveries that were due."""

    sent: int = 0
    retrying: int = 0
    dead: int = 0
    unknown: int = 0
    errors: tuple[str, ...] = ()
    """One line per kind of failure, with the number of deliveries affected."""

    @property
    def all_sent(self) -> bool:
        """True if everything that was due has gone out."""
        return not (self.retrying or self.dead or self.unknown)


def _no_progress(*, done: int, waiting: int) -> None:
    """Ignore progress."""


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
    Send every delivery that is due.

    *stop*, asked between claims, ends the call early. A failing destination affects no other, and
    neither does a slow kind. A server that refuses us altogether (wrong password) stops its kind
    for this call. However the call ends, it releases what it has claimed and not begun.

    Raises:
        StoreError: The database was unavailable for too long; what was sent meanwhile and could not
            be recorded is in doubt.
    """
    run = _Run(store, config, clock, random, progress, sleep)
    try:
        in_doubt = await retry_while_unavailable(lambda: store.outbox.in_doubt(clock()), sleep)
        await retry_while_unavailable(lambda: store.outbox.recover(clock(), silent={}), sleep)
        await run.send_all(stop)
        if in_doubt and await _grace_period(stop, sleep):
            await retry_while_unavailable(
                lambda: store.outbox.recover(clock(), silent=in_doubt), sleep
            )
            await run.send_all(stop)
    finally:
        await run.close()
    return run.result()


async def _grace_period(stop: Callable[[], bool], sleep: Sleep) -> bool:
    """Wait for `GRACE_PERIOD_S`; return False if *stop* ends the wait."""
    facts = {"wait_s": GRACE_PERIOD_S}
    log.warning("a worker may have died before the server answered", extra=facts)
    for _ in range(GRACE_PERIOD_S):
        if stop():
            return False
        await sleep(1)
    return True


@dataclass(frozen=True, slots=True)
class _StoreCheckpoint(Checkpoint):
    """Checkpoint that commits each step before the sender continues."""

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
        step = Transition(delivery.id, to, at, delivery.attempts, acknowledged=acknowledged)
        if not await self.commits.write(step):
            raise LeaseLost(f"the lease on delivery {delivery.id} expired")


def _cap(config: Config, now: datetime) -> Cap | None:
    """Return today's limit per destination, if there is one."""
    if not config.sending_limits.per_day:
        return None
    day = day_of(now, config.timezone)
    return Cap(per_day=config.sending_limits.per_day, day=day.name, next_at=day.next_at)


def _cap_day(config: Config) -> Callable[[datetime], str] | None:
    """Return the function that names a claim's day."""
    return (lambda at: day_of(at, config.timezone).name) if config.sending_limits.per_day else None


class _Run:
    """One call of `deliver`: its senders, its leases and its counts."""

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
        self._stopped_kinds: set[str] = set()
        """Kinds whose server refuses us, for the rest of this run."""
        self._leases: dict[int, int] = {}
        """Deliveries under way, each with its attempt."""
        self._store_error: StoreError | None = None
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    async def send_all(self, stop: Callable[[], bool]) -> None:
        """Send all kinds concurrently, each at its own pace."""
        renewing = asyncio.create_task(self._renew())
        try:
            async with asyncio.TaskGroup() as kinds:
                for kind in REGISTRY:
                    kinds.create_task(self._send_kind(kind, stop))
        finally:
            renewing.cancel()
        if self._store_error is not None:
            raise self._store_error

    async def _send_kind(self, kind: str, stop: Callable[[], bool]) -> None:
        """
        Send what is due of one kind, batch by batch.

        The next batch is claimed while the last one is under way. Deliveries that crashed a worker
        come last, in small batches that wait for one another.
        """
        slots = asyncio.Semaphore(MAX_CONCURRENT)

        def is_over() -> bool:
            return stop() or kind in self._stopped_kinds or self._store_error is not None

        async def send(delivery: Delivery) -> None:
            try:
                if not is_over():
                    await self._deliver(delivery)
            finally:
                slots.release()

        async with asyncio.TaskGroup() as sending:
            while not is_over() and (batch := await self._claim(kind)):
                for delivery in batch:
                    await slots.acquire()
                    sending.create_task(send(delivery))
        for crashes in range(1, len(BATCH_SIZES)):
            while not is_over() and (batch := await self._claim(kind, crashes=crashes)):
                async with asyncio.TaskGroup() as sending:
                    for delivery in batch:
                        await slots.acquire()
                        sending.create_task(send(delivery))

    async def _claim(self, kind: str, *, crashes: int = 0) -> tuple[Delivery, ...]:
        """Claim the next batch and read its messages ahead; empty if the store is away."""
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
            batch = await retry_while_unavailable(
                partial(claim, limit=BATCH_SIZES[crashes], lost=crashes), self._sleep
            )
            self._leases |= {delivery.id: delivery.attempts for delivery in batch}
            forms = REGISTRY[kind].forms
            await retry_while_unavailable(
                partial(self._messages.read_ahead, batch, forms), self._sleep
            )
        except StoreError as error:
            self._store_error = self._store_error or error
            return ()
        return batch

    async def _renew(self) -> None:
        """Renew our leases, and recover deliveries whose leases have expired."""
        while True:
            await asyncio.sleep(RENEW_S)
            now = self._clock()
            lease_until = now + timedelta(seconds=LEASE_S)
            try:
                # Renew first: after a clock was set forward, our own leases look expired.
                await asyncio.to_thread(self._store.outbox.renew, dict(self._leases), lease_until)
                await asyncio.to_thread(self._store.outbox.recover, now, silent={})
            except StoreError as error:
                log.warning("leases not renewed", extra={"error": error})

    async def _deliver(self, delivery: Delivery) -> None:
        """Send one delivery and record its outcome, whatever goes wrong."""
        try:
            await self._send(delivery)
        except DeliveryError as error:
            await self._settle(delivery, error)
        except LeaseLost:
            log.warning("lease expired, another worker has it", extra={"delivery": delivery.id})
        except StoreError as error:
            self._store_error = self._store_error or error
            return
        except DigestbotError as error:
            await self._settle(delivery, PermanentFailure(str(error)))
        except Exception as error:
            log.exception("delivery failed unexpectedly", extra={"delivery": delivery.id})
            text = f"{type(error).__name__}: a bug, see the log"
            await self._settle(delivery, TransientFailure(text))
        del self._leases[delivery.id]
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
        """Build the message, mostly from what was read ahead."""
        build = partial(self._messages.build, delivery, forms)
        try:
            return build()
        except StoreUnavailable:
            return await self._commits.retry_while_unavailable(build)

    def _sender(self, kind: str) -> Sender:
        """
        Return the sender for *kind*, opened on first use.

        Raises:
            Misconfigured: The config no longer has what this kind needs.
        """
        if kind not in self._senders:
            self._senders[kind] = open_sender(kind, self._config)
        return self._senders[kind]

    async def _settle(self, delivery: Delivery, error: DeliveryError) -> None:
        """Record what `decide` makes of the failure."""
        decision = decide(
            error,
            attempts=delivery.attempts,
            first_at=delivery.created_at,
            now=self._clock(),
            jitter=self._random.random(),
            doubts=delivery.doubts,
        )
        self._errors[f"{delivery.destination.kind}: {error}"] += 1
        step = partial(Transition, delivery.id, attempt=delivery.attempts, error=str(error))
        try:
            match decision:
                case Retry(at=at) | StopAll(at=at):
                    if isinstance(decision, StopAll):
                        self._stopped_kinds.add(delivery.destination.kind)
                    in_doubt = isinstance(error, OutcomeUnknown)
                    retrying = DeliveryState.RETRYING
                    await self._commits.write(
                        step(retrying, at, code=error.code, in_doubt=in_doubt)
                    )
                    self._counts["retrying"] += 1
                case Dead():
                    record = partial(record_refusal, self._store, delivery, error, self._clock())
                    await self._commits.retry_while_unavailable(record)
                    await self._commits.write(step(DeliveryState.DEAD, None, code=error.code))
                    self._counts["dead"] += 1
                case Unknown():
                    await self._commits.write(step(DeliveryState.UNKNOWN, None))
                    self._counts["unknown"] += 1
        except StoreError as store_error:
            self._store_error = self._store_error or store_error

    async def close(self) -> None:
        """
        Close all senders, then release the remaining claims.

        In this order: once no connection is open and nothing waits to be committed, a delivery
        still in ``sending`` cannot have been accepted.
        """
        for sender in self._senders.values():
            await sender.close()
        await self._commits.close()
        if self._leases:
            release = partial(self._store.outbox.release_claims, self._leases, self._clock())
            try:
                await self._commits.retry_while_unavailable(
                    partial(release, cap_day=_cap_day(self._config))
                )
            except StoreError as error:
                log.warning("claims not released, their leases expire", extra={"error": error})

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
