"""What is due when, by a clock of our own; the ticks over real servers are in tests/cli."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from digestbot.config import Config, load_config
from digestbot.errors import DigestbotError, StoreUnavailable
from digestbot.render import Templates, load_templates
from digestbot.scheduler import CYCLE_S, FRESH, POLL, Service, _fenced, sources_due
from digestbot.store import PassStatus, Store, open_store
from tests.servers.arxiv import ArxivServer, FakePaper

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""A Monday."""
TICK = timedelta(seconds=CYCLE_S)
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


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return write(tmp_path, url="http://127.0.0.1:9/api/query")


@pytest.fixture
def store() -> "Store":
    return open_store("sqlite://")


def write(folder: Path, *, url: str, change: Mapping[str, str] | None = None) -> Config:
    """The config, with each text of *change* in the place of another."""
    text = CONFIG.format(folder=folder, url=url)
    for old, new in (change or {}).items():
        text = text.replace(old, new)
    (folder / "config.yaml").write_text(text)
    return load_config(folder / "config.yaml", {})


def ask(
    store: Store,
    *names: str,
    at: datetime,
    status: PassStatus = PassStatus.OK,
    next_try_at: datetime | None = None,
) -> None:
    """A pass over each source, begun and ended *at* that moment."""
    for name in names:
        store.sources.end_pass(
            store.sources.begin_pass(name, at),
            status=status,
            pages=1,
            entries=1,
            new=0,
            error=None,
            note=None,
            next_try_at=next_try_at,
            now=at,
        )


def settle(store: Store, config: Config, at: datetime) -> None:
    """The digest had its edition of that moment, the next is due at 09:00."""
    sources_due(store, config, at)
    schedule = config.digests["systems"].schedule
    store.digests.set_next_due("systems", schedule.next_after(at))


# What is due


def test_a_new_bot_asks_everybody(store: Store, config: Config) -> None:
    with store:
        assert sources_due(store, config, NOW) == ("daily", "spare")


def test_nobody_is_asked_twice_for_nothing(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW)
        ask(store, "daily", "spare", at=NOW)
        assert sources_due(store, config, NOW + TICK) == ()
        assert sources_due(store, config, NOW + FRESH - TICK) == ()


def test_a_due_digest_has_its_own_sources_asked(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW - timedelta(hours=3))
        ask(store, "daily", "spare", at=NOW - timedelta(hours=3))
        nine = NOW + timedelta(hours=1)
        assert sources_due(store, config, nine - TICK) == ()
        assert sources_due(store, config, nine) == ("daily",)


def test_what_was_asked_within_the_hour_is_fresh_enough_for_an_edition(
    store: Store, config: Config
) -> None:
    with store:
        settle(store, config, NOW)
        nine = NOW + timedelta(hours=1)
        ask(store, "daily", at=nine - FRESH + TICK)
        assert "daily" not in sources_due(store, config, nine)


def test_feeds_nobody_waits_for_are_read_before_their_entries_fall_out(
    store: Store, config: Config
) -> None:
    with store:
        settle(store, config, NOW + timedelta(hours=2))
        ask(store, "daily", "spare", at=NOW + timedelta(hours=2))
        assert sources_due(store, config, NOW + timedelta(hours=2) + POLL - TICK) == ()
        assert sources_due(store, config, NOW + timedelta(hours=2) + POLL) == ("daily", "spare")


def test_after_a_week_of_sleep_everything_is_due_at_once(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW)
        ask(store, "daily", "spare", at=NOW)
        assert sources_due(store, config, NOW + timedelta(days=7)) == ("daily", "spare")


@pytest.mark.parametrize("back", [timedelta(minutes=10), timedelta(days=400)])
def test_a_clock_that_was_set_back_stops_nobody(
    store: Store, config: Config, back: timedelta
) -> None:
    with store:
        settle(store, config, NOW)
        ask(store, "daily", "spare", at=NOW)
        assert sources_due(store, config, NOW - back) == ("daily", "spare")
        ask(store, "daily", "spare", at=NOW - back)
        assert sources_due(store, config, NOW - back + TICK) == ()


@pytest.mark.parametrize("is_waited_for", [True, False])
def test_a_source_that_wants_rest_is_left_alone_until_then(
    store: Store, config: Config, is_waited_for: bool
) -> None:
    rest_ends = NOW + timedelta(hours=9)
    with store:
        if not is_waited_for:
            settle(store, config, NOW + timedelta(hours=2))
        ask(store, "daily", at=NOW, status=PassStatus.REFUSED, next_try_at=rest_ends)
        assert "daily" not in sources_due(store, config, rest_ends - TICK)
        assert "daily" in sources_due(store, config, rest_ends)


def test_a_rest_is_not_prolonged_by_a_clock_that_was_set_back(store: Store, config: Config) -> None:
    """A server that wanted rest for hours, asked by a clock that ran a year ahead."""
    ahead = NOW + timedelta(days=365)
    with store:
        ask(
            store,
            "daily",
            at=ahead,
            status=PassStatus.LATE,
            next_try_at=ahead + timedelta(hours=1),
        )
        assert "daily" in sources_due(store, config, NOW)


def test_a_pass_that_was_cut_off_is_made_up_for_at_once(store: Store, config: Config) -> None:
    """The process was stopped in the middle of it, a minute before the digest was due."""
    with store:
        settle(store, config, NOW)
        ask(store, "daily", "spare", at=NOW)
        store.sources.begin_pass("daily", NOW + timedelta(minutes=59))
        assert sources_due(store, config, NOW + timedelta(hours=1)) == ("daily",)


# The service


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

    asyncio.run(_fenced(fail)())
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [(logging.ERROR, words)]
