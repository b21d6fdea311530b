"""`fetch`: papers from the sources, each independent of the others."""

import json
from pathlib import Path

from tests.cli.conftest import PAPERS, Bot, configure
from tests.servers.arxiv import ArxivServer
from tests.servers.web import Reply, WebServer


def test_papers_are_stored_once(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    first, second = (json.loads(bot("fetch", "--json").out) for _ in range(2))
    assert [(f["status"], f["new"]) for f in (*first, *second)] == [("ok", len(PAPERS)), ("ok", 0)]
    assert json.loads(bot("status", "--json").out)["papers"] == len(PAPERS)


def test_output_is_a_table(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    called = bot("fetch")
    assert (called.code, called.err) == (0, "")
    head, row = called.out.splitlines()
    assert head.split() == ["SOURCE", "STATUS", "PAPERS", "NEW", "RETRY", "AT"]
    assert row.split() == ["arxiv", "ok", "4", "4", "-"]


def test_fetch_sends_nothing(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("fetch")
    assert json.loads(bot("editions", "--json").out) == []


def test_fetch_is_limited_to_named_sources(bot: Bot, arxiv: ArxivServer) -> None:
    with WebServer.of(Reply(status=404)) as bad:
        _configure_two(arxiv.url, bad.url)
        called = bot("fetch", "arxiv", "--json")
    assert called.code == 0
    assert [f["source"] for f in json.loads(called.out)] == ["arxiv"]
    assert not bad.requests


def test_unknown_source_exits_2_and_lists_known_ones(bot: Bot, arxiv: ArxivServer) -> None:
    _configure_two(arxiv.url, "http://127.0.0.1:9/")
    called = bot("fetch", "arxvi")
    assert (called.code, called.out) == (2, "")
    assert called.err == 'no source "arxvi" in the config; it has: bad, arxiv\n'
    assert not arxiv.requests


def test_broken_source_does_not_stop_the_others(bot: Bot, arxiv: ArxivServer) -> None:
    with WebServer.of(Reply(status=404)) as bad:
        _configure_two(arxiv.url, f"{bad.url}/feed")
        called = bot("fetch", "--json")
    assert called.code == 1
    found = {f["source"]: f for f in json.loads(called.out)}
    assert (found["bad"]["status"], found["arxiv"]["status"]) == ("refused", "ok")
    assert found["bad"]["retry_at"].endswith("Z")
    assert found["arxiv"]["new"] == len(PAPERS)
    assert called.err == (f"bad: {bad.url}/feed answered 404: not found; check the URL\n")
    line = called.err.splitlines()[-1]
    assert line.startswith("bad: ")
    assert "404" in line
    assert json.loads(bot("status", "--json").out)["papers"] == len(PAPERS)


def test_a_redirect_into_the_own_network_is_one_line(bot: Bot) -> None:
    """With the way to allow it; a source that the operator wrote works anyway."""
    item = b"<item><guid>1</guid><title>One</title></item>"
    feed = Reply(body=b"<rss version='2.0'><channel>" + item + b"</channel></rss>")
    with WebServer.of(feed) as private:
        elsewhere = private.url.replace("127.0.0.1", "localhost") + "/admin"
        with WebServer.of(Reply(status=302, headers={"Location": elsewhere})) as server:
            _configure_two(f"{server.url}/unused", f"{server.url}/feed")
            _without_pause()
            refused = bot("fetch", "bad")
            assert not private.requests
            path = Path("config.yaml")
            path.write_text("allowed_hosts: [localhost]\n" + path.read_text())
            allowed = bot("fetch", "bad", "--json")
    assert (refused.code, refused.err) == (
        1,
        f"bad: {server.url}/feed redirects to {elsewhere}, but localhost is 127.0.0.1, a loopback "
        'address; to allow it, add "localhost" to allowed_hosts in the config\n',
    )
    assert (allowed.code, allowed.err) == (0, "")
    assert [f["status"] for f in json.loads(allowed.out)] == ["ok"]


def test_header_secrets_are_shown_nowhere(bot: Bot) -> None:
    """Even if the server repeats them, or refuses them."""
    with WebServer.of(Reply(status=401, body=b"planted-key")) as server:
        _configure_two(f"{server.url}/unused", f"{server.url}/feed")
        _without_pause()
        path = Path("config.yaml")
        with_key = '/feed", headers: {X-Key: planted-key}, cookies: {a: planted-key}}'
        path.write_text(path.read_text().replace('/feed"}', with_key))
        called = [bot("-v", "fetch", "bad"), bot("status", "--json"), bot("check", "--connect")]
        assert server.requests[0].headers["x-key"] == "planted-key"
        assert server.requests[0].headers["cookie"] == "a=planted-key"
    assert "planted" not in "".join(each.out + each.err for each in called)


def _configure_two(good: str, bad: str) -> None:
    """Write the usual config, with a feed before the good source."""
    configure(good)
    path = Path("config.yaml")
    feed = f'sources:\n  bad: {{kind: feed, url: "{bad}"}}'
    path.write_text(path.read_text().replace("sources:", feed, 1))


def _without_pause() -> None:
    """Let the feed be asked twice at the same time of the fixed clock."""
    path = Path("config.yaml")
    path.write_text(path.read_text().replace("kind: feed,", "kind: feed, interval: 0s,"))
