"""
Real SMTP server in a thread (aiosmtpd), with faults planted by a test.

A fault is ``(phase, reply)``: the next time the dialogue reaches *phase*, the server sends *reply*
instead of its usual one. Phases are CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, DOT, RSET,
QUIT. Three replies are special: `CUT` closes the connection, `TAKE_AND_CUT` (DOT) closes it after
accepting the message, `SILENCE` sends nothing until the client disconnects.
"""

import asyncio
import ssl
import threading
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, AnyStr, Self

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.wire import NO_DNS, Dns, assert_sound

CUT = "<cut>"
TAKE_AND_CUT = "<take and cut>"
SILENCE = "<silence>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Message accepted by the server."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    over_tls: bool
    login: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Certificate authority of one test, and the server's certificate for ``localhost``."""

    authority: trustme.CA
    server: ssl.SSLContext


def make_certificates(name: str = "localhost") -> Certificates:
    """Return a new authority and a certificate for *name*."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(server)
    return Certificates(authority=authority, server=server)


class SmtpServer:
    """
    Server on a loopback port, for use in ``with``.

    Args:
        implicit_tls: Certificate for TLS from the first byte.
        starttls: Certificate for STARTTLS, which is offered.
        logins: Password by user name; if there are any, mail requires a login.
        tokens: Access token by user name for XOAUTH2, offered and required likewise.
        clear_logins: Offer logins without TLS too.
        faults: In order; each happens once.
        size_limit: Announced with SIZE.
        pipelining: Offer PIPELINING; the server reads command by command either way.
        dns: DNS with the key that must sign each message, if any.
    """

    def __init__(
        self,
        *,
        implicit_tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        logins: dict[str, str] | None = None,
        tokens: dict[str, str] | None = None,
        clear_logins: bool = False,
        faults: Iterable[tuple[str, str]] = (),
        size_limit: int = 10_000_000,
        pipelining: bool = False,
        dns: Dns = NO_DNS,
    ) -> None:
        self.messages: list[Taken] = []
        self.commands: list[str] = []
        """Verbs of all connections in order, including CONNECT and DOT."""
        self.faults = list(faults)
        self.refused: dict[str, str] = {}
        self.answer_after_s = 0.0
        """Time between taking a message and saying so."""
        self.per_session: tuple[int, str] | None = None
        """Messages taken over one connection, and the reply to the MAIL of the next."""
        self.greeted_as: set[str] = set()
        """Names given in EHLO."""
        self.ehlo_lines: list[str] = []
        """Further lines of the reply to EHLO."""
        self.quota: tuple[int, str] | None = None
        """Messages taken in all, and the reply to the final dot of the next."""
        self.port = 0
        self.fell_silent = threading.Event()
        self._implicit_tls = implicit_tls
        self._starttls = starttls
        self.logins = logins or {}
        self.tokens = tokens or {}
        self._clear_logins = clear_logins
        self._size_limit = size_limit
        self.pipelining = pipelining
        self._dns = dns
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def connections(self) -> int:
        return self.commands.count("CONNECT")

    def refuse(self, recipient: str, reply: str) -> None:
        """Send *reply* to every RCPT of that recipient."""
        self.refused[recipient] = reply

    def hang_up(self) -> None:
        """Reset every connection before returning."""
        done = threading.Event()

        def reset_all() -> None:
            for transport in list(self._open):
                transport.abort()
            self._loop.call_soon(done.set)

        self._loop.call_soon_threadsafe(reset_all)
        assert done.wait(10)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()
        for taken in self.messages if kind is None else ():
            assert_sound(taken.content, self._dns)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve_until_stopped())
        finally:
            self._loop.close()

    async def _serve_until_stopped(self) -> None:
        self._stop = asyncio.Event()
        self._open: set[asyncio.Transport] = set()
        server = await self._loop.create_server(
            self._dialogue, "127.0.0.1", 0, ssl=self._implicit_tls
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for transport in list(self._open):
            if not transport.is_closing():  # Python 3.11.2 fails to abort a closed transport
                transport.abort()
        leftover = asyncio.all_tasks() - {asyncio.current_task()}
        for task in leftover:
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)
        await asyncio.sleep(0)

    def _dialogue(self) -> SMTP:
        return _Dialogue(
            self,
            _Mailbox(self),
            hostname="mail.example.org",
            loop=self._loop,
            data_size_limit=self._size_limit,
            tls_context=self._starttls,
            authenticator=self._authenticate if self.wants_login else None,
            auth_exclude_mechanism=() if self.tokens else ("XOAUTH2",),
            auth_require_tls=not (self._clear_logins or self._implicit_tls),
        )

    @property
    def wants_login(self) -> bool:
        return bool(self.logins or self.tokens)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        name = given.login.decode()
        right = self.logins.get(name) == given.password.decode()
        return AuthResult(success=right, handled=False, auth_data=name)

    def fault(self, phase: str) -> str | None:
        """Take the fault planted for this phase, if any."""
        self.commands.append(phase)
        for index, (when, reply) in enumerate(self.faults):
            if when == phase:
                del self.faults[index]
                return reply
        return None


class _Mailbox:
    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def handle_EHLO(
        self,
        dialogue: "_Dialogue",
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        self._server.greeted_as.add(hostname)
        offered = ["250-PIPELINING"] if self._server.pipelining else []
        more = [f"250-{line}" for line in self._server.ehlo_lines]
        return [*responses[:1], *offered, *more, *responses[1:]]

    async def auth_XOAUTH2(self, dialogue: "_Dialogue", args: list[str]) -> AuthResult:
        """Refuse as Google does: by a challenge with the reason, which takes an empty response."""
        given = b64decode(args[1]).decode()
        for name, token in self._server.tokens.items():
            if given == f"user={name}\1auth=Bearer {token}\1\1":
                return AuthResult(success=True, auth_data=name)
        reply = await dialogue.challenge_auth('{"status":"400","schemes":"Bearer"}')
        assert reply == b""
        self._server.commands.append("EMPTY")
        said = f"535 5.7.8 not {given} ({args[1]})".replace("\1", " ")
        return AuthResult(success=False, handled=False, message=said)

    async def handle_DATA(self, dialogue: "_Dialogue", session: Session, envelope: Envelope) -> str:
        reply = self._server.fault("DOT")
        if self._server.quota is not None and len(self._server.messages) >= self._server.quota[0]:
            reply = self._server.quota[1]
        if reply in {None, TAKE_AND_CUT}:
            self._take(session, envelope)
            dialogue.taken += 1
            await asyncio.sleep(self._server.answer_after_s)
        if reply is None:
            return "250 2.0.0 taken"
        return await dialogue.misbehave(reply)

    def _take(self, session: Session, envelope: Envelope) -> None:
        content = envelope.content
        assert isinstance(content, bytes)
        self._server.messages.append(
            Taken(
                sender=envelope.mail_from or "",
                recipients=tuple(envelope.rcpt_tos),
                content=content,
                over_tls=session.ssl is not None or self._server._implicit_tls is not None,
                login=session.auth_data if session.authenticated else None,
            )
        )


class _Dialogue(SMTP):
    """One connection, which applies a planted fault before each step."""

    def __init__(self, server: SmtpServer, mailbox: _Mailbox, **options: Any) -> None:
        self._server = server
        self.taken = 0
        super().__init__(mailbox, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._server._open.add(transport)
        super().connection_made(transport)

    async def push(self, status: AnyStr) -> None:
        if str(status).startswith("220 mail.example.org"):
            reply = await self._faulty("CONNECT")
            if reply is not None:
                await super().push(reply)
                return
        await super().push(status)

    async def misbehave(self, reply: str) -> str:
        """Return *reply* if it is a text; otherwise never return."""
        if reply in {CUT, TAKE_AND_CUT}:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()
        if reply == SILENCE:
            self._server.fell_silent.set()
        if reply in {CUT, TAKE_AND_CUT, SILENCE}:
            await asyncio.Event().wait()
        return reply

    async def _faulty(self, phase: str) -> str | None:
        reply = self._server.fault(phase)
        return None if reply is None else await self.misbehave(reply)

    async def _or_fault(self, phase: str, step: Callable[[str], Awaitable[None]], arg: str) -> None:
        reply = await self._faulty(phase)
        if reply is None:
            await step(arg)
            return
        await self.push(reply)
        if reply.startswith("421"):
            assert self.transport is not None
            self.transport.close()

    async def smtp_EHLO(self, hostname: str) -> None:
        await self._or_fault("EHLO", super().smtp_EHLO, hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:
        await self._or_fault("STARTTLS", super().smtp_STARTTLS, arg)

    async def smtp_AUTH(self, arg: str) -> None:
        await self._or_fault("AUTH", super().smtp_AUTH, arg)

    async def smtp_MAIL(self, arg: str) -> None:
        assert self.session is not None
        if self._server.wants_login and not self.session.authenticated:
            await self.push("530 5.7.0 Authentication required")
            return
        if self._server.per_session is not None and self.taken >= self._server.per_session[0]:
            await self.push(self._server.per_session[1])
            return
        await self._or_fault("MAIL", super().smtp_MAIL, arg)

    async def smtp_RCPT(self, arg: str) -> None:
        for recipient, reply in self._server.refused.items():
            if recipient in arg:
                await self.push(reply)
                return
        await self._or_fault("RCPT", super().smtp_RCPT, arg)

    async def smtp_DATA(self, arg: str) -> None:
        await self._or_fault("DATA", super().smtp_DATA, arg)

    async def smtp_RSET(self, arg: str) -> None:
        await self._or_fault("RSET", super().smtp_RSET, arg)

    async def smtp_QUIT(self, arg: str) -> None:
        await self._or_fault("QUIT", super().smtp_QUIT, arg)
