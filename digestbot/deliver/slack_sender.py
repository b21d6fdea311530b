"""
Sender to Slack: a parent message and its thread in one channel or direct message, by a bot token.

Begin at `SlackSender.send`; `classify` tells what each response of chat.postMessage means.
"""

import asyncio
import json
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from digestbot.deliver.protocols import Checkpoint
from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.deliver.slack_http import (
    GATEWAY_ERRORS,
    INVALID_LAYOUT,
    Message,
    Pace,
    Reply,
    SlackHttp,
    Sleep,
    messages_of,
    retry_after_s,
    shown,
)
from digestbot.deliver.slack_settings import SlackSettings
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.model import OutgoingMessage, Receipt

if TYPE_CHECKING:
    from slack_sdk.web import SlackResponse

log = logging.getLogger(__name__)


_TOKEN_ERRORS: Final = frozenset(
    {
        *("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"),
        *("missing_scope", "no_permission", "not_allowed_token_type"),
    }
)
_PERMANENT_ERRORS: Final = INVALID_LAYOUT | {
    *("not_in_channel", "channel_not_found", "is_archived", "ekm_access_denied", "no_text"),
    *("thread_not_found", "cannot_reply_to_message", "channel_type_not_supported"),
    *("users_not_found", "user_not_found", "user_not_visible", "user_disabled"),
    *("cannot_dm_bot", "messages_tab_disabled"),
}
_MEMBER_SCOPES: Final = frozenset({"im:write", "users:read", "users:read.email"})
"""Scopes that only direct messages need: without them, channels still work."""
_ADVICE: Final = {
    "not_in_channel": "; invite the app to the channel",
    "channel_not_found": "; invite the app if the channel is private, or use the channel's id",
    "users_not_found": "; no member of the workspace has this email address",
    "messages_tab_disabled": "; enable the Messages tab on the app's home",
}
_MEMBERS: Final = ("U", "W")
"""First letters of members' ids."""
_RATE_LIMITED = 429
_RATE_LIMIT_S = 30.0
"""Default wait after a rate limit."""


def classify(
    status: int, error: str, *, needed: str = "", retry_after: str | None = None
) -> DeliveryError:
    """
    Classify a response of chat.postMessage other than ``ok``.

    Unknown errors are retried: Slack says that it posted nothing, and its list of errors grows.
    ``fatal_error`` may have posted, and so may a request behind a failed gateway.

    Args:
        status: HTTP status; mostly 200, for errors too.
        error: Slack's error code, such as ``channel_not_found``.
        needed: The missing scope, if Slack names one.
        retry_after: Header of that name.
    """
    word = shown(error)
    if status == _RATE_LIMITED or error == "ratelimited":
        wait_s = retry_after_s(retry_after) or _RATE_LIMIT_S
        return TransientFailure("Slack: ratelimited", code="ratelimited", retry_after_s=wait_s)
    if 300 <= status <= 399:
        return Misconfigured(f'Slack: redirected ({status}); check "slack.url"', code=str(status))
    if error == "missing_scope" and _MEMBER_SCOPES.intersection(needed.split(",")):
        advice = f"add the scope {shown(needed)} to the app, and install it again"
        return TransientFailure(f"Slack: {word}; for direct messages {advice}", code=word)
    if error in _TOKEN_ERRORS:
        scope = f" ({shown(needed)})" if needed else ""
        return Misconfigured(f'Slack: {word}{scope}; check "slack.token"', code=word)
    if error in _PERMANENT_ERRORS or error.startswith("restricted_action"):
        return PermanentFailure(f"Slack: {word}{_ADVICE.get(error, '')}", code=word)
    if error == "fatal_error":
        return OutcomeUnknown("Slack: fatal_error, it may have been posted", code=UNKNOWN_CODE)
    if status in GATEWAY_ERRORS:
        return OutcomeUnknown(f"Slack: {status}, it may have been posted", code=UNKNOWN_CODE)
    return TransientFailure(f"Slack: {word or status}", code=word or str(status))


