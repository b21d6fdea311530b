"""
Pool of SMTP connections: which message goes next, over which connection.

Messages wait in a queue. Each connection has a task that takes the next message whose domain is
below its limits, and starts it while the server still processes the previous one. The first
connection goes alone, and a reply about us empties the queue, so that a server that is down is
contacted once. Begin at `SmtpPool.send`.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from digestbot.deliver.protocols import Checkpoint
from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.deliver.smtp_connection import Envelope, SmtpConnection
from digestbot.deliver.smtp_replies import IN_A_ROW
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    NotAttempted,
    PermanentFailure,
    ServerUnavailable,
    SessionLimit,
    TransientFailure,
    UnclearRefusal,
)
from digestbot.status_codes import one_line

Sleep = Callable[[float], Awaitable[None]]

_ABOUT_US = (ServerUnavailable, Misconfigured)


@dataclass(slots=True, eq=False)
class _Transmission:
    """One message under way, with the future that its sender awaits."""

    envelope: Envelope
    domain: str
    """Domain of the recipient."""
    checkpoint: Checkpoint
    outcome: "asyncio.Future[str]"
    connection: SmtpConnection | None = None
    """Connection that carries it."""
    follower: "_Transmission | None" = None
    """Transmission whose commands were sent behind this one's final dot."""
    is_behind: bool = False
    """True while the connection still waits for the answer to the message before."""

    def drop_connection(self) -> None:
        if self.connection is not None:
            self.connection.abort()

    def stop_if_cancelled(self, outcome: "asyncio.Future[str]") -> None:
        if outcome.cancelled() and not self.is_behind:
            self.drop_connection()

    def fail(self, error: Exception) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def succeed(self, reply: str) -> None:
        if not self.outcome.done():
            self.outcome.set_result(reply)


def _interval_s(per_minute: int) -> float:
    """Return the seconds from one message to the next; 0 means unlimited."""
    return 60 / per_minute if per_minute > 0 else 0.0


class _Pace:
    """Spreads the starts of messages evenly over the minute."""

    def __init__(self, per_minute: int, sleep: Sleep) -> None:
        self._interval_s = _interval_s(per_minute)
        self._sleep = sleep
        self._next_at = 0.0

    @property
    def is_unlimited(self) -> bool:
        return not self._interval_s

    async def turn(self) -> None:
        """Reserve the next free moment and wait for it."""
        if not self._interval_s:
            return
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_at)
        self._next_at = at + self._interval_s
        await self._sleep(at - now)


