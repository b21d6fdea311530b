"""Pacing of a server that several passes share."""

import asyncio
import logging
from datetime import timedelta

import pytest

from digestbot.net import utc_now
from digestbot.pipeline.fetching import StorePacer
from digestbot.store import open_store
from tests.factories import NOW


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
