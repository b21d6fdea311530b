"""`serve`: the bot in a separate process, with real servers on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cli.conftest import Bot, a_paper, configure, smtp_keys
from tests.planted import shows_a_secret
from tests.servers.arxiv import ArxivServer
from tests.servers.slack import SlackServer
from tests.servers.smtp import SILENCE, SmtpServer
from tests.servers.web import Reply, Request, WebServer

PATIENCE_S = 60
"""Time limit after which a hanging process is killed and its test fails."""


class Serving:
    """Context manager that runs ``digestbot serve`` in the current folder."""

    def __init__(self, *program: str) -> None:
        self._program = program or ("-m", "digestbot", "serve")
        self.lines: list[str] = []
        """Lines of stderr read so far."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, *self._program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._guard = threading.Timer(PATIENCE_S, self._process.kill)
        self._guard.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._guard.cancel()
        self._process.kill()
        rest, more = self._process.communicate()
        self._guard.join()
        assert not shows_a_secret("".join((*self.lines, rest, more)))

    def wait_for(self, text: str) -> None:
        """Read its log until a line contains *text*."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            if text in line:
                return
        raise AssertionError(f"it ended without {text!r}:\n{''.join(self.lines)}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it ends by itself; return the exit code."""
        _, rest = self._process.communicate()
        self.lines.append(rest)
        return self._process.returncode

    def end(self) -> tuple[int, float]:
        """Send SIGTERM; return the exit code and the seconds until the exit."""
        begun = time.monotonic()
        self.signal(signal.SIGTERM)
        _, rest = self._process.communicate()
        self.lines.append(rest)
        return self._process.returncode, time.monotonic() - begun


def test_serve_delivers_reloads_and_stops(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: r@example.org}]")
    path = Path("config.yaml")
    good = path.read_text()
    with Serving() as serving:
        serving.wait_for("serving digests=1")
        serving.wait_for("edition made edition=systems/1 papers=2")
        serving.wait_for("delivered sent=1")
        assert [message.recipients for message in smtp.messages] == [("r@example.org",)]

        path.write_text(good.replace("schedule:", "shedule:"))
        serving.signal(signal.SIGHUP)
        serving.wait_for("config not reloaded error=config.yaml:6:5: ")

        path.write_text(good.replace("systems:", "renamed:"))
        serving.signal(signal.SIGHUP)
        serving.wait_for("config reloaded digests=1")
        serving.wait_for("edition made edition=renamed/1 papers=2")
        code, seconds = serving.end()
    assert (code, seconds < 10) == (0, True)
    log = "".join(serving.lines)
    assert "INFO digestbot.scheduler: stopped\n" in log, "stopped without cancelling anything"
    assert "r@example.org" not in log
    assert "Traceback" not in log


def test_serve_stops_when_its_store_is_deleted(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    """Without its memory it would send everything again."""
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: r@example.org}]")
    with Serving() as serving:
        serving.wait_for("delivered sent=1")
        for file in Path().glob("digestbot.db*"):
            file.unlink()
        code = serving.wait()
    assert code == 1
    log = "".join(serving.lines)
    assert "digestbot.db: was deleted or moved while digestbot was using it; restore it" in log
    assert "Traceback" not in log
    assert len(smtp.messages) == 1
    assert not Path("digestbot.db").exists()


def queue_a_delivery(bot: Bot, url: str, *, top: str, deliver: str) -> None:
    """Queue a delivery that is due now, so that serve starts with it."""
    configure(url, top=top, deliver=deliver)
    now = datetime.now(UTC)
    assert bot("run", at=now).code == 1
    assert bot("deliveries", "retry", "--all", at=now).code == 0


