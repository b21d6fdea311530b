"""Digests that wait for arXiv's announcement, on a clock that is passed in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.arxiv_calendar import calendar_with, oai_at
from digestbot.awaiting import (
    awaited_by,
    awaited_day,
    is_settled,
    unsettled_of,
    waiting,
)
from digestbot.config import Config, load_config
from digestbot.model import (
    Batch,
    BatchOutcome,
    BatchState,
    Channel,
    ChannelAnswer,
    ChannelCheck,
    FetchedPaper,
)
from digestbot.pipeline import EditionMade, make_editions
from digestbot.render import load_templates
from digestbot.schedule import parse_schedule
from digestbot.status import gather
from digestbot.store import Store, open_store
from digestbot.syncing import sync_config
from tests.pipeline.conftest import paper
from tests.test_schedule import slots_of

RSS, OAI, API = Channel.RSS, Channel.OAI, Channel.API
COMPLETE, EMPTY, STALE, PARTIAL, DOWN = BatchOutcome
FRIDAY = date(2026, 11, 20)
DAY = timedelta(days=1)
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Nuuk",
    "Pacific/Apia",
)
CALENDAR = calendar_with()
CONFIG = """\
timezone: UTC
sources:
  a: {kind: arxiv, categories: [cs.DC, cs.OS]}
  api: {kind: arxiv, query: "cat:cs.DC"}
  feed: {kind: feed, url: "https://example.org/feed.xml"}
