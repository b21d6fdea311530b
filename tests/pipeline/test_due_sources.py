"""Which sources are asked when, by a clock of our own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digestbot.config import Config, load_config
from digestbot.pipeline.due_sources import FRESH, POLL_INTERVAL, refusals, sources_of_run, sources_of_tick
from digestbot.pipeline.fetching import fingerprint
from digestbot.scheduler import CYCLE_S
from digestbot.store import PassStatus, Store, open_store
from digestbot.syncing import sync_config

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


def ask(
    store: Store,
    config: Config,
    *names: str,
    at: datetime,
    status: PassStatus = PassStatus.OK,
    next_try_at: datetime | None = None,
) -> None:
    """A pass over each source, begun and ended *at* that moment."""
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
    """The digest had its edition of that moment, the next is due at 09:00."""
    sync_config(store, config, at)
    schedule = config.digests["systems"].schedule
    store.digests.set_next_due("systems", schedule.next_after(at))


def test_a_new_bot_asks_everybody(store: Store, config: Config) -> None:
    with store:
        assert sources_of_tick(store, config, NOW) == ("daily", "spare")


def test_nobody_is_asked_twice_for_nothing(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW)
        ask(store, config, "daily", "spare", at=NOW)
        assert sources_of_tick(store, config, NOW + TICK) == ()
        assert sources_of_tick(store, config, NOW + FRESH - TICK) == ()


def test_a_due_digest_has_its_own_sources_asked(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW - timedelta(hours=3))
        ask(store, config, "daily", "spare", at=NOW - timedelta(hours=3))
        nine = NOW + timedelta(hours=1)
        assert sources_of_tick(store, config, nine - TICK) == ()
        assert sources_of_tick(store, config, nine) == ("daily",)


def test_what_was_asked_within_the_hour_is_fresh_enough_for_an_edition(
    store: Store, config: Config
) -> None:
    with store:
        settle(store, config, NOW)
        nine = NOW + timedelta(hours=1)
        ask(store, config, "daily", at=nine - FRESH + TICK)
        assert "daily" not in sources_of_tick(store, config, nine)


def test_feeds_nobody_waits_for_are_read_before_their_entries_fall_out(
    store: Store, config: Config
) -> None:
    with store:
        settle(store, config, NOW + timedelta(hours=2))
        ask(store, config, "daily", "spare", at=NOW + timedelta(hours=2))
        assert sources_of_tick(store, config, NOW + timedelta(hours=2) + POLL_INTERVAL - TICK) == ()
        assert sources_of_tick(store, config, NOW + timedelta(hours=2) + POLL_INTERVAL) == ("daily", "spare")


def test_after_a_week_of_sleep_everything_is_due_at_once(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW)
        ask(store, config, "daily", "spare", at=NOW)
        assert sources_of_tick(store, config, NOW + timedelta(days=7)) == ("daily", "spare")


@pytest.mark.parametrize("back", [timedelta(minutes=10), timedelta(days=400)])
def test_a_clock_that_was_set_back_stops_nobody(
    store: Store, config: Config, back: timedelta
) -> None:
    with store:
        settle(store, config, NOW)
        ask(store, config, "daily", "spare", at=NOW)
        assert sources_of_tick(store, config, NOW - back) == ("daily", "spare")
        ask(store, config, "daily", "spare", at=NOW - back)
        assert sources_of_tick(store, config, NOW - back + TICK) == ()


@pytest.mark.parametrize("is_waited_for", [True, False])
def test_a_source_that_wants_rest_is_left_alone_until_then(
    store: Store, config: Config, is_waited_for: bool
) -> None:
    rest_ends = NOW + timedelta(hours=9)
    with store:
        if not is_waited_for:
            settle(store, config, NOW + timedelta(hours=2))
        ask(store, config, "daily", at=NOW, status=PassStatus.REFUSED, next_try_at=rest_ends)
        assert "daily" not in sources_of_tick(store, config, rest_ends - TICK)
        assert "daily" in sources_of_tick(store, config, rest_ends)


def test_a_rest_is_not_prolonged_by_a_clock_that_was_set_back(store: Store, config: Config) -> None:
    """A server that wanted rest for hours, asked by a clock that ran a year ahead."""
    ahead = NOW + timedelta(days=365)
    with store:
        ask(
            store,
            config,
            "daily",
            at=ahead,
            status=PassStatus.LATE,
            next_try_at=ahead + timedelta(hours=1),
        )
        assert "daily" in sources_of_tick(store, config, NOW)


def test_a_pass_that_was_cut_off_is_made_up_for_at_once(store: Store, config: Config) -> None:
    """The process was stopped in the middle of it, a minute before the digest was due."""
    with store:
        settle(store, config, NOW)
        ask(store, config, "daily", "spare", at=NOW)
        asked = fingerprint(config.sources["daily"])
        store.sources.begin_pass("daily", NOW + timedelta(minutes=59), asked=asked)
        assert sources_of_tick(store, config, NOW + timedelta(hours=1)) == ("daily",)


def test_a_late_source_is_asked_when_it_said_so_even_if_nobody_waits(
    store: Store, config: Config
) -> None:
    due = NOW + timedelta(minutes=40)
    with store:
        settle(store, config, NOW + timedelta(hours=2))
        ask(store, config, "daily", at=NOW, status=PassStatus.LATE, next_try_at=due)
        assert "daily" not in sources_of_tick(store, config, due - TICK)
        assert "daily" in sources_of_tick(store, config, due)


def test_a_source_whose_address_was_corrected_does_not_rest(
    store: Store, config: Config, tmp_path: Path
) -> None:
    with store:
        settle(store, config, NOW)
        ask(store, config, "daily", at=NOW)
        rest = NOW + timedelta(hours=6)
        ask(store, config, "spare", at=NOW, status=PassStatus.REFUSED, next_try_at=rest)
        assert sources_of_tick(store, config, NOW + TICK) == ()
        corrected = written(tmp_path, CONFIG.replace("/feed", "/feed.xml"))
        assert sources_of_tick(store, corrected, NOW + TICK) == ("spare",)


# What `run` asks


def of_run(store: Store, config: Config, now: datetime, *, force: bool = False) -> tuple[str, ...]:
    return sources_of_run(store, config, list(config.digests.values()), now, force=force)


def test_a_run_asks_what_a_due_digest_waits_for_however_lately_it_was_asked(
    store: Store, config: Config
) -> None:
    with store:
        late = NOW + timedelta(minutes=40)
        ask(store, config, "daily", at=NOW, status=PassStatus.LATE, next_try_at=late)
        assert of_run(store, config, NOW + TICK) == ("daily",)


def test_a_run_with_nothing_due_asks_nobody_twice_for_nothing(store: Store, config: Config) -> None:
    with store:
        settle(store, config, NOW + timedelta(hours=2))
        ask(store, config, "daily", at=NOW + timedelta(hours=2))
        assert of_run(store, config, NOW + timedelta(hours=3)) == ()
        assert of_run(store, config, NOW + timedelta(hours=3), force=True) == ("daily",)
        assert of_run(store, config, NOW + timedelta(hours=2) + POLL_INTERVAL) == ("daily",)


def test_a_run_leaves_a_server_alone_that_refused_us(store: Store, config: Config) -> None:
    """To go on asking while blocked is read as an attack (arXiv, "Robots Beware")."""
    rest = NOW + timedelta(hours=6)
    digests = list(config.digests.values())
    with store:
        ask(store, config, "daily", at=NOW, status=PassStatus.REFUSED, next_try_at=rest)
        assert of_run(store, config, rest - TICK) == ()
        assert list(refusals(store, config, digests, rest - TICK)) == ["daily"]
        assert of_run(store, config, rest - TICK, force=True) == ("daily",)
        assert of_run(store, config, rest) == ("daily",)
        assert not refusals(store, config, digests, rest)
