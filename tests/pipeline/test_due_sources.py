"""Sources due at a tick and in a run, on a fixed clock."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digestbot.config import Config, load_config
from digestbot.pipeline import fetch
from digestbot.pipeline.due_sources import (
    AWAITED_INTERVAL,
    MIN_INTERVAL,
    POLL_INTERVAL,
    refusals,
    sources_of_run,
    sources_of_tick,
)
from digestbot.pipeline.fetching import fingerprint
from digestbot.scheduler import CYCLE_S
from digestbot.store import PassStatus, Store, open_store
from digestbot.syncing import is_due, sync_config
from tests.servers.arxiv import ArxivServer, make_papers
from tests.servers.web import Reply, WebServer
from tests.sources.test_arxiv_channels import daily_feed

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""A Monday."""
TICK = timedelta(seconds=CYCLE_S)
CONFIG = """\
sources:
  daily: {kind: arxiv, categories: [cs.DC]}
  spare: {kind: feed, url: "https://example.org/feed"}
digests:
  systems:
    schedule: daily 09:00
    sources: [daily]
    deliver: [{folder: out}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return written(tmp_path, CONFIG)


@pytest.fixture
def store() -> Store:
    return open_store("sqlite://")


def written(folder: Path, text: str) -> Config:
    (folder / "config.yaml").write_text(text)
    return load_config(folder / "config.yaml", {})


def record_pass(
    store: Store,
    config: Config,
    *names: str,
    at: datetime,
    status: PassStatus = PassStatus.OK,
    next_try_at: datetime | None = None,
) -> None:
    """Record a pass over each source, begun and ended *at* that moment."""
    for name in names:
        store.sources.end_pass(
            store.sources.begin_pass(name, at, asked=fingerprint(config.sources[name])),
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
    """Record that the digest had its edition at that moment; the next is due at 09:00."""
    sync_config(store, config, at)
    schedule = config.digests["systems"].schedule
    store.digests.set_next_due("systems", schedule.next_after(at))


def test_a_new_bot_fetches_all_sources(store: Store, config: Config) -> None:
    with store:
        assert sources_of_tick(store, config, NOW) == ("daily", "spare")


def test_fresh_sources_are_not_fetched_again(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW)
        record_pass(store, config, "daily", "spare", at=NOW)
        assert sources_of_tick(store, config, NOW + TICK) == ()
        assert sources_of_tick(store, config, NOW + timedelta(hours=1) - TICK) == ()


def test_a_due_digest_gets_its_own_sources_fetched(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW - timedelta(hours=3))
        record_pass(store, config, "daily", "spare", at=NOW - timedelta(hours=3))
        nine = NOW + timedelta(hours=1)
        assert sources_of_tick(store, config, nine - TICK) == ()
        assert sources_of_tick(store, config, nine) == ("daily",)


def test_a_source_is_fresh_if_asked_since_the_slot_began(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW)
        nine = NOW + timedelta(hours=1)
        record_pass(store, config, "daily", at=nine - timedelta(minutes=59, seconds=55))
        assert "daily" in sources_of_tick(store, config, nine)
        record_pass(store, config, "daily", at=nine)
        assert "daily" not in sources_of_tick(store, config, nine + timedelta(hours=3))


def test_a_source_asked_just_before_the_slot_is_left_alone(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW)
        nine = NOW + timedelta(hours=1)
        record_pass(store, config, "daily", at=nine - MIN_INTERVAL + TICK)
        assert "daily" not in sources_of_tick(store, config, nine)
        assert "daily" in sources_of_tick(store, config, nine + TICK)


def test_idle_feeds_are_polled_before_entries_drop_out(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW + timedelta(hours=2))
        record_pass(store, config, "daily", "spare", at=NOW + timedelta(hours=2))
        assert sources_of_tick(store, config, NOW + timedelta(hours=2) + POLL_INTERVAL - TICK) == ()
        assert sources_of_tick(store, config, NOW + timedelta(hours=2) + POLL_INTERVAL) == (
            "daily",
            "spare",
        )


def test_after_a_week_of_sleep_all_sources_are_due(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW)
        record_pass(store, config, "daily", "spare", at=NOW)
        assert sources_of_tick(store, config, NOW + timedelta(days=7)) == ("daily", "spare")


@pytest.mark.parametrize("back", [timedelta(minutes=10), timedelta(days=400)])
def test_a_clock_set_back_blocks_no_source(store: Store, config: Config, back: timedelta) -> None:
    with store:
        settle(store, config, NOW)
        record_pass(store, config, "daily", "spare", at=NOW)
        assert sources_of_tick(store, config, NOW - back) == ("daily", "spare")
        record_pass(store, config, "daily", "spare", at=NOW - back)
        assert sources_of_tick(store, config, NOW - back + TICK) == ()


@pytest.mark.parametrize("is_awaited", [True, False])
def test_a_refusing_source_rests_until_its_retry_time(
    store: Store, config: Config, is_awaited: bool
) -> None:
    rest_ends = NOW + timedelta(hours=9)
    with store:
        if not is_awaited:
            settle(store, config, NOW + timedelta(hours=2))
        record_pass(
            store, config, "daily", at=NOW, status=PassStatus.REFUSED, next_try_at=rest_ends
        )
        assert "daily" not in sources_of_tick(store, config, rest_ends - TICK)
        assert "daily" in sources_of_tick(store, config, rest_ends)


def test_a_clock_set_back_does_not_prolong_a_rest(store: Store, config: Config) -> None:
    """The server asked for an hour of rest while our clock ran a year ahead."""
    ahead = NOW + timedelta(days=365)
    with store:
        record_pass(
            store,
            config,
            "daily",
            at=ahead,
            status=PassStatus.LATE,
            next_try_at=ahead + timedelta(hours=1),
        )
        assert "daily" in sources_of_tick(store, config, NOW)


def test_an_interrupted_pass_is_repeated_at_once(store: Store, config: Config) -> None:
    """The process was stopped during the pass, a minute before the digest was due."""
    with store:
        settle(store, config, NOW)
        record_pass(store, config, "daily", "spare", at=NOW)
        asked = fingerprint(config.sources["daily"])
        store.sources.begin_pass("daily", NOW + timedelta(minutes=59), asked=asked)
        assert sources_of_tick(store, config, NOW + timedelta(hours=1)) == ("daily",)


def test_an_idle_late_source_is_fetched_at_its_retry_time(store: Store, config: Config) -> None:
    due = NOW + timedelta(minutes=40)
    with store:
        settle(store, config, NOW + timedelta(hours=2))
        record_pass(store, config, "daily", at=NOW, status=PassStatus.LATE, next_try_at=due)
        assert "daily" not in sources_of_tick(store, config, due - TICK)
        assert "daily" in sources_of_tick(store, config, due)


def test_a_source_with_a_corrected_url_does_not_rest(
    store: Store, config: Config, tmp_path: Path
) -> None:
    with store:
        settle(store, config, NOW)
        record_pass(store, config, "daily", at=NOW)
        rest = NOW + timedelta(hours=6)
        record_pass(store, config, "spare", at=NOW, status=PassStatus.REFUSED, next_try_at=rest)
        assert sources_of_tick(store, config, NOW + TICK) == ()
        corrected = written(tmp_path, CONFIG.replace("/feed", "/feed.xml"))
        assert sources_of_tick(store, corrected, NOW + TICK) == ("spare",)


def test_an_awaited_source_is_asked_every_15_minutes(store: Store, tmp_path: Path) -> None:
    """The query API alone, of which two digests wait for Monday's papers until 10:00."""
    window = 'schedule: {after: announcement, latest: "10:00"}'
    query = CONFIG.replace("categories: [cs.DC]", 'query: "cat:cs.DC"')
    config = written(tmp_path, query.replace("schedule: daily 09:00", window))
    with store:
        settle(store, config, NOW - timedelta(hours=2))
        record_pass(store, config, "daily", "spare", at=NOW)
        assert sources_of_tick(store, config, NOW + AWAITED_INTERVAL) == ()
        assert sources_of_tick(store, config, NOW + AWAITED_INTERVAL + TICK) == ("daily",)
        record_pass(store, config, "daily", at=NOW + timedelta(minutes=119))
        assert sources_of_tick(store, config, NOW + timedelta(hours=3)) == ()