def test_stops_in_time_with_a_silent_mail_server(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    smtp.faults = [("RCPT", "450 4.2.0 later"), ("DOT", SILENCE)]
    queue_a_delivery(
        bot, arxiv.url, top=smtp_keys(smtp), deliver="[{email: r@example.org}, {folder: out}]"
    )
    with Serving() as serving:
        serving.wait_for("serving")
        assert smtp.fell_silent.wait(PATIENCE_S)
        code, seconds = serving.end()
    assert (code, seconds < 10) == (0, True)
    assert "Traceback" not in "".join(serving.lines)
    states = {d["kind"]: d["state"] for d in json.loads(bot("deliveries", "--json").out)}
    assert states == {"email": "data_done", "folder": "sent"}


def test_stops_in_time_with_a_silent_slack(bot: Bot, arxiv: ArxivServer) -> None:
    """A thread waits for the answer, and threads cannot be cancelled."""
    with SlackServer(faults=[(503, "busy", {})]) as slack, silent_server() as (url, connected):
        keys = 'slack: {{token: xoxb-pl4nted-right, url: "{}"}}'
        top = keys.format(slack.url)
        queue_a_delivery(bot, arxiv.url, top=top, deliver='[{slack: "#papers"}]')
        configure(arxiv.url, top=keys.format(url), deliver='[{slack: "#papers"}]')
        with Serving() as serving:
            serving.wait_for("serving")
            assert connected.wait(PATIENCE_S)
            code, seconds = serving.end()
    assert (code, seconds < 10) == (0, True)


def test_stops_in_time_with_a_silent_source(bot: Bot) -> None:
    answer = threading.Event()
    with WebServer.of(Reply(wait_for=answer)) as web:
        configure(f"{web.url}/api/query")
        with Serving() as serving:
            serving.wait_for("serving")
            while not web.requests:
                os.sched_yield()
            code, seconds = serving.end()
        answer.set()
    assert (code, seconds < 10) == (0, True)


@contextmanager
def silent_server() -> Iterator[tuple[str, threading.Event]]:
    """Accept one connection and stay silent; yield the URL and a connected event."""
    connected = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def accept() -> None:
            accepted.append(server.accept()[0])
            connected.set()

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api/", connected
        thread.join(PATIENCE_S)
        for connection in accepted:
            connection.close()


def test_invalid_config_prevents_the_start(bot: Bot) -> None:
    Path("config.yaml").write_text("digests: 5\n")
    called = bot("serve")
    assert called.code == 2
    assert "config.yaml:1:" in called.err


def test_failed_source_is_logged_with_its_reason(bot: Bot) -> None:
    with WebServer.of(Reply(status=404)) as bad:
        configure(bad.url)
        with Serving() as serving:
            serving.wait_for(
                f"fetch incomplete reason=arxiv: {bad.url} answered 404: not found; check the URL"
            )
            assert serving.end()[0] == 0


def test_failed_digest_is_logged_once(bot: Bot, arxiv: ArxivServer) -> None:
    arxiv.papers.append(a_paper(1, "Erasure"))
    configure(arxiv.url, top="templates: mine", more="  other: {deliver: [{folder: out}]}\n")
    Path("mine/mail").mkdir(parents=True)
    Path("mine/mail/masthead.txt.j2").write_text(
        '{% if edition.title == "systems" %}{{ no_such.thing }}{% endif %}'
    )
    with Serving() as serving:
        serving.wait_for("edition made edition=other/1")
        serving.wait_for("edition failed digest=systems error=template mail/masthead.txt.j2:1: ")
        assert serving.end()[0] == 0


HOSTILE = """\
sources:
  good: {{kind: feed, url: "{url}/good", interval: 0s}}
  hostile: {{kind: feed, url: "{url}/hostile", interval: 0s}}
digests:
  papers: {{schedule: daily 09:00, sources: [good], deliver: [{{folder: out}}]}}
  both: {{schedule: daily 09:00, sources: [good, hostile], deliver: [{{folder: both}}]}}
"""
LIMIT_S = 3
"""Time limit for parsing, instead of 10 s, which the tests would have to wait."""
LIMITED = (
    "from digestbot.sources import parser_pool\n"
    f"assert parser_pool.TIMEOUT_S == 10; parser_pool.TIMEOUT_S = {LIMIT_S}\n"
    "import runpy; runpy.run_module('digestbot', run_name='__main__')\n"
)


def slow_feed() -> bytes:
    """10 MB of markup: within all bounds, and far beyond the time limit."""
    text = "&lt;a " * (200_000 // 6)
    items = "".join(
        f"<item><title>{n} {text}</title><guid>{n}</guid><description>{text}</description></item>"
        for n in range(25)
    )
    return f'<rss version="2.0"><channel><title>J</title>{items}</channel></rss>'.encode()


def two_sources(request: Request) -> Reply:
    headers = {"content-type": "application/rss+xml"}
    item = "<item><title>A Paper</title><link>https://j.example/1</link></item>"
    good = f'<rss version="2.0"><channel><title>J</title>{item}</channel></rss>'.encode()
    return Reply(headers=headers, body=slow_feed() if "hostile" in request.path else good)


def test_a_hostile_source_delays_only_itself(bot: Bot) -> None:
    with WebServer(two_sources) as web:
        Path("config.yaml").write_text(HOSTILE.format(url=web.url))
        with Serving("-c", LIMITED, "serve") as serving:
            serving.wait_for("edition made edition=papers/1 papers=1")
            serving.wait_for("delivered sent=2")
            code, seconds = serving.end()
        assert (code, seconds < 10) == (0, True)
        (sent,) = Path("out").rglob("*.json")
        assert "A Paper" in sent.read_text()
        asked = web.paths.count("/hostile")
        with Serving("-c", LIMITED, "serve") as serving:
            serving.wait_for("serving")
            serving.end()
        assert web.paths.count("/hostile") == asked, "a restart forgets the back-off"
    called = bot("status", "--json", at=datetime.now(UTC))
    facts = json.loads(called.out)
    hostile = next(source for source in facts["sources"] if source["name"] == "hostile")
    assert (called.code, hostile["status"]) == (1, "broken")
    assert hostile["next_try_at"] > facts["now"]
    (problem,) = [line for line in facts["problems"] if "hostile" in line]
    assert problem.startswith("source hostile: broken: ")
    assert problem.endswith(f"parsing took longer than {LIMIT_S} s")


def test_stops_in_time_with_a_busy_parser(bot: Bot) -> None:
    with WebServer(two_sources) as web:
        Path("config.yaml").write_text(HOSTILE.format(url=web.url))
        with Serving() as serving:
            serving.wait_for("source fetched source=good")
            code, seconds = serving.end()
    assert (code, seconds < 10) == (0, True)
    log = "".join(serving.lines)
    assert "source fetched source=hostile" not in log
    assert "Traceback" not in log
