"""
A parent message and its thread in one Slack channel, by a bot token (chat.postMessage).

Begin at `SlackSender.send`; `classify` is the table of what each answer means.
"""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar
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
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.model import Form, OutgoingMessage, Receipt
from digestbot.secret import Secret

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.web import SlackResponse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """The owner's Slack app, the key ``slack:`` of the config."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    token: Secret | None = None
    """The bot's token (`xoxb-…`, scope chat:write); write `${SLACK_BOT_TOKEN}`."""
    url: str = "https://slack.com/api/"
    """Slack's Web API, or a stand-in for tests."""
    interval: timedelta = timedelta(seconds=1)
    """Between two messages to one channel; Slack takes about one a second."""
    timeout: timedelta = timedelta(seconds=30)
    """How long to wait for an answer."""


_NOT_WITH_THIS_TOKEN = {
    "invalid_auth",
    "not_authed",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
}
_NEVER = {
    "not_in_channel",
    "channel_not_found",
    "is_archived",
    "ekm_access_denied",
    "no_text",
    "thread_not_found",
    "cannot_reply_to_message",
    "channel_type_not_supported",
    *BROKEN_LAYOUT,
}
_RATE_LIMITED = 429
_RATE_LIMIT_S = 30.0
"""If Slack does not say how long."""


def classify(
    status: int, error: str, *, needed: str = "", retry_after: str | None = None
) -> DeliveryError:
    """
    The error that an answer of chat.postMessage other than ``ok`` amounts to.

    An error that we do not know is tried again: Slack said that it posted nothing, and its list
    grows. ``fatal_error`` may have posted, and so may a gateway that heard nothing.

    Args:
        status: Of HTTP; mostly 200, for errors too.
        error: Slack's word for it, such as ``channel_not_found``.
        needed: The scope that is missing, if Slack names one.
        retry_after: The header of that name.
    """
    word = shown(error)
    if status == _RATE_LIMITED or error == "ratelimited":
        wait_s = retry_after_s(retry_after) or _RATE_LIMIT_S
        return TransientFailure("Slack: ratelimited", code="ratelimited", retry_after_s=wait_s)
    if 300 <= status <= 399:
        return Misconfigured(f'Slack: redirected ({status}); check "slack.url"', code=str(status))
    if error in _NOT_WITH_THIS_TOKEN:
        scope = f" ({shown(needed)})" if needed else ""
        return Misconfigured(f'Slack: {word}{scope}; check "slack.token"', code=word)
    if error in _NEVER or error.startswith("restricted_action"):
        return PermanentFailure(f"Slack: {word}{_ADVICE.get(error, '')}", code=word)
    if error == "fatal_error":
        return OutcomeUnknown("Slack: fatal_error, it may have been posted", code=UNKNOWN_CODE)
    if status in NO_WORD_FROM_BEHIND:
        return OutcomeUnknown(f"Slack: {status}, it may have been posted", code=UNKNOWN_CODE)
    return TransientFailure(f"Slack: {word or status}", code=word or str(status))


_ADVICE = {
    "not_in_channel": "; invite the app to the channel",
    "channel_not_found": "; invite the app if the channel is private, or name it by its id",
}


class SlackSender:
    """Posts each letter as a message and its thread; goes on after the last one Slack took."""

    forms: ClassVar[frozenset[Form]] = frozenset({Form.SLACK})

    def __init__(self, settings: SlackSettings, *, sleep: Sleep = asyncio.sleep) -> None:
        """
        *sleep* is what waits between two messages.

        Raises:
            Misconfigured: There is no token.
        """
        if not settings.token:
            raise Misconfigured('Slack needs a bot token: set "slack.token" in the config')
        self._url = settings.url
        self._pace = Pace(settings.interval.total_seconds(), sleep)
        self._threads = ThreadPoolExecutor(POSTS_AT_ONCE, "slack")
        self._client = _client_class()(
            token=settings.token.reveal(),
            base_url=settings.url,
            timeout=ceil(settings.timeout.total_seconds()),
            # The default handler posts again after a reset, which doubles messages.
            retry_handlers=[],
            logger=QUIET,
        )

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        Post what is not yet acknowledged of *outgoing*; the marks are Slack's ``ts``.

        Raises:
            DeliveryError: See `classify`.
        """
        channel = outgoing.delivery.destination.address
        messages = messages_of(outgoing)
        taken = list(outgoing.delivery.acknowledged)
        async with self._pace.turn(channel):
            for message in messages[len(taken) :]:
                await self._pace.pause(channel)
                await checkpoint.data_done()
                taken.append(await self._post(channel, message, thread=next(iter(taken), None)))
                await checkpoint.acknowledged(taken[-1])
        return Receipt(detail=f"ts {taken[0]}, {len(messages)} messages")

    async def check(self) -> str:
        """Asks Slack who we are (auth.test)."""
        answer = await self._call("auth.test", {})
        return f"{self._url}: {shown(str(answer.get('team')))} as {shown(str(answer.get('user')))}"

    async def close(self) -> None:
        """No connection is held open; threads that wait for an answer end by themselves."""
        self._threads.shutdown(wait=False)

    async def _post(self, channel: str, message: Message, thread: str | None) -> str:
        """The ``ts`` of *message*, posted without its blocks if Slack cannot show them."""
        text_only = {
            "channel": channel,
            "text": message["text"],
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if thread is not None:
            text_only["thread_ts"] = thread
        try:
            answer = await self._call("chat.postMessage", {**message, **text_only})
        except PermanentFailure as error:
            if error.code not in BROKEN_LAYOUT or "blocks" not in message:
                raise
            log.warning("slack refused our blocks, text only", extra={"error": error.code})
            answer = await self._call("chat.postMessage", text_only)
        return _ts(answer)

    async def _call(self, method: str, arguments: Mapping[str, object]) -> "SlackResponse":
        from slack_sdk.errors import SlackApiError

        call = partial(self._client.api_call, method, json=dict(arguments))
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except SlackApiError as error:
            # Not chained: the SDK's text repeats the whole answer.
            raise _refusal(error.response) from None
        except NETWORK_ERRORS as error:
            raise unanswered(error, "Slack") from error


def _refusal(response: "SlackResponse") -> DeliveryError:
    headers = {str(key).lower(): str(value) for key, value in response.headers.items()}
    answer = response.data if isinstance(response.data, dict) else {}
    return classify(
        response.status_code,
        str(answer.get("error", "")),
        needed=str(answer.get("needed", "")),
        retry_after=headers.get("retry-after"),
    )


def _ts(answer: "SlackResponse") -> str:
    ts = answer.get("ts")
    if not isinstance(ts, str) or not ts:
        text = "Slack said ok without a ts, the message may have been posted"
        raise OutcomeUnknown(text, code=UNKNOWN_CODE)
    return ts


@cache
def _client_class() -> "type[WebClient]":
    """slack_sdk's client, except that a redirect is an answer and no errand (see `posting`)."""
    from slack_sdk import WebClient  # here: most commands post nothing

    class Client(WebClient):
        def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
            status, headers, body = post(req, self.timeout)
            return {"status": status, "headers": headers, "body": body}

    return Client
