"""Pacing: who shares a rate limit, and when the next request may start."""

import pytest

from digestbot.net import Unreachable, allowed_interval_s, is_arxiv, pace_group
from tests.net.calls import call, redirect
from tests.servers.web import Reply, WebServer


class RecordingPacer:
    """Records its calls in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    async def take(self, group: str, interval_s: float, hold_s: float) -> None:
        self.calls.append(("take", group, interval_s, hold_s))

    async def release(self, group: str, interval_s: float) -> None:
        self.calls.append(("release", group, interval_s))


def test_each_hop_takes_and_releases_the_pacer() -> None:
    pacer = RecordingPacer()
    with WebServer.of(redirect("/b"), Reply()) as server:
        group = server.url.removeprefix("http://")
        call(lambda client: client.get(server.url, interval_s=2), pacer=pacer)
    assert pacer.calls == [("take", group, 2, 2), ("release", group, 2)] * 2


def test_the_pacer_is_released_after_a_failure() -> None:
    pacer = RecordingPacer()
    with WebServer.of(Reply(reset=True)) as server, pytest.raises(Unreachable):
        call(lambda client: client.get(server.url, group="g", hold_s=9), pacer=pacer)
    assert pacer.calls == [("take", "g", 0.0, 9), ("release", "g", 0.0)]


@pytest.mark.parametrize(("retry_after", "pause_s"), [("20", 20.0), ("9999", 900.0), ("1", 3.0)])
def test_a_busy_server_pauses_its_whole_group(retry_after: str, pause_s: float) -> None:
    pacer = RecordingPacer()
    with WebServer.of(Reply(status=429, headers={"Retry-After": retry_after})) as server:
        call(lambda client: client.get(server.url, group="g", interval_s=3.0), pacer=pacer)
    assert pacer.calls[-1] == ("release", "g", pause_s)


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
def test_all_arxiv_hosts_share_one_pacing_group(url: str, group: str) -> None:
    assert pace_group(url) == group
    assert is_arxiv(url) is (group == "arxiv.org")


@pytest.mark.parametrize(
    ("url", "configured_s", "allowed_s"),
    [
        ("https://export.arxiv.org/api/query", 0, 3),
        ("https://export.arxiv.org/api/query", 9, 9),
        ("https://mirror.example/api/query", 0, 0),
    ],
)
def test_config_cannot_lower_the_interval_of_arxiv(
    url: str, configured_s: float, allowed_s: float
) -> None:
    assert allowed_interval_s(url, configured_s) == allowed_s
