"""
One message to one mailbox over SMTP, step by step, so that every failure knows its phase.

Begin at `SmtpSender.send`; `classify` is the table of what each answer means.
"""

import asyncio
import contextlib
import logging
import re
import ssl
from base64 import b64encode
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Literal, TypeVar

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from digestbot.addresses import check_address, check_mailbox
from digestbot.deliver.dkim import DkimSettings, Signer, open_signer
from digestbot.deliver.protocols import Checkpoint
from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.deliver.verp import TOKEN, bounce_address, token
from digestbot.errors import (
    DeliveryError,
    InvalidAddress,
    Misconfigured,
    MissingExtra,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.model import Form, Letter, Receipt
from digestbot.replies import DEAD_ADDRESS, enhanced_code, one_line
from digestbot.secret import Secret

log = logging.getLogger(__name__)

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

_DEFAULT_PORTS = {"none": 25, "starttls": 587, "tls": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """The owner's mail server, the key ``smtp:`` of the config."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    host: str = "localhost"
    """Name or address of the server that takes our mail."""
    port: int | None = None
    """By default 25 without TLS, 587 with STARTTLS, 465 with TLS from the start."""
    security: Literal["none", "starttls", "tls"] = "starttls"
    """`tls` from the first byte (preferred), `starttls` (required, never skipped), or `none`."""
    username: str | None = None
    """Name to log in with; no login without it."""
    password: Secret | None = None
    """Its password; write `${SMTP_PASSWORD}` or `${file:PATH}`."""
    sender: str = "Digests <digests@localhost>"
    """The From of the digests, a name and an address."""
    envelope_from: str | None = None
    """Where bounces go (RFC 5321 MAIL FROM); the address of `sender` by default. In
    `bounces+{token}@example.org` the token becomes a signed word for each delivery (VERP)."""
    secret: Secret | None = None
    """Signs the tokens of `envelope_from`; 16 characters or more, and always the same."""
    dkim: DkimSettings | None = None
    """Sign every mail (RFC 6376) here; not needed if your mail server does it."""
    insecure: bool = False
    """Allow a login without TLS; the password then travels in clear."""
    ca_file: str | None = None
    """PEM file of the authorities to trust, beside those of the system."""
    verify: bool = True
    """Check the server's certificate and name; `false` lets anyone in between read the mail."""
    timeout: timedelta = timedelta(seconds=60)
    """How long to wait for the connection and for each answer."""
    final_timeout: timedelta = timedelta(minutes=10)
    """How long to wait for the answer to the whole message (RFC 5321 4.5.3.2.6: 10 minutes);
    giving up early makes duplicates."""
    max_connections: int = 2
    """Connections at a time."""
    messages_per_connection: int = 100
    """Messages before a connection is closed and opened anew."""
    domain_connections: int = 2
    """Connections at a time for recipients of one domain."""
    per_minute: int = 0
    """Messages a minute, evenly spread; 0 for as fast as the server takes them."""

    @property
    def effective_port(self) -> int:
        """The port to connect to."""
        return self.port if self.port is not None else _DEFAULT_PORTS[self.security]

    @property
    def has_tokens(self) -> bool:
        """Whether each delivery has a bounce address of its own, signed."""
        return bool(self.secret and self.envelope_from and TOKEN in self.envelope_from)

    def token(self, delivery_id: int) -> str:
        """What names that delivery in its addresses; without a signature where there is no key."""
        return token(delivery_id, self.secret.reveal()) if self.secret else "none"

    def bounce_address(self, delivery_id: int) -> str:
        """
        The sender of the envelope for that delivery.

        Raises:
            Misconfigured: Neither `envelope_from` nor `sender` gives one address, or there is a
                token and no `secret` to sign it.
        """
        try:
            if self.envelope_from is None:
                return check_mailbox(self.sender).address
            if TOKEN not in self.envelope_from:
                return check_address(self.envelope_from)
            if not self.secret:
                raise Misconfigured(
                    '"smtp.envelope_from" has a token: set "smtp.secret" to sign it'
                )
            return bounce_address(self.envelope_from, delivery_id, self.secret.reveal())
        except InvalidAddress as error:
            key = "sender" if self.envelope_from is None else "envelope_from"
            raise Misconfigured(f'"smtp.{key}" is no address: {error}') from error


class Phase(StrEnum):
    """Where in the dialogue an answer came, or failed to come."""

    CONNECT = "the connection"
    HELLO = "EHLO"
    STARTTLS = "STARTTLS"
    LOGIN = "the login"
    MAIL = "the sender"
    RCPT = "the recipient"
    DATA = "DATA"
    DOT = "the message"
    RESET = "RSET"


_ABOUT_US = {Phase.CONNECT, Phase.HELLO, Phase.STARTTLS, Phase.LOGIN, Phase.MAIL}
"""A final no here does not depend on the recipient."""
_ABOUT_THE_MESSAGE = {"5.2.3", "5.3.4"}
"""Too big, which MAIL with SIZE may already say (RFC 1870)."""
_LOGIN_NEEDED_CODES = {530, 535}
_LOGIN_NEEDED = {"5.7.8"}
_ABOUT_OUR_NAME = {"5.7.30", "5.7.40", "5.7.509", "5.7.515"} | {f"5.7.{n}" for n in range(20, 28)}
"""SPF, DKIM, DMARC and the reverse name of our server: RFC 7372, and what Google and Microsoft use
beside; they hold for every message."""
_POLICY = re.compile(r"5\d\d 5\.7\.\d+")
POLICY_MAX = 3
"""Deliveries in a row that a policy refused, until we take it for ours and not for a mailbox's."""
_COME_BACK_CODES = {421, 450, 451}
COME_BACK_S = 300.0
"""Greylisting lets a message in after about five minutes, not before."""


def classify(phase: Phase, code: int | None, enhanced: str | None, text: str) -> DeliveryError:
    """
    The error that an answer other than success amounts to.

    The first digit of *code* decides, *enhanced* refines, and when they differ *code* is right
    (RFC 5321 4.2.1, RFC 3463).

    Args:
        phase: What was asked.
        code: The three digits; None if no answer came, in which case *text* says what happened.
        enhanced: Such as ``5.1.1``, if the server gave one.
        text: The server's words; made one line, cut, and rid of addresses.
    """
    if code is None or not 400 <= code <= 599:
        return _no_answer(phase, code, text)
    full_code = f"{code} {enhanced}" if enhanced else str(code)
    message = f"the mail server refused {phase}: {code} {one_line(text)}"
    if code < 500:
        wait_s = COME_BACK_S if code in _COME_BACK_CODES else None
        return TransientFailure(message, code=full_code, retry_after_s=wait_s)
    if _is_ours(phase, code, enhanced):
        return Misconfigured(f'{message}; check "smtp" in the config', code=full_code)
    if _POLICY.match(full_code):
        # "5.7.1" is said of a closed mailing list and of a blocked server alike: nothing is given
        # up yet. `SmtpSender` tells them apart by what becomes of the next ones.
        return TransientFailure(message, code=full_code)
    return PermanentFailure(message, code=full_code, suppress=enhanced in DEAD_ADDRESS)


def _no_answer(phase: Phase, code: int | None, text: str) -> DeliveryError:
    """Lost, silent, or nonsense: only after the final dot may the message be in (RFC 1047)."""
    said = one_line(text if code is None else f"{code} {text}")
    if phase is Phase.DOT:
        message = f"no usable answer to the whole message, it may have arrived: {said}"
        return OutcomeUnknown(message, code=UNKNOWN_CODE)
    return TransientFailure(f"the mail server gave no usable answer to {phase}: {said}")


def _is_ours(phase: Phase, code: int, enhanced: str | None) -> bool:
    if code in _LOGIN_NEEDED_CODES or enhanced in _LOGIN_NEEDED | _ABOUT_OUR_NAME:
        return True
    too_big = code == 552 or enhanced in _ABOUT_THE_MESSAGE
    return phase in _ABOUT_US and not too_big


class _Client(aiosmtplib.SMTP):
    """The library's client, except that a closed connection is gone at once."""

    def close(self) -> None:
        """
        Drop the connection and what is not written yet.

        A closed transport goes on writing its buffer, and under TLS waits for the other side's
        goodbye: half a message would linger, and sockets would outlive the event loop.
        """
        transport = self.transport
        super().close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


@dataclass(slots=True)
class _Link:
    """One open connection and how many messages it took."""

    client: aiosmtplib.SMTP
    messages: int = 0


class _Pace:
    """Lets one message begin after the other, evenly spread over the minute."""

    def __init__(self, per_minute: int, sleep: Sleep) -> None:
        self._interval_s = 60 / per_minute if per_minute > 0 else 0.0
        self._sleep = sleep
        self._next_at = 0.0

    async def turn(self) -> None:
        """Wait for the next free moment, which is then the caller's."""
        if not self._interval_s:
            return
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_at)
        self._next_at = at + self._interval_s
        await self._sleep(at - now)


class SmtpSender:
    """
    Sends each letter to its one recipient; keeps a few connections open between letters.

    The dialogue is driven step by step, since the library's one call does not say whether a lost
    link was lost before the final dot or after it.
    """

    forms: ClassVar[frozenset[Form]] = frozenset({Form.EML})

    def __init__(self, settings: SmtpSettings, *, sleep: Sleep = asyncio.sleep) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(max(1, settings.max_connections))
        self._domains: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(max(1, settings.domain_connections))
        )
        self._pace = _Pace(settings.per_minute, sleep)
        self._signer: Signer | None = None
        self._policy_refusals = 0
        self._idle: list[_Link] = []

    async def send(self, letter: Letter, checkpoint: Checkpoint) -> Receipt:
        """
        One SMTP transaction; the receipt holds what the server said to the whole message.

        Raises:
            DeliveryError: See `classify`.
        """
        recipient = _recipient(letter)
        sender = self._settings.bounce_address(letter.delivery.id)
        message = await self._signed(letter.message)
        # The domain first: who waits for its own domain must not keep others from a connection.
        async with self._domains[recipient.rpartition("@")[2]], self._slots:
            await self._pace.turn()
            link = await self._take()
            sound = False
            try:
                answer = await self._transact(link, sender, recipient, message, checkpoint)
                sound = True
            except DeliveryError as error:
                # A refusal leaves the link in step; without an answer nothing is certain.
                sound = error.code not in {None, UNKNOWN_CODE}
                raise self._weighed(error) from error.__cause__
            finally:
                await self._put_back(link, sound=sound)
        self._policy_refusals = 0
        return Receipt(detail=answer)

    def _weighed(self, error: DeliveryError) -> DeliveryError:
        """*error*, or, when a policy has refused several in a row, that it is about us."""
        if not _POLICY.match(error.code or ""):
            return error
        self._policy_refusals += 1
        if self._policy_refusals < POLICY_MAX or isinstance(error, Misconfigured):
            return error
        text = f"{error}; likewise the {POLICY_MAX - 1} before it, so it is about us"
        return Misconfigured(text, code=error.code)

    async def check(self) -> str:
        """Connects, secures the link and logs in, as for a message."""
        await self._signed(b"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n")
        client = await self._open()
        tls = client.get_transport_info("ssl_object") is not None
        await _say_goodbye(client)
        login = f"logged in as {self._settings.username}" if self._settings.username else "no login"
        place = f"{self._settings.host}:{self._settings.effective_port}"
        return f"{place}: {'TLS' if tls else 'no TLS'}, {login}"

    async def close(self) -> None:
        """Quit the idle connections; what the server says to that matters no more."""
        while self._idle:
            await _say_goodbye(self._idle.pop().client)

    async def _signed(self, message: bytes) -> bytes:
        """
        *message* with a DKIM signature, if the settings ask for one.

        Raises:
            Misconfigured: It cannot be made, now or ever; nothing is sent without it.
        """
        if self._settings.dkim is None:
            return message
        if self._signer is None:
            try:
                self._signer = await asyncio.to_thread(open_signer, self._settings.dkim)
            except MissingExtra as error:
                raise Misconfigured(str(error)) from error
        return self._signer.sign(message)

    async def _take(self) -> _Link:
        """
        An idle link that still answers, or a new one.

        RSET shows that it does, and clears what a refused transaction left behind.
        """
        while self._idle:
            link = self._idle.pop()
            try:
                await link.client.rset()
            except (aiosmtplib.SMTPException, OSError):
                link.client.close()
            else:
                return link
        return _Link(await self._open())

    async def _put_back(self, link: _Link, *, sound: bool) -> None:
        if not (sound and link.client.is_connected):
            link.client.close()
        elif link.messages >= self._settings.messages_per_connection:
            await _say_goodbye(link.client)
        else:
            self._idle.append(link)

    async def _transact(
        self, link: _Link, sender: str, recipient: str, message: bytes, checkpoint: Checkpoint
    ) -> str:
        client = link.client
        options = _size_option(client, len(message))
        link.messages += 1
        await _step(Phase.MAIL, client.mail(sender, options=options))
        await _step(Phase.RCPT, client.rcpt(recipient))
        ready = await _step(Phase.DATA, client.execute_command(b"DATA"))
        if ready.code != _GO_ON:
            raise _refusal(Phase.DATA, ready.code, ready.message)
        answer = await self._transfer(client, message, checkpoint)
        if not 200 <= answer.code <= 299:
            raise _refusal(Phase.DOT, answer.code, answer.message)
        return f"{answer.code} {one_line(answer.message)}"

    async def _transfer(
        self, client: aiosmtplib.SMTP, message: bytes, checkpoint: Checkpoint
    ) -> aiosmtplib.SMTPResponse:
        """
        The text, the checkpoint, the final dot, the answer to it.

        A server acts only on the dot (RFC 5321 4.1.1.4): what fails before it is written has
        certainly not been delivered, what fails after it perhaps. Somebody listens all the time,
        for some servers refuse a text that they have not yet read to its end.
        """
        protocol = client.protocol
        if protocol is None or not client.is_connected:
            raise classify(Phase.DATA, None, None, "connection lost")
        answer = asyncio.create_task(protocol.read_response())
        answer.add_done_callback(_looked_at)
        try:
            await _step(Phase.DATA, self._write(protocol, _stuffed(message)))
            await checkpoint.data_done()
            if answer.done():
                raise await _early(client, answer)
            protocol.write(b".\r\n")
            timeout = self._settings.final_timeout.total_seconds()
            return await _step(Phase.DOT, asyncio.wait_for(answer, timeout))
        except aiosmtplib.SMTPServerDisconnected as error:
            raise classify(Phase.DATA, None, None, str(error)) from error
        finally:
            answer.cancel()

    async def _write(self, protocol: SMTPProtocol, octets: bytes) -> None:
        """
        Hand *octets* to the system, block by block; each may take as long as an answer.

        What waits in our own buffers has not left this machine: with a server that reads no more,
        the dot is not written, and nothing is in doubt.
        """
        for start in range(0, len(octets), _BLOCK):
            protocol.write(octets[start : start + _BLOCK])
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                await protocol._drain_helper()

    async def _open(self) -> aiosmtplib.SMTP:
        """A connection that is secured as the settings demand, and logged in."""
        settings = self._settings
        _refuse_password_in_clear(settings)
        client = _Client(
            hostname=settings.host,
            port=settings.effective_port,
            timeout=settings.timeout.total_seconds(),
            use_tls=settings.security == "tls",
            start_tls=False,
            tls_context=await _tls_context(settings),
        )
        try:
            await _step(Phase.CONNECT, client.connect())
            if settings.security == "starttls":
                await _start_tls(client)
            await _step(Phase.HELLO, client.ehlo())
            await _log_in(client, settings)
        except BaseException:
            client.close()
            raise
        if isinstance(client.transport, asyncio.WriteTransport):
            # `_write` waits for the system. Not 0: TLS of asyncio pauses at the mark, not above it.
            client.transport.set_write_buffer_limits(high=1, low=0)
        return client