@pytest.mark.parametrize("status", [PassStatus.OK, PassStatus.EMPTY, PassStatus.PARTIAL])
def test_a_source_that_says_when_is_asked_then(
    store: Store, config: Config, status: PassStatus
) -> None:
    """However many digests become due until then."""
    again = NOW + timedelta(hours=9)
    with store:
        settle(store, config, NOW)
        record_pass(store, config, "spare", at=NOW)
        record_pass(store, config, "daily", at=NOW, status=status, next_try_at=again)
        nine = NOW + timedelta(hours=1)
        assert sources_of_tick(store, config, nine) == sources_in_run(store, config, nine) == ()
        store.digests.set_next_due("systems", again - TICK)
        assert "daily" not in sources_in_run(store, config, again - TICK)
        assert "daily" in sources_of_tick(store, config, again)
        assert "daily" in sources_in_run(store, config, again)


def clock(now: datetime) -> Callable[[], datetime]:
    return lambda: now


def requests_of_a_day(folder: Path, schedules: list[str]) -> list[str]:
    """Return the requests to arXiv in one day of digests with *schedules*."""
    papers = make_papers(
        3, start=datetime(2026, 11, 17, 12, tzinfo=UTC), days=0.1, category="cs.DC"
    )
    feed = daily_feed(*(paper.id for paper in papers))
    with (
        open_store("sqlite://") as store,
        ArxivServer(papers) as api,
        WebServer(lambda _: Reply(body=feed)) as rss,
    ):
        digests = "".join(
            f"  d{n}: {{schedule: {schedule}, deliver: [{{folder: out}}]}}\n"
            for n, schedule in enumerate(schedules)
        )
        source = (
            f"{{kind: arxiv, categories: [cs.DC], url: {api.url!r}, rss_url: {rss.url!r},"
            " interval: 0s}"
        )
        config = written(folder, f"sources:\n  a: {source}\ndigests:\n{digests}")
        now = datetime(2026, 11, 18, 4, tzinfo=UTC)
        sync_config(store, config, now)
        for _ in range(24 * 6):
            asyncio.run(fetch(store, config, sources_of_tick(store, config, now), clock=clock(now)))
            for name in config.digests:
                if is_due(config.digests[name], store.digests.state(name), now):
                    store.digests.set_next_due(name, config.digests[name].schedule.next_after(now))
            now += timedelta(minutes=10)
        (state,) = store.sources.states()
        assert state.status is PassStatus.OK
        return [request.path for request in (*rss.requests, *api.requests)]