class SlackSender:
    """Posts each delivery as a message and its thread, continuing after the last one accepted."""

    def __init__(self, settings: SlackSettings, *, sleep: Sleep = asyncio.sleep) -> None:
        """
        Make an unconnected sender; *sleep* waits between two messages.

        Raises:
            Misconfigured: *settings* have no token.
        """
        if not settings.token:
            raise Misconfigured('Slack needs a bot token: set "slack.token" in the config')
        self._token = settings.token
        self._url = settings.url if settings.url.endswith("/") else f"{settings.url}/"
        self._pace = Pace(settings.interval.total_seconds(), sleep)
        self._http = SlackHttp(settings.timeout.total_seconds())
        self._direct: dict[str, str] = {}
        """Direct messages' channel ids by the member's id or email address."""

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        Post the remaining messages of *outgoing*; marks are Slack's ``ts``.

        Raises:
            DeliveryError: See `classify`.
        """
        address = outgoing.delivery.destination.address
        messages = messages_of(outgoing)
        done = list(outgoing.delivery.acknowledged)
        async with self._pace.turn(address):
            channel = await self._channel_of(address)
            for message in messages[len(done) :]:
                await self._pace.pause(channel)
                await checkpoint.data_done()
                done.append(await self._post(channel, message, thread=next(iter(done), None)))
                await checkpoint.acknowledged(done[-1])
        return Receipt(detail=f"ts {done[0]}, {len(messages)} messages")

    async def check(self, addresses: Collection[str]) -> str:
        """Ask Slack whose token this is (auth.test), and look up the members among *addresses*."""
        found = await self._call("auth.test", {})
        for address in addresses:
            try:
                await self._channel_of(address)
            except DeliveryError as error:
                raise Misconfigured(f'"{address}": {error}', code=error.code) from error
        return f"{self._url}: {shown(str(found.get('team')))} as {shown(str(found.get('user')))}"

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, channel: str, message: Message, thread: str | None) -> str:
        """Post *message*, as plain text if Slack refuses its blocks; return its ``ts``."""
        text_only = {
            "channel": channel,
            "text": message["text"],
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if thread is not None:
            text_only["thread_ts"] = thread
        try:
            found = await self._call("chat.postMessage", {**message, **text_only})
        except PermanentFailure as error:
            if error.code not in INVALID_LAYOUT or "blocks" not in message:
                raise
            log.warning("slack refused the blocks, posting text only", extra={"error": error.code})
            found = await self._call("chat.postMessage", text_only)
        return _ts(found)

    async def _channel_of(self, address: str) -> str:
        """
        Return the channel to post to: *address*, or the direct message with that member.

        Raises:
            DeliveryError: See `classify`; nothing was posted.
        """
        if "@" not in address and not address.startswith(_MEMBERS):
            return address
        if address not in self._direct:
            try:
                self._direct[address] = await self._open_direct(address)
            except OutcomeUnknown as error:
                raise TransientFailure(str(error)) from error
        return self._direct[address]

    async def _open_direct(self, address: str) -> str:
        member = address
        if "@" in address:
            url, token = f"{self._url}users.lookupByEmail", self._token.reveal()
            reply = await self._http.post_form(url, {"email": address}, server="Slack", token=token)
            member = _id(_accepted(url, reply), "user")
        return _id(await self._call("conversations.open", {"users": member}), "channel")

    async def _call(self, method: str, arguments: Mapping[str, object]) -> "SlackResponse":
        url = self._url + method
        reply = await self._http.post(url, arguments, server="Slack", token=self._token.reveal())
        return _accepted(url, reply)


def _accepted(url: str, reply: Reply) -> "SlackResponse":
    """Return the response in *reply*; raise what `classify` says unless it is ``ok``."""
    from slack_sdk.errors import SlackApiError

    response = _response(url, reply)
    try:
        response.validate()  # type: ignore[no-untyped-call]
    except SlackApiError as error:
        # Not chained: the SDK's text repeats the whole response.
        raise _refusal(error.response) from None
    return response


def _response(url: str, reply: Reply) -> "SlackResponse":
    from slack_sdk.web import SlackResponse

    data: object = None
    with suppress(ValueError):
        data = json.loads(reply.text)
    return SlackResponse(
        client=None,
        http_verb="POST",
        api_url=url,
        req_args={},
        data=data if isinstance(data, dict) else {},
        headers=dict(reply.headers),
        status_code=reply.status,
    )


def _refusal(response: "SlackResponse") -> DeliveryError:
    return classify(
        response.status_code,
        str(response.get("error", "")),
        needed=str(response.get("needed", "")),
        retry_after=response.headers.get("retry-after"),
    )


def _id(response: "SlackResponse", key: str) -> str:
    """Return the id of the object under *key*."""
    found = response.get(key)
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        raise TransientFailure(f"Slack replied ok without the id of the {key}")
    return str(found["id"])


def _ts(response: "SlackResponse") -> str:
    ts = response.get("ts")
    if not isinstance(ts, str) or not ts:
        text = "Slack replied ok without a ts, the message may have been posted"
        raise OutcomeUnknown(text, code=UNKNOWN_CODE)
    return ts
