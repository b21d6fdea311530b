"""The HTTP client against real servers on loopback."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from digestbot.net import (
    AllowedHosts,
    BadRedirect,
    Client,
    NetError,
    Response,
    TooLarge,
    Unreachable,
    user_agent,
)
from tests.net.calls import call, get, redirect
from tests.servers.web import Reply, WebServer

# Requests and responses.


def test_get_returns_status_headers_and_body() -> None:
    with WebServer.of(Reply(status=503, headers={"Retry-After": "7"}, body=b"busy")) as server:
        response = get(server.url + "/x")
        found = (response.status, response.headers["retry-after"], response.body)
        assert found == (503, "7", b"busy")
        assert response.url == server.url + "/x"
        assert not response.moved


def test_parameters_are_encoded_and_added_to_the_query() -> None:
    with WebServer.of(Reply()) as server:
        get(server.url + "/q?key=1", params={"search_query": 'ti:"a b" AND c&d=é+'})
        assert server.requests[0].query == {"key": "1", "search_query": 'ti:"a b" AND c&d=é+'}


def test_requests_send_our_user_agent_and_accept_gzip() -> None:
    with WebServer.of(Reply()) as server:
        get(server.url)
        headers = server.requests[0].headers
    assert headers["user-agent"] == "test"
    assert headers["accept-encoding"] == "gzip"


def test_cookies_are_dropped() -> None:
    with WebServer.of(redirect("/b"), Reply(headers={"Set-Cookie": "a=1"})) as server:

        async def twice(client: Client) -> Response:
            await client.get(server.url)
            return await client.get(server.url)

        call(twice)
        assert not [request for request in server.requests if "cookie" in request.headers]


def test_user_agent_names_program_and_contact() -> None:
    assert user_agent(None).startswith("digestbot/")
    assert user_agent("me@example.org").endswith("/digestbot; mailto:me@example.org)")


# POST.


def test_post_sends_json_and_returns_redirects() -> None:
    with WebServer.of(redirect("http://127.0.0.1:9/", 307)) as server:
        response = call(lambda client: client.post(server.url, json={"text": "ö"}))
        request = server.requests[0]
    assert response.status == 307
    assert (request.method, request.body) == ("POST", '{"text": "ö"}'.encode())
    assert request.headers["content-type"] == "application/json; charset=utf-8"


def test_post_sends_content_with_the_given_headers() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    with WebServer.of(Reply(status=400, body=b'{"error": "invalid_grant"}')) as server:
        response = call(lambda c: c.post(server.url, content=b"a=1&b=2", headers=form))
        request = server.requests[0]
    assert (response.status, response.body) == (400, b'{"error": "invalid_grant"}')
    assert request.body == b"a=1&b=2"
    assert request.headers["content-type"] == form["content-type"]


def test_post_limits_the_response_body() -> None:
    with (
        WebServer.of(Reply(body=b"x" * 1001)) as server,
        pytest.raises(TooLarge, match="sent more than 1,000 bytes"),
    ):
        call(lambda client: client.post(server.url, content=b"", max_bytes=1000))


def test_post_to_a_silent_server_times_out() -> None:
    release = threading.Event()
    with WebServer.of(Reply(wait_for=release)) as server:
        with pytest.raises(Unreachable, match=r"no complete response within 0.05 s"):
            call(lambda client: client.post(server.url, content=b"x", total_s=0.05))
        release.set()


def test_post_errors_name_only_the_host() -> None:
    with WebServer.of(Reply(reset=True)) as server:
        with pytest.raises(Unreachable) as caught:
            call(lambda client: client.post(server.url + "/T0/SECRET?x", content=b"x"))
        assert str(caught.value).startswith(server.url + ": ")
    assert "SECRET" not in str(caught.value)


# Redirects.


def test_permanent_redirects_are_followed_and_reported() -> None:
    with WebServer.of(redirect("/b", 301), redirect("c?x=1", 308), Reply(body=b"end")) as server:
        response = get(server.url + "/a")
    assert response.body == b"end"
    assert response.url == server.url + "/c?x=1"
    assert response.moved


def test_one_temporary_redirect_makes_the_move_temporary() -> None:
    with WebServer.of(redirect("/b", 301), redirect("/c", 302), Reply()) as server:
        assert not get(server.url).moved


def test_more_than_five_redirects_are_refused() -> None:
    with WebServer.of(redirect("/again")) as server:
        with pytest.raises(BadRedirect, match="redirects more than 5 times"):
            get(server.url)
        assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("ftp://127.0.0.1/x", 'to the scheme "ftp"'),
        ("file:///etc/passwd", 'to the scheme "file"'),
        ("javascript:alert(1)", 'to the scheme "javascript"'),
        ("data:text/xml,<rss/>", 'to the scheme "data"'),
        ("a" * 5000 + ":x", f'to the scheme "{"a" * 20}"$'),
        ("http://[::1/x", "redirects to an invalid URL"),
        ("http://xn--zzzzzz.localhost/", "redirects to an invalid URL"),
        ("https:///x", "redirects to an invalid URL"),
        ("http://\x01/x", "redirects to an invalid URL"),
        ("/" + "a" * 8000, "redirects to a URL of more than 8,000 characters"),
        ("http://127.0.0.1:99999/", "redirects to an invalid URL"),
    ],
)
def test_redirects_to_other_than_web_urls_are_refused(location: str, message: str) -> None:
    with WebServer.of(redirect(location)) as server, pytest.raises(BadRedirect, match=message):
        get(server.url)


def test_same_site_refuses_redirects_to_another_host() -> None:
    with WebServer.of(Reply()) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        with WebServer.of(redirect(elsewhere)) as server:
            with pytest.raises(BadRedirect, match=f"to another site: {elsewhere}$"):
                get(server.url, same_site=True)
            assert not other.requests
            allowed = AllowedHosts.parse(["localhost"])
            assert call(lambda c: c.get(server.url), allowed=allowed).status == 200


def test_only_harmless_headers_follow_to_another_host() -> None:
    secret = {"Authorization": "secret", "Cookie": "a=secret", "X-Api-Key": "secret"}
    harmless = {"If-None-Match": '"x"', "Accept": "text/xml", "User-Agent": "mine"}
    with WebServer.of(Reply()) as other, WebServer.of(redirect(other.url)) as server:
        get(server.url, headers=secret | harmless)
        assert "secret" not in str(other.requests[0].headers)
        for name, value in (secret | harmless).items():
            assert server.requests[0].headers[name.lower()] == value
        for name, value in harmless.items():
            assert other.requests[0].headers[name.lower()] == value


# TLS.


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ssl.SSLContext:
    """Server side of TLS; the client trusts its authority through ``SSL_CERT_FILE``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_redirects_from_https_to_http_are_refused(tls: ssl.SSLContext) -> None:
    with WebServer.of(Reply()) as plain, WebServer.of(redirect(plain.url), tls=tls) as server:
        with pytest.raises(BadRedirect, match="redirects from https to http"):
            get(server.url)
        assert not plain.requests


