"""
Access tokens for XOAUTH2 logins, from the config, a command, or a provider.

A token is valid for about an hour. It is requested when a connection is opened, not for each
message, and kept until a minute before it expires. Begin at `TokenSource`.
"""

import asyncio
import json
import re
import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from digestbot.errors import DigestbotError, Misconfigured, TransientFailure
from digestbot.secret import Secret

TIMEOUT_S: Final = 30.0
"""Timeout of the provider's response and of the command."""
EXPIRY_MARGIN_S: Final = 60.0
"""A token this close to its expiry is replaced."""
DEFAULT_LIFE_S: Final = 300.0
"""Lifetime of a token without ``expires_in``."""
RESPONSE_MAX: Final = 65_536
"""Largest response in octets; Microsoft's tokens have about 2,500."""
_ERROR_CODE = re.compile(r"[a-z_]{1,60}")
_TOKEN = re.compile(r"[!-~]{1,20000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthSettings:
    """Login by XOAUTH2 instead of a password: the config keys ``oauth:``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    token: Secret | None = None
    """An access token that another program keeps fresh, as `${file:PATH}`; read with the config."""
    token_command: str | None = None
    """Or a command that prints an access token; run without a shell."""
    refresh_token: Secret | None = None
    """Or a refresh token, exchanged for access tokens at `url`; write `${file:PATH}`."""
    client_id: str | None = None
    """Client ID of your app, as registered with the provider; required with `refresh_token`."""
    client_secret: Secret | None = None
    """Client secret of your app, if it has one."""
    url: str = "https://oauth2.googleapis.com/token"
    """The provider's token endpoint; for Microsoft
    `https://login.microsoftonline.com/common/oauth2/v2.0/token`."""
    scope: str | None = None
    """Scope to request, if the provider needs one; for sending with Microsoft
    `https://outlook.office.com/SMTP.Send offline_access`."""


class TokenSource:
    """Access tokens of one account; used within one event loop, by many tasks."""

    def __init__(self, settings: OauthSettings) -> None:
        self._settings = settings
        self._refresh_token = settings.refresh_token
        self._lock = asyncio.Lock()
        self._token: Secret | None = None
        self._valid_until = 0.0

    async def token(self) -> Secret:
        """
        Return a token that is valid for at least `EXPIRY_MARGIN_S`.

        Raises:
            Misconfigured: The provider refuses, or the command fails.
            TransientFailure: The provider does not respond.
        """
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._token is None or now >= self._valid_until:
                self._token, life_s = await self._new()
                self._valid_until = now + life_s - EXPIRY_MARGIN_S
            return self._token

    def forget(self) -> None:
        """Discard the token, since the server refused it."""
        self._token = None

    async def _new(self) -> tuple[Secret, float]:
        """Return a new token and its lifetime in seconds."""
        if self._settings.token is not None:
            return self._settings.token, DEFAULT_LIFE_S
        if self._settings.token_command is not None:
            return await _run_command(self._settings.token_command), 0.0
        return await self._refreshed()

    async def _refreshed(self) -> tuple[Secret, float]:
        fields = {
            "grant_type": "refresh_token",
            "refresh_token": _revealed(self._refresh_token),
            "client_id": self._settings.client_id,
            "client_secret": _revealed(self._settings.client_secret),
            "scope": self._settings.scope,
        }
        response = await _post(self._settings.url, {k: v for k, v in fields.items() if v})
        token, life_s = response.get("access_token"), response.get("expires_in")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise TransientFailure("the token provider responded without an access token")
        # Some providers issue a new one each time and expire the old one after a while.
        if isinstance(renewed := response.get("refresh_token"), str) and renewed:
            self._refresh_token = Secret(renewed)
        return Secret(token), float(life_s) if isinstance(life_s, (int, float)) else DEFAULT_LIFE_S


def xoauth2(username: str, token: Secret) -> str:
    """Return the SASL response (Google, "XOAUTH2 mechanism"), before base64."""
    return f"user={username}\1auth=Bearer {token.reveal()}\1\1"


def _revealed(secret: Secret | None) -> str | None:
    return secret.reveal() if secret else None


async def _post(url: str, fields: dict[str, str]) -> dict[str, Any]:
    """
    Return the provider's response (RFC 6749 section 6).

    Errors contain the provider's own text only where it is one of the RFC's error codes.

    Raises:
        Misconfigured: The refresh token or the app is refused, or a network setting is invalid.
        TransientFailure: No usable response.
    """
    from digestbot.net import Client, NetError, user_agent  # most commands never need it

    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    try:
        async with Client(user_agent=user_agent()) as client:
            response = await client.post(
                url,
                content=urlencode(fields).encode(),
                headers=headers,
                total_s=TIMEOUT_S,
                max_bytes=RESPONSE_MAX,
            )
    except NetError as error:
        # Not chained: the cause may contain the request, and so the refresh token.
        raise TransientFailure(f"the token provider did not respond: {error}") from None
    except DigestbotError as error:  # a proxy or certificate setting
        raise Misconfigured(str(error)) from None
    found: Any = None
    with suppress(ValueError):
        found = json.loads(response.body)
    body = found if isinstance(found, dict) else {}
    if response.status == 200:
        return body
    code = str(body.get("error", ""))
    reason = f"{response.status} {code if _ERROR_CODE.fullmatch(code) else ''}".strip()
    if response.status == 429 or response.status >= 500:
        raise TransientFailure(f"the token provider failed: {reason}")
    raise Misconfigured(f'the token provider refused: {reason}; check "oauth"')


async def _run_command(command: str) -> Secret:
    """
    Return the first line that *command* prints.

    Raises:
        Misconfigured: It cannot be run, fails, times out, or does not print a token.
    """
    key = '"oauth.token_command"'
    try:
        program, *arguments = shlex.split(command)
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no command"
        raise Misconfigured(f"{key} cannot be run: {reason}") from None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            printed, _ = await process.communicate()
    except TimeoutError:
        raise Misconfigured(f"{key} printed nothing within {TIMEOUT_S:.0f} seconds") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    token = printed.decode("utf-8", "replace").partition("\n")[0].strip()
    if process.returncode:
        raise Misconfigured(f"{key} failed with exit code {process.returncode}")
    if not _TOKEN.fullmatch(token):
        raise Misconfigured(f"{key} printed no token")
    return Secret(token)