digests:
"""
WINDOW = 'schedule: {after: announcement, earliest: "07:00", latest: "10:00"}'
D = f"  d: {{{WINDOW}, sources: [a], deliver: [{{folder: out}}]}}\n"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(clock: str, day: date = FRIDAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), UTC)


# The day that a slot awaits


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"earliest": "00:00", "latest": "05:00"},
        {"earliest": "13:00", "latest": "23:59"},
        {"earliest": "07:00", "latest": "07:00"},
        {"days": "mon,thu"},
    ],
)
def test_each_announcement_is_awaited_in_its_first_slot(zone: str, keys: dict[str, str]) -> None:
    """It is the first that closes after OAI-PMH has it; of two on one day the newest counts."""
    schedule = parse_schedule({"after": "announcement", **keys}, ZoneInfo(zone))
    slots = list(slots_of(schedule, utc("2026-01-01T12:00"), utc("2027-12-20T12:00")))
    closes = [slot.closes_at for slot in slots]
    expected: dict[int, date] = {}
    for n in range(1, 700):
        day = date(2026, 1, 1) + n * DAY
        if CALENDAR.has_announcement(day):
            later = (i for i, end in enumerate(closes) if end and end >= oai_at(day))
            expected[next(later)] = day
    compared = range(5, max(expected))
    found = [awaited_day(schedule, slots[i], CALENDAR) for i in compared]
    assert found == list(map(expected.get, compared))


def test_cron_awaits_nothing() -> None:
    schedule = parse_schedule("daily 09:00", ZoneInfo("UTC"))
    slot = schedule.latest_slot(at("09:30"))
    assert slot is not None
    assert awaited_day(schedule, slot, CALENDAR) is None


# Batches


def batch(
    state: BatchState,
    *answers: BatchOutcome | None,
    lacks: int = 0,
    day: date = FRIDAY,
    category: str = "cs.DC",
) -> Batch:
    said = [
        ChannelAnswer(channel=channel, outcome=outcome, lacks=lacks if n == 0 else 0)
        for n, (channel, outcome) in enumerate(zip(Channel, answers, strict=False))
    ]
    return Batch(source="a", category=category, day=day, state=state, papers=3, answers=tuple(said))


@pytest.mark.parametrize(
    ("found", "settled", "reason"),
    [
        (batch(BatchState.WEEKEND), True, "nothing is announced"),
        (batch(BatchState.HOLIDAY, None, None), True, "nothing is announced"),
        (batch(BatchState.ANNOUNCED, COMPLETE, COMPLETE, None), True, "two channels agree"),
        (batch(BatchState.ANNOUNCED, COMPLETE, EMPTY), True, "two channels agree"),
        (batch(BatchState.ANNOUNCED, COMPLETE), True, "the config has no other channel"),
        (batch(BatchState.ANNOUNCED, COMPLETE, None), False, "the other may have more"),
        (batch(BatchState.ANNOUNCED, COMPLETE, DOWN, DOWN), False, "the others may have more"),
        (batch(BatchState.PARTIAL, COMPLETE, COMPLETE, lacks=1), False, "a channel lacks papers"),
        (batch(BatchState.PARTIAL, PARTIAL), False, "the only channel lacks papers"),
        (batch(BatchState.STALE, STALE), False, "shows an earlier day"),
        (batch(BatchState.NOT_YET, None), False, "its time will come"),
        (batch(BatchState.DOWN, DOWN, DOWN, DOWN), False, "no answer"),
    ],
)
def test_settled_batches(found: Batch, settled: bool, reason: str) -> None:
    assert is_settled(found) == settled, reason
    assert unsettled_of("a", FRIDAY, [found], ["cs.DC"]) == (() if settled else (found,))


def test_a_day_without_batches_is_not_there_yet() -> None:
    for batches in ([], [batch(BatchState.PARTIAL, day=FRIDAY - DAY)]):
        for categories in (("cs.DC", "cs.OS"), ("",)):
            found = unsettled_of("a", FRIDAY, batches, [each for each in categories if each])
            assert {(each.state, each.day) for each in found} == {(BatchState.NOT_YET, FRIDAY)}
            assert tuple(each.category for each in found) == categories


def test_a_source_first_read_later_is_not_awaited() -> None:
    assert not unsettled_of(
        "a", FRIDAY, [batch(BatchState.NOT_YET, day=FRIDAY + 3 * DAY)], ["cs.DC"]
    )


# With a store


@dataclass
class World:
    """A store and a config, and what arXiv's channels have served so far."""

    store: Store
    config: Config

    def serve(
        self,
        channel: Channel,
        *numbers: int,
        now: datetime,
        outcome: BatchOutcome = COMPLETE,
        day: date = FRIDAY,
        source: str = "a",
    ) -> None:
        """Store a channel's papers of *day* and its check."""
        checks = (ChannelCheck(channel=channel, announced_on=day, outcome=outcome, at=now),)
        papers = [a_paper(number, channel, day) for number in numbers]
        self.store.papers.ingest(source, papers, {}, now, channel=channel, checks=checks)

    def tick(self, now: datetime, *, force: bool = False) -> tuple[EditionMade, ...]:
        sync_config(self.store, self.config, now)
        templates = load_templates(None)
        return make_editions(self.store, self.config, templates, now=now, force=force)

    def ticks(
        self, begin: datetime, end: datetime, every: timedelta = timedelta(minutes=10)
    ) -> list[tuple[datetime, EditionMade]]:
        """Return the editions made at the ticks of a span."""
        found = []
        while begin < end:
            found += [(begin, made) for made in self.tick(begin) if made.edition]
            begin += every
        return found

    def settle(self, now: datetime) -> None:
        """Let every digest have had its edition at *now*."""
        sync_config(self.store, self.config, now)
        for digest in self.config.digests.values():
            self.store.digests.set_next_due(digest.name, digest.schedule.next_after(now))

    def papers_of(self, edition: int, digest: str = "d") -> list[str]:
        found = self.store.editions.get(digest, edition)
        assert found is not None
        return sorted(entry.paper.id for entry in found.papers)


def a_paper(number: int, channel: Channel, day: date) -> FetchedPaper:
    submitted = oai_at(day) - timedelta(hours=20)
    return paper(
        number,
        published=submitted,
        updated=submitted,
        announced_on=None if channel is API else day,
    )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_store("sqlite://") as store:
        yield World(store, written(tmp_path))


def written(folder: Path, digests: str = D) -> Config:
    (folder / "config.yaml").write_text(CONFIG + digests)
    return load_config(folder / "config.yaml", {})


