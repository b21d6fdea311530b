"""Posting to a channel and its thread, against a fake with Slack's limits."""

import asyncio
import json
import logging
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from digestbot.deliver.slack_sender import SlackSender, classify
from digestbot.deliver.slack_settings import SlackSettings
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.model import DestinationKind, Form, OutgoingMessage, Receipt
from digestbot.secret import Secret
from tests.servers.outgoing import Notes, Slept, make_outgoing
from tests.servers.slack import CUT, POST_AND_CUT, TOKEN, Fault, SlackServer


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


MESSAGES = [{"text": text, "blocks": [section(text)]} for text in ("parent", "one", "two", "three")]


def outgoing(
    messages: object = MESSAGES, *, channel: str = "#papers", acknowledged: tuple[str, ...] = ()
) -> OutgoingMessage:
    bodies = {Form.SLACK: json.dumps(messages)}
    return make_outgoing(DestinationKind.SLACK, channel, bodies, acknowledged=acknowledged)


def settings(server: SlackServer, token: str = TOKEN) -> SlackSettings:
    return SlackSettings(token=Secret(token), url=server.url, timeout=timedelta(seconds=5))


def send(
    server: SlackServer, *messages: OutgoingMessage, notes: Notes, slept: Slept | None = None
) -> str:
    async def send_all() -> str:
        sender = SlackSender(settings(server), sleep=slept or Slept())
        for each in messages:
            receipt = await sender.send(each, notes)
        await sender.close()
        return receipt.detail

    return asyncio.run(send_all())


def failure(
    server: SlackServer, one: OutgoingMessage | None = None, notes: Notes | None = None
) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        send(server, one or outgoing(), notes=notes or Notes())
    return caught.value


def ok_false(error: str, **more: str) -> Fault:
    return 200, json.dumps({"ok": False, "error": error, **more}), {}


def test_posts_a_parent_and_its_thread() -> None:
    notes = Notes()
    with SlackServer() as server:
        detail = send(server, outgoing(), notes=notes)
    posted = server.posted["#papers"]
    assert server.texts("#papers") == ["parent", "one", "two", "three"]
    assert [one.message.get("thread_ts") for one in posted] == [None] + [posted[0].ts] * 3
    assert notes.log == [word for one in posted for word in ("data_done", one.ts)]
    assert detail == f"ts {posted[0].ts}, 4 messages"


def test_message_has_blocks_and_text_and_no_unfurling() -> None:
    with SlackServer() as server:
        send(server, outgoing(), notes=Notes())
    message = server.posted["#papers"][0].message
    assert message["blocks"] == [section("parent")]
    assert message["text"] == "parent"
    assert message["unfurl_links"] is False
    assert message["unfurl_media"] is False


def test_pauses_between_messages_to_one_channel() -> None:
    slept = Slept()
    with SlackServer(channels=["#papers", "#other"]) as server:
        messages = outgoing(), outgoing(MESSAGES[:1], channel="#other"), outgoing(MESSAGES[:1])
        send(server, *messages, notes=Notes(), slept=slept)
    assert slept.seconds == [1.0] * 4


def test_digests_take_turns_in_one_channel() -> None:
    slept: list[float] = []

    async def send_both() -> None:
        async def yielding(seconds: float) -> None:
            slept.append(seconds)
            await asyncio.sleep(0)

        sender = SlackSender(settings(server), sleep=yielding)
        await asyncio.gather(sender.send(outgoing(), Notes()), sender.send(outgoing(), Notes()))

    with SlackServer() as server:
        asyncio.run(send_both())
    assert server.texts("#papers") == ["parent", "one", "two", "three"] * 2
    assert slept == [1.0] * 7