def test_many_digests_cause_the_requests_of_one(tmp_path: Path) -> None:
    """A source whose batch is verified is asked again at the next announcement."""
    window = '{after: announcement, earliest: "%02d:00", latest: "%02d:30"}'
    many = [f'"{7 * n % 60} {n % 24} * * *"' for n in range(48)]
    many += [window % (n, n) for n in range(24)]
    one = requests_of_a_day(tmp_path, ["daily 09:00"])
    assert one
    assert requests_of_a_day(tmp_path, many) == one


@pytest.mark.parametrize("key", ["headers", "cookies"])
def test_a_source_with_a_new_secret_does_not_rest(
    store: Store, config: Config, tmp_path: Path, key: str
) -> None:
    def with_secret(value: str) -> Config:
        return written(tmp_path, CONFIG.replace('feed"}', f'feed", {key}: {{X-Key: {value}}}}}'))

    with store:
        config = with_secret("wrong")
        settle(store, config, NOW)
        record_pass(store, config, "daily", at=NOW)
        rest = NOW + timedelta(hours=6)
        record_pass(store, config, "spare", at=NOW, status=PassStatus.REFUSED, next_try_at=rest)
        assert sources_of_tick(store, config, NOW + TICK) == ()
        assert sources_of_tick(store, with_secret("right"), NOW + TICK) == ("spare",)


# Sources that `run` fetches


def sources_in_run(
    store: Store, config: Config, now: datetime, *, force: bool = False
) -> tuple[str, ...]:
    return sources_of_run(store, config, list(config.digests.values()), now, force=force)


def test_a_run_fetches_what_a_due_digest_waits_for(store: Store, config: Config) -> None:
    with store:
        late = NOW + timedelta(minutes=40)
        record_pass(store, config, "daily", at=NOW, status=PassStatus.LATE, next_try_at=late)
        assert sources_in_run(store, config, NOW + TICK) == ("daily",)


def test_a_run_with_nothing_due_respects_the_interval(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW + timedelta(hours=2))
        record_pass(store, config, "daily", at=NOW + timedelta(hours=2))
        assert sources_in_run(store, config, NOW + timedelta(hours=3)) == ()
        assert sources_in_run(store, config, NOW + timedelta(hours=3), force=True) == ("daily",)
        assert sources_in_run(store, config, NOW + timedelta(hours=2) + POLL_INTERVAL) == ("daily",)


def test_a_run_leaves_a_refusing_server_alone(store: Store, config: Config) -> None:
    """Further requests while blocked look like an attack (arXiv, "Robots Beware")."""
    rest = NOW + timedelta(hours=6)
    digests = list(config.digests.values())
    with store:
        record_pass(store, config, "daily", at=NOW, status=PassStatus.REFUSED, next_try_at=rest)
        assert sources_in_run(store, config, rest - TICK) == ()
        assert list(refusals(store, config, digests, rest - TICK)) == ["daily"]
        assert sources_in_run(store, config, rest - TICK, force=True) == ("daily",)
        assert sources_in_run(store, config, rest) == ("daily",)
        assert not refusals(store, config, digests, rest)
