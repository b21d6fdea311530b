"""
One open SMTP connection after its login: commands out, their replies back in order.

Where the server offers PIPELINING (RFC 2920), MAIL, RCPT and DATA go out as one group, and those of
the next message right behind the final dot of the one before. Begin at `Link.introduce`; connecting
and logging in is `smtp`'s matter, waiting and choosing the next message, too.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from digestbot.deliver.protocols import Checkpoint
from digestbot.deliver.smtp_replies import Phase, classify
from digestbot.errors import DeliveryError, PermanentFailure
from digestbot.status_codes import enhanced_code

log = logging.getLogger(__name__)

GOODBYE_S = 5.0
_BLOCK = 65_536
"""Octets; RFC 5321 4.5.3.2.5 gives each block a time-out of its own."""
_REPLY_MAX = 32_768
"""Octets of one reply; no honest one comes near."""
_REPLIES_MAX = 16
"""Replies that nobody has taken yet: a group and what may stand before it have five."""
_LINE = re.compile(rb"(\d{3})(?:([ -])(.*))?", re.DOTALL)
_GO_ON = 354
_CLOSING = 421


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message to one recipient, as it goes over the wire."""

    sender: str
    recipient: str
    text: bytes
    """The message, see `OutgoingMessage.message`, without the final dot."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said to one command."""

    code: int | None
    """None if it was no reply at all."""
    text: str

    def error(self, phase: Phase) -> DeliveryError:
        """What it means as an answer to *phase*, when it is no success."""
        return classify(phase, self.code, enhanced_code(self.text), self.text)


class _Limits(Protocol):
    """What a link must know of the settings."""

    @property
    def timeout(self) -> timedelta: ...
    @property
    def final_timeout(self) -> timedelta: ...


