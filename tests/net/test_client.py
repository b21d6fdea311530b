"""The manners of the HTTP client, against real servers on loopback."""

import asyncio
import gzip
import socket
import ssl
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.net import (
    Answer,
    BadRedirect,
    Client,
    Garbled,
    NetError,
    TooLarge,
    Unreachable,
    is_arxiv,
    pace_group,
    parse_retry_after,
    shown_origin,
    shown_url,
    user_agent,
)
from tests.servers.web import Reply, WebServer

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
BOMB_MB = 200


def asked(ask: Callable[[Client], Coroutine[Any, Any, Answer]], **settings: Any) -> Answer:
    """The answer to *ask* with a client of its own."""

    async def go() -> Answer:
        async with Client(user_agent="test", **settings) as client:
            return await ask(client)

    return asyncio.run(go())


def got(url: str, **settings: Any) -> Answer:
    """The answer to a GET of *url*."""
    return asked(lambda client: client.get(url, **settings))


def redirect(url: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": url})


# What goes out and comes back.


def test_get_gives_status_headers_and_body_whatever_the_status() -> None:
    with WebServer.of(Reply(status=503, headers={"Retry-After": "7"}, body=b"busy")) as server:
        answer = got(server.url + "/x")
        assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "7", b"busy")
        assert answer.url == server.url + "/x"
        assert not answer.moved


def test_parameters_are_encoded_and_join_those_of_the_address() -> None:
    with WebServer.of(Reply()) as server:
        got(server.url + "/q?key=1", params={"search_query": 'ti:"a b" AND c&d=é+'})
        assert server.requests[0].query == {"key": "1", "search_query": 'ti:"a b" AND c&d=é+'}


def test_we_say_who_we_are_and_ask_for_gzip_only() -> None:
    with WebServer.of(Reply()) as server:
        got(server.url)
        headers = server.requests[0].headers
    assert headers["user-agent"] == "test"
    assert headers["accept-encoding"] == "gzip"


def test_no_cookies_are_kept() -> None:
    with WebServer.of(redirect("/b"), Reply(headers={"Set-Cookie": "a=1"})) as server:

        async def twice(client: Client) -> Answer:
            await client.get(server.url)
            return await client.get(server.url)

        asked(twice)
        assert not [request for request in server.requests if "cookie" in request.headers]


def test_post_sends_json_and_follows_no_redirect() -> None:
    with WebServer.of(redirect("http://127.0.0.1:9/", 307)) as server:
        answer = asked(lambda client: client.post(server.url, json={"text": "ö"}))
        request = server.requests[0]
    assert answer.status == 307
    assert (request.method, request.body) == ("POST", '{"text": "ö"}'.encode())
    assert request.headers["content-type"] == "application/json; charset=utf-8"


def test_the_user_agent_names_program_and_contact() -> None:
    assert user_agent(None).startswith("digestbot/")
    assert user_agent("me@example.org").endswith("/digestbot; mailto:me@example.org)")


# Redirects.


def test_redirects_are_followed_to_the_end_and_permanent_ones_told() -> None:
    with WebServer.of(redirect("/b", 301), redirect("c?x=1", 308), Reply(body=b"end")) as server:
        answer = got(server.url + "/a")
    assert answer.body == b"end"
    assert answer.url == server.url + "/c?x=1"
    assert answer.moved


def test_a_temporary_redirect_among_permanent_ones_is_no_move() -> None:
    with WebServer.of(redirect("/b", 301), redirect("/c", 302), Reply()) as server:
        assert not got(server.url).moved


def test_more_than_five_redirects_are_refused() -> None:
    with WebServer.of(redirect("/again")) as server:
        with pytest.raises(BadRedirect, match="redirects more than 5 times"):
            got(server.url)
        assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("ftp://127.0.0.1/x", 'to the scheme "ftp"'),
        ("file:///etc/passwd", 'to the scheme "file"'),
        ("javascript:alert(1)", "an address that cannot be read"),
        ("http://[::1/x", "the answer broke off or was no HTTP"),
        ("http://127.0.0.1:99999/", "to an address that cannot be read"),
    ],
)
def test_redirects_to_what_is_no_web_address_are_refused(location: str, message: str) -> None:
    with WebServer.of(redirect(location)) as server, pytest.raises(NetError, match=message):
        got(server.url)


def test_a_redirect_to_another_site_is_refused_where_the_caller_says_so() -> None:
    with WebServer.of(Reply()) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        with WebServer.of(redirect(elsewhere)) as server:
            refused_then_followed(server, other, elsewhere)


