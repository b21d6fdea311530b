"""Pings to a monitor on loopback."""

import asyncio
import logging

import pytest

from digestbot.ping import Event, ping, target_of
from digestbot.secret import Secret
from tests.servers.web import Reply, WebServer


@pytest.mark.parametrize(
    ("url", "event", "target"),
    [
        ("https://hc.example/ab-12", Event.SUCCESS, "https://hc.example/ab-12"),
        ("https://hc.example/ab-12", Event.FAIL, "https://hc.example/ab-12/fail"),
        ("https://hc.example/ab-12/", Event.START, "https://hc.example/ab-12/start"),
        (
            "https://hc.example/k/slug?create=1",
            Event.FAIL,
            "https://hc.example/k/slug/fail?create=1",
        ),
    ],
)
def test_the_event_ends_the_path(url: str, event: Event, target: str) -> None:
    assert target_of(url, event) == target


def test_events_reach_the_monitor() -> None:
    with WebServer(lambda request: Reply()) as server:
        for event in (Event.START, Event.SUCCESS, Event.FAIL):
            asyncio.run(ping(Secret(f"{server.url}/check"), event))
        assert [(r.method, r.path) for r in server.requests] == [
            ("POST", "/check/start"),
            ("POST", "/check"),
            ("POST", "/check/fail"),
        ]


def test_no_url_needs_no_network() -> None:
    asyncio.run(ping(None, Event.SUCCESS))


def test_a_redirect_of_the_monitor_is_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    with WebServer.of(Reply()) as other:
        away = Reply(status=307, headers={"Location": other.url})
        with caplog.at_level(logging.WARNING), WebServer.of(away) as server:
            asyncio.run(ping(Secret(f"{server.url}/check"), Event.SUCCESS))
        assert not other.requests
    assert [record.message for record in caplog.records] == ["ping refused"]


@pytest.mark.parametrize("reply", [Reply(status=503), Reply(reset=True)], ids=["503", "reset"])
def test_a_failing_monitor_is_logged_without_its_secret(
    reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), WebServer(lambda request: reply) as server:
        asyncio.run(ping(Secret(f"{server.url}/secret-uuid?key=secret-key"), Event.FAIL))
    records = [record for record in caplog.records if record.name == "digestbot.ping"]
    assert [record.levelname for record in records] == ["WARNING"]
    assert all("secret-" not in str(record.__dict__) for record in records)
