"""
Sender to webhooks: messages to one Slack channel by an incoming webhook, without a bot token.

A webhook returns no ``ts``, which threads need: messages follow one another instead. A workflow
gets each message as variables (`slack_workflow`). A URL is a secret; the store and all output
identify it by its `fingerprint`.
"""

import asyncio
import json
import logging
from collections.abc import Collection, Mapping
from typing import Final

from digestbot.deliver.protocols import Checkpoint
from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.deliver.slack_http import (
    GATEWAY_ERRORS,
    INVALID_LAYOUT,
    Message,
    Pace,
    SlackHttp,
    Sleep,
    messages_of,
    retry_after_s,
    shown,
)
from digestbot.deliver.slack_workflow import payload, starts_workflow
from digestbot.errors import (
    DeliveryError,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.model import OutgoingMessage, Receipt
from digestbot.secret import Secret

log = logging.getLogger(__name__)

INTERVAL_S: Final = 1.0
TIMEOUT_S: Final = 30.0
_RATE_LIMITED = 429
_RATE_LIMIT_S = 30.0


def classify(status: int, body: str, *, retry_after: str | None = None) -> DeliveryError:
    """
    Classify a response other than 200 ``ok``.

    Args:
        status: HTTP status.
        body: Plain text, such as ``no_service``, or a workflow's JSON with ``error``.
        retry_after: Header of that name.
    """
    body = str(_json(body).get("error", body))
    word = shown(body) or str(status)
    code = f"{status} {word}" if body else str(status)
    if 200 <= status <= 299:
        text = f"the webhook replied {status} but not ok, it may have posted: {word}"
        return OutcomeUnknown(text, code=UNKNOWN_CODE)
    if status == _RATE_LIMITED:
        wait_s = retry_after_s(retry_after) or _RATE_LIMIT_S
        return TransientFailure("the webhook is rate limited", code=code, retry_after_s=wait_s)
    if status in GATEWAY_ERRORS:
        text = f"the webhook failed, it may have posted: {status} {word}"
        return OutcomeUnknown(text, code=UNKNOWN_CODE)
    if status >= 500:
        return TransientFailure(f"the webhook failed: {status} {word}", code=code)
    return PermanentFailure(f"the webhook refused: {status} {word}", code=code)


class WebhookSender:
    """Posts the messages of a delivery in turn, continuing after the last one accepted."""

    def __init__(self, urls: Mapping[str, Secret], *, sleep: Sleep = asyncio.sleep) -> None:
        """*urls* are the webhooks by fingerprint; *sleep* waits between two messages."""
        self._urls = dict(urls)
        self._pace = Pace(INTERVAL_S, sleep)
        self._http = SlackHttp(TIMEOUT_S)

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        Post the remaining messages of *outgoing*; marks count from "1".

        Raises:
            DeliveryError: See `classify`.
        """
        address = outgoing.delivery.destination.address
        url = self._url(address)
        messages = messages_of(outgoing)
        done = len(outgoing.delivery.acknowledged)
        async with self._pace.turn(address):
            for number, message in enumerate(messages[done:], start=done + 1):
                await self._pace.pause(address)
                await checkpoint.data_done()
                await self._post_with_fallback(url, message)
                await checkpoint.acknowledged(str(number))
        return Receipt(detail=f"{len(messages)} messages")

    async def check(self, addresses: Collection[str]) -> str:
        """Check the URLs; trying a webhook would post a message."""
        for address in self._urls:
            self._url(address)
        count = len(self._urls)
        return f"{count} webhook{'s' if count != 1 else ''}: not tried, that would post a message"

    async def close(self) -> None:
        await self._http.close()

    def _url(self, address: str) -> Secret:
        url = self._urls.get(address)
        if url is None:
            raise PermanentFailure(f"the config has no webhook with the fingerprint {address}")
        if not url.reveal().lower().startswith(("https://", "http://")):
            raise PermanentFailure(f"the webhook {address} is not an https URL")
        return url

    async def _post_with_fallback(self, url: Secret, message: Message) -> None:
        """Post *message*, as plain text if Slack refuses its blocks."""
        try:
            await self._post(url, message)
        except PermanentFailure as error:
            reason = (error.code or "").partition(" ")[2]
            if reason not in INVALID_LAYOUT or "blocks" not in message:
                raise
            log.warning("slack refused the blocks, posting text only", extra={"error": reason})
            await self._post(url, {"text": message["text"]})

    async def _post(self, url: Secret, message: Message) -> None:
        from slack_sdk.webhook import WebhookResponse

        body = {**message, "unfurl_links": False, "unfurl_media": False}
        if starts_workflow(url.reveal()):
            body = payload(message)
        reply = await self._http.post(url.reveal(), body, server="the webhook")
        response = WebhookResponse(
            url="", status_code=reply.status, body=reply.text, headers=dict(reply.headers)
        )
        if response.status_code != 200 or not _is_ok(response.body):
            retry_after = response.headers.get("retry-after")
            raise classify(response.status_code, response.body, retry_after=retry_after)


def _is_ok(body: str) -> bool:
    """Return True for the reply of a webhook or a workflow that accepted the message."""
    return body.strip() == "ok" or _json(body).get("ok") is True


def _json(body: str) -> Mapping[str, object]:
    """Return the JSON object in *body*; empty if it is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