def test_channels_are_posted_to_concurrently() -> None:
    names = [f"#c{number}" for number in range(40)]

    async def send_all() -> None:
        sender = SlackSender(settings(server), sleep=Slept())
        messages = [outgoing(MESSAGES[:1], channel=name) for name in names]
        await asyncio.gather(*(sender.send(each, Notes()) for each in messages))
        await sender.close()

    with SlackServer(channels=names, meeting=threading.Barrier(len(names), timeout=60)) as server:
        asyncio.run(send_all())
    assert {name: server.texts(name) for name in names} == {name: ["parent"] for name in names}


def test_rate_limit_applies_to_the_whole_channel() -> None:
    async def send_three() -> list[BaseException | Receipt]:
        sender = SlackSender(settings(server), sleep=Slept())
        both = [sender.send(outgoing(), Notes()) for _ in range(2)]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        return [*outcomes, await sender.send(outgoing(channel="#other"), Notes())]

    limit = (429, '{"ok":false,"error":"ratelimited"}', {"Retry-After": "3600"})
    with SlackServer(channels=["#papers", "#other"], faults=[limit]) as server:
        first, second, _ = asyncio.run(send_three())
    assert isinstance(first, TransientFailure)
    assert isinstance(second, TransientFailure)
    assert first.retry_after_s == 3600
    assert 0 < (second.retry_after_s or 0) <= 3600
    assert [message["channel"] for _, _, message in server.requests] == ["#papers", *["#other"] * 4]


@pytest.mark.parametrize("crash_after", [1, 2, 3])
def test_continues_after_a_crash(crash_after: int) -> None:
    class Crash(Exception):
        pass

    class Crashing(Notes):
        async def acknowledged(self, mark: str) -> None:
            await super().acknowledged(mark)
            if len(self.marks) == crash_after:
                raise Crash

    before, after = Crashing(), Notes()
    with SlackServer() as server:
        with pytest.raises(Crash):
            send(server, outgoing(), notes=before)
        send(server, outgoing(acknowledged=before.marks), notes=after)
    posted = server.posted["#papers"]
    assert server.texts("#papers") == ["parent", "one", "two", "three"]
    assert {one.message.get("thread_ts") for one in posted[1:]} == {posted[0].ts}
    assert before.marks + after.marks == tuple(one.ts for one in posted)


def test_fully_acknowledged_delivery_posts_nothing() -> None:
    notes = Notes()
    with SlackServer() as server:
        detail = send(server, outgoing(acknowledged=("1.1", "1.2", "1.3", "1.4")), notes=notes)
    assert server.requests == []
    assert notes.log == []
    assert detail == "ts 1.1, 4 messages"


@pytest.mark.parametrize("error", ["invalid_blocks", "msg_blocks_too_long", "msg_too_long"])
def test_refused_blocks_are_posted_as_text(error: str, caplog: pytest.LogCaptureFixture) -> None:
    with SlackServer(faults=[ok_false(error)]) as server:
        send(server, outgoing(MESSAGES[:1]), notes=Notes())
    (posted,) = server.posted["#papers"]
    assert posted.message["text"] == "parent"
    assert "blocks" not in posted.message
    assert "text only" in caplog.text
    assert "parent" not in caplog.text


def test_oversized_blocks_are_posted_as_text() -> None:
    too_many = {"text": "parent", "blocks": [section("x")] * 51}
    too_long = {"text": "reply", "blocks": [section("x" * 2900)] * 5}
    with SlackServer() as server:
        send(server, outgoing([too_many, too_long]), notes=Notes())
    assert server.texts("#papers") == ["parent", "reply"]


def test_refused_text_is_permanent() -> None:
    with SlackServer(faults=[ok_false("invalid_blocks")] * 2) as server:
        error = failure(server)
    assert isinstance(error, PermanentFailure)
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", [CUT, POST_AND_CUT, ok_false("fatal_error")])
def test_lost_or_doubtful_reply_is_an_unknown_outcome(
    fault: Fault,
) -> None:
    notes = Notes()
    with SlackServer(faults=[None, fault]) as server:
        error = failure(server, notes=notes)
    assert isinstance(error, OutcomeUnknown)
    assert len(server.requests) == 2  # the client does not retry
    assert len(notes.marks) == 1