class Link(asyncio.Protocol):
    """
    A connection that takes one message after another.

    It is used by one task, which waits for the replies in the order of its commands. A reply that
    nobody asked for, one that is none, and one that does not come leave the two sides out of step:
    the link is then dropped.
    """

    def __init__(self, limits: _Limits, *, pipelines: bool, size_limit: str | None) -> None:
        """
        *pipelines* if the server offers PIPELINING; *size_limit* is its word after SIZE, None if
        it does not want to know.
        """
        self.messages = 0
        """Messages that were begun on it."""
        self.is_lost = False
        self.pipelines = pipelines
        self._size_limit = size_limit
        self._timeout_s = limits.timeout.total_seconds()
        self._final_timeout_s = limits.final_timeout.total_seconds()
        self._transport: asyncio.Transport
        self._buffer = b""
        self._lines: list[str] = []
        self._size = 0
        """Octets of the reply of which these are the lines so far."""
        self._replies: deque[Reply] = deque()
        self._why_lost = "connection lost"
        self._is_full = False
        self._change: asyncio.Future[None] | None = None
        self._must_reset = False
        self.has_begun = False
        """The next message's commands are out already."""

    def take_over(self, transport: asyncio.Transport) -> None:
        """Speak and listen on *transport* from now on."""
        self._transport = transport
        # `_send` waits for the system. Not 0: TLS of asyncio pauses at the mark, not above it.
        transport.set_write_buffer_limits(high=1, low=0)
        transport.set_protocol(self)

    @property
    def is_secure(self) -> bool:
        return self._transport.get_extra_info("ssl_object") is not None

    @property
    def is_in_step(self) -> bool:
        """Nothing has been said that nobody asked for, such as that it was idle for too long."""
        return not (self.is_lost or self._replies or self._buffer or self._transport.is_closing())

    # What a message takes

    def begin(self, envelope: Envelope) -> bytes:
        """
        The group that may stand behind the final dot of the message before (RFC 2920 3.1).

        Its replies are waited for by the next `introduce`.

        Raises:
            PermanentFailure: The message is larger than what the server takes.
        """
        group = b"".join(command for _, command in self._commands(envelope))
        self.has_begun = True
        return group

    async def introduce(self, envelope: Envelope) -> None:
        """
        MAIL, RCPT and DATA: when it returns, the server waits for the text.

        In a group all replies are waited for, also those behind a refusal, so that the next message
        finds the link in step.

        Raises:
            DeliveryError: See `classify`.
        """
        commands = self._commands(envelope)
        has_begun, self.has_begun = self.has_begun, False
        self.messages += 1
        if self.pipelines and not has_begun:
            self._write(b"".join(command for _, command in commands))
        self._must_reset = False
        refusals: list[tuple[Phase, DeliveryError]] = []
        for phase, command in commands:
            if not self.pipelines:
                self._write(command)
            try:
                reply = await self._reply(phase, self._timeout_s)
            except DeliveryError as error:
                raise (refusals[0][1] if refusals else error) from error
            log.debug("answered", extra={"phase": phase.name})
            if phase is Phase.RESET and not _is_yes(phase, reply):
                self.abort()
                raise classify(phase, None, None, reply.text)
            if refusals and phase is Phase.DATA and reply.code == _GO_ON:
                await self._end_without_text(refusals[0][0])
            elif not _is_yes(phase, reply):
                refusals.append((phase, reply.error(phase)))
                if self._must_stop(reply):
                    break
        if refusals:
            self._must_reset = True
            raise refusals[0][1]

    def _must_stop(self, reply: Reply) -> bool:
        """Whether no more may be said: after a refusal without a group, or out of step."""
        if reply.code is None or not 400 <= reply.code <= 599 or reply.code == _CLOSING:
            self.abort()
        return self.is_lost or not self.pipelines

    async def transfer(
        self, envelope: Envelope, checkpoint: Checkpoint, behind: Callable[[], bytes]
    ) -> Reply:
        """
        The text, the checkpoint, the final dot with what is *behind* it, the answer to the dot.

        A server acts only on the dot (RFC 5321 4.1.1.4): what fails before it is written has
        certainly not been delivered, what fails after it perhaps. Some servers refuse a text that
        they have not yet read to its end: that is heard, and the link dropped.

        Raises:
            DeliveryError: See `classify`.
        """
        await self._send(envelope.text)
        log.debug("text written")
        await checkpoint.data_done()
        log.debug("data done")
        self._refuse_early_reply()
        self._write(b".\r\n" + behind())
        log.debug("dot written")
        reply = await self._reply(Phase.DOT, self._final_timeout_s)
        log.debug("answered", extra={"phase": Phase.DOT.name})
        # The dot ends the transaction, whatever the answer (RFC 5321 4.1.1.4): no RSET is needed.
        if reply.code is None or not 200 <= reply.code <= 299:
            raise reply.error(Phase.DOT)
        return reply

    async def quit(self) -> None:
        """Say goodbye; all messages are accounted for, whatever the answer."""
        try:
            self._write(b"QUIT\r\n")
            log.debug("goodbye")
            await self._reply(Phase.QUIT, min(GOODBYE_S, self._timeout_s))
        except DeliveryError:
            log.debug("no goodbye")
        self.abort()

    def abort(self) -> None:
        """
        Drop the connection and what is not written yet.

        A closed transport goes on writing its buffer, and under TLS waits for the other side's
        goodbye: half a message would linger, and sockets would outlive the event loop.
        """
        self.is_lost = True
        self._transport.abort()
        self._wake()

    def _commands(self, envelope: Envelope) -> list[tuple[Phase, bytes]]:
        options = self._size_option(len(envelope.text))
        commands = [
            (Phase.MAIL, f"MAIL FROM:<{envelope.sender}>{options}\r\n".encode("ascii")),
            (Phase.RCPT, f"RCPT TO:<{envelope.recipient}>\r\n".encode("ascii")),
            (Phase.DATA, b"DATA\r\n"),
        ]
        return [(Phase.RESET, b"RSET\r\n"), *commands] if self._must_reset else commands

    def _size_option(self, size: int) -> str:
        """The SIZE of the message, if the server wants to know (RFC 1870)."""
        if self._size_limit is None:
            return ""
        limit = self._size_limit
        if limit.isdecimal() and 0 < int(limit) < size:
            text = f"the message has {size} bytes, the mail server takes {limit}"
            raise PermanentFailure(text, code="552 5.3.4")
        return f" SIZE={size}"

    async def _end_without_text(self, refused: Phase) -> None:
        """
        A lone dot for a server that wants a text although it refused the recipient.

        So RFC 2920 3.1 demands; the server then says that there is nobody to deliver to. One that
        refused the sender and goes on all the same has lost count: it gets no dot.
        """
        if refused is not Phase.RCPT:
            self.abort()
            return
        self._write(b".\r\n")
        await self._reply(Phase.DATA, self._final_timeout_s)

    def _refuse_early_reply(self) -> None:
        """An answer before the dot: the server reads on, so the link is done for."""
        if self._replies:
            reply = self._replies.popleft()
            self.abort()
            raise reply.error(Phase.DATA)

    async def _send(self, octets: bytes) -> None:
        """
        Hand *octets* to the system, block by block; each may take as long as an answer.

        What waits in our own buffers has not left this machine: with a server that reads no more,
        the dot is not written, and nothing is in doubt.
        """
        for start in range(0, len(octets), _BLOCK):
            self._write(octets[start : start + _BLOCK])
            await self._until(
                Phase.DATA, lambda: not self._is_full or bool(self._replies), self._timeout_s
            )
            self._refuse_early_reply()

    def _write(self, octets: bytes) -> None:
        if self.is_lost or self._transport.is_closing():
            raise classify(Phase.DATA, None, None, self._why_lost)
        self._transport.write(octets)

    async def _reply(self, phase: Phase, timeout_s: float) -> Reply:
        """The next reply, which must be the one to *phase*."""
        await self._until(phase, lambda: bool(self._replies), timeout_s)
        return self._replies.popleft()

    async def _until(self, phase: Phase, is_so: Callable[[], bool], timeout_s: float) -> None:
        """
        Wait until *is_so*.

        Raises:
            DeliveryError: The link was lost before, or the time is over.
        """
        if is_so():
            return
        loop = asyncio.get_running_loop()
        end = loop.call_later(timeout_s, self._give_up)
        try:
            while not (is_so() or self.is_lost):
                self._change = loop.create_future()
                await self._change
        finally:
            end.cancel()
        if not is_so():
            raise classify(phase, None, None, self._why_lost)

    def _give_up(self) -> None:
        self._why_lost = "timed out"
        self.abort()

    def _wake(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    # What the loop calls

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._read(line.rstrip(b"\r"))
        is_long = len(self._buffer) + self._size > _REPLY_MAX
        if is_long or len(self._replies) > _REPLIES_MAX:
            self._why_lost = "an answer without end"
            self.abort()
        self._wake()

    def _read(self, line: bytes) -> None:
        """One line of a reply, the last one unless a hyphen follows the code (RFC 5321 4.2.1)."""
        found = _LINE.fullmatch(line)
        text = (found[3] or b"" if found else line).decode("utf-8", "surrogateescape").strip()
        self._lines.append(text)
        self._size += len(line) + 1
        if found and found[2] == b"-":
            return
        self._replies.append(Reply(int(found[1]) if found else None, "\n".join(self._lines)))
        self._lines, self._size = [], 0

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._why_lost = str(exc) or type(exc).__name__
        self.is_lost = True
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()


def _is_yes(phase: Phase, reply: Reply) -> bool:
    if reply.code is None:
        return False
    return reply.code == _GO_ON if phase is Phase.DATA else 200 <= reply.code <= 299
