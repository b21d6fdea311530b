"""Posts to Slack: classification of failures, and the pace per channel."""

import asyncio

import pytest

from digestbot.deliver.slack_http import SHOWN_MAX, SlackHttp, no_reply, retry_after_s, shown
from digestbot.errors import (
    DeliveryError,
    DigestbotError,
    Misconfigured,
    OutcomeUnknown,
    TransientFailure,
)
from digestbot.net import TooLarge, Unreachable
from tests.servers.smtp import make_certificates
from tests.servers.web import Reply, WebServer


def post(url: str, *, timeout_s: float = 10.0) -> str:
    async def post_one() -> str:
        http = SlackHttp(timeout_s)
        try:
            return (await http.post(url, {"text": "hi"}, server="Slack", token="x")).text
        finally:
            await http.close()

    return asyncio.run(post_one())


def test_redirect_is_returned_without_being_followed() -> None:
    reply = Reply(status=302, headers={"Location": "http://127.0.0.1:9/"}, body=b"moved")
    with WebServer.of(reply) as web:
        assert post(web.url) == "moved"
    (request,) = web.requests
    assert request.method == "POST"
    assert request.headers["authorization"] == "Bearer x"
    assert request.headers["connection"] == "close"


def test_oversized_reply_leaves_the_outcome_unknown() -> None:
    with WebServer.of(Reply(body=b"x" * 1_000_001)) as web, pytest.raises(OutcomeUnknown):
        post(web.url)


def test_untrusted_certificate_is_misconfiguration() -> None:
    server = WebServer.of(Reply(), tls=make_certificates().server)
    with server as web, pytest.raises(Misconfigured, match="Slack: untrusted certificate: "):
        post(web.url)
    assert server.requests == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unreachable("x", arrived=False), TransientFailure),
        (Unreachable("x", arrived=True), OutcomeUnknown),
        (TooLarge("x"), OutcomeUnknown),
        (DigestbotError("HTTPS_PROXY: invalid proxy URL"), Misconfigured),
    ],
)
def test_only_unsent_requests_are_certainly_not_posted(
    error: DigestbotError, kind: type[DeliveryError]
) -> None:
    assert type(no_reply(error, "Slack")) is kind


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("17", 17.0), (" 5 ", 5.0), ("99999999", 86_400.0), ("soon", None), ("", None), (None, None)],
)
def test_retry_after_is_read_and_bounded(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


def test_shown_text_is_one_short_line() -> None:
    assert shown("a\n\x00 b") == "a b"
    assert len(shown("x" * 1000)) == SHOWN_MAX