def test_closed_port_is_transient() -> None:
    with SlackServer() as server:
        pass
    assert isinstance(failure(server), TransientFailure)


def test_rate_limit_keeps_the_progress() -> None:
    notes = Notes()
    limit = (429, '{"ok":false,"error":"ratelimited"}', {"Retry-After": "17"})
    with SlackServer(faults=[None, limit]) as server:
        error = failure(server, notes=notes)
    assert isinstance(error, TransientFailure)
    assert error.retry_after_s == 17
    assert len(notes.marks) == 1


def test_redirect_never_receives_the_token() -> None:
    with SlackServer() as elsewhere:
        away = (302, "", {"Location": elsewhere.url + "chat.postMessage"})
        with SlackServer(faults=[away]) as server:
            assert isinstance(failure(server), Misconfigured)
    assert elsewhere.requests == []


def test_html_instead_of_json_is_transient() -> None:
    with SlackServer(faults=[(200, "<html>log in to the hotel</html>", {})]) as server:
        assert isinstance(failure(server), TransientFailure)


def test_ok_without_ts_is_an_unknown_outcome() -> None:
    with SlackServer(faults=[(200, '{"ok": true}', {})]) as server:
        assert isinstance(failure(server), OutcomeUnknown)


@pytest.mark.parametrize("faults", [[], [ok_false("invalid_auth")]])
def test_wrong_token_is_never_shown(faults: list[Fault], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), SlackServer(faults=faults) as server:
        sender = SlackSender(settings(server, "xoxb-pl4nted"), sleep=Slept())
        with pytest.raises(Misconfigured) as caught:
            asyncio.run(sender.send(outgoing(), Notes()))
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert "xoxb" not in shown
    assert "parent" not in shown


def test_unknown_channel_is_permanent() -> None:
    with SlackServer() as server:
        error = failure(server, outgoing(channel="#nowhere"))
    assert isinstance(error, PermanentFailure)
    assert error.code == "channel_not_found"
    assert "invite the app" in str(error)


@pytest.mark.parametrize(
    "body", ["not json", "[]", "{}", "[1]", '[{"blocks": []}]', '[{"text": ""}]']
)
def test_malformed_slack_form_is_never_posted(body: str) -> None:
    bad = make_outgoing(DestinationKind.SLACK, "#papers", {Form.SLACK: body})
    with SlackServer() as server:
        assert isinstance(failure(server, bad), PermanentFailure)
    assert server.requests == []


def test_check_names_team_and_bot() -> None:
    with SlackServer() as server:
        found = asyncio.run(SlackSender(settings(server)).check(()))
    assert found == f"{server.url}: Reading group as digestbot"
    assert [path for _, path, _ in server.requests] == ["/api/auth.test"]


def test_check_raises_the_errors_of_a_post() -> None:
    with SlackServer() as server, pytest.raises(Misconfigured, match="invalid_auth"):
        asyncio.run(SlackSender(settings(server, "xoxb-pl4nted-wrong")).check(()))


@pytest.mark.parametrize("token", [None, Secret("")])
def test_sender_requires_a_token(token: Secret | None) -> None:
    with pytest.raises(Misconfigured, match=r"slack\.token"):
        SlackSender(SlackSettings(token=token))


TABLE: Mapping[str, type[DeliveryError]] = {
    "invalid_auth": Misconfigured,
    "not_authed": Misconfigured,
    "account_inactive": Misconfigured,
    "token_revoked": Misconfigured,
    "token_expired": Misconfigured,
    "missing_scope": Misconfigured,
    "not_in_channel": PermanentFailure,
    "channel_not_found": PermanentFailure,
    "is_archived": PermanentFailure,
    "restricted_action": PermanentFailure,
    "restricted_action_read_only_channel": PermanentFailure,
    "ekm_access_denied": PermanentFailure,
    "invalid_blocks": PermanentFailure,
    "msg_blocks_too_long": PermanentFailure,
    "msg_too_long": PermanentFailure,
    "no_text": PermanentFailure,
    "thread_not_found": PermanentFailure,
    "ratelimited": TransientFailure,
    "internal_error": TransientFailure,
    "service_unavailable": TransientFailure,
    "request_timeout": TransientFailure,
    "an_error_of_next_year": TransientFailure,
    "": TransientFailure,
    "fatal_error": OutcomeUnknown,
}


