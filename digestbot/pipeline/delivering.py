"""
Third stage: send what the outbox holds, each delivery in four steps.

Claim it (commit), mark that the server may accept it from now on (commit), send it, record the
outcome (commit). A crash between two steps leaves a state that tells the next run what is certain.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Protocol

from digestbot.config import Config
from digestbot.deliver import REGISTRY, Checkpoint, Sender, open_sender
from digestbot.deliver.retry import Dead, Pause, Retry, Unknown, decide, pause, soon
from digestbot.errors import (
    DeliveryError,
    DigestbotError,
    LeaseLost,
    NotAttempted,
    OutcomeUnknown,
    PermanentFailure,
    StoreError,
    StoreUnavailable,
    TooLarge,
    TransientFailure,
)
from digestbot.model import Delivery, DeliveryState, Form, OutgoingMessage, Receipt
from digestbot.pipeline.group_commit import GroupCommit, Sleep, retry_while_unavailable
from digestbot.pipeline.messages import MessageBuilder
from digestbot.pipeline.processing_bounces import record_refusal
from digestbot.render import without_attachments
from digestbot.sending_limits import day_of
from digestbot.store import Cap, KindPause, Store, Transition

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
LEASE_S = 120.0
"""Lifetime of a claim after its worker crashed. A living worker renews it, since a server may take
ten minutes to acknowledge the final dot (RFC 5321 4.5.3.2.6)."""
RENEW_S = 30.0
GRACE_PERIOD_S = 60
"""Wait before a delivery in doubt is sent once more. By our clock its lease has expired, but its
worker may be alive and our clock ahead, or just set forward; a living worker renews meanwhile."""
BATCH_SIZES = (200, 10, 1)
"""Deliveries per claim, by how many workers crashed sending them: 200 make reading their messages
together pay; after a crash ever fewer, so that a poison delivery is soon retried alone and the
rest of its batch goes out."""
MAX_CONCURRENT = 128
"""Deliveries of one kind in progress at once, enough to keep every connection busy; each sender
limits its own connections below that."""

STOP_POLL_S = 0.1
"""Interval between two looks at whether to stop."""
SOON_MAX = 20
"""Deliveries that one run retries within its patience: more mean an outage."""


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
    waiting: int = 0
    """Due deliveries left alone, since their server refuses us or the run was stopped."""
    later: int = 0
    """Deliveries that failed in an earlier run and are not due yet."""
    elsewhere: int = 0
    """Deliveries that another process claimed and may have died with."""
    errors: tuple[str, ...] = ()
    """One line per kind of failure, with the number of deliveries affected."""

    @property
    def all_sent(self) -> bool:
        """True if everything that was due has gone out."""
        return not (self.retrying or self.dead or self.unknown or self.left)

    @property
    def left(self) -> int:
        """Number of deliveries that should have gone out and were not tried."""
        return self.waiting + self.later + self.elsewhere


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
    patience_s: float = 0.0,
) -> Delivered:
    """
    Send every delivery that is due.

    Once *stop* says so, the call waits for the replies to what is past its final dot, leaves the
    rest alone and ends. A failing destination affects no other, and neither does a slow kind. A
    reply about us (a wrong password, a quota, a server that is down)
    pauses its kind, in all processes, and costs no delivery an attempt. However the call ends, it
    releases what it has claimed and not begun.

    Args:
        store: Holds the outbox.
        config: Settings of the destinations.
        clock: Returns the time, aware.
        random: Spreads retries.
        progress: Called after each delivery.
        stop: Ends the call early when it returns True; asked several times a second.
        sleep: Waits for a number of seconds.
        patience_s: Seconds that the call may wait in total for temporary failures.

    Raises:
        StoreError: The database was unavailable for too long; what was sent meanwhile and could not
            be recorded is in doubt.
    """
    patience = timedelta(seconds=patience_s)
    run = _Run(store, config, clock, random, progress, stop, sleep, patience)
    try:
        in_doubt = await retry_while_unavailable(lambda: store.outbox.in_doubt(clock()), sleep)
        await retry_while_unavailable(lambda: store.outbox.recover(clock(), silent={}), sleep)
        await run.send_patiently()
        if in_doubt and await _grace_period(stop, sleep):
            await retry_while_unavailable(
                lambda: store.outbox.recover(clock(), silent=in_doubt), sleep
            )
            await run.send_patiently()
        left = await run.count_left()
    finally:
        await run.close()
    return run.result(left)


async def _grace_period(stop: Callable[[], bool], sleep: Sleep) -> bool:
    """Wait for `GRACE_PERIOD_S`; return False if *stop* ends the wait."""
    facts = {"wait_s": GRACE_PERIOD_S}
    log.warning("deliveries in doubt, waiting before recovery", extra=facts)
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
    stop: Callable[[], bool]
    past_dot: set[int]
    """Receives the delivery once it may have been accepted."""

    async def data_done(self) -> None:
        if self.stop():
            raise NotAttempted("left for the next run, since this one was stopped")
        self.past_dot.add(self.delivery.id)
        await self._write(DeliveryState.DATA_DONE, self.clock())

    async def acknowledged(self, mark: str) -> None:
        lease_until = self.clock() + timedelta(seconds=LEASE_S)
        await self._write(DeliveryState.SENDING, lease_until, acknowledged=mark)
        self.past_dot.discard(self.delivery.id)

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
        stop: Callable[[], bool],
        sleep: Sleep,
        patience: timedelta,
    ) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._progress = progress
        self._stop = stop
        self._commits = GroupCommit(store, sleep=sleep)
        self._messages = MessageBuilder(store, config.smtp)
        self._senders: dict[str, Sender] = {}
        self._patience = patience
        """Time left for waiting."""
        self._pauses: dict[str, KindPause] = {}
        """The latest pause of each kind; its next success ends it."""
        self._stopped_kinds: set[str] = set()
        """Kinds that are paused."""
        self._due_soon: dict[int, datetime] = {}
        """Deliveries with a short retry in this run."""
        self._short_retries: Counter[int] = Counter()
        self._leases: defaultdict[str, dict[int, int]] = defaultdict(dict)
        """Deliveries under way by kind, each with its attempt."""
        self._under_way: dict[int, asyncio.Task[None]] = {}
        """Tasks of the deliveries begun."""
        self._past_dot: set[int] = set()
        """Deliveries that their server may have accepted by now."""
        self._store_error: StoreError | None = None
        self._sent = 0
        self._failures: dict[int, tuple[DeliveryState, str]] = {}
        """Deliveries that failed and have not been sent since, each with its error."""

    async def send_patiently(self) -> None:
        """Send all that is due, and again after each short wait, while the patience lasts."""
        await self.send_all()
        while not self._stop() and (wait := self._next_wait()) is not None:
            facts = {"wait_s": wait.total_seconds()}
            log.info("waiting for a temporary failure to pass", extra=facts)
            self._patience -= wait
            await self._wait(wait.total_seconds())
            await self.send_all()

    def _next_wait(self) -> timedelta | None:
        """Return the time until something can be tried again, if the patience suffices."""
        now = self._clock()
        pauses = (self._pauses[kind].until for kind in self._stopped_kinds)
        times = [at for at in (*self._due_soon.values(), *pauses) if at > now]
        wait = min(times) - now if times else None
        return wait if wait is not None and wait <= self._patience else None

    async def _wait(self, seconds: float) -> None:
        """Sleep in steps of a second, so that a stop ends it."""
        while seconds > 0 and not self._stop():
            await self._sleep(min(seconds, 1.0))
            seconds -= 1.0

    async def send_all(self) -> None:
        """Send all kinds concurrently, each at its own pace."""
        now = self._clock()
        self._stopped_kinds = {k for k in self._stopped_kinds if self._pauses[k].until > now}
        renewing = asyncio.create_task(self._renew())
        stopping = asyncio.create_task(self._stop_sending())
        try:
            async with asyncio.TaskGroup() as kinds:
                for kind in REGISTRY:
                    kinds.create_task(self._send_kind(kind))
        finally:
            renewing.cancel()
            stopping.cancel()
        if self._store_error is not None:
            raise self._store_error

    async def _stop_sending(self) -> None:
        """Wait for the stop, then cancel what is not past its final dot."""
        while not self._stop():  # noqa: ASYNC110  # a callable, since signals set it
            await asyncio.sleep(STOP_POLL_S)
        for key, task in self._under_way.items():
            if key not in self._past_dot:
                task.cancel()

    async def _send_kind(self, kind: str) -> None:
        """
        Send what is due of one kind, batch by batch.

        The next batch is claimed while the last one is under way. Deliveries that crashed a worker
        come last, in small batches that wait for one another.
        """
        slots = asyncio.Semaphore(MAX_CONCURRENT)

        def is_over() -> bool:
            return self._stop() or kind in self._stopped_kinds or self._store_error is not None

        async def send(delivery: Delivery) -> None:
            if not is_over():
                await self._deliver(delivery)

        async def begin(batch: Iterable[Delivery], sending: asyncio.TaskGroup) -> None:
            for delivery in batch:
                await slots.acquire()
                self._watch(delivery, sending.create_task(send(delivery)), slots)

        async with asyncio.TaskGroup() as sending:
            while not is_over() and (batch := await self._claim(kind)):
                await begin(batch, sending)
        for crashes in range(1, len(BATCH_SIZES)):
            while not is_over() and (batch := await self._claim(kind, crashes=crashes)):
                async with asyncio.TaskGroup() as sending:
                    await begin(batch, sending)
        if kind in self._stopped_kinds or self._stop():
            await self._release(kind)

    def _watch(
        self, delivery: Delivery, task: "asyncio.Task[None]", slots: asyncio.Semaphore
    ) -> None:
        """Keep *task* for a stop, and free its slot at its end."""

        def end(_: object) -> None:
            del self._under_way[delivery.id]
            self._past_dot.discard(delivery.id)
            slots.release()

        self._under_way[delivery.id] = task
        task.add_done_callback(end)

    async def _claim(self, kind: str, *, crashes: int = 0) -> tuple[Delivery, ...]:
        """Claim the next batch and read its messages ahead; empty if paused or without store."""
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
            if await self._is_paused(kind, now):
                return ()
            batch = await retry_while_unavailable(
                partial(claim, limit=BATCH_SIZES[crashes], lost=crashes), self._sleep
            )
            self._leases[kind] |= {delivery.id: delivery.attempts for delivery in batch}
            forms = REGISTRY[kind].forms
            await retry_while_unavailable(
                partial(self._messages.read_ahead, batch, forms), self._sleep
            )
        except StoreError as error:
            self._store_error = self._store_error or error
            return ()
        return batch

    async def _is_paused(self, kind: str, now: datetime) -> bool:
        """Read the pause of *kind*, which another process may have begun."""
        read = partial(self._store.pauses.get, kind)
        found = await retry_while_unavailable(read, self._sleep)
        if kind in self._stopped_kinds:  # paused while we were reading
            return True
        if found is None:
            self._pauses.pop(kind, None)
            return False
        self._pauses[kind] = found
        if found.until > now:
            self._stopped_kinds.add(kind)
        return found.until > now

    async def _renew(self) -> None:
        """Renew our leases, and recover deliveries whose leases have expired."""
        while True:
            await asyncio.sleep(RENEW_S)
            now = self._clock()
            lease_until = now + timedelta(seconds=LEASE_S)
            try:
                # Renew first: after a clock was set forward, our own leases look expired.
                await asyncio.to_thread(self._store.outbox.renew, self._all_leases(), lease_until)
                await asyncio.to_thread(self._store.outbox.recover, now, silent={})
            except StoreError as error:
                log.warning("leases not renewed", extra={"error": error})

    def _all_leases(self) -> dict[int, int]:
        return {id_: attempt for some in self._leases.values() for id_, attempt in some.items()}

    async def _deliver(self, delivery: Delivery) -> None:
        """Send one delivery and record its outcome, whatever goes wrong."""
        try:
            await self._send(delivery)
        except NotAttempted:
            return  # its lease is released with those of its kind
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
            await self._settle(delivery, TransientFailure(text), is_brief=False)
        del self._leases[delivery.destination.kind][delivery.id]
        self._progress(done=self._sent + len(self._failures), waiting=0)

    async def _send(self, delivery: Delivery) -> None:
        sender = self._sender(delivery.destination.kind)
        forms = REGISTRY[delivery.destination.kind].forms
        outgoing = await self._message(delivery, forms)
        checkpoint = _StoreCheckpoint(
            self._commits, delivery, self._clock, self._stop, self._past_dot
        )
        receipt = await self._send_in_size(sender, outgoing, checkpoint)
        now = self._clock()
        await self._commits.write(
            Transition(
                delivery.id, DeliveryState.SENT, now, delivery.attempts, receipt=receipt.detail
            )
        )
        self._sent += 1
        self._failures.pop(delivery.id, None)
        kind = delivery.destination.kind
        if kind in self._pauses and kind not in self._stopped_kinds:
            del self._pauses[kind]
            await self._commits.retry_while_unavailable(partial(self._store.pauses.end, kind))

    async def _send_in_size(
        self, sender: Sender, outgoing: OutgoingMessage, checkpoint: Checkpoint
    ) -> Receipt:
        """Send *outgoing*, without as many attachments as are too large for the server."""
        message, left_out = outgoing, 0
        while True:
            try:
                return await sender.send(message, checkpoint)
            except TooLarge:
                left_out += 1
                smaller = without_attachments(outgoing.mime, left_out)
                if smaller is None:
                    raise
            facts = {"delivery": outgoing.delivery.id, "attachments": left_out}
            log.warning("attachments left out, too large for the mail server", extra=facts)
            message = replace(outgoing, mime=smaller)

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

    async def _settle(
        self, delivery: Delivery, error: DeliveryError, *, is_brief: bool = True
    ) -> None:
        """Pause the kind if *error* is about us; else record what follows for the delivery."""
        kind, now = delivery.destination.kind, self._clock()
        known = self._pauses.get(kind)
        next_day = day_of(now, self._config.timezone).next_at
        failures = known.failures if known else 0
        rest = pause(error, failures=failures, now=now, next_day=next_day)
        try:
            if rest is not None:
                await self._pause(delivery, rest, error, failures)
            elif is_brief and (wait := self._soon(delivery, error)) is not None:
                await self._retry_soon(delivery, now + wait, error)
            else:
                await self._record(delivery, error, now)
        except StoreError as store_error:
            self._store_error = self._store_error or store_error

    async def _pause(
        self, delivery: Delivery, rest: Pause, error: DeliveryError, failures: int
    ) -> None:
        """Pause the kind of *delivery*, which stays due; of failures at once, one counts."""
        kind = delivery.destination.kind
        if kind not in self._stopped_kinds:
            self._stopped_kinds.add(kind)
            begun = KindPause(
                kind=kind,
                until=rest.until,
                failures=failures + 1,
                needs_operator=rest.needs_operator,
                error=str(error),
            )
            self._pauses[kind] = begun
            await self._commits.retry_while_unavailable(partial(self._store.pauses.begin, begun))
        self._failures.pop(delivery.id, None)
        await self._postpone(delivery, self._clock(), error)

    def _soon(self, delivery: Delivery, error: DeliveryError) -> timedelta | None:
        """Return the wait before a short retry, if this run has the patience for it."""
        retries = self._short_retries[delivery.id]
        if not retries and len(self._due_soon) >= SOON_MAX:
            return None
        return soon(error, retries=retries, patience=self._patience)

    async def _retry_soon(self, delivery: Delivery, at: datetime, error: DeliveryError) -> None:
        self._short_retries[delivery.id] += 1
        self._due_soon[delivery.id] = at
        self._note(delivery, DeliveryState.RETRYING, error)
        await self._postpone(delivery, at, error)

    async def _postpone(self, delivery: Delivery, at: datetime, error: DeliveryError) -> None:
        """Let *delivery* wait without an attempt: it was certainly not delivered."""
        postpone = partial(
            self._store.outbox.postpone,
            {delivery.id: delivery.attempts},
            at,
            error=str(error),
            code=error.code,
            cap_day=_cap_day(self._config),
        )
        await self._commits.retry_while_unavailable(postpone)

    def _note(self, delivery: Delivery, state: DeliveryState, error: DeliveryError) -> None:
        """Remember the failure for the result."""
        self._failures[delivery.id] = state, f"{delivery.destination.kind}: {error}"

    async def _record(self, delivery: Delivery, error: DeliveryError, now: datetime) -> None:
        """Record what `decide` makes of the failure."""
        decision = decide(
            error,
            attempts=delivery.attempts,
            first_at=delivery.created_at,
            now=now,
            jitter=self._random.random(),
            doubts=delivery.doubts,
        )
        step = partial(Transition, delivery.id, attempt=delivery.attempts, error=str(error))
        match decision:
            case Retry(at=at):
                state, in_doubt = DeliveryState.RETRYING, isinstance(error, OutcomeUnknown)
                await self._commits.write(step(state, at, code=error.code, in_doubt=in_doubt))
            case Dead():
                state = DeliveryState.DEAD
                record = partial(record_refusal, self._store, delivery, error, now)
                await self._commits.retry_while_unavailable(record)
                await self._commits.write(step(state, None, code=error.code))
            case Unknown():
                state = DeliveryState.UNKNOWN
                await self._commits.write(step(state, None))
        self._note(delivery, state, error)

    async def count_left(self) -> "_Left":
        """Count what should have gone out and has not."""
        elsewhere = await self._watch_others()
        outbox, now = self._store.outbox, self._clock()
        kinds = REGISTRY if self._stop() else sorted(self._stopped_kinds)
        waiting = {
            kind: await retry_while_unavailable(partial(outbox.count_due, kind, now), self._sleep)
            for kind in kinds
        }
        return _Left(
            waiting={kind: number for kind, number in waiting.items() if number},
            later=await retry_while_unavailable(partial(outbox.retries, now), self._sleep),
            elsewhere=elsewhere,
        )

    async def _watch_others(self) -> int:
        """
        Wait, within the patience, for what other processes have claimed; return the rest.

        A living process records an outcome or renews its lease within `RENEW_S`.
        """
        leases = self._store.outbox.leases
        mine = self._all_leases()
        found = await retry_while_unavailable(leases, self._sleep)
        silent = {key: until for key, until in found.items() if key not in mine}
        while silent and self._patience >= timedelta(seconds=1) and not self._stop():
            await self._wait(1.0)
            self._patience -= timedelta(seconds=1)
            found = await retry_while_unavailable(leases, self._sleep)
            silent = {key: until for key, until in silent.items() if found.get(key) == until}
        return len(silent)

    async def _release(self, kind: str) -> None:
        """Release the claims of *kind* that were not used."""
        leases, self._leases[kind] = self._leases[kind], {}
        if not leases:
            return
        release = partial(self._store.outbox.release_claims, leases, self._clock())
        try:
            await self._commits.retry_while_unavailable(
                partial(release, cap_day=_cap_day(self._config))
            )
        except StoreError as error:
            log.warning("claims not released; leases will expire", extra={"error": error})

    async def close(self) -> None:
        """
        Close all senders, then release the remaining claims.

        In this order: once no connection is open and nothing waits to be committed, a delivery
        still in ``sending`` cannot have been accepted.
        """
        try:
            for sender in self._senders.values():
                await sender.close()
        finally:  # a stop cancels a close that takes too long
            await self._commits.close()
            for kind in tuple(self._leases):
                await self._release(kind)

    def result(self, left: "_Left") -> Delivered:
        """Return the counts."""
        states = Counter(state for state, _ in self._failures.values())
        errors = Counter(line for _, line in self._failures.values())
        later = max(0, left.later - states[DeliveryState.RETRYING])
        return Delivered(
            sent=self._sent,
            retrying=states[DeliveryState.RETRYING],
            dead=states[DeliveryState.DEAD],
            unknown=states[DeliveryState.UNKNOWN],
            waiting=sum(left.waiting.values()),
            later=later,
            elsewhere=left.elsewhere,
            errors=(
                *(self._waiting_line(kind, number) for kind, number in left.waiting.items()),
                *(
                    text if times == 1 else f"{text} ({times} times)"
                    for text, times in errors.most_common()
                ),
                *_lines_of_others(later, left.elsewhere),
            ),
        )

    def _waiting_line(self, kind: str, waiting: int) -> str:
        counted = _deliveries(waiting, "waits", "wait")
        if kind not in self._stopped_kinds:
            return f"{kind}: {counted} for the next run"
        paused = self._pauses[kind]
        until = f"{paused.until.astimezone(self._config.timezone):%Y-%m-%d %H:%M}"
        return f"{kind}: {paused.error}; {counted}, next try at {until}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """Deliveries that were due and have not gone out."""

    waiting: Mapping[str, int]
    """Due deliveries by kind."""
    later: int
    """Failed deliveries that are due later."""
    elsewhere: int
    """Deliveries claimed by another process that may have died."""


def _lines_of_others(later: int, elsewhere: int) -> tuple[str, ...]:
    lines = (
        f"{_deliveries(later, 'waits', 'wait')} for another try; see 'digestbot deliveries list'",
        f"{_deliveries(elsewhere, 'was', 'were')} claimed by another process that may have died; "
        "a run two minutes from now sends them",
    )
    return tuple(line for line, n in zip(lines, (later, elsewhere), strict=True) if n)


def _deliveries(number: int, one: str, many: str) -> str:
    return f"1 delivery {one}" if number == 1 else f"{number} deliveries {many}"