def test_an_edition_is_made_when_its_batch_is_complete(world: World) -> None:
    world.settle(at("12:00", FRIDAY - DAY))
    world.serve(OAI, 1, 2, 3, now=at("03:40"))
    world.serve(RSS, 1, 2, now=at("05:10"))
    assert world.ticks(at("05:20"), at("08:20")) == []
    (made,) = world.tick(at("08:10"))
    assert made.note == "not due yet, waiting for arXiv's announcement of Fri 20 Nov until 10:00"
    world.serve(API, 1, 2, 3, now=at("08:20"))
    found = world.ticks(at("08:20"), at("08:00", FRIDAY + DAY))
    assert [(moment, made.edition, made.papers) for moment, made in found] == [
        (at("08:20"), "d/1", 3)
    ]
    edition = world.store.editions.get("d", 1)
    assert edition is not None
    assert edition.slot == "2026-11-20"
    assert edition.coverage[0].note is None


def test_at_the_latest_time_it_goes_out_with_a_notice(world: World) -> None:
    """The late papers follow in the next edition, once."""
    world.settle(at("12:00", FRIDAY - DAY))
    world.serve(OAI, 1, 2, 3, now=at("03:40"))
    world.serve(RSS, 1, 2, now=at("05:10"))
    ((moment, made),) = world.ticks(at("05:20"), at("12:00"))
    assert (moment, made.papers) == (at("10:00"), 3)
    edition = world.store.editions.get("d", 1)
    assert edition is not None
    assert edition.coverage[0].note == "Fri 20 Nov incomplete in cs.DC"
    world.serve(API, 1, 2, 3, 4, now=at("12:00"))
    world.serve(RSS, 1, 2, 3, 4, now=at("12:10"))
    found = world.ticks(at("12:20"), at("12:00", FRIDAY + 3 * DAY))
    assert [(moment, made.papers) for moment, made in found] == [(at("07:00", FRIDAY + DAY), 1)]
    assert world.papers_of(1) == [f"arxiv:2611.0000{n}" for n in (1, 2, 3)]
    assert world.papers_of(2) == ["arxiv:2611.00004"]


def settled_at(now: datetime, served: Mapping[Channel, tuple[datetime, int]]) -> bool:
    """Return True if two channels have served all papers that any has."""
    sizes = [size for moment, size in served.values() if moment <= now]
    return sizes.count(max(sizes, default=0)) >= 2


@settings(deadline=None, max_examples=30)
@given(
    st.fixed_dictionaries(
        {channel: st.tuples(st.integers(0, 40), st.integers(2, 3)) for channel in Channel}
    )
)
def test_an_edition_is_made_in_its_window_once_settled(
    tmp_path_factory: pytest.TempPathFactory, plan: Mapping[Channel, tuple[int, int]]
) -> None:
    """Never before the earliest time, never after the latest, and waiting only if unsettled."""
    clock = [at("05:00") + n * timedelta(minutes=10) for n in range(41)]
    served = {channel: (clock[n], size) for channel, (n, size) in plan.items()}
    has_papers = min(moment for moment, _ in served.values())
    expected = next(
        now
        for now in clock
        if now >= max(at("07:00"), has_papers) and (now >= at("10:00") or settled_at(now, served))
    )
    with open_store("sqlite://") as store:
        world = World(store, written(tmp_path_factory.mktemp("bot")))
        world.settle(at("12:00", FRIDAY - DAY))
        found = []
        for now in clock:
            for channel, (moment, size) in served.items():
                if moment == now:
                    world.serve(channel, *range(1, size + 1), now=now)
            digests = world.config.digests.values()
            is_unsettled = "d" in awaited_by(store, world.config, digests, now)
            if at("07:00") <= now < at("10:00"):
                assert is_unsettled != settled_at(now, served)
            found += [now for made in world.tick(now) if made.edition]
    assert found[:1] == [expected]


def test_a_day_without_announcement_is_not_waited_for(world: World) -> None:
    world.settle(at("12:00"))
    world.serve(OAI, 1, now=at("03:40"))
    for day in (FRIDAY + DAY, FRIDAY + 2 * DAY):
        digests = world.config.digests.values()
        assert not awaited_by(world.store, world.config, digests, at("07:00", day))
    ((moment, _),) = world.ticks(at("06:00", FRIDAY + DAY), at("12:00", FRIDAY + DAY))
    assert moment == at("07:00", FRIDAY + DAY)


def test_a_forced_edition_does_not_wait_and_says_so(world: World) -> None:
    world.settle(at("12:00", FRIDAY - DAY))
    world.serve(OAI, 1, now=at("03:40"))
    world.tick(at("07:10"))
    (made,) = world.tick(at("07:20"), force=True)
    assert made.edition == "d/1"
    edition = world.store.editions.get("d", 1)
    assert edition is not None
    assert edition.coverage[0].note == "Fri 20 Nov not verified in cs.DC, cs.OS"