_GO_ON = 354
_BLOCK = 65_536
"""Octets; RFC 5321 4.5.3.2.5 gives each block a time-out of its own."""
_GOODBYE_S = 5.0
_LOGINS = ("plain", "login", "cram-md5")
"""In this order: over TLS the simplest is as good, and only one is tried, for a wrong password
tried three times locks accounts."""


async def _step(phase: Phase, answer: Awaitable[T]) -> T:
    """*answer*, or the error that its failure in this *phase* amounts to."""
    try:
        return await answer
    except aiosmtplib.SMTPResponseException as error:
        raise _refusal(phase, error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _broken(phase, error) from error


def _refusal(phase: Phase, code: int, text: str) -> DeliveryError:
    return classify(phase, code, enhanced_code(text), text)


def _broken(phase: Phase, error: Exception) -> DeliveryError:
    """A link that broke; a certificate that does not fit will not fit for anybody."""
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = one_line(cause.verify_message)
        return Misconfigured(
            f"the mail server's certificate is not trusted: {why};"
            ' set "smtp.ca_file", or "smtp.host" to the name in the certificate'
        )
    nameless = "timed out" if isinstance(error, TimeoutError) else type(error).__name__
    return classify(phase, None, None, str(error) or nameless)


async def _early(
    client: aiosmtplib.SMTP, answer: asyncio.Task[aiosmtplib.SMTPResponse]
) -> DeliveryError:
    """What a server means that answers before the dot; it reads on, so the link is done for."""
    client.close()
    said = await _step(Phase.DATA, answer)
    return _refusal(Phase.DATA, said.code, said.message)


def _looked_at(answer: asyncio.Task[aiosmtplib.SMTPResponse]) -> None:
    """An answer that nobody waits for any more is no reason for asyncio to complain."""
    if not answer.cancelled():
        answer.exception()


async def _start_tls(client: aiosmtplib.SMTP) -> None:
    """Required, never a wish: someone in between can strip the offer (RFC 8314 4.1)."""
    await _step(Phase.HELLO, client.ehlo())
    if not client.supports_extension("starttls"):
        raise Misconfigured(
            "the mail server offers no STARTTLS, and nothing is sent in clear;"
            ' set "smtp.security" to tls, or to none for a server on this machine'
        )
    await _step(Phase.STARTTLS, client.starttls())


def _refuse_password_in_clear(settings: SmtpSettings) -> None:
    if settings.username and settings.security == "none" and not settings.insecure:
        raise Misconfigured(
            "a login without TLS would show the password to anyone on the way;"
            ' set "smtp.security" to starttls or tls'
        )


async def _log_in(client: aiosmtplib.SMTP, settings: SmtpSettings) -> None:
    if not settings.username:
        return
    offered = [method for method in _LOGINS if method in client.server_auth_methods]
    if not offered:
        raise Misconfigured('the mail server offers no login that we know; check "smtp.username"')
    password = settings.password.reveal() if settings.password else ""
    login = {
        "plain": client.auth_plain,
        "login": client.auth_login,
        "cram-md5": client.auth_crammd5,
    }[offered[0]]
    try:
        await login(settings.username, password)
    except aiosmtplib.SMTPResponseException as error:
        text = _without_password(error.message, settings.username, password)
        # Not chained: the cause holds what the server may have echoed.
        raise _refusal(Phase.LOGIN, error.code, text) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _broken(Phase.LOGIN, error) from None


def _without_password(text: str, username: str, password: str) -> str:
    """Some servers repeat the line that they refuse."""
    for raw in (f"\0{username}\0{password}", password):
        for shown in (b64encode(raw.encode()).decode(), raw):
            text = text.replace(shown, "***") if shown else text
    return text


async def _tls_context(settings: SmtpSettings) -> ssl.SSLContext | None:
    """In a thread, since it reads the system's authorities from the disk."""
    if settings.security == "none":
        return None
    return await asyncio.to_thread(_new_tls_context, settings)


def _new_tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    """
    Certificates and host names are checked unless the owner wrote ``verify: false``.

    Raises:
        Misconfigured: The file of authorities cannot be read.
    """
    context = ssl.create_default_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:
            raise Misconfigured(f'cannot read "smtp.ca_file": {settings.ca_file}') from error
    if not settings.verify:
        log.warning("the mail server's certificate is not checked", extra={"host": settings.host})
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _recipient(letter: Letter) -> str:
    try:
        return check_address(letter.delivery.destination.address)
    except InvalidAddress as error:
        raise PermanentFailure("the recipient is no mail address", code="501 5.1.3") from error


def _size_option(client: aiosmtplib.SMTP, size: int) -> list[str]:
    """
    The SIZE of the message, if the server wants to know (RFC 1870).

    Raises:
        PermanentFailure: It is larger than what the server said it takes.
    """
    if not client.supports_extension("size"):
        return []
    limit = client.esmtp_extensions["size"].strip()
    if limit.isdecimal() and 0 < int(limit) < size:
        text = f"the message has {size} bytes, the mail server takes {limit}"
        raise PermanentFailure(text, code="552 5.3.4")
    return [f"SIZE={size}"]


def _stuffed(message: bytes) -> bytes:
    """
    *message* with CRLF after each line and a dot doubled at a line's beginning (RFC 5321 4.5.2).

    No bare CR or LF is left: servers that take one for a line's end could be made to read a
    second message out of the first.
    """
    lines = message.splitlines()
    return b"".join(b"." + line + b"\r\n" if line[:1] == b"." else line + b"\r\n" for line in lines)


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    """QUIT; all messages are accounted for, whatever the answer."""
    timeout = client.timeout if client.timeout is not None else _GOODBYE_S
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=min(_GOODBYE_S, timeout))
    client.close()
