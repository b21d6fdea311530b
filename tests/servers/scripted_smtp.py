"""
Scripted SMTP server on a raw socket, in control of the bytes below TLS.

It follows the protocol except for one fault, which happens when the dialogue first reaches its
step. Steps are CONNECT (before the greeting), BANNER, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, TEXT
(in the middle of the text), DOT, TAKEN (after the dot, with the message accepted), QUIT.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.wire import assert_sound

STEPS = (
    "CONNECT",
    "BANNER",
    "EHLO",
    "STARTTLS",
    "AUTH",
    "MAIL",
    "RCPT",
    "DATA",
    "TEXT",
    "DOT",
    "TAKEN",
    "QUIT",
)
FAULTS = ("4xx", "5xx", "421", "cut", "silence", "garbage", "slow", "tls")
GARBAGE = b"\x00\xff\xfe <html>, or what?\r\n"
SLOW_S = 0.02
"""Seconds between two pieces of a slow reply, and between two lines of a slow text."""
PIECES = 8
"""Number of pieces of a slow reply."""
SLOW_LINES = 10
"""Number of lines of a text that are read slowly."""

_OK = {
    "CONNECT": b"220 mail.example.org ESMTP\r\n",
    "BANNER": b"220 mail.example.org ESMTP\r\n",
    "STARTTLS": b"220 2.0.0 go ahead\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "MAIL": b"250 2.1.0 fine\r\n",
    "RCPT": b"250 2.1.5 fine\r\n",
    "DATA": b"354 go on\r\n",
    "TEXT": b"250 2.0.0 taken\r\n",
    "DOT": b"250 2.0.0 taken\r\n",
    "TAKEN": b"250 2.0.0 taken\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
    "RSET": b"250 2.0.0 clear\r\n",
}
_LATER = {"AUTH": b"454 4.7.0 not now\r\n", "STARTTLS": b"454 4.7.0 not now\r\n"}
_NEVER = {
    "CONNECT": b"554 5.3.2 no service here\r\n",
    "BANNER": b"554 5.3.2 no service here\r\n",
    "EHLO": b"550 5.3.2 who are you\r\n",
    "STARTTLS": b"501 5.5.4 no\r\n",
    "AUTH": b"535 5.7.8 bad credentials\r\n",
    "MAIL": b"550 5.1.8 bad sender\r\n",
    "RCPT": b"550 5.1.1 <reader@example.org> user unknown\r\n",
    "DATA": b"554 5.5.1 no valid recipients\r\n",
    "TEXT": b"552 5.3.4 too big\r\n",
    "DOT": b"554 5.6.0 not this content\r\n",
    "QUIT": b"500 5.5.1 what\r\n",
}


_OUT_OF_ORDER = b"503 5.5.1 bad sequence of commands\r\n"


class _Over(Exception):
    """The connection is closed."""


@dataclass(slots=True)
class _Wire:
    """One connection; *raw* is the socket below TLS."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    raw: asyncio.WriteTransport

    async def line(self) -> bytes:
        line = await self.reader.readline()
        if not line.endswith(b"\n"):
            raise _Over
        return line

    def has_more(self) -> bool:
        """Return True if unread bytes have arrived."""
        return bool(self.reader._buffer)  # type: ignore[attr-defined]  # there is no other way

    async def say(self, octets: bytes, *, slowly: bool = False) -> None:
        size = max(1, len(octets) // PIECES) if slowly else len(octets) or 1
        pieces = [octets[n : n + size] for n in range(0, len(octets), size)]
        for piece in pieces[:-1]:
            self.writer.write(piece)
            await asyncio.sleep(SLOW_S)
        # No pause after the last one: the client's next bytes may be TLS.
        self.writer.write(b"".join(pieces[-1:]))
        await self.writer.drain()

    async def secure(self, context: ssl.SSLContext) -> None:
        await self.writer.start_tls(context)


class ScriptedSmtp:
    """
    Server on a loopback port of the running loop, for use in ``async with``.

    Args:
        context: The server's certificate.
        implicit_tls: Use TLS from the first byte instead of STARTTLS.
        pipelining: Offer PIPELINING; grouped commands get one reply each either way.
        step: Step at which the fault happens.
        fault: One of `FAULTS`; None for no fault.
        times: Number of connections in which it happens.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        implicit_tls: bool = False,
        pipelining: bool = False,
        step: str = "",
        fault: str | None = None,
        times: int = 1,
    ) -> None:
        self.port = 0
        self.taken: list[bytes] = []
        """Accepted messages, with dot-stuffing undone."""
        self.connections = 0
        self.empty_texts = 0
        """Number of lone dots received for texts without recipients."""
        self.begun_before_the_answer: list[bool] = []
        """For each text, True if the next command arrived before the reply to the dot."""
        self.struck = asyncio.Event()
        """Set once the fault has happened."""
        self._context = context
        self._implicit_tls = implicit_tls
        self._pipelining = pipelining
        self._step = step
        self._fault = fault
        self._left = times if fault else 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for message in self.taken if kind is None else ():
            assert_sound(message)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        wire = _Wire(reader, writer, writer.transport)
        try:
            with contextlib.suppress(_Over, OSError, asyncio.CancelledError):
                await self._talk(wire)
        finally:
            wire.writer.close()  # marks it closed; the next line closes it
            wire.raw.abort()

    async def _talk(self, wire: _Wire) -> None:
        await self._at("CONNECT", wire, b"")
        if self._implicit_tls:
            await wire.secure(self._context)
        await self._at("BANNER", wire, _OK["BANNER"])
        has_sender, has_recipient = False, False
        while True:
            verb = (await wire.line()).split()[0].decode("ascii").upper()
            if verb == "STARTTLS":
                await self._start_tls(wire)
            elif verb == "EHLO":
                await self._at(verb, wire, self._extensions(wire))
            elif verb in {"RCPT", "DATA"} and not has_sender:
                await wire.say(_OUT_OF_ORDER)
            elif verb == "DATA" and not has_recipient:
                await self._nobody(wire)
            elif verb == "DATA":
                await self._data(wire)
                has_sender, has_recipient = False, False
            else:
                is_fine = await self._at(verb, wire, _OK[verb])
                has_sender = is_fine if verb == "MAIL" else has_sender and verb != "RSET"
                has_recipient = is_fine if verb == "RCPT" else has_recipient and verb != "RSET"
            if verb == "QUIT":
                raise _Over

    async def _nobody(self, wire: _Wire) -> None:
        """Read the text of a message without recipients: a lone dot (RFC 2920 3.1)."""
        await wire.say(_OK["DATA"])
        self.empty_texts += 1
        if await wire.line() != b".\r\n":
            raise _Over
        await wire.say(b"554 5.5.1 no valid recipients\r\n")

    async def _start_tls(self, wire: _Wire) -> None:
        if self._due("STARTTLS") and self._fault == "tls":
            await wire.say(_OK["STARTTLS"])
            await wire.reader.read(1)
            await self._strike("STARTTLS", wire)
            raise _Over
        if await self._at("STARTTLS", wire, _OK["STARTTLS"]):
            await wire.secure(self._context)

    async def _data(self, wire: _Wire) -> None:
        if not await self._at("DATA", wire, _OK["DATA"]):
            return
        lines = [await wire.line()]
        strikes = self._due("TEXT")
        if strikes and self._fault != "slow":
            await self._strike("TEXT", wire)
        while lines[-1] != b".\r\n":
            if strikes and len(lines) < SLOW_LINES:
                await asyncio.sleep(SLOW_S)
            lines.append(await wire.line())
        if strikes and self._fault != "slow":
            return
        await asyncio.sleep(0)  # bytes that came with the dot under TLS are read by now
        self.begun_before_the_answer.append(wire.has_more())
        if not self._due("DOT") or self._fault == "slow":
            self.taken.append(b"".join(line.removeprefix(b".") for line in lines[:-1]))
        await self._at("TAKEN" if self._due("TAKEN") else "DOT", wire, _OK["DOT"])

    def _extensions(self, wire: _Wire) -> bytes:
        is_secure = wire.writer.get_extra_info("ssl_object") is not None
        more = b"250-AUTH PLAIN\r\n" if is_secure else b"250-STARTTLS\r\n"
        more += b"250-PIPELINING\r\n" if self._pipelining else b""
        return b"250-mail.example.org\r\n" + more + b"250 8BITMIME\r\n"

    def _due(self, step: str) -> bool:
        return step == self._step and self._left > 0

    async def _at(self, step: str, wire: _Wire, answer: bytes) -> bool:
        """Send *answer*, or apply the fault at its step; return True for a positive reply."""
        if not self._due(step):
            await wire.say(answer)
        elif self._fault == "slow":
            self._left -= 1
            await asyncio.sleep(SLOW_S)
            await wire.say(answer, slowly=True)
        else:
            await self._strike(step, wire)
            return False
        return True

    async def _strike(self, step: str, wire: _Wire) -> None:
        self._left -= 1
        match self._fault:
            case "4xx":
                await wire.say(_LATER.get(step, b"451 4.3.0 later\r\n"))
            case "5xx":
                await wire.say(_NEVER[step])
            case "421":
                await wire.say(b"421 4.3.2 closing\r\n")
            case "garbage":
                await wire.say(GARBAGE)
            case "tls":
                wire.raw.write(GARBAGE)  # below TLS, where it is not a valid record
        self.struck.set()
        if self._fault == "silence":
            await asyncio.Event().wait()
        if self._fault in {"421", "cut"} or step == "CONNECT":
            raise _Over
