"""The simulated arXiv by itself: its calendar, its papers, and the three channels as parsed."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from digestbot.arxiv_calendar import calendar_with
from digestbot.model import Channel
from digestbot.net import Client, NetError, Response
from digestbot.sources import arxiv_atom, arxiv_rss
from tests.simulated_arxiv import feeds, oai
from tests.simulated_arxiv.calendar import eastern, has_announcement, windows
from tests.simulated_arxiv.faults import EVERY, BatchFault, Failure, Faults, ResponseFault
from tests.simulated_arxiv.model import FIRST, LAST, Kind, World, expand, make_world
from tests.simulated_arxiv.server import SimulatedArxiv, SimulatedClock

OAI = "{http://www.openarchives.org/OAI/2.0/}"
RAW = "{http://arxiv.org/OAI/arXivRaw/}"
WORLD = make_world(faults=EVERY)
QUIET = make_world()
TUESDAY = date(2026, 11, 10)
"""Listed after an ordinary announcement, on Monday 20:00."""


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(eastern(TUESDAY, 9))


@pytest.fixture
def arxiv(clock: SimulatedClock) -> Iterator[SimulatedArxiv]:
    with SimulatedArxiv(QUIET, clock) as server:
        yield server


def get(url: str, **params: str) -> Response:
    async def send() -> Response:
        async with Client(user_agent="test") as client:
            return await client.get(url, params=params)

    return asyncio.run(send())


def records(arxiv: SimulatedArxiv, **query: str) -> list[Any]:
    """Return the records of all pages of a list."""
    found: list[Any] = []
    params: Mapping[str, str] = {"verb": "ListRecords", **query}
    while True:
        root = etree.fromstring(get(arxiv.oai_url, **params).body)
        found += root.iter(f"{OAI}record")
        token = root.findtext(f".//{OAI}resumptionToken")
        if not token:
            return found
        params = {"verb": "ListRecords", "resumptionToken": token}


def oai_error(arxiv: SimulatedArxiv, **query: str) -> str | None:
    root = etree.fromstring(get(arxiv.oai_url, **query).body)
    found = root.find(f"{OAI}error")
    return None if found is None else found.get("code")


# The calendar


def test_no_announcement_on_weekends_and_deferrals() -> None:
    evenings = [window.evening for window in windows(FIRST, LAST)]
    assert len(evenings) == 44
    assert {day.weekday() for day in evenings} == {6, 0, 1, 2, 3}
    assert not has_announcement(date(2026, 11, 26))
    assert date(2026, 11, 25) in evenings
    assert date(2026, 11, 29) in evenings


def test_windows_join_and_close_at_14() -> None:
    """Sunday announces Thursday to Friday, Monday the weekend; 26 November adds to the 29th."""
    found = {window.evening: window for window in windows(FIRST, LAST)}
    for before, after in zip(list(found.values())[:-1], list(found.values())[1:], strict=True):
        assert before.closes == after.opens
    assert found[date(2026, 11, 8)].opens == eastern(date(2026, 11, 5), 14)
    assert found[date(2026, 11, 8)].closes == eastern(date(2026, 11, 6), 14)
    assert found[date(2026, 11, 9)].closes == eastern(date(2026, 11, 9), 14)
    assert found[date(2026, 11, 29)].opens == eastern(date(2026, 11, 25), 14)


def test_the_product_has_the_same_calendar() -> None:
    """It was written apart from this one."""
    calendar = calendar_with()
    listed = {window.listed: window for window in windows(FIRST, LAST)}
    day = min(listed)
    while day <= max(listed):
        assert calendar.has_announcement(day) is (day in listed)
        if window := listed.get(day):
            assert calendar.expected_day(window.closes - timedelta(seconds=1)) == day
            assert calendar.expected_day(window.opens) == day
        day += timedelta(days=1)


def test_announcements_follow_the_clock_of_new_york() -> None:
    """Summer time ends on 1 November."""
    by_day = {batch.listed: batch for batch in QUIET.batches}
    assert by_day[date(2026, 10, 30)].announced_at == datetime(2026, 10, 30, 0, tzinfo=UTC)
    assert by_day[date(2026, 11, 3)].announced_at == datetime(2026, 11, 3, 1, tzinfo=UTC)
    assert by_day[date(2026, 11, 3)].since[Channel.OAI] == datetime(2026, 11, 3, 3, 30, tzinfo=UTC)


# The papers


def test_equal_seeds_make_equal_worlds() -> None:
    assert make_world(faults=EVERY) == WORLD
    assert make_world(seed=2).papers != QUIET.papers


def test_the_world_has_every_kind_of_event() -> None:
    kinds = Counter(event.kind for paper in WORLD.papers for event in paper.events)
    assert min(kinds[kind] for kind in Kind) > 50
    assert len(WORLD.papers) > 400
    assert max(len(paper.submitted) for paper in WORLD.papers) == 7
    assert any(paper.is_withdrawn for paper in WORLD.papers)
    holds = [
        (WORLD.batches[p.events[0].batch].closes - p.submitted[0]).days
        for p in WORLD.papers
        if not p.is_old
    ]
    assert max(holds) >= 24


def test_ids_grow_with_the_announcements() -> None:
    new = [paper for paper in WORLD.papers if not paper.is_old]
    ids = [paper.id for paper in new]
    assert ids == sorted(set(ids))
    batches = [paper.events[0].batch for paper in new]
    assert batches == sorted(batches)
    for paper in new:
        window = WORLD.batches[paper.events[0].batch]
        assert paper.id.startswith(f"{window.listed - timedelta(days=1):%y%m}.")
        assert paper.submitted == tuple(sorted(paper.submitted))


def test_every_event_reaches_a_channel() -> None:
    """A batch is never missing on two channels, nor in faults that would hide it for good."""
    for batch in WORLD.batches:
        assert sum(bool(ids) for ids in batch.missing.values()) <= 1
        for channel in Channel:
            assert batch.since[channel] >= batch.announced_at


# The query API


def test_the_api_lists_what_it_has(arxiv: SimulatedArxiv, clock: SimulatedClock) -> None:
    codes = expand(["cs.DC", "cs.NA"])
    search = " OR ".join(f"cat:{code}" for code in sorted(codes))
    page = arxiv_atom.parse(get(arxiv.url, search_query=search, max_results="2000").body)
    truth = {
        (state.paper.id, state.version, state.categories)
        for state in QUIET.states(Channel.API, clock())
        if not codes.isdisjoint(state.categories)
    }
    found = {(p.id.removeprefix("arxiv:"), p.version, p.categories) for p in page.entries}
    assert found == truth
    assert page.total == len(truth)


def test_the_api_finds_ids_and_ignores_unknown_ones(arxiv: SimulatedArxiv) -> None:
    known = QUIET.papers[0].id
    page = arxiv_atom.parse(get(arxiv.url, id_list=f"{known},2611.99999").body)
    assert [paper.id for paper in page.entries] == [f"arxiv:{known}"]
    assert page.total == 1


@pytest.mark.parametrize("params", [{"id_list": "abc"}, {"max_results": "2001"}, {}])
def test_the_api_refuses_bad_queries(arxiv: SimulatedArxiv, params: dict[str, str]) -> None:
    response = get(arxiv.url, **params)
    assert response.status == 400
    assert arxiv_atom.parse(response.body).error


def test_a_lagging_index_shows_a_batch_two_days_later() -> None:
    by_day = {batch.listed: batch for batch in WORLD.batches}
    lagging, after = by_day[date(2026, 11, 3)], by_day[date(2026, 11, 4)]
    assert BatchFault.LAGGING in lagging.faults
    assert lagging.since[Channel.API] - lagging.announced_at > timedelta(days=2)
    assert after.since[Channel.API] >= lagging.since[Channel.API]


# The daily feeds


@pytest.mark.parametrize("form", ["rss", "atom"])
def test_a_feed_has_the_batch_of_its_day(
    arxiv: SimulatedArxiv, clock: SimulatedClock, form: str
) -> None:
    """Each paper once, by its best type, which is relative to the categories of the feed."""
    batch = next(batch for batch in QUIET.batches if batch.listed == TUESDAY)
    body = get(f"{arxiv.rss_url}/{form}/cs.DC+math.NA").body
    papers = arxiv_rss.parse_announcements(body)
    assert arxiv_rss.is_announcement(body)
    codes = {"cs.DC", "math.NA"}
    truth: dict[str, str] = {}
    for paper, event in QUIET.by_batch[batch.number]:
        is_primary = event.categories[0] in codes
        if event.kind is Kind.REPLACE and codes & set(event.categories) and event.version < 6:
            truth.setdefault(paper.id, "replace" if is_primary else "replace-cross")
        elif event.added & codes:
            is_new = event.kind is Kind.NEW and is_primary
            truth[paper.id] = "new" if is_new else "cross"
    assert {p.id.removeprefix("arxiv:"): p.type.value for p in papers} == truth
    assert len(papers) == len(truth)
    assert [p.type.value for p in papers] == sorted(
        (p.type.value for p in papers), key=["new", "cross", "replace", "replace-cross"].index
    )


def test_types_are_relative_to_the_feed() -> None:
    pairs: set[tuple[str, str]] = set()
    for batch in QUIET.batches:
        now = eastern(batch.listed, 9)
        both = {paper.id: kind for paper, _, kind in feeds.entries(QUIET, "cs.LG+cs.DC", now)}
        pairs |= {(kind, both[p.id]) for p, _, kind in feeds.entries(QUIET, "cs.LG", now)}
    assert pairs >= {("new", "new"), ("cross", "new"), ("cross", "cross")}
    assert ("new", "cross") not in pairs


def test_a_feed_is_empty_at_weekends(arxiv: SimulatedArxiv, clock: SimulatedClock) -> None:
    clock.advance_to(eastern(date(2026, 11, 14), 9))
    body = get(f"{arxiv.rss_url}/rss/cs.DC").body
    assert arxiv_rss.parse_announcements(body) == ()
    assert b"Sat, 14 Nov 2026 00:00:00 -0500" in body


def test_an_unknown_category_has_an_error_feed(arxiv: SimulatedArxiv) -> None:
    response = get(f"{arxiv.rss_url}/rss/cs.XX")
    assert response.status == 400
    assert arxiv_rss.error_in(response.body) == "Feed error for query: cs.XX"


def test_a_stale_feed_has_fresh_dates() -> None:
    day = date(2026, 10, 14)
    clock = SimulatedClock(eastern(day, 9))
    with SimulatedArxiv(WORLD, clock) as arxiv:
        body = get(f"{arxiv.rss_url}/rss/cs").body
        clock.advance_to(eastern(day, 9) - timedelta(days=1))
    ids = {paper.id.removeprefix("arxiv:") for paper in arxiv_rss.parse_announcements(body)}
    numbers = {b.listed: b.number for b in WORLD.batches}
    before = {paper.id for paper, _ in WORLD.by_batch[numbers[day] - 1]}
    assert ids <= before
    assert b"<pubDate>Wed, 14 Oct 2026 00:00:00 -0400</pubDate>" in body


def test_a_partial_feed_lacks_papers() -> None:
    day = date(2026, 10, 22)
    batch = next(batch for batch in WORLD.batches if batch.listed == day)
    whole = QUIET.feed_of(day, eastern(day, 9))
    assert batch.faults == {BatchFault.PARTIAL_ALL_DAY}
    assert 0 < len(WORLD.feed_of(day, eastern(day, 9))) < len(whole)


# OAI-PMH


@pytest.mark.parametrize("form", oai.FORMATS)
def test_the_pages_of_a_list_join(arxiv: SimulatedArxiv, clock: SimulatedClock, form: str) -> None:
    found = records(arxiv, metadataPrefix=form, set="cs:cs", **{"from": "2026-10-20"})
    truth = [
        state.paper.id
        for state in QUIET.states(Channel.OAI, clock())
        if state.datestamp >= date(2026, 10, 20)
        and any(code.startswith("cs.") or code == "math.NA" for code in state.categories)
    ]
    ids = [each.findtext(f".//{OAI}identifier").removeprefix("oai:arXiv.org:") for each in found]
    assert sorted(ids) == sorted(truth)
    assert len(ids) > 2 * oai.PAGE
    stamps = [each.findtext(f".//{OAI}datestamp") for each in found]
    assert stamps == sorted(stamps)


def test_a_raw_record_has_all_versions(arxiv: SimulatedArxiv, clock: SimulatedClock) -> None:
    state = max(QUIET.states(Channel.OAI, clock()), key=lambda state: state.version)
    body = get(
        arxiv.oai_url,
        verb="GetRecord",
        identifier=f"oai:arXiv.org:{state.paper.id}",
        metadataPrefix="arXivRaw",
    ).body
    root = etree.fromstring(body)
    assert [v.get("version") for v in root.iter(f"{RAW}version")] == [
        f"v{number}" for number in range(1, state.version + 1)
    ]
    assert root.findtext(f".//{RAW}categories") == " ".join(state.categories)


LIST = {"verb": "ListRecords", "metadataPrefix": "arXiv"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"verb": "List"}, "badVerb"),
        ({"verb": "ListRecords"}, "badArgument"),
        (LIST | {"from": "yesterday"}, "badArgument"),
        (LIST | {"metadataPrefix": "marc"}, "cannotDisseminateFormat"),
        (LIST | {"from": "2026-11-11"}, "noRecordsMatch"),
        ({"verb": "ListRecords", "resumptionToken": "nonsense"}, "badResumptionToken"),
        (
            {"verb": "GetRecord", "identifier": "oai:arXiv.org:0", "metadataPrefix": "arXiv"},
            "idDoesNotExist",
        ),
    ],
)
def test_oai_errors(arxiv: SimulatedArxiv, query: dict[str, str], code: str) -> None:
    assert oai_error(arxiv, **query) == code


def test_a_token_expires_at_midnight(arxiv: SimulatedArxiv, clock: SimulatedClock) -> None:
    root = etree.fromstring(get(arxiv.oai_url, **LIST).body)
    rest = {
        "verb": "ListRecords",
        "resumptionToken": root.findtext(f".//{OAI}resumptionToken") or "",
    }
    assert oai_error(arxiv, **rest) is None
    clock.advance_to(datetime(2026, 11, 11, 0, 0, 1, tzinfo=UTC))
    assert oai_error(arxiv, **rest) == "badResumptionToken"


def test_a_list_is_cached_for_an_hour(arxiv: SimulatedArxiv, clock: SimulatedClock) -> None:
    """Asked just before the announcement, it lacks the batch until the hour is over."""
    batch = next(batch for batch in QUIET.batches if batch.listed > TUESDAY)
    clock.advance_to(batch.since[Channel.OAI] - timedelta(minutes=5))
    query = LIST | {"from": f"{batch.listed}"}
    assert oai_error(arxiv, **query) == "noRecordsMatch"
    clock.advance(50 * 60)
    assert oai_error(arxiv, **query) == "noRecordsMatch"
    clock.advance(10 * 60)
    assert oai_error(arxiv, **query) is None


def test_a_bulk_edit_changes_datestamps_only() -> None:
    day = date(2026, 11, 24)
    now = eastern(day, 12)
    changed = [s for s in WORLD.states(Channel.OAI, now) if s.datestamp == day]
    told = {paper.id for paper, event in WORLD.by_batch[_number(WORLD, day)]}
    assert len([s for s in changed if s.paper.id not in told]) > 100


def _number(world: World, day: date) -> int:
    return next(batch.number for batch in world.batches if batch.listed == day)


# Faults and the record of requests


OF_LISTS = {ResponseFault.BAD_TOKEN, ResponseFault.CACHED}
OF_API = {ResponseFault.EMPTY_INSIDE, ResponseFault.SHORT}
COMBINATIONS = [
    (channel, fault)
    for channel in Channel
    for fault in ResponseFault
    if fault not in OF_LISTS and (channel is Channel.API or fault not in OF_API)
]


@pytest.mark.parametrize(("channel", "fault"), COMBINATIONS)
def test_a_fault_happens_and_passes(channel: Channel, fault: ResponseFault) -> None:
    clock = SimulatedClock(eastern(TUESDAY, 9))
    failure = Failure(day=TUESDAY, channel=channel, fault=fault)
    world = make_world(faults=Faults(responses=[failure]))
    with SimulatedArxiv(world, clock) as arxiv, SimulatedArxiv(QUIET, clock) as quiet:
        usual = answered(quiet, channel)
        assert answered(arxiv, channel) != usual
        assert answered(arxiv, channel) == usual


def answered(arxiv: SimulatedArxiv, channel: Channel) -> tuple[int, list[str]]:
    """Ask *channel*; return the status, 0 for a reset, and the ids in the body."""
    requests: dict[Channel, tuple[str, dict[str, str]]] = {
        Channel.API: (arxiv.url, {"search_query": "cat:cs.DC", "max_results": "50"}),
        Channel.RSS: (f"{arxiv.rss_url}/rss/cs.DC", {}),
        Channel.OAI: (arxiv.oai_url, LIST),
    }
    url, params = requests[channel]
    try:
        response = get(url, **params)
    except NetError:
        return 0, []
    return response.status, re.findall(r"\b\d{4}\.\d{5}", response.body.decode())


def test_a_fresh_token_can_be_refused() -> None:
    clock = SimulatedClock(eastern(TUESDAY, 9))
    failure = Failure(day=TUESDAY, channel=Channel.OAI, fault=ResponseFault.BAD_TOKEN)
    with SimulatedArxiv(make_world(faults=Faults(responses=[failure])), clock) as arxiv:
        root = etree.fromstring(get(arxiv.oai_url, **LIST).body)
        token = root.findtext(f".//{OAI}resumptionToken") or ""
        errors = [oai_error(arxiv, verb="ListRecords", resumptionToken=token) for _ in range(2)]
    assert errors == ["badResumptionToken", None]


def test_a_list_can_be_cached_for_half_a_day() -> None:
    batch = next(batch for batch in QUIET.batches if batch.listed == TUESDAY)
    failure = Failure(day=TUESDAY, channel=Channel.OAI, fault=ResponseFault.CACHED, count=3)
    clock = SimulatedClock(batch.since[Channel.OAI] - timedelta(minutes=5))
    query = LIST | {"from": f"{TUESDAY}"}
    with SimulatedArxiv(make_world(faults=Faults(responses=[failure])), clock) as arxiv:
        assert oai_error(arxiv, **query) == "noRecordsMatch"
        clock.advance(11 * 3600)
        assert oai_error(arxiv, **query) == "noRecordsMatch"
        clock.advance(3600)
        assert oai_error(arxiv, **query) is None


def test_requests_are_recorded_in_simulated_time(
    arxiv: SimulatedArxiv, clock: SimulatedClock
) -> None:
    begin = clock()
    get(f"{arxiv.rss_url}/rss/cs.DC+cs.OS")
    clock.advance(10)
    get(arxiv.oai_url, verb="Identify")
    first, second = arxiv.requests
    assert (first.at, first.channel, first.path) == (begin, Channel.RSS, "/rss/cs.DC+cs.OS")
    assert (second.at - begin).total_seconds() == pytest.approx(10.7)
    assert second.query == (("verb", "Identify"),)


def test_a_channel_that_is_down_never_answers(clock: SimulatedClock) -> None:
    with SimulatedArxiv(QUIET, clock, down={Channel.RSS}) as arxiv:
        assert [get(f"{arxiv.rss_url}/rss/cs").status for _ in range(3)] == [503] * 3
        assert get(arxiv.oai_url, **LIST).status == 200
