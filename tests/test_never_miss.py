"""
Sixty days of arXiv, with its faults: every matching paper reaches its subscriber exactly once.

Each scenario runs the service against `tests.simulated_arxiv`; the checks read the outcome.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from digestbot.model import Channel
from digestbot.store import open_store
from tests.simulated_arxiv import faults
from tests.simulated_arxiv.bot import (
    Claim,
    Delivered,
    SimulatedBot,
    shortest_gap_s,
)
from tests.simulated_arxiv.faults import ALL_DAY, CHANNELS, BatchFault, Faults
from tests.simulated_arxiv.model import (
    TERM,
    Event,
    Kind,
    SimPaper,
    World,
    expand,
    expected,
    first_news,
    has_term,
    make_world,
)
from tests.simulated_arxiv.server import Asked, SimulatedArxiv, SimulatedClock

CATEGORIES = ("cs.DC", "cs.OS", "cs.NA")
CODES = expand(CATEGORIES)
ARXIV_INTERVAL_S = 3.0
OVERLAP = timedelta(days=14)
"""How far behind its last pass the bot reads the query API again."""
NEWS = frozenset({"new", "cross"})
API, RSS, OAI = Channel.API, Channel.RSS, Channel.OAI


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Which channels the config names, which of them answer, and what goes wrong."""

    channels: frozenset[Channel] = CHANNELS
    down: frozenset[Channel] = frozenset()
    """Channels in the config that never answer."""
    faults: Faults = field(default=faults.EVERY, hash=False)
    name: str
    last: date = date(2026, 12, 3)
    scale: float = 1.0
    seed: int = 1
    page_size: int = 60

    @property
    def working(self) -> frozenset[Channel]:
        """Channels that the bot can read."""
        return self.channels - self.down


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a scenario came to."""

    world: World
    requests: tuple[Asked, ...]
    delivered: tuple[Delivered, ...]
    claims: tuple[Claim, ...]

    @property
    def news(self) -> Counter[str]:
        """Number of deliveries of each paper as news."""
        return Counter(one.id for one in self.delivered if one.type in NEWS)


def config(arxiv: SimulatedArxiv, scenario: Scenario, digests: str) -> str:
    """Return a config with one source for the channels of *scenario*."""
    channels = scenario.channels
    urls = {
        "url": arxiv.url if API in channels else None,
        "rss_url": arxiv.rss_url if RSS in channels else None,
        "oai_url": arxiv.oai_url if OAI in channels else None,
    }
    addresses = "".join(f"    {key}: {url or 'null'}\n" for key, url in urls.items())
    return f"""\
