"""
HTTP to Slack, shared by the bot (`slack`) and incoming webhooks (`webhook`).

Posts go through `digestbot.net`, not through slack_sdk's own client: that one follows redirects and
takes the token along, reads bodies of any size, and blocks a thread for each post.
"""

import asyncio
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.errors import (
    DeliveryError,
    DigestbotError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.model import Form, OutgoingMessage
from digestbot.net import Client, NetError, Unreachable, user_agent

Message = dict[str, Any]
"""``{"text": str, "blocks": [...]}``, in Slack's format."""
Sleep = Callable[[float], Awaitable[None]]

REPLY_MAX: Final = 1_000_000
"""Largest reply in bytes; Slack repeats the message in it."""
RETRY_AFTER_MAX_S: Final = 86_400.0
SHOWN_MAX: Final = 200
INVALID_LAYOUT: Final = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"}
)
"""Errors about our blocks: a bug of ours, but the message may pass as plain text."""
GATEWAY_ERRORS: Final = frozenset({502, 504})
"""Statuses of a gateway that lost the post's outcome (RFC 9110 15.6.3, 15.6.5)."""
CONCURRENT_POSTS: Final = 100
"""Posts of one sender at a time, httpx's number of connections: a post waits here rather than in
the connection pool, where the wait would count as a timeout of Slack."""


@dataclass(frozen=True, slots=True)
class Reply:
    """HTTP response to a post."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    text: str


class SlackHttp:
    """Posts JSON to Slack; used within one event loop, by many tasks."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._client = Client(user_agent=user_agent())
        self._closing = AsyncExitStack()
        self._closing.push_async_exit(self._client)
        self._slots = asyncio.Semaphore(CONCURRENT_POSTS)

    async def post(
        self, url: str, body: Mapping[str, object], *, server: str, token: str | None = None
    ) -> Reply:
        """
        Post *body* as JSON to *url*; a redirect is returned as the reply.

        Args:
            url: May be secret: no error contains it.
            body: Values for JSON.
            server: Name of the server in error messages.
            token: Sent as bearer token.

        Raises:
            DeliveryError: See `no_reply`.
        """
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return await self._post(url, content, "application/json; charset=utf-8", server, token)

    async def post_form(
        self, url: str, fields: Mapping[str, str], *, server: str, token: str
    ) -> Reply:
        """Post *fields* like a web form: Slack's reading methods ignore JSON."""
        content = urlencode(fields).encode()
        return await self._post(url, content, "application/x-www-form-urlencoded", server, token)

    async def _post(
        self, url: str, content: bytes, content_type: str, server: str, token: str | None
    ) -> Reply:
        # One connection per post: if a server closed a reused one at the wrong moment, the outcome
        # would be unknown.
        headers = {"connection": "close", "content-type": content_type}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        try:
            async with self._slots:
                found = await self._client.post(
                    url,
                    content=content,
                    headers=headers,
                    total_s=self._timeout_s,
                    max_bytes=REPLY_MAX,
                )
        except DigestbotError as error:
            raise no_reply(error, server) from None  # its cause may contain the token or the URL
        return Reply(found.status, found.headers, found.body.decode("utf-8", "replace"))

    async def close(self) -> None:
        await self._closing.aclose()


def no_reply(error: DigestbotError, server: str) -> DeliveryError:
    """
    Classify a post that failed before a usable response.

    TransientFailure only if *server* certainly never saw the request; an error that is no
    `NetError` comes from our own network settings.
    """
    if not isinstance(error, NetError):
        return Misconfigured(str(error))
    if (untrusted := _certificate_error(error)) is not None:
        return Misconfigured(f"{server}: untrusted certificate: {untrusted.verify_message}")
    if isinstance(error, Unreachable) and not error.arrived:
        return TransientFailure(f"{server} cannot be reached: {error}")
    text = f"{server} did not reply, the message may have been posted: {error}"
    return OutcomeUnknown(text, code=UNKNOWN_CODE)


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Return the certificate error among the causes of *error*."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def messages_of(outgoing: OutgoingMessage) -> list[Message]:
    """
    Return the messages of *outgoing*, the parent first.

    Raises:
        PermanentFailure: Its Slack form is not a list of messages with text.
    """
    try:
        messages = json.loads(outgoing.bodies[Form.SLACK])
        texts = [message["text"] for message in messages]
    except (ValueError, TypeError, KeyError) as error:
        raise PermanentFailure("the edition's Slack form is not a list of messages") from error
    if not texts or not all(texts):
        raise PermanentFailure("the edition's Slack form has a message without text")
    return list(messages)


class Pace:
    """One outgoing message at a time per channel, with a pause between its posts."""

    def __init__(self, interval_s: float, sleep: Sleep) -> None:
        self._interval_s = interval_s
        self._sleep = sleep
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._used: set[str] = set()
        self._limits: dict[str, tuple[float, TransientFailure]] = {}
        """By channel: end of Slack's rate limit, and the error that announced it."""

    @asynccontextmanager
    async def turn(self, channel: str) -> AsyncIterator[None]:
        """
        Reserve *channel* for a whole outgoing message, to keep two digests apart in it.

        Raises:
            TransientFailure: An earlier Retry-After for *channel* is still in force.
        """
        time = asyncio.get_running_loop().time
        async with self._turns[channel]:
            until, limit = self._limits.get(channel, (0.0, None))
            if limit is not None and until > time():
                raise TransientFailure(str(limit), code=limit.code, retry_after_s=until - time())
            try:
                yield
            except TransientFailure as error:
                if error.retry_after_s is not None:
                    self._limits[channel] = time() + error.retry_after_s, error
                raise

    async def pause(self, channel: str) -> None:
        """Wait before each post but the first: Slack takes about one a second per channel."""
        if channel in self._used:
            await self._sleep(self._interval_s)
        self._used.add(channel)


def retry_after_s(value: str | None) -> float | None:
    """Return the seconds in a Retry-After header, if any; at most a day."""
    if value is None or not value.strip().isdecimal():
        return None
    return min(float(value), RETRY_AFTER_MAX_S)


def shown(text: str) -> str:
    """Return *text* on one line, cut to `SHOWN_MAX` characters."""
    line = " ".join(
        "".join(character if character.isprintable() else " " for character in text).split()
    )
    return line if len(line) <= SHOWN_MAX else line[: SHOWN_MAX - 1] + "…"
