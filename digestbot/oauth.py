"""
Access tokens for logging in to a mail server by XOAUTH2: of the config, a command, or a provider.

A token lives for about an hour. It is asked for before a connection is opened, never for each
message, and kept until a minute before its end. Begin at `TokenSource`.
"""

import asyncio
import re
import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from digestbot.errors import Misconfigured, TransientFailure
from digestbot.secret import Secret

TIMEOUT_S: Final = 30.0
"""For the provider's answer, and for the command."""
EARLY_S: Final = 60.0
"""Before its end a token is no longer used."""
LIFE_S: Final = 300.0
"""Of a token whose provider does not say."""
ANSWER_MAX: Final = 65_536
"""Octets; a token of Microsoft has about 2,500."""
_WORD = re.compile(r"[a-z_]{1,60}")
_TOKEN = re.compile(r"[!-~]{1,20000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthSettings:
    """Logging in by XOAUTH2 instead of a password, the keys ``oauth`` of the config."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    token: Secret | None = None
    """An access token that something else keeps fresh, as `${file:PATH}`; read with the config."""
    token_command: str | None = None
    """Or a command that prints one, run without a shell."""
    refresh_token: Secret | None = None
    """Or what a provider gives one for, at `url`; write `${file:PATH}`."""
    client_id: str | None = None
    """Of your app, as registered with the provider; goes with `refresh_token`."""
    client_secret: Secret | None = None
    """Of your app, if it has one."""
    url: str = "https://oauth2.googleapis.com/token"
    """Where the provider gives tokens; of Microsoft
    `https://login.microsoftonline.com/common/oauth2/v2.0/token`."""
    scope: str | None = None
    """What the token is for, if the provider wants to know; of Microsoft
    `https://outlook.office.com/SMTP.Send offline_access` for sending."""


class TokenSource:
    """The tokens of one account; used within one event loop, by many tasks."""

    def __init__(self, settings: OauthSettings) -> None:
        self._settings = settings
        self._refresh_token = settings.refresh_token
        self._lock = asyncio.Lock()
        self._token: Secret | None = None
        self._good_until = 0.0

    async def token(self) -> Secret:
        """
        A token that is good for at least `EARLY_S`.

        Raises:
            Misconfigured: The provider or the command refuses.
            TransientFailure: The provider does not answer now.
        """
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._token is None or now >= self._good_until:
                self._token, life_s = await self._new()
                self._good_until = now + life_s - EARLY_S
            return self._token

    def forget(self) -> None:
        """The server refused the token: the next one is a new one."""
        self._token = None

    async def _new(self) -> tuple[Secret, float]:
        """A token, and for how long it is good."""
        if self._settings.token is not None:
            return self._settings.token, LIFE_S
        if self._settings.token_command is not None:
            return await _printed_by(self._settings.token_command), 0.0
        return await self._refreshed()

    async def _refreshed(self) -> tuple[Secret, float]:
        fields = {
            "grant_type": "refresh_token",
            "refresh_token": _revealed(self._refresh_token),
            "client_id": self._settings.client_id,
            "client_secret": _revealed(self._settings.client_secret),
            "scope": self._settings.scope,
        }
        answer = await _post(self._settings.url, {k: v for k, v in fields.items() if v})
        token, life_s = answer.get("access_token"), answer.get("expires_in", LIFE_S)
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise TransientFailure("the token's provider answered without an access token")
        # Some give a new one each time, and forget the old one after a while.
        if isinstance(renewed := answer.get("refresh_token"), str) and renewed:
            self._refresh_token = Secret(renewed)
        return Secret(token), float(life_s) if isinstance(life_s, (int, float)) else LIFE_S


def xoauth2(username: str, token: Secret) -> str:
    """What SASL is told (Google, "XOAUTH2 mechanism"), before it is put in base64."""
    return f"user={username}\1auth=Bearer {token.reveal()}\1\1"


def _revealed(secret: Secret | None) -> str | None:
    return secret.reveal() if secret else None


async def _post(url: str, fields: dict[str, str]) -> dict[str, Any]:
    """
    What the provider answers (RFC 6749 section 6); its own words are shown only where they are
    one of the RFC's.

    Raises:
        Misconfigured: It refuses the refresh token or the app.
        TransientFailure: It does not answer, or not with what it should.
    """
    import httpx

    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client:
            answer = await client.post(url, data=fields)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Not chained: the request, which it bears, holds the refresh token.
        text = f"the token's provider does not answer: {type(error).__name__}"
        raise TransientFailure(text) from None
    found: Any = None
    if len(answer.content) <= ANSWER_MAX:
        with suppress(ValueError):
            found = answer.json()
    body = found if isinstance(found, dict) else {}
    if answer.status_code == 200:
        return body
    code = str(body.get("error", ""))
    why = f"{answer.status_code} {code if _WORD.fullmatch(code) else ''}".strip()
    if answer.status_code in {429} or answer.status_code >= 500:
        raise TransientFailure(f"the token's provider failed: {why}")
    raise Misconfigured(f'the token\'s provider refuses: {why}; check "oauth"')


async def _printed_by(command: str) -> Secret:
    """
    The first line that *command* prints.

    Raises:
        Misconfigured: It cannot be run, fails, hangs, or prints no token.
    """
    refused = '"oauth.token_command"'
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
        why = getattr(error, "strerror", None) or "no command"
        raise Misconfigured(f"{refused} cannot be run: {why}") from None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            printed, _ = await process.communicate()
    except TimeoutError:
        raise Misconfigured(f"{refused} has printed nothing for {TIMEOUT_S:.0f} seconds") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    token = printed.decode("utf-8", "replace").partition("\n")[0].strip()
    if process.returncode:
        raise Misconfigured(f"{refused} failed with exit code {process.returncode}")
    if not _TOKEN.fullmatch(token):
        raise Misconfigured(f"{refused} printed no token")
    return Secret(token)
