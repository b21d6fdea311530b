"""
One open SMTP connection after its login: commands out, replies back in order.

Where the server offers PIPELINING (RFC 2920), MAIL, RCPT and DATA are sent as one group, and those
of the next message right behind the final dot of the previous one. Begin at
`SmtpConnection.send_envelope`; `smtp_connecting` opens connections, `smtp_pool` chooses messages.
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
from digestbot.errors import DeliveryError, TooLarge
from digestbot.status_codes import enhanced_code

log = logging.getLogger(__name__)

QUIT_TIMEOUT_S = 5.0
_BLOCK = 65_536
"""Octets; RFC 5321 4.5.3.2.5 gives each block its own timeout."""
_REPLY_MAX = 32_768
"""Largest reply in octets; real ones are far smaller."""
_REPLIES_MAX = 16
"""Largest number of unread replies; a group and what may precede it have five."""
_LINE = re.compile(rb"(\d{3})(?:([ -])(.*))?", re.DOTALL)
_START_TEXT = 354
_CLOSING = 421


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message to one recipient, as sent over the wire."""

    sender: str
    recipient: str
    text: bytes
    """Message as in `OutgoingMessage.mime`; the final dot is added."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Server's reply to one command."""

    code: int | None
    """None for a malformed reply."""
    text: str

    def error(self, phase: Phase) -> DeliveryError:
        """Return the error that this unsuccessful reply to *phase* means."""
        return classify(phase, self.code, enhanced_code(self.text), self.text)


class _Limits(Protocol):
    """Settings that a connection needs."""

    @property
    def timeout(self) -> timedelta: ...
    @property
    def final_timeout(self) -> timedelta: ...


