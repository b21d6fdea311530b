"""
Mail over SMTP: the settings, the connections with TLS and login, and who goes next over which.

Begin at `SmtpSender.send`. `smtp_link` is one connection's dialogue, `smtp_answers` the table of
what each answer means.
"""

import asyncio
import logging
import ssl
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from digestbot.addresses import check_address, check_mailbox
from digestbot.deliver.dkim import DkimSettings, Signer, open_signer
from digestbot.deliver.protocols import Checkpoint
from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.deliver.smtp_connection import Envelope, Link
from digestbot.deliver.smtp_replies import POLICY, POLICY_MAX, Phase, broken, classify, refusal
from digestbot.deliver.verp import TOKEN, bounce_address, token
from digestbot.errors import (
    DeliveryError,
    InvalidAddress,
    Misconfigured,
    MissingExtra,
    PermanentFailure,
)
from digestbot.model import Form, OutgoingMessage, Receipt
from digestbot.oauth import OauthSettings, TokenSource, xoauth2
from digestbot.secret import Secret
from digestbot.status_codes import one_line

if TYPE_CHECKING:
    import aiosmtplib

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
    oauth: OauthSettings | None = None
    """Log in by XOAUTH2 instead of a password, as Google and Microsoft want it; only with TLS."""
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
    domain_per_minute: int = 0
    """Messages a minute for recipients of one domain, likewise; other domains go on meanwhile."""

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


@cache
def _client_class() -> "type[aiosmtplib.SMTP]":
    """The library's client, except that a closed connection is gone at once."""
    import aiosmtplib  # here: most commands send nothing

    class Client(aiosmtplib.SMTP):
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

    return Client


@dataclass(slots=True, eq=False)
class _Errand:
    """One letter on its way, and who waits for the outcome."""

    envelope: Envelope
    domain: str
    """Of the recipient."""
    checkpoint: Checkpoint
    outcome: "asyncio.Future[str]"
    link: Link | None = None
    """Over which it goes."""
    follower: "_Errand | None" = None
    """Whose commands went out behind its final dot."""

    def drop_link(self) -> None:
        if self.link is not None:
            self.link.abort()

    def leave(self, outcome: "asyncio.Future[str]") -> None:
        """Nobody waits for it any more: it ends where it is."""
        if outcome.cancelled():
            self.drop_link()

    def fail(self, error: Exception) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def succeed(self, answer: str) -> None:
        if not self.outcome.done():
            self.outcome.set_result(answer)


def _interval_s(per_minute: int) -> float:
    """Seconds from one message to the next; 0 if nobody needs to wait."""
    return 60 / per_minute if per_minute > 0 else 0.0