def refused_then_followed(server: WebServer, other: WebServer, elsewhere: str) -> None:
    with pytest.raises(BadRedirect, match=f"to another site: {elsewhere}$"):
        got(server.url, same_site=True)
    assert not other.requests
    assert got(server.url).status == 200


def test_credentials_do_not_travel_to_another_host() -> None:
    with WebServer.of(Reply()) as other, WebServer.of(redirect(other.url)) as server:
        got(server.url, headers={"Authorization": "secret", "If-None-Match": '"x"'})
        assert server.requests[0].headers["authorization"] == "secret"
        assert "authorization" not in other.requests[0].headers
        assert other.requests[0].headers["if-none-match"] == '"x"'


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ssl.SSLContext:
    """The server side of TLS, whose authority the client trusts by the usual variable."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_redirect_from_https_to_http_is_refused(tls: ssl.SSLContext) -> None:
    with WebServer.of(Reply()) as plain, WebServer.of(redirect(plain.url), tls=tls) as server:
        with pytest.raises(BadRedirect, match="redirects from https to http"):
            got(server.url)
        assert not plain.requests


def test_a_redirect_from_http_to_https_is_followed(tls: ssl.SSLContext) -> None:
    with (
        WebServer.of(Reply(body=b"safe"), tls=tls) as server,
        WebServer.of(redirect(server.url, 301)) as plain,
    ):
        assert got(plain.url).body == b"safe"


def test_a_certificate_that_is_not_trusted_is_unreachable(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        WebServer.of(Reply(), tls=tls) as server,
        pytest.raises(Unreachable, match=r"no connection .*certificate") as caught,
    ):
        got(server.url)
    assert not caught.value.arrived


# Bodies.


def packed(body: bytes, encoding: str = "gzip") -> Reply:
    return Reply(headers={"Content-Encoding": encoding}, body=body)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"hello", mtime=0), "gzip"),
        (gzip.compress(b"hello", mtime=0), "X-GZIP"),
        (gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0), "gzip"),
        (gzip.compress(b"hello", mtime=0) + b"\0" * 20, "gzip"),
        (zlib.compress(b"hello"), "deflate"),
        (b"hello", "identity"),
        (b"", "gzip"),
    ],
    ids=["gzip", "x-gzip", "two members", "padding", "deflate", "identity", "nothing"],
)
def test_bodies_are_unpacked(body: bytes, encoding: str) -> None:
    with WebServer.of(packed(body, encoding)) as server:
        assert got(server.url).body == (b"hello" if body else b"")


@settings(max_examples=80)  # each starts a server
@given(body=st.binary(max_size=5000), cut=st.integers(min_value=1, max_value=5000))
def test_gzip_of_any_bytes_in_any_members_comes_back(body: bytes, cut: int) -> None:
    members = gzip.compress(body[:cut]) + gzip.compress(body[cut:])
    with WebServer.of(packed(members)) as server:
        assert got(server.url).body == body


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_packing_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with (
        WebServer.of(packed(b"x", encoding)) as server,
        pytest.raises(Garbled, match="which we did not ask for"),
    ):
        got(server.url)


@pytest.mark.parametrize("body", [gzip.compress(b"hello" * 99, mtime=0)[:-9], b"no gzip"])
def test_a_broken_gzip_stream_is_refused(body: bytes) -> None:
    with WebServer.of(packed(body)) as server, pytest.raises(Garbled, match="gzip stream"):
        got(server.url)


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    million = b"\0" * 1_000_000
    pieces = [packer.compress(million) for _ in range(megabytes)]
    return b"".join([*pieces, packer.flush()])


def test_a_gzip_bomb_is_refused_with_little_memory() -> None:
    with WebServer.of(packed(bomb(BOMB_MB))) as server:
        tracemalloc.start()
        try:
            with pytest.raises(TooLarge, match="more than 10,485,760 bytes"):
                got(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 40_000_000


def test_a_body_of_the_limit_passes_and_one_byte_more_does_not() -> None:
    with WebServer.of(Reply(body=b"x" * 1000)) as server:
        assert len(got(server.url, max_bytes=1000).body) == 1000
        with pytest.raises(TooLarge, match="answered with more than 999 bytes"):
            got(server.url, max_bytes=999)


# Links that break.


def test_no_server_is_unreachable_and_the_request_did_not_arrive() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x?key=secret"
        with pytest.raises(Unreachable, match="no connection") as caught:
            got(url)
    assert not caught.value.arrived
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"half"])
def test_a_reset_is_unreachable_and_the_request_may_have_arrived(body: bytes) -> None:
    with WebServer.of(Reply(reset=True, body=body)) as server, pytest.raises(Unreachable) as caught:
        got(server.url)
    assert caught.value.arrived


def test_a_body_shorter_than_promised_is_unreachable() -> None:
    with (
        WebServer.of(Reply(headers={"Content-Length": "99"}, body=b"short")) as server,
        pytest.raises(Unreachable, match="broke off"),
    ):
        got(server.url)


@pytest.mark.parametrize("limit", ["total_s", "read_s"])
def test_a_silent_server_is_unreachable_in_time(limit: str) -> None:
    release = threading.Event()
    with WebServer.of(Reply(wait_for=release)) as server:
        with pytest.raises(Unreachable, match=r"no (whole )?answer") as caught:
            got(server.url, **{limit: 0.05})
        release.set()
    assert caught.value.arrived


@pytest.mark.parametrize("url", ["gopher://x/", "http://", "http://[::1", "http://x:99999/", ""])
def test_what_is_no_address_is_unreachable(url: str) -> None:
    with pytest.raises(NetError):
        got(url)


def test_a_message_about_a_post_names_only_the_host() -> None:
    with WebServer.of(Reply(reset=True)) as server:
        with pytest.raises(Unreachable) as caught:
            asked(lambda client: client.post(server.url + "/T0/SECRET?x", content=b"x"))
        assert str(caught.value).startswith(server.url + ": ")
    assert "SECRET" not in str(caught.value)


# Pace.


class NotedPacer:
    """Notes what it is asked, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    async def take(self, group: str, interval_s: float, hold_s: float) -> None:
        self.calls.append(("take", group, interval_s, hold_s))

    async def release(self, group: str, interval_s: float) -> None:
        self.calls.append(("release", group, interval_s))