class SmtpConnection(asyncio.Protocol):
    """
    SMTP connection that carries one message after another.

    One task uses it and awaits the replies in the order of its commands. An unexpected, malformed
    or missing reply leaves the two sides out of sync, and the connection is dropped.
    """

    def __init__(self, limits: _Limits, *, pipelines: bool, size_limit: int | None) -> None:
        """
        Prepare a connection; `take_over` gives it its transport.

        Args:
            limits: Timeouts.
            pipelines: Whether the server offers PIPELINING.
            size_limit: The server's SIZE in octets, 0 for none stated; None without the extension.
        """
        self.messages = 0
        """Messages begun on it."""
        self.is_lost = False
        self.pipelines = pipelines
        self._size_limit = size_limit
        self._timeout_s = limits.timeout.total_seconds()
        self._final_timeout_s = limits.final_timeout.total_seconds()
        self._transport: asyncio.Transport
        self._buffer = b""
        self._lines: list[str] = []
        self._size = 0
        """Octets of the reply that `_lines` belong to."""
        self._replies: deque[Reply] = deque()
        self._why_lost = "connection lost"
        self._is_full = False
        self._change: asyncio.Future[None] | None = None
        self._must_reset = False
        self.has_begun = False
        """True if the next message's commands are already sent."""

    def take_over(self, transport: asyncio.Transport) -> None:
        """Use *transport* from now on."""
        self._transport = transport
        # So that `_send` waits for the operating system. Not 0: asyncio's TLS pauses at the mark
        # rather than above it.
        transport.set_write_buffer_limits(high=1, low=0)
        transport.set_protocol(self)

    @property
    def is_secure(self) -> bool:
        return self._transport.get_extra_info("ssl_object") is not None

    @property
    def is_in_sync(self) -> bool:
        """True unless the server sent something unasked, such as a 421 after idling too long."""
        return not (self.is_lost or self._replies or self._buffer or self._transport.is_closing())

    # Sending a message

    def begin(self, envelope: Envelope) -> bytes:
        """
        Return the group to send behind the previous message's final dot (RFC 2920 3.1).

        The next `send_envelope` awaits its replies.

        Raises:
            TooLarge: The message exceeds the server's size limit.
        """
        group = b"".join(command for _, command in self._commands(envelope))
        self.has_begun = True
        return group

    async def send_envelope(self, envelope: Envelope) -> None:
        """
        Send MAIL, RCPT and DATA; on return the server waits for the text.

        All replies of a group are awaited, even after a refusal, so that the connection stays in
        sync for the next message.

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
            if phase is Phase.RESET and not _is_positive(phase, reply):
                self.abort()
                raise classify(phase, None, None, reply.text)
            if refusals and phase is Phase.DATA and reply.code == _START_TEXT:
                await self._end_without_text(refusals[0][0])
            elif not _is_positive(phase, reply):
                refusals.append((phase, reply.error(phase)))
                if self._must_stop(reply):
                    break
        if refusals:
            self._must_reset = True
            raise refusals[0][1]

    def _must_stop(self, reply: Reply) -> bool:
        """Return True if the commands end here: not pipelined, or out of sync."""
        if reply.code is None or not 400 <= reply.code <= 599 or reply.code == _CLOSING:
            self.abort()
        return self.is_lost or not self.pipelines

    async def send_data(
        self, envelope: Envelope, checkpoint: Checkpoint, behind: Callable[[], bytes]
    ) -> Reply:
        """
        Send the text, then the final dot with what is *behind* it; return the reply to the dot.

        A server acts only on the dot (RFC 5321 4.1.1.4): a failure before it is written means
        certainly not delivered, a failure after it possibly delivered; so the checkpoint stands
        between the two. Some servers refuse a text before they have read all of it: then the
        connection is dropped.

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
        # The dot ends the transaction, whatever the reply (RFC 5321 4.1.1.4): no RSET is needed.
        if reply.code is None or not 200 <= reply.code <= 299:
            raise reply.error(Phase.DOT)
        return reply

    async def quit(self) -> None:
        """Send QUIT and close, whatever the reply."""
        try:
            self._write(b"QUIT\r\n")
            log.debug("goodbye")
            await self._reply(Phase.QUIT, min(QUIT_TIMEOUT_S, self._timeout_s))
        except DeliveryError:
            log.debug("no goodbye")
        self.abort()

    def abort(self) -> None:
        """
        Abort the connection, dropping what is still unwritten.

        A transport that is closed keeps writing its buffer, and under TLS waits for the peer's
        close_notify: half a message would linger, and sockets would outlive the event loop.
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
        """Return the SIZE parameter, if the server supports it (RFC 1870)."""
        if self._size_limit is None:
            return ""
        limit = self._size_limit
        if 0 < limit < size:
            text = f"the message has {size} bytes, the mail server accepts at most {limit}"
            raise TooLarge(text, code="552 5.3.4")
        return f" SIZE={size}"

    async def _end_without_text(self, refused: Phase) -> None:
        """
        Send a lone dot to a server that asks for the text although it refused the recipient.

        RFC 2920 3.1 requires this; the server then reports that no recipient is valid. A server
        that refused the sender and still asks for the text is out of sync: it gets no dot.
        """
        if refused is not Phase.RCPT:
            self.abort()
            return
        self._write(b".\r\n")
        await self._reply(Phase.DATA, self._final_timeout_s)

    def _refuse_early_reply(self) -> None:
        """Drop the connection if a reply came before the dot: the server is still reading."""
        if self._replies:
            reply = self._replies.popleft()
            self.abort()
            raise reply.error(Phase.DATA)

    async def _send(self, octets: bytes) -> None:
        """
        Hand *octets* to the operating system block by block, each within the reply timeout.

        What is still in our own buffers has not left this process: if the server stops reading, the
        dot is never written, and the outcome is certain.
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
        """Return the next reply, which belongs to *phase*."""
        await self._until(phase, lambda: bool(self._replies), timeout_s)
        return self._replies.popleft()

    async def _until(self, phase: Phase, condition: Callable[[], bool], timeout_s: float) -> None:
        """
        Wait until *condition* is true.

        Raises:
            DeliveryError: The connection was lost first, or the timeout has passed.
        """
        if condition():
            return
        loop = asyncio.get_running_loop()
        end = loop.call_later(timeout_s, self._time_out)
        try:
            while not (condition() or self.is_lost):
                self._change = loop.create_future()
                await self._change
        finally:
            end.cancel()
        if not condition():
            raise classify(phase, None, None, self._why_lost)

    def _time_out(self) -> None:
        self._why_lost = "timed out"
        self.abort()

    def _wake(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    # Callbacks of the event loop

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._read(line.rstrip(b"\r"))
        is_long = len(self._buffer) + self._size > _REPLY_MAX
        if is_long or len(self._replies) > _REPLIES_MAX:
            self._why_lost = "an endless reply"
            self.abort()
        self._wake()

    def _read(self, line: bytes) -> None:
        """Read one line of a reply: the last, unless a hyphen follows the code (RFC 5321 4.2.1)."""
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


def _is_positive(phase: Phase, reply: Reply) -> bool:
    if reply.code is None:
        return False
    return reply.code == _START_TEXT if phase is Phase.DATA else 200 <= reply.code <= 299