def test_redirects_from_http_to_https_are_followed(tls: ssl.SSLContext) -> None:
    with (
        WebServer.of(Reply(body=b"safe"), tls=tls) as server,
        WebServer.of(redirect(server.url, 301)) as plain,
    ):
        assert get(plain.url).body == b"safe"


def test_untrusted_certificates_are_unreachable(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        WebServer.of(Reply(), tls=tls) as server,
        pytest.raises(Unreachable, match=r"connection failed .*certificate") as caught,
    ):
        get(server.url)
    assert not caught.value.arrived


# Broken connections.


def test_a_refused_connection_did_not_arrive() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x?key=secret"
        with pytest.raises(Unreachable, match="connection failed") as caught:
            get(url)
    assert not caught.value.arrived
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"half"])
def test_a_reset_connection_may_have_arrived(body: bytes) -> None:
    with WebServer.of(Reply(reset=True, body=body)) as server, pytest.raises(Unreachable) as caught:
        get(server.url)
    assert caught.value.arrived


def test_a_body_shorter_than_announced_is_unreachable() -> None:
    with (
        WebServer.of(Reply(headers={"Content-Length": "99"}, body=b"short")) as server,
        pytest.raises(Unreachable, match="the response was cut off"),
    ):
        get(server.url)


@pytest.mark.parametrize(
    ("limit", "cause"),
    [("total_s", "no complete response within 0.05 s"), ("read_s", "no response in time")],
)
def test_get_from_a_silent_server_times_out(limit: str, cause: str) -> None:
    release = threading.Event()
    with WebServer.of(Reply(wait_for=release)) as server:
        with pytest.raises(Unreachable, match=cause) as caught:
            get(server.url, **{limit: 0.05})
        release.set()
    assert caught.value.arrived


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_drips_ends_with_the_time_limit(is_chunked: bool) -> None:
    """Each byte renews the read timeout."""
    size = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: 1000"

    def drip() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + size + b"\r\n\r\n"
        for _ in range(300):
            yield b"1\r\nx\r\n" if is_chunked else b"x"
            time.sleep(0.01)

    start = time.monotonic()
    with (
        WebServer.of(Reply(raw=drip())) as server,
        pytest.raises(Unreachable, match=r"no complete response within 0.4 s"),
    ):
        get(server.url, total_s=0.4, read_s=0.2)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "url", ["gopher://x/", "http://", "http://[::1", "http://x:99999/", "http://xn--zzz.test/", ""]
)
def test_invalid_urls_are_unreachable(url: str) -> None:
    with pytest.raises(NetError):
        get(url)


def test_importing_net_leaves_httpx_unloaded() -> None:
    check = "import sys, digestbot.net; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
