"""
Open SMTP connections: TCP, TLS, EHLO, login. Begin at `Connector.connect`.

`smtp_dialing` opens the socket, aiosmtplib talks over it until the login; `SmtpConnection` then
takes over its transport.
"""

import asyncio
import logging
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable
from typing import TypeVar

import aiosmtplib

from digestbot.deliver.smtp_connection import SmtpConnection
from digestbot.deliver.smtp_dialing import address_literal, open_socket, own_name
from digestbot.deliver.smtp_replies import Phase, classify, connection_error, refusal
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import Misconfigured
from digestbot.oauth import TokenSource, xoauth2
from digestbot.secret import Secret

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOGIN_METHODS = ("plain", "login", "cram-md5")
"""In order of preference: over TLS the simplest is as good. Only one is tried, since three attempts
with a wrong password lock an account."""


_SILENT = (
    "no greeting in time; if the port expects TLS from the first byte (usually 465),"
    ' set "smtp.security" to tls'
)
_SIZE = re.compile(r"[0-9]{1,18}")


class _Client(aiosmtplib.SMTP):
    def close(self) -> None:
        """
        Abort the connection, dropping what is still unwritten.

        A transport that is closed keeps writing its buffer, and under TLS waits for the peer's
        close_notify: half a message would linger, and sockets would outlive the event loop.
        """
        transport = self.transport
        super().close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


class Connector:
    """Opens connections to one mail server."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._own_name: list[str | None] = []
        """Name of this machine, once it has been looked up."""
        self._tokens = TokenSource(settings.oauth) if settings.oauth else None

    async def connect(self) -> SmtpConnection:
        """
        Return a connection that is secured as the settings require, and logged in.

        Raises:
            DeliveryError: See `classify`.
        """
        settings = self._settings
        _check_login_is_encrypted(settings)
        access_token = await self._tokens.token() if self._tokens else None
        context = await _tls_context(settings)
        helo = await self._helo()
        # No step that waits may stand between opening the socket and the block that closes it.
        opened = await self._open()
        client = _Client(
            hostname=settings.host,
            sock=opened,
            local_hostname=helo or address_literal(opened),
            timeout=settings.timeout.total_seconds(),
            use_tls=settings.security == "tls",
            start_tls=False,
            tls_context=context,
        )
        try:
            await _step(Phase.CONNECT, client.connect(), settings)
            if settings.security == "starttls":
                await _start_tls(client)
            await _step(Phase.HELLO, client.ehlo())
            if access_token is None:
                await _log_in(client, settings)
            else:
                await self._log_in_by_token(client, access_token)
        except BaseException:
            client.close()
            opened.close()
            raise
        return _take_over(client, settings)

    async def _open(self) -> socket.socket:
        """Connect to the first address of the server that answers."""
        settings = self._settings
        server = f"{settings.host}:{settings.effective_port}"
        try:
            async with asyncio.timeout(settings.timeout.total_seconds()):
                return await open_socket(settings.host, settings.effective_port)
        except TimeoutError as error:
            raise classify(Phase.CONNECT, None, None, f"{server} timed out") from error
        except OSError as error:
            why = error.strerror or str(error)
            raise classify(Phase.CONNECT, None, None, f"{server}: {why}") from error

    async def _helo(self) -> str | None:
        """Return the name for EHLO, None for an address literal; our own is looked up once."""
        if self._settings.helo:
            return self._settings.helo
        if not self._own_name:
            self._own_name = [await own_name()]
        return self._own_name[0]

    async def _log_in_by_token(self, client: aiosmtplib.SMTP, access_token: Secret) -> None:
        """
        Log in by XOAUTH2, where a refusal is a challenge with JSON that takes an empty reply.

        Raises:
            DeliveryError: See `classify`; without the token, which servers may echo.
        """
        if "xoauth2" not in client.server_auth_methods:
            raise Misconfigured(
                'the mail server does not offer XOAUTH2; use "smtp.password" instead'
            )
        username, bare = self._settings.username or "", access_token.reveal()
        try:
            await client.auth_xoauth2(username, bare)
        except aiosmtplib.SMTPResponseException as error:
            if self._tokens:
                self._tokens.forget()
            text = _without(error.message, xoauth2(username, access_token), bare)
            raise refusal(Phase.LOGIN, error.code, text) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise connection_error(Phase.LOGIN, error) from None


def _take_over(client: aiosmtplib.SMTP, settings: SmtpSettings) -> SmtpConnection:
    """Return an `SmtpConnection` on the transport of *client*."""
    connection = SmtpConnection(
        settings,
        pipelines=client.supports_extension("pipelining"),
        size_limit=_size_limit(client),
    )
    if not isinstance(client.transport, asyncio.Transport):
        raise classify(Phase.HELLO, None, None, "connection lost")
    connection.take_over(client.transport)
    log.debug("connected")
    return connection


def _size_limit(client: aiosmtplib.SMTP) -> int | None:
    """Return the server's SIZE, 0 for none stated; None without the extension (RFC 1870)."""
    if not client.supports_extension("size"):
        return None
    text = client.esmtp_extensions.get("size") or ""
    return int(text) if _SIZE.fullmatch(text) else 0


