"""
Time that hostile headers and URLs cost: it grows no faster than their size.

Each case is timed at ×1, ×2 and ×4 of 16 KB; a quadratic one would take 16 times as long at ×4.
"""

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from digestbot.net import BadRedirect, NetError, parse_retry_after, shown_url
from digestbot.net.cookies import ChainCookies
from digestbot.net.urls import redirect_target
from tests.net.calls import get
from tests.servers.web import Reply, WebServer

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
SIZE = 16_000
FLOOR_S = 0.003
"""Shorter times are noise."""
URL = "http://127.0.0.1/feed"


def assert_linear(act: Callable[[str], object], text: Callable[[int], str]) -> None:
    """Assert that *act* takes at most 2.5 times as long for twice the size, twice."""
    base, _, most = (fastest(act, text(SIZE * factor)) for factor in (1, 2, 4))
    assert most <= 2.5**2 * max(base, FLOOR_S)


def fastest(act: Callable[[str], object], text: str) -> float:
    times = []
    for _ in range(3):
        start = time.thread_time()
        with contextlib.suppress(NetError):
            act(text)
        times.append(time.thread_time() - start)
    return min(times)


@pytest.mark.parametrize("unit", ["9", "1.", ",", " ", "(", '"', "a ", "Mon, 1 ", ":", "-", "00:"])
@pytest.mark.parametrize("start", ["", "Mon, 01 Jan 2027 "])
def test_retry_after_is_parsed_in_linear_time(start: str, unit: str) -> None:
    assert_linear(lambda text: parse_retry_after(text, NOW), lambda n: start + unit * n)


@pytest.mark.parametrize(
    "unit", ["../", "/", "a", "%", "é", "@", ":", "a.", "[", "]", "&a=", " ", "\u33af", "?", "#"]
)
@pytest.mark.parametrize("start", ["", "/", "http://", "https://a.invalid/", "http://[", "x:"])
def test_location_is_parsed_in_linear_time(start: str, unit: str) -> None:
    def follow(text: str) -> None:
        redirect_target(URL, 302, text, same_site=False)
        redirect_target(URL, 302, text[:7900], same_site=True)

    assert_linear(follow, lambda n: start + unit * (n // len(unit)))
    assert_linear(shown_url, lambda n: start + unit * (n // len(unit)))


@pytest.mark.parametrize("unit", [";", "=", "a=b;", "expires=", "expires=1;", ",", " ", "Path=/;"])
def test_set_cookie_is_parsed_in_linear_time(unit: str) -> None:
    def receive(text: str) -> None:
        cookies = ChainCookies()
        cookies.store(URL, ["a=1; " + text, *([("a=1;" + text)[:4000]] * 10)], NOW)
        cookies.header(URL)

    assert_linear(receive, lambda n: unit * (n // len(unit)))


def test_many_cookies_take_linear_time() -> None:
    def receive(text: str) -> None:
        cookies = ChainCookies()
        cookies.store(URL, text.split(), NOW)
        cookies.header(URL)

    assert_linear(receive, lambda n: " ".join(f"c{i}=1" for i in range(n)))


NAMES = ("Content-Type", "Retry-After", "Location", "Set-Cookie", "ETag", "Content-Encoding")


@pytest.mark.parametrize("unit", ["a", ";", "=", '"', ",", "a=;", "gzip,", "/../", ' "'])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "Location"])
def test_a_header_of_64_kb_costs_little(name: str, unit: str) -> None:
    value = (unit * 64_000)[:64_000].strip()
    with WebServer.of(Reply(status=302, headers={name: value}, body=b"x")) as server:
        start = time.thread_time()
        response = get(server.url)
        assert max(map(len, response.headers.values())) <= 8192
        assert time.thread_time() - start < 1


@pytest.mark.parametrize("unit", ["a", "é", "/../", "@", "a.", "a://"])
def test_a_location_of_64_kb_is_one_short_error(unit: str) -> None:
    value = (unit * 64_000)[:64_000]
    with WebServer.of(Reply(status=302, headers={"Location": value})) as server:
        start = time.thread_time()
        with pytest.raises(BadRedirect, match=r"to a URL of more than 8,000 characters$"):
            get(server.url)
        assert time.thread_time() - start < 1


@pytest.mark.parametrize("name", [*NAMES[1:], "X-{}"])
def test_a_thousand_headers_cost_little(name: str) -> None:
    lines = "".join(f"{name.format(n)}: a=1; {'x' * 60}\r\n" for n in range(1000)).encode()
    with WebServer.of(
        Reply(raw=[b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", lines, b"\r\nend"])
    ) as server:
        start = time.thread_time()
        assert get(server.url).body == b"end"
        assert time.thread_time() - start < 1
