"""
Posting to Slack, by token or by webhook: what both need.

slack_sdk speaks with urllib, which follows redirects: a POST would become a GET, its token would
go to whoever the answer names, and a page that says "ok" would pass for success. Both clients are
therefore given an opener that does not.
"""

import asyncio
import json
import logging
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.model import Form, OutgoingMessage

Message = dict[str, Any]
"""``{"text": str, "blocks": [...]}``, as Slack wants it."""
Sleep = Callable[[float], Awaitable[None]]

QUIET = logging.getLogger(f"{__name__}.sdk")
"""For slack_sdk, which at DEBUG logs whole messages and the secret URL of a webhook."""
QUIET.setLevel(logging.CRITICAL)

NETWORK_ERRORS = (OSError, HTTPException, ValueError, LookupError)
"""What urllib raises; the last two for an answer in an unreadable charset."""
ANSWER_MAX = 1_000_000
"""Bytes of an answer that are read; Slack repeats the message in it."""
RETRY_AFTER_MAX_S = 86_400.0
SHOWN_MAX = 200
BROKEN_LAYOUT = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"}
"""Slack cannot show our blocks: our bug, but the same in plain text may do."""
NO_WORD_FROM_BEHIND = {502, 504}
"""Statuses of a gateway that did not hear what became of the post (RFC 9110 15.6.3, 15.6.5)."""
POSTS_AT_ONCE = 128
"""Threads of a sender, one for each channel: those that a silent Slack holds are neither another
channel's nor the store's, as asyncio's own would be, of which a small machine has six."""


def messages_of(outgoing: OutgoingMessage) -> list[Message]:
    """
    The messages of *outgoing*, the parent first.

    Raises:
        PermanentFailure: Its Slack form is not a list of messages with a text.
    """
    try:
        messages = json.loads(outgoing.bodies[Form.SLACK])
        texts = [message["text"] for message in messages]
    except (ValueError, TypeError, KeyError) as error:
        raise PermanentFailure("the Slack form of the edition is no list of messages") from error
    if not texts or not all(texts):
        raise PermanentFailure("the Slack form of the edition has a message without text")
    return list(messages)


class Pace:
    """At most one message at a time to one place, and a pause before each but the first."""

    def __init__(self, interval_s: float, sleep: Sleep) -> None:
        self._interval_s = interval_s
        self._sleep = sleep
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._posted: set[str] = set()
        self._limits: dict[str, tuple[float, TransientFailure]] = {}
        """Until when, and with which words, Slack wants nothing more for a place."""

    @asynccontextmanager
    async def turn(self, place: str) -> AsyncIterator[None]:
        """
        Held for a whole outgoing, so that two digests do not mix in one channel.

        Raises:
            TransientFailure: One before was told to come back later (Retry-After), and so is this.
        """
        time = asyncio.get_running_loop().time
        async with self._turns[place]:
            until, told = self._limits.get(place, (0.0, None))
            if told is not None and until > time():
                raise TransientFailure(str(told), code=told.code, retry_after_s=until - time())
            try:
                yield
            except TransientFailure as error:
                if error.retry_after_s is not None:
                    self._limits[place] = time() + error.retry_after_s, error
                raise

    async def pause(self, place: str) -> None:
        """Slack takes about one message a second in one channel."""
        if place in self._posted:
            await self._sleep(self._interval_s)
        self._posted.add(place)


def post(request: Request, timeout_s: float) -> tuple[int, HTTPMessage, str]:
    """
    Status, headers and text of the answer to *request*, wherever it is, but nowhere else.

    Raises:
        HTTPError: A status other than 2xx, redirects among them.
        URLError, OSError, HTTPException: No answer.
    """
    opener = build_opener(_NoRedirects)
    with opener.open(request, timeout=timeout_s) as answer:
        charset = answer.headers.get_content_charset() or "utf-8"
        return answer.status, answer.headers, answer.read(ANSWER_MAX).decode(charset, "replace")


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """None makes urllib raise the redirect as an HTTPError."""


def unanswered(error: Exception, where: str) -> DeliveryError:
    """
    What a post without an answer amounts to.

    urllib raises URLError only for what fails before the last byte of the request is handed over;
    no server acts on half a request. Whatever it raises else comes after that.
    """
    reason = error.reason if isinstance(error, URLError) else error
    name = type(reason).__name__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Misconfigured(f"{where}: the certificate is not trusted: {reason.verify_message}")
    if isinstance(error, URLError):
        return TransientFailure(f"{where} cannot be reached: {name}")
    text = f"{where} did not answer, the message may have been posted: {name}"
    return OutcomeUnknown(text, code=UNKNOWN_CODE)


def retry_after_s(value: str | None) -> float | None:
    """The seconds of a Retry-After, at most a day; None if there are none."""
    if value is None or not value.strip().isdecimal():
        return None
    return min(float(value), RETRY_AFTER_MAX_S)


def shown(text: str) -> str:
    """*text* on one line, not too long for one."""
    line = " ".join(
        "".join(character if character.isprintable() else " " for character in text).split()
    )
    return line if len(line) <= SHOWN_MAX else line[: SHOWN_MAX - 1] + "…"