@pytest.mark.parametrize(("word", "kind"), TABLE.items())
def test_each_slack_error_is_classified(word: str, kind: type[DeliveryError]) -> None:
    assert type(classify(200, word)) is kind


@pytest.mark.parametrize(
    ("status", "retry_after", "wait_s"),
    [
        (429, "30", 30.0),
        (429, None, 30.0),
        (429, "soon", 30.0),
        (429, "-5", 30.0),
        (429, "99999999999", 86_400.0),
        (503, None, None),
        (500, None, None),
    ],
)
def test_reads_retry_after(status: int, retry_after: str | None, wait_s: float | None) -> None:
    error = classify(status, "", retry_after=retry_after)
    assert isinstance(error, TransientFailure)
    assert error.retry_after_s == wait_s


@pytest.mark.parametrize("status", [502, 504])
def test_gateway_error_is_an_unknown_outcome(status: int) -> None:
    with SlackServer(faults=[(status, "<html>bad gateway</html>", {})]) as server:
        assert isinstance(failure(server), OutcomeUnknown)


def test_missing_scope_is_named() -> None:
    assert "chat:write" in str(classify(200, "missing_scope", needed="chat:write"))


MEMBERS = {"ada@example.org": "U0123456789"}


@pytest.mark.parametrize("address", ["U0123456789", "ada@example.org"])
def test_member_gets_a_direct_message_with_its_thread(address: str) -> None:
    with SlackServer(members=MEMBERS) as server:
        twice = outgoing(channel=address), outgoing(MESSAGES[:1], channel=address)
        send(server, *twice, notes=Notes())
    posted = server.posted["D0123456789"]
    assert [one.message["text"] for one in posted] == ["parent", "one", "two", "three", "parent"]
    assert [one.message.get("thread_ts") for one in posted[1:4]] == [posted[0].ts] * 3
    assert sum(path.endswith("conversations.open") for _, path, _ in server.requests) == 1


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("U0000000000", "Slack: user_not_found"),
        ("bo@example.org", "Slack: users_not_found; no member of the workspace has this email"),
    ],
)
def test_unknown_member_is_permanent(address: str, text: str) -> None:
    with SlackServer(members=MEMBERS) as server:
        error = failure(server, outgoing(channel=address))
        assert isinstance(error, PermanentFailure)
        assert text in str(error)
        with pytest.raises(Misconfigured, match=f'"{address}": {text}'):
            asyncio.run(SlackSender(settings(server)).check(["#papers", address]))


@pytest.mark.parametrize(
    "fault",
    [
        *(CUT, POST_AND_CUT, ok_false("fatal_error"), (200, '{"ok": true}', {})),
        ok_false("missing_scope", needed="channels:manage,im:write"),
    ],
)
def test_failed_lookup_concerns_its_delivery_only(fault: Fault) -> None:
    """Nothing was posted, and channels do not need the scope."""
    notes = Notes()
    with SlackServer(members=MEMBERS, faults=[fault]) as server:
        error = failure(server, outgoing(channel="U0123456789"), notes)
    assert isinstance(error, TransientFailure)
    assert notes.log == []


def test_missing_scope_for_members_is_named() -> None:
    error = classify(200, "missing_scope", needed="users:read.email")
    assert str(error) == (
        "Slack: missing_scope; for direct messages add the scope users:read.email to the app, "
        "and install it again"
    )
