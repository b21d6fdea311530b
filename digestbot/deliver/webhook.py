"""
Messages to one Slack channel by an incoming webhook, for those who have no bot token.

A webhook gives back no ``ts``: there are no threads, and the messages go one after another.
Its URL is a secret; the rest of the program knows it by its `fingerprint`.
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, ClassVar
from urllib.request import Request

from digestbot.deliver.protocols import Checkpoint
from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.deliver.slack_http import (
    BROKEN_LAYOUT,
    NETWORK_ERRORS,
    NO_WORD_FROM_BEHIND,
    POSTS_AT_ONCE,
    QUIET,
    Message,
    Pace,
    Sleep,
    messages_of,
    post,
    retry_after_s,
    shown,
    unanswered,
)
from digestbot.errors import DeliveryError, OutcomeUnknown, PermanentFailure, TransientFailure
from digestbot.model import Form, OutgoingMessage, Receipt
from digestbot.secret import Secret

if TYPE_CHECKING:
    from slack_sdk.webhook import WebhookClient, WebhookResponse

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
TIMEOUT_S = 30
_RATE_LIMITED = 429
_RATE_LIMIT_S = 30.0


def fingerprint(url: str) -> str:
    """Twelve hexadecimal digits that name *url* and do not give it away."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def classify(status: int, body: str, *, retry_after: str | None = None) -> DeliveryError:
    """
    The error that an answer other than 200 ``ok`` amounts to.

    Args:
        status: Of HTTP.
        body: Plain text, such as ``no_service``.
        retry_after: The header of that name.
    """
    word = shown(body) or str(status)
    code = f"{status} {word}" if body else str(status)
    if 200 <= status <= 299:
        text = f"the webhook answered {status} but not ok, it may have posted: {word}"
        return OutcomeUnknown(text, code=UNKNOWN_CODE)
    if status == _RATE_LIMITED:
        wait_s = retry_after_s(retry_after) or _RATE_LIMIT_S
        return TransientFailure("the webhook is rate limited", code=code, retry_after_s=wait_s)
    if status in NO_WORD_FROM_BEHIND:
        text = f"the webhook failed, it may have posted: {status} {word}"
        return OutcomeUnknown(text, code=UNKNOWN_CODE)
    if status >= 500:
        return TransientFailure(f"the webhook failed: {status} {word}", code=code)
    return PermanentFailure(f"the webhook refused: {status} {word}", code=code)


class WebhookSender:
    """Posts each message of a letter in turn; goes on after the last one that was taken."""

    forms: ClassVar[frozenset[Form]] = frozenset({Form.SLACK})

    def __init__(self, urls: Mapping[str, Secret], *, sleep: Sleep = asyncio.sleep) -> None:
        """*urls* are the webhooks by fingerprint; *sleep* waits between two messages."""
        self._urls = dict(urls)
        self._pace = Pace(INTERVAL_S, sleep)
        self._threads = ThreadPoolExecutor(POSTS_AT_ONCE, "webhook")

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        Post what is not yet acknowledged of *outgoing*; the marks count from "1".

        Raises:
            DeliveryError: See `classify`.
        """
        place = outgoing.delivery.destination.address
        client = self._client(place)
        messages = messages_of(outgoing)
        taken = len(outgoing.delivery.acknowledged)
        async with self._pace.turn(place):
            for number, message in enumerate(messages[taken:], start=taken + 1):
                await self._pace.pause(place)
                await checkpoint.data_done()
                await self._post(client, message)
                await checkpoint.acknowledged(str(number))
        return Receipt(detail=f"{len(messages)} messages")

    async def check(self) -> str:
        """Says how many there are; a webhook cannot be tried without posting."""
        for place in self._urls:
            self._client(place)
        count = len(self._urls)
        return f"{count} webhook{'s' if count != 1 else ''}: not tried, that would post a message"

    async def close(self) -> None:
        """No connection is held open; threads that wait for an answer end by themselves."""
        self._threads.shutdown(wait=False)

    def _client(self, place: str) -> "WebhookClient":
        """
        Raises:
            PermanentFailure: No such webhook in the config any more, or no http URL.
        """
        url = self._urls.get(place)
        if url is None:
            raise PermanentFailure(f"no webhook of the config has the fingerprint {place}")
        if not url.reveal().lower().startswith(("https://", "http://")):
            raise PermanentFailure(f"the webhook {place} is no https URL")
        return _client_class()(url.reveal(), timeout=TIMEOUT_S, retry_handlers=[], logger=QUIET)

    async def _post(self, client: "WebhookClient", message: Message) -> None:
        """Post *message*, without its blocks if Slack cannot show them."""
        try:
            await self._post_as_it_is(client, message)
        except PermanentFailure as error:
            word = (error.code or "").partition(" ")[2]
            if word not in BROKEN_LAYOUT or "blocks" not in message:
                raise
            log.warning("slack refused our blocks, text only", extra={"error": word})
            await self._post_as_it_is(client, {"text": message["text"]})

    async def _post_as_it_is(self, client: "WebhookClient", message: Message) -> None:
        body = {**message, "unfurl_links": False, "unfurl_media": False}
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, client.send_dict, body)
        except NETWORK_ERRORS as error:
            # Not chained: an error of urllib may bear the URL.
            raise unanswered(error, "the webhook") from None
        if answer.status_code != 200 or answer.body.strip() != "ok":
            raise _refusal(answer)


def _refusal(answer: "WebhookResponse") -> DeliveryError:
    headers = {str(key).lower(): str(value) for key, value in answer.headers.items()}
    return classify(answer.status_code, answer.body, retry_after=headers.get("retry-after"))


@cache
def _client_class() -> "type[WebhookClient]":
    """slack_sdk's client, except that a redirect is an answer and no errand (see `posting`)."""
    from slack_sdk.webhook import WebhookClient, WebhookResponse  # here: most commands post nothing

    class Client(WebhookClient):
        def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
            status, headers, body = post(req, self.timeout)
            return WebhookResponse(url=url, status_code=status, body=body, headers=dict(headers))

    return Client
