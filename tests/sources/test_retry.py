"""Classification of failed requests: late, refused or unreadable."""

from datetime import UTC, datetime, timedelta

import pytest

from digestbot.errors import BadAnswer, SourceLate, SourceRefused
from digestbot.net import (
    BadEncoding,
    BadRedirect,
    ForbiddenAddress,
    NetError,
    Response,
    TooLarge,
    Unreachable,
)
from digestbot.sources.retry import from_net_error, from_status, late, unreadable

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
URL = "https://x.example/feed"
HOURS_6 = timedelta(hours=6)


def response(status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=named, body=b"", url=URL)


@pytest.mark.parametrize("status", [406, 408, 425, 429, 500, 503, 302])
def test_temporary_statuses_are_late(status: int) -> None:
    error = from_status("journal", URL, response(status), NOW)
    assert isinstance(error, SourceLate)
    assert str(error) == (
        f"journal: {URL} answered {status}; no papers lost; next try at 2026-11-23 08:30 UTC"
    )
    assert error.retry_at == NOW + timedelta(minutes=30)


@pytest.mark.parametrize(("retry_after", "minutes"), [("7200", 120), ("60", 30)])
def test_retry_after_only_extends_the_pause(retry_after: str, minutes: int) -> None:
    error = from_status("journal", URL, response(503, retry_after=retry_after), NOW)
    assert error.retry_at == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("status", "advice", "pause"),
    [
        (400, "check the URL", HOURS_6),
        (401, "it requires a login; put user and password into the URL, or remove", HOURS_6),
        (403, "access denied; set `contact`, or ask the operator of the site", HOURS_6),
        (404, "not found; check the URL", HOURS_6),
        (410, "gone for good; remove the source", timedelta(days=7)),
        (451, "check the URL", HOURS_6),
    ],
)
def test_refusals_say_what_to_do(status: int, advice: str, pause: timedelta) -> None:
    error = from_status("journal", URL, response(status), NOW)
    assert isinstance(error, SourceRefused)
    assert str(error).startswith(f"journal: {URL} answered {status}: {advice}")
    assert error.retry_at == NOW + pause


def test_advice_and_message_of_the_source_come_first() -> None:
    advice = {400: "correct the query"}
    error = from_status("a", URL, response(400), NOW, advice=advice, message="x" * 300)
    assert str(error) == f'a: {URL} answered 400: "{"x" * 200}"; correct the query'


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (Unreachable("reset"), SourceLate, "a: reset; no papers lost; next try at"),
        (BadEncoding("broken gzip"), BadAnswer, "a: broken gzip; next try at"),
        (TooLarge("too large"), BadAnswer, "a: too large; next try at 2026-11-23 08:30 UTC"),
        (
            ForbiddenAddress("x is a loopback address", allow="x"),
            SourceRefused,
            'a: x is a loopback address; to allow it, add "x" to allowed_hosts in the config',
        ),
        (BadRedirect("to ftp"), SourceRefused, "a: to ftp; correct the URL"),
    ],
)
def test_network_errors_are_classified(error: NetError, kind: type[Exception], text: str) -> None:
    found = from_net_error("a", error, NOW)
    assert isinstance(found, kind)
    assert str(found).startswith(text)
    assert found.retry_at == NOW + timedelta(minutes=30)


def test_a_longer_pause_moves_the_next_try() -> None:
    assert late("a", "busy", NOW, pause=timedelta(hours=1)).retry_at == NOW + timedelta(hours=1)
    assert unreadable("a", "HTML", NOW).retry_at == NOW + timedelta(minutes=30)
