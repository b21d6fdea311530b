"""Single ticks on a fixed clock; a running service is tested in tests/cli/test_serve.py."""

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
from digestbot.errors import DigestbotError, StoreReplaced, StoreUnavailable
from digestbot.model import DeliveryState
from digestbot.render import Templates, load_templates
from digestbot.scheduler import Service, _isolated
from digestbot.store import Store, open_store
from tests.servers.arxiv import ArxivServer, FakePaper
from tests.servers.slack import TOKEN, SlackServer
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
    """Clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def write(folder: Path, *, url: str, change: Mapping[str, str] | None = None) -> Config:
    """Write the config with the replacements in *change*, and load it."""
    text = CONFIG.format(folder=folder, url=url)
    for old, new in (change or {}).items():
        text = text.replace(old, new)
    (folder / "config.yaml").write_text(text)
    return load_config(folder / "config.yaml", {})


def service(folder: Path, store: Store, clock: Clock) -> Service:
    """Return a service that loads the config in *folder* at each reload."""

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
    """Return the number of papers of each edition, oldest first."""
    return [edition.papers for edition in reversed(store.editions.list())]


def test_a_week_of_sleep_becomes_one_edition(tmp_path: Path) -> None:
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


def test_concurrent_cycles_run_one_after_the_other(tmp_path: Path) -> None:
    async def both(bot: Service) -> None:
        await asyncio.gather(bot.cycle(), bot.cycle())

    with ArxivServer([paper(1, NOW)]) as arxiv:
        config = write(tmp_path, url=arxiv.url, change=ONE_SOURCE)
        with open_store(config.store) as store:
            asyncio.run(both(service(tmp_path, store, Clock())))
            assert editions(store) == [1]
        assert len(arxiv.requests) == 1


def test_a_slow_source_delays_only_its_own_digests(
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


def test_no_cycle_begins_after_stop(tmp_path: Path) -> None:
    with ArxivServer([paper(1, NOW)]) as arxiv:
        config = write(tmp_path, url=arxiv.url, change=ONE_SOURCE)
        with open_store(config.store) as store:
            bot = service(tmp_path, store, Clock())
            bot.stop()
            asyncio.run(bot.cycle())
        assert not arxiv.requests


def test_reload_takes_a_valid_config_and_keeps_a_broken_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ArxivServer([paper(1, NOW)]) as arxiv:
        config = write(tmp_path, url=arxiv.url, change=ONE_SOURCE)
        with open_store(config.store) as store:
            bot = service(tmp_path, store, Clock())
            write_text = (tmp_path / "config.yaml").write_text
            write_text("digests: {}\nsources: 5\n")
            bot.reload()
            assert "config not reloaded" in caplog.text
            asyncio.run(bot.cycle())
            assert editions(store) == [1]
            write(tmp_path, url=arxiv.url, change={**ONE_SOURCE, "systems:": "renamed:"})
            with caplog.at_level(logging.INFO):
                bot.reload()
            assert "config reloaded" in caplog.text
            asyncio.run(bot.cycle())
            assert [e.name for e in store.editions.list()] == ["renamed/1", "systems/1"]


def test_after_a_reload_a_removed_digest_is_not_delivered(tmp_path: Path) -> None:
    with ArxivServer([paper(1, NOW)]) as arxiv:
        config = write(tmp_path, url=arxiv.url, change=ONE_SOURCE)
        with open_store(config.store) as store:
            bot = service(tmp_path, store, Clock())
            asyncio.run(bot.cycle())
            write(tmp_path, url=arxiv.url, change={**ONE_SOURCE, "systems:": "renamed:"})
            bot.reload()
            asyncio.run(bot.deliver())
            assert [d.state for d in store.outbox.list()] == [DeliveryState.CANCELLED]
            assert not (tmp_path / "out").exists()


def test_reload_reads_a_rotated_token_from_its_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("xoxb-pl4nted-revoked\n")
    with ArxivServer([paper(1, NOW)]) as arxiv, SlackServer() as slack:
        slack_keys = f'slack: {{token: "${{file:{token}}}", url: "{slack.url}"}}\nsources:'
        channel = {"{folder: out}": '{slack: "#papers"}', "sources:\n": f"{slack_keys}\n"}
        config = write(tmp_path, url=arxiv.url, change={**ONE_SOURCE, **channel})
        with open_store(config.store) as store:
            bot = service(tmp_path, store, Clock())
            asyncio.run(bot.cycle())
            asyncio.run(bot.deliver())
            assert not slack.posted
            token.write_text(f"{TOKEN}\n")
            bot.reload()
            asyncio.run(bot.deliver())
            assert [d.state for d in store.outbox.list()] == [DeliveryState.SENT]


def test_reload_refuses_another_store(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = write(tmp_path, url="http://127.0.0.1:9/")
    with open_store(config.store) as store:
        bot = service(tmp_path, store, Clock())
        write(tmp_path, url="http://127.0.0.1:9/", change={"store.db": "other.db"})
        bot.reload()
    (record,) = (r for r in caplog.records if r.levelno == logging.ERROR)
    assert (record.getMessage(), record.error) == (  # type: ignore[attr-defined]
        "config not reloaded",
        "another store needs a restart",
    )


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (StoreUnavailable("locked"), "tick failed, the next one retries"),
        (DigestbotError("odd"), "tick failed, the next one retries"),
        (ZeroDivisionError(), "tick failed unexpectedly"),
    ],
)
def test_an_error_ends_only_its_tick(
    caplog: pytest.LogCaptureFixture, error: Exception, event: str
) -> None:
    async def fail() -> None:
        raise error

    ends: list[StoreReplaced] = []
    asyncio.run(_isolated(fail, ends.append)())
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [(logging.ERROR, event)]
    assert not ends


def test_a_replaced_store_ends_the_service() -> None:
    async def fail() -> None:
        raise StoreReplaced("digestbot.db: was deleted")

    ends: list[StoreReplaced] = []
    asyncio.run(_isolated(fail, ends.append)())
    assert [str(error) for error in ends] == ["digestbot.db: was deleted"]


def test_a_failing_bounce_mailbox_is_logged_once(
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
        (record,) = (r for r in caplog.records if r.levelno == logging.WARNING)
        assert record.getMessage() == "bounce mailbox failed"
        assert config.bounces is not None
        assert store.bounces.mailbox(config.bounces.place).last_error is not None
        box = mailbox.Maildir(tmp_path / "box")
        box.add(b"Subject: no bounce\n\n")
        asyncio.run(bot.read_bounces())
        assert [mail.get_subdir() for mail in box] == ["cur"]
        assert store.bounces.mailbox(config.bounces.place).last_error is None


def test_cycles_are_reported_to_the_monitor(tmp_path: Path) -> None:
    """A good cycle every five minutes, a failure at once and, until it is over, every five."""
    clock = Clock()
    with ArxivServer([paper(1, NOW)]) as arxiv, WebServer.of(Reply()) as monitor:
        top = {"sources:\n": f"ping_url: {monitor.url}/check\nsources:\n"}
        config = write(tmp_path, url=arxiv.url, change=ONE_SOURCE | top)
        with open_store(config.store) as store:
            bot = service(tmp_path, store, clock)

            def cycle(after: timedelta) -> list[str]:
                clock.now += after
                before = len(monitor.requests)
                asyncio.run(bot.cycle())
                return [request.path for request in monitor.requests[before:]]

            assert cycle(timedelta(0)) == ["/check"]
            assert cycle(timedelta(minutes=4)) == []
            assert cycle(timedelta(minutes=1)) == ["/check"]
            store.digests.set_error("systems", "disk full")
            assert cycle(timedelta(seconds=30)) == ["/check/fail"]
            assert cycle(timedelta(seconds=30)) == []
            store.digests.set_error("systems", None)
            assert cycle(timedelta(seconds=30)) == ["/check"]


def test_an_awaited_announcement_is_polled_until_it_is_there(tmp_path: Path) -> None:
    """The query API alone, which has Monday's paper at 08:20."""
    clock = Clock()
    submitted = NOW - timedelta(days=2, hours=14)  # Friday, for Monday's batch
    window = {**ONE_SOURCE, "daily 09:00": '{after: announcement, latest: "10:00"}'}
    with ArxivServer([paper(1, submitted - timedelta(days=2))]) as arxiv:
        config = write(tmp_path, url=arxiv.url, change=window)
        with open_store(config.store) as store:
            bot = service(tmp_path, store, clock)
            made: list[int] = []
            while not made and clock.now < NOW + timedelta(hours=2):
                if clock.now == NOW + timedelta(minutes=20):
                    arxiv.papers.append(paper(2, submitted))
                asyncio.run(bot.cycle())
                made = editions(store)
                clock.now += timedelta(minutes=1)
        assert made == [2]
        assert NOW + timedelta(minutes=20) < clock.now < NOW + timedelta(minutes=40)
        assert len(arxiv.requests) <= 3
