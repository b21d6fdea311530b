"""Pacing of a server that several passes share."""

import asyncio
import itertools
import logging
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import event

from digestbot.config import Config, load_config
from digestbot.net import utc_now
from digestbot.net.client import MAX_HOST_REQUESTS
from digestbot.pipeline import fetch
from digestbot.pipeline.fetching import StorePacer
from digestbot.store import open_store
from tests.factories import NOW
from tests.servers.web import Reply, Request, WebServer


def test_a_waiting_pass_starts_once_the_server_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request reserves the server for as long as it may last, 240 s for arXiv."""
    monkeypatch.setattr("digestbot.pipeline.fetching.MIN_PAUSE_S", 0.01)
    order: list[str] = []
    is_waiting = asyncio.Event()
    monkeypatch.setattr("digestbot.pipeline.fetching.log.log", lambda *_, **__: is_waiting.set())

    async def use(name: str, pacer: StorePacer) -> None:
        await pacer.take("arxiv.org", 0, hold_s=3600)
        order.append(name)

    async def both(pacer: StorePacer) -> None:
        await use("first", pacer)
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(use("second", pacer))
            await is_waiting.wait()
            await pacer.release("arxiv.org", 0)

    with open_store("sqlite://") as store:
        asyncio.run(both(StorePacer(store, utc_now)))
    assert order == ["first", "second"]


def test_a_long_wait_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server asked for five minutes of rest."""
    now = NOW

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += timedelta(seconds=seconds)

    monkeypatch.setattr("digestbot.pipeline.fetching.asyncio.sleep", sleep)
    with open_store("sqlite://") as store:
        store.sources.pace("arxiv.org", 3, 240, now)
        store.sources.release_pace("arxiv.org", 300, now)
        asyncio.run(StorePacer(store, lambda: now).take("arxiv.org", 3, 240))
    assert now == NOW + timedelta(seconds=300)
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "waiting for a free server"
    ]


def test_a_pause_of_zero_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def write(_: object, /) -> NoReturn:
        raise AssertionError("there is nothing to reserve")

    async def use(pacer: StorePacer) -> None:
        await pacer.take("h:80", 0, hold_s=0)
        await pacer.release("h:80", 0)

    with open_store("sqlite://") as store:
        asyncio.run(use(StorePacer(store, utc_now, write)))


def test_a_pause_of_zero_waits_for_a_busy_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answered 503 with Retry-After to another source."""
    now = NOW

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += timedelta(seconds=seconds)

    monkeypatch.setattr("digestbot.pipeline.fetching.asyncio.sleep", sleep)
    with open_store("sqlite://") as store:
        store.sources.release_pace("h:80", 30, now)
        asyncio.run(StorePacer(store, lambda: now).take("h:80", 0, 0))
    assert now == NOW + timedelta(seconds=30)


def feeds(folder: Path, url: str, count: int) -> Config:
    sources = "".join(
        f'  s{n}: {{kind: feed, url: "{url}/{n}", interval: 0s}}\n' for n in range(count)
    )
    path = folder / "config.yaml"
    path.write_text(f"sources:\n{sources}digests: {{}}\n")
    return load_config(path, {})


def one_paper(request: Request) -> Reply:
    item = f"<item><title>Paper {request.path}</title><guid>x{request.path}</guid></item>"
    return Reply(body=f"<rss><channel><title>J</title>{item}</channel></rss>".encode())


def test_unchanged_sources_share_few_commits(tmp_path: Path) -> None:
    commits: list[None] = []
    count = 60
    with WebServer(one_paper) as server, open_store(f"sqlite:///{tmp_path}/s.db") as store:
        config = feeds(tmp_path, server.url, count)
        asyncio.run(fetch(store, config, clock=utc_now))
        assert store.papers.count() == count
        write = store._database._writer
        event.listen(write, "commit", lambda _: commits.append(None))
        again = asyncio.run(fetch(store, config, clock=utc_now))
    assert {each.status for each in again} == {"ok"}
    assert len(commits) < count


def test_requests_to_one_host_are_bounded(tmp_path: Path) -> None:
    """They would otherwise all be sent at once."""
    lock, here, most = threading.Lock(), 0, 0

    def slow(request: Request) -> Reply:
        return replace(one_paper(request), raw=counted(request))

    def counted(request: Request) -> Iterator[bytes]:
        nonlocal here, most
        with lock:
            here += 1
            most = max(most, here)
        threading.Event().wait(0.02)
        with lock:
            here -= 1
        body = one_paper(request).body
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body

    with WebServer(slow) as server, open_store("sqlite://") as store:
        asyncio.run(fetch(store, feeds(tmp_path, server.url, 20), clock=utc_now))
        assert store.papers.count() == 20
    assert 1 < most <= MAX_HOST_REQUESTS


@pytest.mark.parametrize("at", [1, 2, 3, 4, 6, 9])
def test_a_fetch_killed_at_any_commit_loses_no_paper(tmp_path: Path, at: int) -> None:
    """The next fetch stores each paper once; what was answered before stays known."""
    count = 8
    url = f"sqlite:///{tmp_path}/s.db"
    with WebServer(one_paper) as server:
        config = feeds(tmp_path, server.url, count)
        with open_store(url):
            pass  # creates the tables
        if not (child := os.fork()):
            kill_at_commit(url, config, at)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
        with open_store(url) as store:
            asyncio.run(fetch(store, config, clock=utc_now))
            rows = list(store.papers.announcements(0, None, sources=None, types=None, backlog=True))
    assert len(rows) == len({row.paper.id for row in rows}) == count


def kill_at_commit(url: str, config: Config, at: int) -> NoReturn:
    """Fetch, and end this process with SIGKILL just before its commit number *at*."""
    commits = itertools.count(1)

    def kill(_: object) -> None:
        if next(commits) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_store(url) as store:
        event.listen(store._database._engine, "commit", kill)
        asyncio.run(fetch(store, config, clock=utc_now))
    os._exit(0)