timezone: Europe/Berlin
sources:
  arxiv:
    kind: arxiv
    categories: [{", ".join(CATEGORIES)}]
    page_size: {scenario.page_size}
{addresses}digests:
{digests}"""


def digest(folder: Path, name: str = "systems", term: str = TERM) -> str:
    """Return a digest of the papers with *term*, in a config."""
    return (
        f"  {name}: {{schedule: daily 09:00, sources: [arxiv], filter: {{any: [{term}]}},"
        f" limit: 500, when_empty: skip, deliver: [{{folder: {folder}}}]}}\n"
    )


def simulate(scenario: Scenario, folder: Path, digests: str = "") -> Outcome:
    """Run *scenario* with one digest, or with *digests*."""
    world = make_world(
        faults=scenario.faults, last=scenario.last, scale=scenario.scale, seed=scenario.seed
    )
    clock = SimulatedClock(world.begins)
    with (
        SimulatedArxiv(world, clock, down=scenario.down) as arxiv,
        open_store("sqlite://") as store,
    ):
        text = config(arxiv, scenario, digests or digest(folder / "out"))
        (folder / "config.yaml").write_text(text)
        bot = SimulatedBot(arxiv=arxiv, clock=clock, store=store, folder=folder)
        bot.run(world.ends)
    return Outcome(
        world=world,
        requests=tuple(arxiv.requests),
        delivered=tuple(bot.delivered()),
        claims=tuple(bot.claims),
    )


EVERY_CHANNEL = Scenario(name="every channel")
WITHOUT_ONE = tuple(
    Scenario(name=f"without the {channel}", channels=CHANNELS - {channel}, scale=0.5)
    for channel in Channel
)
DOWN = tuple(
    Scenario(name=f"the {channel} is down", down=frozenset({channel}), scale=0.5)
    for channel in Channel
)
ALONE = tuple(
    Scenario(name=f"the {channel} alone", channels=frozenset({channel}), scale=0.5)
    for channel in Channel
)
SOAK = (
    *DOWN,
    *ALONE,
    *(Scenario(name=f"seed {seed}", seed=seed, scale=3) for seed in range(2, 8)),
)
BASELINE = Scenario(
    name="baseline",
    channels=frozenset({API}),
    faults=faults.NONE,
    scale=0.6,
    page_size=20,  # a pass reads whole pages: large ones reach beyond the overlap
)


def parameter(scenario: Scenario, *marks: pytest.MarkDecorator) -> ParameterSet:
    """Return *scenario* as a parameter."""
    return pytest.param(scenario, id=scenario.name, marks=marks)


# Truth


def can_bring(world: World, paper: SimPaper, event: Event, channels: Collection[Channel]) -> bool:
    """Return True if one of *channels* shows *event* as news to a bot that has not seen it."""
    return any(_BRINGS[channel](world, paper, event) for channel in channels)


def api_brings(world: World, paper: SimPaper, event: Event) -> bool:
    """Return True for a first version that was submitted within the overlap."""
    batch = world.batches[event.batch]
    shown = next(s for s in world.states(API, batch.since[API]) if s.paper.id == paper.id)
    age = batch.since[API] - paper.submitted[shown.version - 1]
    is_listed = paper.id not in batch.missing.get(API, frozenset())
    return is_listed and shown.version == 1 and age < OVERLAP - timedelta(days=1)


def feed_brings(world: World, paper: SimPaper, event: Event) -> bool:
    """Return True unless the feed was stale, partial or away all day."""
    batch = world.batches[event.batch]
    is_away = any(
        failure.day == batch.listed and failure.channel is RSS and failure.count == ALL_DAY
        for failure in world.faults.responses
    )
    is_bad = batch.faults & {BatchFault.STALE_ALL_DAY, BatchFault.PARTIAL_ALL_DAY}
    return not (is_away or is_bad or paper.id in batch.missing.get(RSS, frozenset()))


def oai_brings(world: World, paper: SimPaper, event: Event) -> bool:
    """Return True for new papers; a cross-list of an old one looks like an edit."""
    is_listed = paper.id not in world.batches[event.batch].missing.get(OAI, frozenset())
    return is_listed and event.kind is Kind.NEW


_BRINGS = {API: api_brings, RSS: feed_brings, OAI: oai_brings}


def by_id(world: World) -> dict[str, SimPaper]:
    return {paper.id: paper for paper in world.papers}


def lost(outcome: Outcome) -> dict[str, Event]:
    """Return the papers that did not reach the subscriber as news."""
    truth = expected(outcome.world, CATEGORIES)
    return {id_: event for id_, event in truth.items() if not outcome.news[id_]}


# Every scenario


@pytest.mark.parametrize(
    "scenario",
    [
        *(parameter(each) for each in (EVERY_CHANNEL, *WITHOUT_ONE)),
        *(parameter(each, pytest.mark.soak) for each in SOAK),
    ],
)
def test_every_paper_arrives_exactly_once(scenario: Scenario, tmp_path: Path) -> None:
    outcome = simulate(scenario, tmp_path)
    check_that_no_paper_is_lost(scenario, outcome)
    check_that_no_paper_comes_twice(outcome)
    check_that_edits_are_no_news(outcome)
    check_the_pace(scenario, outcome)
    check_the_claims(scenario, outcome)


def check_that_no_paper_is_lost(scenario: Scenario, outcome: Outcome) -> None:
    """Check for all papers that a channel can bring: with every channel, that is every paper."""
    papers, world = by_id(outcome.world), outcome.world
    assert not [
        (id_, event)
        for id_, event in lost(outcome).items()
        if can_bring(world, papers[id_], event, scenario.working)
    ]
    if scenario.working == CHANNELS:
        assert not lost(outcome)


def check_that_no_paper_comes_twice(outcome: Outcome) -> None:
    """Check that a paper comes once more only as published or as withdrawn, once each."""
    papers = by_id(outcome.world)
    assert set(outcome.news.values()) == {1}
    published = Counter(one.id for one in outcome.delivered if one.type == "published")
    again = Counter(one.id for one in outcome.delivered if one.type not in {"published", *NEWS})
    assert set(published.values()) | set(again.values()) <= {1}
    assert all(papers[id_].edits for id_ in published)
    assert all(papers[id_].is_withdrawn for id_ in again)


def check_that_edits_are_no_news(outcome: Outcome) -> None:
    """Check that only a cross-list brings a paper of the years before."""
    truth = expected(outcome.world, CATEGORIES)
    papers = by_id(outcome.world)
    extra = [papers[id_] for id_ in outcome.news if id_ not in truth]
    assert not [paper for paper in extra if not has_term(paper)]
    assert not [
        paper
        for paper in extra
        if not any(e.batch >= 0 and not e.added.isdisjoint(CODES) for e in paper.events)
    ]


def check_the_pace(scenario: Scenario, outcome: Outcome) -> None:
    """Check that arXiv gets one request in three seconds, over all channels."""
    assert shortest_gap_s(outcome.requests) >= ARXIV_INTERVAL_S
    assert {request.channel for request in outcome.requests} == scenario.channels


def check_the_claims(scenario: Scenario, outcome: Outcome) -> None:
    """
    Check that no batch is called complete without its papers, and that most are.

    Without the daily feed, the claim covers what the other channels can tell from an edit.
    """
    world, papers = outcome.world, by_id(outcome.world)
    numbers = {batch.listed: batch.number for batch in world.batches}
    assert not [
        (claim.day, id_)
        for claim in outcome.claims
        if claim.day in numbers
        for id_, event in news_of(world, numbers[claim.day]).items()
        if id_ not in claim.ids and can_bring(world, papers[id_], event, scenario.working)
    ]
    if len(scenario.working) > 1:
        assert len(outcome.claims) > len(world.batches) // 2
    else:
        assert not outcome.claims


def news_of(world: World, batch: int) -> dict[str, Event]:
    """Return the papers that a batch brings to `CATEGORIES` for the first time."""
    return {
        paper.id: event
        for paper, event in world.by_batch[batch]
        if first_news(world, paper, CODES) is event
    }


# The query API alone


def test_the_api_alone_loses_papers(tmp_path: Path) -> None:
    """Even without faults: it lists by submission, and shows the last version only."""
    outcome = simulate(BASELINE, tmp_path)
    papers, world = by_id(outcome.world), outcome.world
    reasons: Counter[str] = Counter()
    for id_, event in lost(outcome).items():
        batch = world.batches[event.batch]
        shown = next(s for s in world.states(API, batch.since[API]) if s.paper.id == id_)
        age = batch.since[API] - papers[id_].submitted[shown.version - 1]
        is_replaced = shown.version > 1
        assert is_replaced or age > OVERLAP - timedelta(days=1)
        reasons["replaced before the cross-list" if is_replaced else "older than the overlap"] += 1
    assert set(reasons) == {"replaced before the cross-list", "older than the overlap"}
    assert set(outcome.news.values()) == {1}


# Many digests


@pytest.mark.parametrize("count", [20, pytest.param(8000, marks=pytest.mark.soak)])
def test_many_digests_cause_the_same_requests(count: int, tmp_path: Path) -> None:
    """A week with a late batch; the digests differ in their words. A config holds about 8,000."""
    scenario = Scenario(name="many", scale=0.3, last=date(2026, 10, 8))
    one, many = tmp_path / "one", tmp_path / "many"
    one.mkdir()
    many.mkdir()
    others = "".join(digest(many / "x", f"d{n}", f"word{n}") for n in range(count - 1))
    alone = simulate(scenario, one)
    together = simulate(scenario, many, digest(many / "out") + others)
    assert asked(together) == asked(alone)
    assert together.news == alone.news != Counter()


def asked(outcome: Outcome) -> list[tuple[Channel, str, tuple[tuple[str, str], ...]]]:
    return [(request.channel, request.path, request.query) for request in outcome.requests]