class SmtpPool:
    """A queue of messages and the few connections that stay open for them."""

    def __init__(
        self,
        settings: SmtpSettings,
        connect: Callable[[], Awaitable[SmtpConnection]],
        sleep: Sleep,
    ) -> None:
        """*connect* opens a connection; *sleep* waits for rate limits."""
        self._connect = connect
        self._connections_max = max(1, settings.max_connections)
        self._domain_connections_max = max(1, settings.domain_connections)
        self._messages_max = max(1, settings.messages_per_connection)
        self._pace = _Pace(settings.per_minute, sleep)
        self._unclear: dict[str, type[DeliveryError]] = {}
        """Recipients whose messages failed for unclear reasons since the last acceptance."""
        self._is_up = False
        """A login has succeeded, and after a failure also a message."""
        self._has_failed = False
        self._queue: deque[_Transmission] = deque()
        self._active: Counter[str] = Counter()
        """Transmissions under way, by domain."""
        self._domain_interval_s = _interval_s(settings.domain_per_minute)
        self._sleep = sleep
        self._pausing: dict[str, asyncio.Task[None]] = {}
        """Domains that have just had a message, until the next one may start."""
        self._workers: set[asyncio.Task[None]] = set()
        self._idle: list[SmtpConnection] = []

    async def send(self, envelope: Envelope, checkpoint: Checkpoint) -> str:
        """
        Send one message; return the server's reply to it.

        Raises:
            DeliveryError: See `classify`; NotAttempted if the server refused another message for a
                reason that concerns us.
        """
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        domain = envelope.recipient.rpartition("@")[2]
        transmission = _Transmission(envelope, domain, checkpoint, outcome)
        outcome.add_done_callback(transmission.stop_if_cancelled)
        self._queue.append(transmission)
        self._start_workers()
        return await outcome

    async def close(self) -> None:
        """Abort what is under way and quit the idle connections."""
        tasks = *self._pausing.values(), *self._workers
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transmission in self._queue:
            transmission.outcome.cancel()
        while self._idle:
            await self._idle.pop().quit()

    def _start_workers(self) -> None:
        """Start a worker for each ready transmission, up to the limit of connections."""
        allowed = (self._connections_max if self._is_up else 1) - len(self._workers)
        ready = sum(1 for _ in islice(self._ready(), max(0, allowed)))
        for _ in range(ready):
            self._workers.add(asyncio.create_task(self._work()))

    def _ready(self, freed: str | None = None) -> Iterator[_Transmission]:
        """
        Yield queued transmissions whose domain may have one more.

        Args:
            freed: Domain that the caller's connection is about to leave.
        """
        for transmission in self._queue:
            domain = transmission.domain
            if domain in self._pausing:
                continue
            if self._active[domain] - (domain == freed) < self._domain_connections_max:
                yield transmission

    def _take(self, freed: str | None = None) -> _Transmission | None:
        """
        Take the next ready transmission from the queue, dropping cancelled ones.

        Args:
            freed: Domain that the caller's connection is about to leave.
        """
        while (transmission := next(self._ready(freed), None)) is not None:
            self._queue.remove(transmission)
            if not transmission.outcome.done():
                domain = transmission.domain
                self._active[domain] += 1
                if self._domain_interval_s:
                    self._pausing[domain] = asyncio.create_task(self._pause(domain))
                return transmission
        return None

    async def _pause(self, domain: str) -> None:
        """Keep *domain* waiting for its interval, while its connection serves others."""
        await self._sleep(self._domain_interval_s)
        del self._pausing[domain]
        self._start_workers()

    async def _work(self) -> None:
        """Send one transmission after another over one connection while any is ready."""
        connection = self._idle.pop() if self._idle else None
        transmission = self._take()
        try:
            while transmission is not None:
                connection = await self._transmit(connection, transmission)
                # The task that awaits the outcome runs first: it commits it before anything of the
                # next message is sent, so that a crash leaves one message per connection in doubt.
                await asyncio.sleep(0)
                transmission = self._next(transmission)
                self._start_workers()
        finally:
            # Here rather than in a callback of the finished task: in between, a new message would
            # count this worker as running and wait for it in vain.
            self._workers = {
                worker for worker in self._workers if worker is not asyncio.current_task()
            }
            if transmission is not None and transmission.follower is not None:  # cancelled
                transmission.follower.outcome.cancel()
                transmission.follower.drop_connection()
            if connection is not None and not connection.is_lost:
                self._idle.append(connection)

    def _next(self, transmission: _Transmission) -> _Transmission | None:
        """Return what follows *transmission* on its connection."""
        follower = transmission.follower
        if follower is None:
            return self._take()
        follower.is_behind = False
        follower.stop_if_cancelled(follower.outcome)
        return follower

    async def _transmit(
        self, connection: SmtpConnection | None, transmission: _Transmission
    ) -> SmtpConnection | None:
        """Send one message and settle its outcome; return the connection if it can be reused."""
        refuses_us = False
        try:
            connection = await self._send_envelope(connection, transmission)
            behind = partial(self._begin_follower, transmission, connection)
            reply = await connection.send_data(
                transmission.envelope, transmission.checkpoint, behind
            )
            self._unclear.clear()
            self._works()
            transmission.succeed(f"{reply.code} {one_line(reply.text)}")
        except DeliveryError as raised:
            error = self._escalated(raised, transmission)
            refuses_us = isinstance(error, _ABOUT_US)
            if isinstance(error, PermanentFailure):
                self._works()
            # After a refusal the connection is still in sync; after a missing reply it may not be.
            if refuses_us or error.code in {None, UNKNOWN_CODE}:
                transmission.drop_connection()
            transmission.fail(error)
        except Exception as error:  # from the checkpoint: the text is sent, the dot must not follow
            transmission.drop_connection()
            transmission.fail(error)
        except asyncio.CancelledError:
            transmission.drop_connection()
            transmission.outcome.cancel()
            raise
        finally:
            self._active[transmission.domain] -= 1
            connection = transmission.connection
            if connection is not None and connection.is_lost:
                self._requeue_follower(transmission)
                connection = None
        if refuses_us:
            self._pause_all()
        if connection is None or transmission.follower or connection.messages < self._messages_max:
            return connection
        await connection.quit()
        return None

    async def _send_envelope(
        self, connection: SmtpConnection | None, transmission: _Transmission
    ) -> SmtpConnection:
        """
        Send the envelope, over a new connection if need be; return the connection.

        A server may close an idle connection with 421 or silently, or refuse one more message on
        it. None of the message was sent then, so it starts again on a fresh connection.
        """
        transmission.connection = connection
        if connection is None or not connection.has_begun:
            await self._pace.turn()
        if connection is not None and not connection.has_begun and not connection.is_in_sync:
            connection.abort()
        elif connection is not None:
            try:
                await connection.send_envelope(transmission.envelope)
            except DeliveryError as error:
                is_closed = connection.is_lost and _is_closing(error)
                is_used_up = isinstance(error, SessionLimit)
                if transmission.outcome.done() or not (is_closed or is_used_up):
                    raise
                connection.abort()
            else:
                return connection
        transmission.connection = None
        transmission.connection = await self._connect()
        if not self._has_failed:
            self._is_up = True
            self._start_workers()
        await transmission.connection.send_envelope(transmission.envelope)
        return transmission.connection

    def _begin_follower(self, transmission: _Transmission, connection: SmtpConnection) -> bytes:
        """Return the commands of the next message, if *connection* may pipeline it."""
        if not connection.pipelines or connection.messages >= self._messages_max:
            return b""
        if not self._pace.is_unlimited:
            return b""
        while (follower := self._take(freed=transmission.domain)) is not None:
            try:
                group = connection.begin(follower.envelope)
            except PermanentFailure as error:
                self._active[follower.domain] -= 1
                follower.fail(error)
                continue
            follower.connection = connection
            follower.is_behind = True
            transmission.follower = follower
            return group
        return b""

    def _requeue_follower(self, transmission: _Transmission) -> None:
        """Put the follower back at the head of the queue: none of its text was sent."""
        if transmission.follower is not None:
            transmission.follower.connection = None
            transmission.follower.is_behind = False
            self._active[transmission.follower.domain] -= 1
            self._queue.appendleft(transmission.follower)
            transmission.follower = None

    def _works(self) -> None:
        """Allow all connections: the server takes messages."""
        self._is_up, self._has_failed = True, False

    def _pause_all(self) -> None:
        """Leave the queued messages alone, and begin again with one connection."""
        self._is_up, self._has_failed = False, True
        self._unclear.clear()
        while self._queue:
            self._queue.popleft().fail(NotAttempted("paused after the failure of another message"))

    def _escalated(self, error: DeliveryError, transmission: _Transmission) -> DeliveryError:
        """Return *error*, or an error about us if several recipients in a row met the same."""
        is_lost = isinstance(error, TransientFailure) and error.code is None
        if not (is_lost or isinstance(error, UnclearRefusal)):
            return error
        self._unclear[transmission.envelope.recipient] = type(error)
        if list(self._unclear.values()).count(type(error)) < IN_A_ROW:
            return error
        text = f"{error}; the {IN_A_ROW - 1} deliveries before it too, so it concerns our server"
        return ServerUnavailable(text) if is_lost else Misconfigured(text, code=error.code)


def _is_closing(error: DeliveryError) -> bool:
    """Return True if the server closed the connection: with 421, or silently."""
    return error.code is None or error.code.startswith("421")