def test_each_hop_takes_its_turn_and_gives_it_back() -> None:
    pacer = NotedPacer()
    with WebServer.of(redirect("/b"), Reply()) as server:
        group = server.url.removeprefix("http://")
        asked(lambda client: client.get(server.url, interval_s=2), pacer=pacer)
    assert pacer.calls == [("take", group, 2, 2), ("release", group, 2)] * 2


def test_the_turn_is_given_back_after_a_failure_too() -> None:
    pacer = NotedPacer()
    with WebServer.of(Reply(reset=True)) as server, pytest.raises(Unreachable):
        asked(lambda client: client.get(server.url, group="g", hold_s=9), pacer=pacer)
    assert pacer.calls == [("take", "g", 0.0, 9), ("release", "g", 0.0)]


@pytest.mark.parametrize(("asked_for", "rest_s"), [("20", 20.0), ("9999", 900.0), ("1", 3.0)])
def test_a_busy_server_rests_for_all_who_share_its_pace(asked_for: str, rest_s: float) -> None:
    pacer = NotedPacer()
    with WebServer.of(Reply(status=429, headers={"Retry-After": asked_for})) as server:
        asked(lambda client: client.get(server.url, group="g", interval_s=3.0), pacer=pacer)
    assert pacer.calls[-1] == ("release", "g", rest_s)


@pytest.mark.parametrize(
    ("url", "group"),
    [
        ("https://export.arxiv.org/api/query", "arxiv.org"),
        ("http://RSS.arXiv.org./rss/cs", "arxiv.org"),
        ("https://arxiv.org", "arxiv.org"),
        ("https://notarxiv.org/", "notarxiv.org:443"),
        ("https://arxiv.org.evil.example/", "arxiv.org.evil.example:443"),
        ("http://example.org/", "example.org:80"),
        ("http://[::1]:8080/", "::1:8080"),
    ],
)
def test_arxiv_has_one_pace_and_every_other_host_its_own(url: str, group: str) -> None:
    assert pace_group(url) == group
    assert is_arxiv(url) is (group == "arxiv.org")


# Texts.


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@example.org:8443/a/b?key=1#x", "https://example.org:8443/a/b"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://[::1", "an address that cannot be read"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_an_origin_has_no_path() -> None:
    assert shown_origin("https://hooks.slack.com/services/T/B/X") == "https://hooks.slack.com"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("9" * 400, 86_400.0),
        ("Mon, 23 Nov 2026 08:01:00 GMT", 60.0),
        ("Mon, 23 Nov 2026 07:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 08:01:00 -0000", 60.0),
        ("Sun, 23 Nov 9999 08:01:00 GMT", 86_400.0),
        ("Mon, 99 Nov 2026 08:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text(max_size=60))
def test_retry_after_never_raises(value: str) -> None:
    wait_s = parse_retry_after(value, NOW)
    assert wait_s is None or 0 <= wait_s <= timedelta(days=1).total_seconds()


def test_httpx_is_not_loaded_before_the_first_request() -> None:
    check = "import sys, digestbot.net; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