async def _step(phase: Phase, reply: Awaitable[T], settings: SmtpSettings | None = None) -> T:
    """Await *reply*; raise its failure in *phase* as a DeliveryError."""
    try:
        return await reply
    except aiosmtplib.SMTPResponseException as error:
        raise refusal(phase, error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        if settings is not None and isinstance(error, TimeoutError) and settings.security != "tls":
            raise classify(phase, None, None, _SILENT) from error
        raise connection_error(phase, error) from error
    except ValueError as error:  # aiosmtplib on an EHLO that it cannot read
        raise classify(phase, None, None, "an unreadable reply") from error


async def _start_tls(client: aiosmtplib.SMTP) -> None:
    """Start TLS; it is required, since an attacker can strip the offer (RFC 8314 4.1)."""
    await _step(Phase.HELLO, client.ehlo())
    if not client.supports_extension("starttls"):
        raise Misconfigured(
            "the mail server does not offer STARTTLS, and mail is never sent in clear text;"
            ' set "smtp.security" to tls, or to none for a server on this machine'
        )
    await _step(Phase.STARTTLS, client.starttls())


def _check_login_is_encrypted(settings: SmtpSettings) -> None:
    if settings.oauth and settings.security == "none":
        raise Misconfigured(
            "without TLS anyone on the way could use the access token;"
            ' set "smtp.security" to starttls or tls'
        )
    if settings.username and settings.security == "none" and not settings.insecure:
        raise Misconfigured(
            "a login without TLS sends the password in clear text;"
            ' set "smtp.security" to starttls or tls'
        )


async def _log_in(client: aiosmtplib.SMTP, settings: SmtpSettings) -> None:
    if not settings.username:
        return
    offered = [method for method in _LOGIN_METHODS if method in client.server_auth_methods]
    if not offered:
        raise Misconfigured(
            'the mail server offers no supported login method; check "smtp.username"'
        )
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
        # Not chained: the cause contains what the server may have echoed.
        raise refusal(Phase.LOGIN, error.code, text) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise connection_error(Phase.LOGIN, error) from None


def _without(text: str, *secrets: str) -> str:
    """Return *text* with the secrets masked: some servers echo the line they refuse."""
    for raw in secrets:
        for shown in (b64encode(raw.encode()).decode(), raw):
            text = text.replace(shown, "***") if shown else text
    return text


async def _tls_context(settings: SmtpSettings) -> ssl.SSLContext | None:
    if settings.security == "none":
        return None
    # In a thread, since it reads the system's certificates from disk.
    return await asyncio.to_thread(_new_tls_context, settings)


def _new_tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    """
    Return a context that checks certificates and host names unless ``verify: false`` is set.

    Raises:
        Misconfigured: The CA file cannot be read.
    """
    context = ssl.create_default_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:
            raise Misconfigured(f'cannot read "smtp.ca_file": {settings.ca_file}') from error
    if not settings.verify:
        log.warning("mail server certificate not verified", extra={"host": settings.host})
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