class _Pace:
    """Lets one message begin after the other, evenly spread over the minute."""

    def __init__(self, per_minute: int, sleep: Sleep) -> None:
        self._interval_s = _interval_s(per_minute)
        self._sleep = sleep
        self._next_at = 0.0

    @property
    def is_free(self) -> bool:
        """Nobody ever waits."""
        return not self._interval_s

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
    Send each message to its one recipient over a few connections that stay open.

    Messages wait in a queue. Each connection has a task that takes the next one whose domain is
    below its limit, and starts it while the server still processes the one before.
    """

    forms: ClassVar[frozenset[Form]] = frozenset({Form.EML})

    def __init__(self, settings: SmtpSettings, *, sleep: Sleep = asyncio.sleep) -> None:
        self._settings = settings
        self._messages_max = max(1, settings.messages_per_connection)
        self._pace = _Pace(settings.per_minute, sleep)
        self._signer: Signer | None = None
        self._tokens = TokenSource(settings.oauth) if settings.oauth else None
        self._policy_refusals = 0
        self._queue: deque[_Errand] = deque()
        self._busy: Counter[str] = Counter()
        """Errands under way, by the recipient's domain."""
        self._rest_s = _interval_s(settings.domain_per_minute)
        self._sleep = sleep
        self._resting: dict[str, asyncio.Task[None]] = {}
        """Domains that have just been written to, until the next message may begin."""
        self._workers: set[asyncio.Task[None]] = set()
        self._idle: list[Link] = []

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        One SMTP transaction; the receipt holds what the server said to the whole message.

        Raises:
            DeliveryError: See `classify`.
        """
        recipient = _recipient(outgoing)
        sender = self._settings.bounce_address(outgoing.delivery.id)
        text = await self._signed(outgoing.mime)
        envelope = Envelope(sender=sender, recipient=recipient, text=text)
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        errand = _Errand(envelope, recipient.rpartition("@")[2], checkpoint, outcome)
        outcome.add_done_callback(errand.leave)
        self._queue.append(errand)
        self._call_workers()
        return Receipt(detail=await outcome)

    def _call_workers(self) -> None:
        """One more connection for each errand that could be begun, as far as they are allowed."""
        allowed = max(1, self._settings.max_connections) - len(self._workers)
        ready = sum(1 for _ in islice(self._ready(), max(0, allowed)))
        for _ in range(ready):
            self._workers.add(asyncio.create_task(self._work()))

    def _ready(self, freed: str | None = None) -> Iterator[_Errand]:
        """
        The errands that nobody has begun and whose domain may have one more.

        It does not rest, and has a connection left or is *freed*.
        """
        allowed = max(1, self._settings.domain_connections)
        for errand in self._queue:
            if errand.domain in self._resting:
                continue
            if self._busy[errand.domain] - (errand.domain == freed) < allowed:
                yield errand

    def _take(self, freed: str | None = None) -> _Errand | None:
        """
        The next errand, which is then the caller's; one whose sender has left is no more.

        Args:
            freed: The domain to which the caller's connection is just busy.
        """
        while (errand := next(self._ready(freed), None)) is not None:
            self._queue.remove(errand)
            if not errand.outcome.done():
                self._busy[errand.domain] += 1
                if self._rest_s:
                    rest = asyncio.create_task(self._rest(errand.domain))
                    self._resting[errand.domain] = rest
                return errand
        return None

    async def _rest(self, domain: str) -> None:
        """
        Nothing more for *domain* for a while.

        No connection waits for it: one is called again for what has been queued since.
        """
        await self._sleep(self._rest_s)
        del self._resting[domain]
        self._call_workers()

    async def _work(self) -> None:
        """Carry errand after errand over one connection until none is waiting."""
        link = self._idle.pop() if self._idle else None
        errand = self._take()
        try:
            while errand is not None:
                link = await self._carry(link, errand)
                # Who waits for the outcome comes first: it is then written down before anything of
                # the next message, so that a crash leaves one message of a connection in doubt.
                await asyncio.sleep(0)
                errand = errand.follower or self._take()
                self._call_workers()
        finally:
            # Here and not when the task is done: between the two a letter would wait for nobody.
            self._workers = {
                worker for worker in self._workers if worker is not asyncio.current_task()
            }
            if errand is not None and errand.follower is not None:  # cut between the two
                errand.follower.outcome.cancel()
                errand.follower.drop_link()
            if link is not None and not link.is_lost:
                self._idle.append(link)

    async def _carry(self, link: Link | None, errand: _Errand) -> Link | None:
        """
        One errand from its introduction to the server's answer; its outcome is then settled.

        Gives the link, if it may carry another one.
        """
        try:
            link = await self._introduced(link, errand)
            behind = partial(self._begin_behind, errand, link)
            reply = await link.transfer(errand.envelope, errand.checkpoint, behind)
            self._policy_refusals = 0
            errand.succeed(f"{reply.code} {one_line(reply.text)}")
        except DeliveryError as error:
            # A refusal leaves the link in step; without an answer nothing is certain.
            if error.code in {None, UNKNOWN_CODE}:
                errand.drop_link()
            errand.fail(self._weighed(error))
        except Exception as error:  # of the checkpoint: the text is out, the dot must not follow
            errand.drop_link()
            errand.fail(error)
        except asyncio.CancelledError:
            errand.drop_link()
            errand.outcome.cancel()
            raise
        finally:
            self._busy[errand.domain] -= 1
            link = errand.link
            if link is not None and link.is_lost:
                self._put_back(errand)
                link = None
        if link is None or errand.follower or link.messages < self._messages_max:
            return link
        await link.quit()
        return None

    async def _introduced(self, link: Link | None, errand: _Errand) -> Link:
        """
        The link on which the server waits for the text of *errand*; a new one if need be.

        A server may close what was idle for too long, and say so with 421 or not at all. Nothing of
        the message was sent, so it is begun anew on a fresh connection.
        """
        errand.link = link
        if link is None or not link.has_begun:
            await self._pace.turn()
        if link is not None and not link.has_begun and not link.is_in_step:
            link.abort()
        elif link is not None:
            try:
                await link.introduce(errand.envelope)
            except DeliveryError as error:
                if errand.outcome.done() or not (link.is_lost and _is_goodbye(error)):
                    raise
            else:
                return link
        errand.link = None
        errand.link = await self._open()
        await errand.link.introduce(errand.envelope)
        return errand.link

    def _begin_behind(self, errand: _Errand, link: Link) -> bytes:
        """The commands of the next errand, if *link* may go on with it at once."""
        if not link.pipelines or link.messages >= self._messages_max or not self._pace.is_free:
            return b""
        while (follower := self._take(freed=errand.domain)) is not None:
            try:
                group = link.begin(follower.envelope)
            except PermanentFailure as error:
                self._busy[follower.domain] -= 1
                follower.fail(error)
                continue
            follower.link = link
            errand.follower = follower
            return group
        return b""

    def _put_back(self, errand: _Errand) -> None:
        """What was begun behind *errand*: nothing of its text was sent, so it is still to begin."""
        if errand.follower is not None:
            errand.follower.link = None
            self._busy[errand.follower.domain] -= 1
            self._queue.appendleft(errand.follower)
            errand.follower = None

    def _weighed(self, error: DeliveryError) -> DeliveryError:
        """*error*, or, when a policy has refused several in a row, that it is about us."""
        if not POLICY.match(error.code or ""):
            return error
        self._policy_refusals += 1
        if self._policy_refusals < POLICY_MAX or isinstance(error, Misconfigured):
            return error
        text = f"{error}; likewise the {POLICY_MAX - 1} before it, so it is about us"
        return Misconfigured(text, code=error.code)

    async def check(self) -> str:
        """Connects, secures the link and logs in, as for a message."""
        await self._signed(b"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n")
        link = await self._open()
        tls = link.is_secure
        await link.quit()
        login = f"logged in as {self._settings.username}" if self._settings.username else "no login"
        place = f"{self._settings.host}:{self._settings.effective_port}"
        return f"{place}: {'TLS' if tls else 'no TLS'}, {login}"

    async def close(self) -> None:
        """Cut what is under way and quit the idle connections, whatever the server says to that."""
        tasks = *self._resting.values(), *self._workers
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for errand in self._queue:
            errand.outcome.cancel()
        while self._idle:
            await self._idle.pop().quit()

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

    async def _open(self) -> Link:
        """A connection that is secured as the settings demand, and logged in."""
        settings = self._settings
        _refuse_password_in_clear(settings)
        access_token = await self._tokens.token() if self._tokens else None
        client = _client_class()(
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
            if access_token is None:
                await _log_in(client, settings)
            else:
                await self._log_in_by_token(client, access_token)
        except BaseException:
            client.close()
            raise
        link = Link(
            settings,
            pipelines=client.supports_extension("pipelining"),
            size_limit=client.esmtp_extensions.get("size"),
        )
        if not isinstance(client.transport, asyncio.Transport):
            raise classify(Phase.HELLO, None, None, "connection lost")
        link.take_over(client.transport)
        log.debug("connected")
        return link

    async def _log_in_by_token(self, client: "aiosmtplib.SMTP", access_token: Secret) -> None:
        """
        XOAUTH2: a refusal is a challenge with JSON, and comes only after an empty line.

        Raises:
            DeliveryError: See `classify`; never with the token, which servers may repeat.
        """
        import aiosmtplib

        if "xoauth2" not in client.server_auth_methods:
            raise Misconfigured('the mail server offers no XOAUTH2; use "smtp.password" instead')
        username, bare = self._settings.username or "", access_token.reveal()
        try:
            await client.auth_xoauth2(username, bare)
        except aiosmtplib.SMTPResponseException as error:
            if self._tokens:
                self._tokens.forget()
            text = _without(error.message, xoauth2(username, access_token), bare)
            raise refusal(Phase.LOGIN, error.code, text) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise broken(Phase.LOGIN, error) from None


def _is_goodbye(error: DeliveryError) -> bool:
    """No answer, or 421: the server has closed the connection."""
    return error.code is None or error.code.startswith("421")


_LOGINS = ("plain", "login", "cram-md5")
"""In this order: over TLS the simplest is as good, and only one is tried, for a wrong password
tried three times locks accounts."""


async def _step(phase: Phase, answer: Awaitable[T]) -> T:
    """*answer*, or the error that its failure in this *phase* amounts to."""
    import aiosmtplib

    try:
        return await answer
    except aiosmtplib.SMTPResponseException as error:
        raise refusal(phase, error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise broken(phase, error) from error


async def _start_tls(client: "aiosmtplib.SMTP") -> None:
    """Required, never a wish: someone in between can strip the offer (RFC 8314 4.1)."""
    await _step(Phase.HELLO, client.ehlo())
    if not client.supports_extension("starttls"):
        raise Misconfigured(
            "the mail server offers no STARTTLS, and nothing is sent in clear;"
            ' set "smtp.security" to tls, or to none for a server on this machine'
        )
    await _step(Phase.STARTTLS, client.starttls())


def _refuse_password_in_clear(settings: SmtpSettings) -> None:
    if settings.oauth and settings.security == "none":
        raise Misconfigured(
            "a token without TLS could be used by anyone on the way;"
            ' set "smtp.security" to starttls or tls'
        )
    if settings.username and settings.security == "none" and not settings.insecure:
        raise Misconfigured(
            "a login without TLS would show the password to anyone on the way;"
            ' set "smtp.security" to starttls or tls'
        )


async def _log_in(client: "aiosmtplib.SMTP", settings: SmtpSettings) -> None:
    import aiosmtplib

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
        text = _without(error.message, f"\0{settings.username}\0{password}", password)
        # Not chained: the cause holds what the server may have echoed.
        raise refusal(Phase.LOGIN, error.code, text) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise broken(Phase.LOGIN, error) from None


def _without(text: str, *secrets: str) -> str:
    """*text* without the secrets: some servers repeat the line that they refuse."""
    for raw in secrets:
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


def _recipient(outgoing: OutgoingMessage) -> str:
    try:
        return check_address(outgoing.delivery.destination.address)
    except InvalidAddress as error:
        raise PermanentFailure("the recipient is no mail address", code="501 5.1.3") from error
