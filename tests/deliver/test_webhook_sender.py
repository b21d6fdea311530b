"""Posting to an incoming webhook."""

import asyncio
import json
import logging

import pytest

from digestbot.deliver.webhook import fingerprint
from digestbot.deliver.webhook_sender import WebhookSender, classify
from digestbot.errors import (
    DeliveryError,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.model import DestinationKind, Form, OutgoingMessage
from digestbot.secret import Secret
from tests.servers.outgoing import Notes, Slept, make_outgoing
from tests.servers.slack import CUT, POST_AND_CUT, WEBHOOK_PATH, WORKFLOW_PATH, Fault, SlackServer

TEXTS = ("parent", "one", "two")


def outgoing(url: str, *, acknowledged: tuple[str, ...] = ()) -> OutgoingMessage:
    body = json.dumps([{"text": text, "blocks": [{"type": "divider"}]} for text in TEXTS])
    return make_outgoing(
        DestinationKind.WEBHOOK, fingerprint(url), {Form.SLACK: body}, acknowledged=acknowledged
    )


def send(
    url: str, notes: Notes, *, acknowledged: tuple[str, ...] = (), slept: Slept | None = None
) -> str:
    sender = WebhookSender({fingerprint(url): Secret(url)}, sleep=slept or Slept())
    return asyncio.run(sender.send(outgoing(url, acknowledged=acknowledged), notes)).detail


def failure(url: str, notes: Notes | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        send(url, notes or Notes())
    return caught.value


def test_messages_are_posted_a_second_apart() -> None:
    notes, slept = Notes(), Slept()
    with SlackServer() as server:
        assert send(server.webhook, notes, slept=slept) == "3 messages"
    assert server.texts(WEBHOOK_PATH) == list(TEXTS)
    assert notes.log == ["data_done", "1", "data_done", "2", "data_done", "3"]
    assert slept.seconds == [1.0, 1.0]


def test_continues_after_the_last_acknowledged_message() -> None:
    notes = Notes()
    with SlackServer() as server:
        send(server.webhook, notes, acknowledged=("1", "2"))
    assert server.texts(WEBHOOK_PATH) == ["two"]
    assert notes.marks == ("3",)


def test_workflow_starts_once_for_each_message() -> None:
    notes = Notes()
    with SlackServer() as server:
        assert send(server.workflow, notes) == "3 messages"
    assert server.texts(WORKFLOW_PATH) == list(TEXTS)
    assert notes.marks == ("1", "2", "3")


def test_refusal_of_a_workflow_is_shown_by_its_error() -> None:
    body = json.dumps({"ok": False, "error": "workflow_not_published"})
    with SlackServer(faults=[(400, body, {})]) as server:
        error = failure(server.workflow)
    assert isinstance(error, PermanentFailure)
    assert str(error) == "the webhook refused: 400 workflow_not_published"


def test_refused_blocks_are_posted_as_text() -> None:
    with SlackServer(faults=[(400, "invalid_blocks", {})]) as server:
        send(server.webhook, Notes())
    first, second, _ = server.posted[WEBHOOK_PATH]
    assert "blocks" not in first.message
    assert "blocks" in second.message


@pytest.mark.parametrize("fault", [CUT, POST_AND_CUT])
def test_lost_connection_is_an_unknown_outcome(fault: str) -> None:
    with SlackServer(faults=[fault]) as server:
        assert isinstance(failure(server.webhook), OutcomeUnknown)
    assert len(server.requests) == 1


def test_closed_port_is_transient() -> None:
    with SlackServer() as server:
        gone = server.webhook
    assert isinstance(failure(gone), TransientFailure)


def test_redirect_is_never_followed() -> None:
    with SlackServer(faults=[(200, "ok", {})]) as elsewhere:
        away = (302, "", {"Location": elsewhere.webhook})
        with SlackServer(faults=[away]) as server:
            assert isinstance(failure(server.webhook), PermanentFailure)
    assert elsewhere.requests == []


def test_deleted_webhook_is_permanent() -> None:
    with SlackServer() as server:
        error = failure(server.origin + "/services/T/B/gone")
    assert isinstance(error, PermanentFailure)
    assert error.code == "404 no_service"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "ok"])
def test_other_schemes_are_refused(url: str) -> None:
    assert isinstance(failure(url), PermanentFailure)


def test_webhook_missing_from_the_config_is_permanent() -> None:
    sender = WebhookSender({}, sleep=Slept())
    with pytest.raises(PermanentFailure, match="the config has no webhook with the fingerprint"):
        asyncio.run(sender.send(outgoing("https://hooks.example.org/x"), Notes()))


@pytest.mark.parametrize("fault", [CUT, (404, "no_service", {}), (500, "rollup_error", {})])
def test_url_is_never_shown(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), SlackServer(faults=[fault]) as server:
        error = failure(server.webhook)
    shown = f"{error!r} {error.__cause__!r} {caplog.text}"
    assert WEBHOOK_PATH not in shown
    assert "parent" not in shown


def test_fingerprint_identifies_the_url() -> None:
    assert fingerprint("https://hooks.example.org/services/T/B/X") == "f26f8aa2f355"
    assert len(fingerprint("a")) == 12
    assert fingerprint("a") != fingerprint("b")


def test_check_counts_without_posting() -> None:
    with SlackServer() as server:
        sender = WebhookSender({fingerprint(server.webhook): Secret(server.webhook)})
        found = asyncio.run(sender.check(()))
    assert found == "1 webhook: not tried, that would post a message"
    assert server.requests == []


def test_check_rejects_other_schemes() -> None:
    with pytest.raises(PermanentFailure, match="is not an https URL"):
        asyncio.run(WebhookSender({"abc": Secret("file:///x")}).check(()))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, "invalid_payload", PermanentFailure),
        (400, "no_text", PermanentFailure),
        (403, "action_prohibited", PermanentFailure),
        (403, "invalid_token", PermanentFailure),
        (404, "channel_not_found", PermanentFailure),
        (404, "no_service", PermanentFailure),
        (404, "", PermanentFailure),
        (410, "channel_is_archived", PermanentFailure),
        (429, "", TransientFailure),
        (500, "rollup_error", TransientFailure),
        (503, "<html>", TransientFailure),
        (502, "<html>", OutcomeUnknown),
        (504, "", OutcomeUnknown),
        (301, "", PermanentFailure),  # redirects are not followed
        (200, "<html>hotel</html>", OutcomeUnknown),
        (204, "", OutcomeUnknown),
    ],
)
def test_each_response_is_classified(status: int, body: str, kind: type[DeliveryError]) -> None:
    assert type(classify(status, body)) is kind


def test_retry_after_is_obeyed() -> None:
    error = classify(429, "", retry_after="12")
    assert isinstance(error, TransientFailure)
    assert error.retry_after_s == 12
