"""Cookies of one request chain: rules, and redirects of real servers."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from digestbot.net import AllowedHosts, BadRedirect, Client
from digestbot.net.cookies import ChainCookies
from tests.net.calls import call, get
from tests.servers.web import Reply, Request, WebServer

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
PAGE = "https://j.example/feeds/new.rss"


def sent(*lines: str, to: str = PAGE, url: str = PAGE) -> str | None:
    """Return the Cookie header to *to* after *lines* were received from *url*."""
    cookies = ChainCookies()
    cookies.store(url, lines, NOW)
    return cookies.header(to)


# Which cookies are sent.


@pytest.mark.parametrize(
    ("lines", "header"),
    [
        (["a=1"], "a=1"),
        (["a=1; Path=/; HttpOnly", "b=2"], "a=1; b=2"),
        (["a=1", "a=2"], "a=2"),
        (['a="x=y"'], 'a="x=y"'),
        (["a="], "a="),
        (["a=1; Max-Age=60"], "a=1"),
        (["a=1; Expires=Mon, 30 Nov 2026 08:00:00 GMT"], "a=1"),
        (["a=1; Expires=some day"], "a=1"),
        (["a=1", "a=; Max-Age=0"], None),
        (["a=1", "a=; Max-Age=-1"], None),
        (["a=1", "a=; Expires=Thu, 01-Jan-1970 00:00:01 GMT"], None),
        (["a=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=60"], "a=1"),
        (["a", "=1", ";", ""], None),
        (["a=ä"], None),
        (["a=1\t2"], None),
        (["a=" + "x" * 4095], None),
    ],
)
def test_valid_cookies_are_sent_back(lines: Sequence[str], header: str | None) -> None:
    assert sent(*lines) == header


@pytest.mark.parametrize(
    ("line", "to", "is_sent"),
    [
        ("a=1", "https://j.example/feeds/x", True),
        ("a=1", "https://J.EXAMPLE./feeds", True),
        ("a=1", "https://j.example/", False),
        ("a=1; Path=/", "https://j.example", True),
        ("a=1; Path=/b", "https://j.example/b/c", True),
        ("a=1; Path=/b/", "https://j.example/b/c", True),
        ("a=1; Path=/b", "https://j.example/bc", False),
        ("a=1; Path=b", "https://j.example/feeds/x", True),
        ("a=1; Path=/", "https://www.j.example/", False),
        ("a=1; Path=/; Domain=j.example", "https://www.j.example/", False),
        ("a=1; Path=/; Domain=example", "https://k.example/", False),
        ("a=1; Path=/", "http://j.example/", True),
        ("a=1; Path=/; Secure", "http://j.example/", False),
        ("a=1; Path=/; Secure", "https://j.example/", True),
    ],
)
def test_cookies_are_for_their_host_and_path(line: str, to: str, is_sent: bool) -> None:
    assert sent(line, to=to) == ("a=1" if is_sent else None)


def test_a_cookie_of_the_start_page_has_the_root_path() -> None:
    assert sent("a=1", url="https://j.example", to="https://j.example/x/y") == "a=1"


def test_a_host_can_set_50_cookies() -> None:
    header = sent(*(f"c{n}=1" for n in range(1000)))
    assert header is not None
    assert header.count("=") == 50


def test_the_cookie_header_stays_below_8_kb() -> None:
    header = sent(*(f"c{n}={'x' * 3000}" for n in range(50)))
    assert header is not None
    assert header.count("=") == 2


# Redirects.


def set_cookie_and_go(cookie: str, url: str) -> Reply:
    return Reply(status=302, headers={"Location": url}, cookies=(cookie,))


def test_a_feed_behind_a_cookie_is_read() -> None:
    """Springer and Nature redirect to the same URL until the cookie arrives."""

    def answer(request: Request) -> Reply:
        if request.headers.get("cookie") == "own=0; session=1":
            return Reply(body=b"feed")
        return set_cookie_and_go("session=1; Path=/; HttpOnly", "/feed")

    with WebServer(answer) as server:
        headers = {"Cookie": "own=0"}
        assert get(server.url + "/feed", headers=headers).body == b"feed"
        assert len(server.requests) == 2
        with pytest.raises(BadRedirect):
            get(server.url + "/feed")


def test_several_cookies_of_one_response_are_kept() -> None:
    first = Reply(status=302, headers={"Location": "/b"}, cookies=("a=1; Path=/", "b=2; Path=/"))
    with WebServer.of(first, Reply()) as server:
        get(server.url + "/a")
        assert server.requests[1].headers["cookie"] == "a=1; b=2"


def test_a_cookie_stays_with_its_host() -> None:
    with WebServer.of(Reply()) as end:
        elsewhere = end.url.replace("127.0.0.1", "localhost") + "/feed"
        with WebServer.of(set_cookie_and_go("a=1; Path=/; Domain=localhost", elsewhere)) as server:
            allowed = AllowedHosts.parse(["localhost"])
            assert call(lambda client: client.get(server.url), allowed=allowed).status == 200
    assert "cookie" not in end.requests[0].headers


def test_concurrent_requests_share_no_cookies() -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/end":
            return Reply(body=request.headers.get("cookie", "").encode())
        return set_cookie_and_go(f"id={request.path[1:]}; Path=/", "/end")

    async def go(url: str) -> list[bytes]:
        async with Client(user_agent="test") as client:
            calls = [client.get(f"{url}/{n}") for n in range(20)]
            return [response.body for response in await asyncio.gather(*calls)]

    with WebServer(answer) as server:
        assert asyncio.run(go(server.url)) == [b"id=%d" % n for n in range(20)]


def test_the_next_request_starts_without_cookies() -> None:
    async def go(url: str) -> None:
        async with Client(user_agent="test") as client:
            await client.get(url)
            await client.get(url)
            await client.post(url, content=b"")

    with WebServer.of(Reply(cookies=("a=1; Path=/",))) as server:
        asyncio.run(go(server.url))
    assert not [request for request in server.requests if "cookie" in request.headers]
