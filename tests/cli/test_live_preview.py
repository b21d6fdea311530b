"""`preview --open` on a terminal: a page that reloads during edits."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from digestbot.cli.app import App
from digestbot.cli.live_preview import LivePage
from digestbot.cli.preview import live_page
from digestbot.model import Form
from tests.cli.conftest import Bot, configure
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer


@contextmanager
def served(page: LivePage) -> Iterator[httpx.Client]:
    """Serve *page*; yield a client for it."""
    with page:
        thread = threading.Thread(target=page.serve)
        thread.start()
        try:
            with httpx.Client(base_url=page.url, timeout=30) as client:
                yield client
        finally:
            page.close()
            thread.join()


@pytest.fixture
def page(bot: Bot, arxiv: ArxivServer) -> LivePage:
    configure(arxiv.url, top="templates: mine")
    Path("mine/mail").mkdir(parents=True)
    bot("fetch")
    return live_page(App(clock=lambda: NOW), "systems", Form.HTML, timedelta(days=7))


def test_page_follows_templates_and_config(page: LivePage) -> None:
    with served(page) as client:
        first = client.get("/")
        assert first.status_code == 200
        assert first.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Serverless" in first.text
        assert first.text.index("location.reload()") < first.text.index("</body>")
        before = client.get("/state").text
        assert client.get("/state").text == before

        Path("mine/mail/masthead.html.j2").write_text("<tr><td>Mine</td></tr>\n")
        after = client.get("/state").text
        assert after != before
        assert "<td>Mine</td>" in client.get("/").text

        config = Path("config.yaml").read_text()
        Path("config.yaml").write_text(config.replace("[serverless]", "[nothing-like-it]"))
        assert client.get("/state").text != after
        assert "Nothing new matched" in client.get("/").text


@pytest.mark.parametrize(
    ("file", "text", "shown"),
    [
        ("mine/mail/paper.html.j2", "one\n{{ nix }}", "template mail/paper.html.j2:2: "),
        ("config.yaml", "digests: 5\n", "config.yaml:1:"),
    ],
)
def test_error_is_shown_until_it_is_fixed(page: LivePage, file: str, text: str, shown: str) -> None:
    with served(page) as client:
        before = client.get("/").text
        original = Path(file).read_text() if Path(file).exists() else None
        Path(file).write_text(text)
        broken = client.get("/")
        assert broken.status_code == 500
        assert shown in broken.text
        assert "location.reload()" in broken.text
        Path(file).unlink() if original is None else Path(file).write_text(original)
        assert client.get("/").text == before


def test_plain_text_is_escaped() -> None:
    with served(LivePage(lambda: "a <b> c\n", tuple)) as client:
        assert "<pre>a &lt;b&gt; c\n</pre>" in client.get("/").text


def test_foreign_hosts_and_paths_get_404(page: LivePage) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", page.url)
    with served(page) as client:
        assert client.get("/", headers={"Host": "rebound.example"}).status_code == 404
        assert client.get("/etc/passwd").status_code == 404


def test_without_terminal_a_file_is_opened(
    bot: Bot, arxiv: ArxivServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("click.launch", opened.append)
    configure(arxiv.url)
    called = bot("preview", "systems", "--open")
    assert called.code == 0
    assert opened == [called.out.strip().splitlines()[-1]]
    assert Path(opened[0]).read_text().startswith("<!DOCTYPE html>")
