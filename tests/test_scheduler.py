"""The ticks by a clock of our own; those of a running service are in tests/cli."""

import asyncio
import logging
import mailbox
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from digestbot.config import Config, load_config
from digestbot.errors import DigestbotError, StoreUnavailable
from digestbot.render import Templates, load_templates
from digestbot.scheduler import Service, _isolated
from digestbot.store import Store, open_store
from tests.servers.arxiv import ArxivServer, FakePaper
from tests.servers.web import Reply, WebServer

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""A Monday."""
CONFIG = """\
store: "sqlite:///{folder}/store.db"
sources:
  daily: {{kind: arxiv, categories: [cs.DC], url: "{url}", interval: 0s}}
  spare: {{kind: feed, url: "http://127.0.0.1:9/feed"}}
digests:
  systems:
    schedule: daily 09:00
    sources: [daily]
    filter: {{any: [serverless]}}
    deliver: [{{folder: out}}]
"""


class Clock:
    """The time of a test."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def write(folder: Path, *, url: str, change: Mapping[str, str] | None = None) -> Config:
    """The config, with each text of *change* in the place of another."""
    text = CONFIG.format(folder=folder, url=url)
    for old, new in (change or {}).items():
        text = text.replace(old, new)
    (folder / "config.yaml").write_text(text)
    return load_config(folder / "config.yaml", {})


def service(folder: Path, store: Store, clock: Clock) -> Service:
    """A service over the config in *folder*, as it is when it is read."""

    def load() -> tuple[Config, Templates]:
        config = load_config(folder / "config.yaml", {})
        return config, load_templates(config.templates)

    return Service(store, load, clock=clock, random=Random(1))


def paper(number: int, updated: datetime) -> FakePaper:
    return FakePaper(
        id=f"2611.{number:05}",
        version=1,
        title=f"Serverless {number}",
        abstract="",
        authors=("A. Author",),
        categories=("cs.DC",),
        published=updated,
        updated=updated,
    )


ONE_SOURCE = {'  spare: {kind: feed, url: "http://127.0.0.1:9/feed"}\n': ""}


def editions(store: Store) -> list[int]:
    """Papers of each edition, the first one first."""
    return [edition.papers for edition in reversed(store.editions.list())]


def test_a_bot_that_slept_a_week_makes_one_edition_with_everything(tmp_path: Path) -> None:
    clock = Clock()
    with ArxivServer([paper(1, NOW)]) as arxiv:
        config = write(tmp_path, url=arxiv.url, change=ONE_SOURCE)
        with open_store(config.store) as store:
            bot = service(tmp_path, store, clock)
            asyncio.run(bot.cycle())
            for day in range(1, 7):
                arxiv.papers.append(paper(1 + day, NOW + timedelta(days=day)))
            clock.now += timedelta(days=7)
            asyncio.run(bot.cycle())
            asyncio.run(bot.cycle())
            assert editions(store) == [1, 6]
            asyncio.run(bot.deliver())
            assert len(list((tmp_path / "out").glob("*.json"))) == 2


def test_two_cycles_at_once_are_two_cycles_in_a_row(tmp_path: Path) -> None:
    async def both(bot: Service) -> None:
        await asyncio.gather(bot.cycle(), bot.cycle())

    with ArxivServer([paper(1, NOW)]) as arxiv:
        config = write(tmp_path, url=arxiv.url, change=ONE_SOURCE)
        with open_store(config.store) as store:
            asyncio.run(both(service(tmp_path, store, Clock())))
            assert editions(store) == [1]
        assert len(arxiv.requests) == 1