def test_only_digests_with_an_arxiv_source_wait(tmp_path: Path) -> None:
    feed = f"  feed: {{{WINDOW}, sources: [feed], deliver: [{{folder: out}}]}}\n"
    cron = "  cron: {schedule: daily 07:00, sources: [a], deliver: [{folder: out}]}\n"
    query = f"  query: {{{WINDOW}, sources: [api, feed], deliver: [{{folder: out}}]}}\n"
    config = written(tmp_path, D + feed + cron + query)
    with open_store("sqlite://") as store:
        world = World(store, config)
        digests = config.digests.values()
        assert waiting(store, config, digests, at("07:00")).keys() == {"d", "query"}
        world.serve(API, 1, now=at("07:10"), source="api")
        assert waiting(store, config, digests, at("07:20")).keys() == {"d"}
        assert not waiting(store, config, digests, at("10:00"))
        assert awaited_by(store, config, digests, at("10:00")).keys() == {"d"}


def test_a_query_without_papers_of_the_day_needs_no_notice(tmp_path: Path) -> None:
    config = written(tmp_path, D.replace("sources: [a]", "sources: [a, api]"))
    with open_store("sqlite://") as store:
        awaited = awaited_by(store, config, config.digests.values(), at("10:00"))["d"]
    assert {batch.source for batch in awaited.unsettled} == {"a", "api"}
    assert awaited.notice("a") == "Fri 20 Nov not announced yet in cs.DC, cs.OS"
    assert awaited.notice("api") is None


def test_moving_the_window_makes_no_second_edition(world: World, tmp_path: Path) -> None:
    world.settle(at("12:00", FRIDAY - DAY))
    for channel in (OAI, RSS):
        world.serve(channel, 1, now=at("05:10"))
    ((moment, _),) = world.ticks(at("06:00"), at("07:30"))
    assert moment == at("07:00")
    world.serve(API, 1, 2, now=at("07:30"))
    world.config = written(tmp_path, D.replace("07:00", "08:30"))
    assert world.ticks(at("07:40"), at("06:00", FRIDAY + DAY)) == []
    found = world.ticks(at("06:00", FRIDAY + DAY), at("12:00", FRIDAY + DAY))
    assert [moment for moment, _ in found] == [at("08:30", FRIDAY + DAY)]
    assert world.papers_of(2) == ["arxiv:2611.00002"]


def test_moving_the_end_of_an_open_window_keeps_its_edition(world: World, tmp_path: Path) -> None:
    world.settle(at("12:00", FRIDAY - DAY))
    world.serve(OAI, 1, now=at("03:40"))
    assert world.ticks(at("06:00"), at("08:00")) == []
    world.config = written(tmp_path, D.replace("10:00", "09:00"))
    assert [moment for moment, _ in world.ticks(at("08:00"), at("12:00"))] == [at("09:00")]


def test_status_tells_what_a_digest_waits_for(world: World) -> None:
    world.settle(at("12:00", FRIDAY - DAY))
    world.serve(OAI, 1, now=at("03:40"))
    (digest,) = gather(world.store, world.config, at("06:59")).digests
    assert digest.awaited is None
    status = gather(world.store, world.config, at("09:59"))
    (digest,) = status.digests
    assert digest.awaited is not None
    assert digest.awaited.until == at("10:00")
    assert {batch.category for batch in digest.awaited.unsettled} == {"cs.DC", "cs.OS"}
    assert not [line for line in status.faults if "overdue" in line]


def test_a_window_is_overdue_after_its_end(world: World) -> None:
    world.settle(at("12:00", FRIDAY - DAY))
    for now, is_overdue in ((at("11:59"), False), (at("12:00"), True)):
        faults = gather(world.store, world.config, now).faults
        assert any("overdue since 2026-11-20 10:00" in line for line in faults) == is_overdue


def test_batches_that_cannot_be_read_hold_up_no_digest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr("digestbot.awaiting.batches_of", broken)
    assert awaited_by(world.store, world.config, world.config.digests.values(), at("08:00")) == {}
