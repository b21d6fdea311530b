"""Interim responses (1xx) of real servers."""

import time
from collections.abc import Iterator

import pytest

from digestbot.net import Unreachable
from tests.net.calls import get
from tests.servers.web import Reply, WebServer

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
END = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend"


def test_a_few_interim_responses_are_skipped() -> None:
    with WebServer.of(Reply(raw=[CONTINUE, HINTS * 100, END])) as server:
        assert get(server.url).body == b"end"


@pytest.mark.parametrize("interim", [CONTINUE, HINTS])
def test_a_flood_of_interim_responses_ends_the_request(interim: bytes) -> None:
    """Without a limit, the client reads all of it: 50 MB took 240 s of CPU."""
    start = time.process_time()
    with (
        WebServer.of(Reply(raw=[*[interim * 1000] * 2000, END])) as server,
        pytest.raises(
            Unreachable,
            match=f"^{server.url}/x sent more than 262,144 bytes of interim responses",
        ) as caught,
    ):
        get(server.url + "/x")
    assert caught.value.arrived
    assert time.process_time() - start < 5


def test_slow_interim_responses_end_with_the_time_limit() -> None:
    """Each renews the read timeout."""

    def drip() -> Iterator[bytes]:
        for _ in range(300):
            yield CONTINUE
            time.sleep(0.01)

    with (
        WebServer.of(Reply(raw=drip())) as server,
        pytest.raises(Unreachable, match=r"no complete response within 0.5 s"),
    ):
        get(server.url, total_s=0.5, read_s=0.2)


def test_a_large_body_is_no_interim_response() -> None:
    body = b"x" * 1_000_000
    with WebServer.of(Reply(body=body)) as server:
        assert get(server.url).body == body


def test_a_flood_through_a_proxy_ends_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer.of(Reply(raw=[CONTINUE * 20_000, END])) as server:
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(Unreachable, match="bytes of interim responses"):
            get("http://journal.invalid/feed")