def test_a_source_that_takes_long_holds_up_only_its_own_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digestbot.scheduler.CYCLE_S", 0.01)
    answered = threading.Event()
    slow_feed = b'<rss version="2.0"><channel><title>J</title></channel></rss>'

    async def cycles(bot: Service, made: list[str]) -> None:
        while [e.name for e in reversed(store.editions.list())] != made:
            await bot.cycle()

    async def both(bot: Service) -> None:
        await cycles(bot, ["systems/1"])
        answered.set()
        await cycles(bot, ["systems/1", "slow/1"])

    with (
        ArxivServer([paper(1, NOW)]) as arxiv,
        WebServer.of(Reply(body=slow_feed, wait_for=answered)) as silent,
    ):
        slow = "  slow: {sources: [spare], when_empty: send, deliver: [{folder: out}]}\n"
        text = {"http://127.0.0.1:9/feed": silent.url, "digests:\n": f"digests:\n{slow}"}
        config = write(tmp_path, url=arxiv.url, change=text)
        with open_store(config.store) as store:
            asyncio.run(both(service(tmp_path, store, Clock())))
            assert len(silent.requests) == 1


def test_after_the_word_to_stop_no_cycle_begins(tmp_path: Path) -> None:
    with ArxivServer([paper(1, NOW)]) as arxiv:
        config = write(tmp_path, url=arxiv.url, change=ONE_SOURCE)
        with open_store(config.store) as store:
            bot = service(tmp_path, store, Clock())
            bot.stop()
            asyncio.run(bot.cycle())
        assert not arxiv.requests


def test_a_new_config_is_taken_and_a_bad_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ArxivServer([paper(1, NOW)]) as arxiv:
        config = write(tmp_path, url=arxiv.url, change=ONE_SOURCE)
        with open_store(config.store) as store:
            bot = service(tmp_path, store, Clock())
            write_text = (tmp_path / "config.yaml").write_text
            write_text("digests: {}\nsources: 5\n")
            bot.reload()
            assert "the config was not reloaded" in caplog.text
            asyncio.run(bot.cycle())
            assert editions(store) == [1]
            write(tmp_path, url=arxiv.url, change={**ONE_SOURCE, "systems:": "renamed:"})
            bot.reload()
            assert "the config was reloaded" in caplog.text
            asyncio.run(bot.cycle())
            assert [e.name for e in store.editions.list()] == ["renamed/1", "systems/1"]


def test_another_store_needs_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = write(tmp_path, url="http://127.0.0.1:9/")
    with open_store(config.store) as store:
        bot = service(tmp_path, store, Clock())
        write(tmp_path, url="http://127.0.0.1:9/", change={"store.db": "other.db"})
        bot.reload()
    assert "the config was not reloaded: another store needs a restart" in caplog.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreUnavailable("locked"), "a tick failed, the next one tries again: locked"),
        (DigestbotError("odd"), "a tick failed, the next one tries again: odd"),
        (ZeroDivisionError(), "a tick failed in a way nobody foresaw"),
    ],
)
def test_an_error_ends_only_its_tick(
    caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    async def fail() -> None:
        raise error

    asyncio.run(_isolated(fail)())
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [(logging.ERROR, words)]


def test_bounces_are_looked_for_and_a_box_that_fails_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = (
        'smtp: {envelope_from: "b+{token}@example.org", secret: pl4nted-sixteen-letters}\n'
        "bounces: {maildir: box}\nsources:\n  daily"
    )
    config = write(tmp_path, url="http://127.0.0.1:9/", change={"sources:\n  daily": keys})
    clock = Clock()
    with open_store(config.store) as store:
        bot = service(tmp_path, store, clock)
        for _ in range(2):
            asyncio.run(bot.read_bounces())
        (told,) = (r for r in caplog.records if r.levelno == logging.WARNING)
        assert "no Maildir: it has no folders new and cur" in told.getMessage()
        assert config.bounces is not None
        assert store.bounces.mailbox(config.bounces.place).last_error is not None
        box = mailbox.Maildir(tmp_path / "box")
        box.add(b"Subject: no bounce\n\n")
        asyncio.run(bot.read_bounces())
        assert [mail.get_subdir() for mail in box] == ["cur"]
        assert store.bounces.mailbox(config.bounces.place).last_error is None
