"""Passes over OAI-PMH, against a loopback server with the service's known faults."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from digestbot.arxiv_calendar import calendar_with
from digestbot.errors import SourceError, SourceLate, SourceRefused
from digestbot.model import BatchOutcome, Channel
from digestbot.net import Client, Unreachable, pace_group
from digestbot.net.client import Response
from digestbot.sources import Page
from digestbot.sources.arxiv_oai_pass import (
    BUSY_WAIT_S,
    MAX_RESTARTS,
    URL,
    Cursor,
    OaiMemory,
    OaiPass,
    OaiRequest,
    decide,
    sets_of,
)
from digestbot.sources.arxiv_retry import GiveUp, Retry
from tests.servers.oai import SOFT, OaiFault, OaiPaper, OaiServer
from tests.sources.passes import Pass

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""A Monday, hours after its announcement."""
DAY = timedelta(days=1)
FLOOR = date(2026, 11, 16)
"""Of a first pass with the default back-fill."""
CALENDAR = calendar_with()


def fresh(number: int, day: date, **changes: object) -> OaiPaper:
    """Return a paper announced on *day*, submitted at the latest possible day."""
    before = day - (3 if day.weekday() == 0 else 1) * DAY
    submitted = datetime(before.year, before.month, before.day, 10, number % 60, tzinfo=UTC)
    facts = {"id": f"2611.{number:05}", "datestamp": day, "submitted": (submitted,)}
    return OaiPaper(**facts | changes)  # type: ignore[arg-type]


def days(count: int, *, start: date = FLOOR) -> list[date]:
    """Return *count* days with an announcement from *start* on."""
    found = [start + DAY * n for n in range(count * 2)]
    return [day for day in found if CALENDAR.has_announcement(day)][:count]


WEEK = [fresh(500 + 2 * n, day) for n, day in enumerate(sorted(days(5) * 7))]


class Run:
    """Runs passes over one server, keeping the memory and the waits."""

    def __init__(self, server: OaiServer, **options: object) -> None:
        self.server = server
        self.options: dict[str, object] = {"categories": ("cs.DC",), "interval_s": 0.0} | options
        self.memory: Mapping[str, str] = {"mark": "of another channel"}

    def __call__(
        self, *, now: datetime = NOW, stop_after: int | None = None, **options: object
    ) -> Pass:
        """Run a pass; with *stop_after* pages, stop as if killed."""
        self.server.now = now
        pages: list[Page] = []
        waits_s: list[float] = []
        error: SourceError | None = None

        async def sleep(wait_s: float) -> None:
            waits_s.append(wait_s)

        async def go() -> None:
            client = Client(user_agent="test", clock=lambda: now, sleep=sleep, jitter=lambda: 0.5)
            async with client:
                oai = OaiPass(
                    name="source",
                    client=client,
                    memory=self.memory,
                    now=now,
                    calendar=CALENDAR,
                    url=self.server.url,
                    **self.options | options,  # type: ignore[arg-type]
                )
                async for page in oai.pages():
                    pages.append(page)
                    self.memory = page.memory
                    if len(pages) == stop_after:
                        return

        try:
            asyncio.run(go())
        except SourceError as raised:
            error = raised
        return Pass(pages=tuple(pages), waits_s=tuple(waits_s), error=error)


def ids(papers: Sequence[OaiPaper]) -> list[str]:
    return [f"arxiv:{paper.id}v{len(paper.submitted)}" for paper in papers]


def news(result: Pass) -> list[str]:
    return [f"{paper.id}v{paper.version}" for paper in result.papers if not paper.backlog]


# Pages


def test_a_pass_yields_every_record_once_page_by_page() -> None:
    with OaiServer(WEEK, now=NOW) as server:
        result = Run(server)()
        requested = [dict(request.query) for request in server.requests]
    assert result.names == ids(WEEK)
    assert [page.complete for page in result.pages] == [False, False, False, True]
    assert [page.done for page in result.pages] == [10, 20, 30, 35]
    assert {page.channel for page in result.pages} == {Channel.OAI}
    assert requested[0] == {
        "verb": "ListRecords",
        "metadataPrefix": "arXivRaw",
        "set": "cs:cs:DC",
        "from": "2026-11-12",
    }
    assert all(set(query) == {"verb", "resumptionToken"} for query in requested[1:])


def test_later_passes_overlap_by_a_day() -> None:
    with OaiServer(WEEK, now=NOW) as server:
        run = Run(server)
        run()
        server.papers.append(fresh(900, date(2026, 11, 24)))
        again = run(now=NOW + DAY)
        assert server.requests[-1].query["from"] == "2026-11-22"
        third = run(now=NOW + 4 * DAY)
        assert server.requests[-1].query["from"] == "2026-11-23"
    assert news(again) == ["arxiv:2611.00900v1"]
    assert third.pages[-1].complete


def test_no_records_is_a_normal_answer() -> None:
    with OaiServer([], now=NOW) as server:
        result = Run(server)()
        assert len(server.requests) == 1
    assert (result.papers, result.pages[-1].complete, result.pages[-1].note) == ([], True, None)
    assert result.memory["oai_from"] == "2026-11-23"


def test_memory_of_other_channels_is_kept() -> None:
    with OaiServer(WEEK, now=NOW) as server:
        result = Run(server)()
    assert all(page.memory["mark"] == "of another channel" for page in result.pages)
    assert all(key == "mark" or key.startswith("oai_") for key in result.memory)
    assert "oai_resume" not in result.memory


# Faults


@pytest.mark.parametrize("fault", SOFT)
@pytest.mark.parametrize("request_number", [1, 3, 4], ids=["first", "middle", "last"])
def test_one_fault_neither_loses_nor_doubles_records(fault: OaiFault, request_number: int) -> None:
    with OaiServer(WEEK, now=NOW, faults={request_number: fault}) as server:
        result = Run(server)()
        assert server.happened == [fault]
    assert (result.error, result.names) == (None, ids(WEEK))
    assert result.pages[-1].complete
    assert max(result.waits_s) >= (40 if fault is OaiFault.S503_WAIT else 0)


def test_an_expired_token_restarts_the_list_from_its_last_day() -> None:
    with OaiServer(WEEK, now=NOW, faults={3: OaiFault.EXPIRED}) as server:
        result = Run(server)()
        restart = server.requests[3].query
    assert restart["set"] == "cs:cs:DC"
    assert restart["from"] == str(WEEK[19].datestamp)
    assert set(result.names) == set(ids(WEEK))
    assert result.pages[-1].complete


def test_tokens_that_always_expire_end_the_pass() -> None:
    faults = dict.fromkeys(range(2, 100, 2), OaiFault.EXPIRED)
    many = [fresh(500 + n, FLOOR) for n in range(100)]
    with OaiServer(many, now=NOW, faults=faults) as server:
        result = Run(server)()
        assert len(server.requests) == 2 * MAX_RESTARTS + 2
    assert isinstance(result.error, SourceLate)
    assert "badResumptionToken: The token has expired (6 times)" in str(result.error)
    assert "oai_from" not in result.memory


def test_a_stale_answer_keeps_the_day_and_says_so() -> None:
    with OaiServer(WEEK, now=NOW, page_size=50, faults={1: OaiFault.STALE}) as server:
        run = Run(server)
        result = run()
        assert not result.pages[-1].complete
        assert result.pages[-1].note == (
            "an answer of 2026-11-23 03:00 UTC, from a cache; newer records are missing"
        )
        assert result.pages[-1].checks == ()
        assert run(now=NOW + DAY).pages[-1].complete
        assert server.requests[-1].query["from"] == "2026-11-12"


def test_other_errors_of_the_protocol_name_the_url() -> None:
    with OaiServer(WEEK, now=NOW, faults={1: OaiFault.REFUSED}) as server:
        result = Run(server)()
        url = server.url
    assert isinstance(result.error, SourceRefused)
    assert str(result.error) == (
        f'source: {url} answered badArgument: "Set does not exist"; check the URL'
    )


def test_an_interrupted_pass_continues_where_it_stopped() -> None:
    """Killed after two pages, it continues with the token, or from that day once it expired."""
    for faults in ({}, {3: OaiFault.EXPIRED}):
        with OaiServer(WEEK, now=NOW, faults=faults) as server:
            run = Run(server)
            first = run(stop_after=2)
            second = run(now=NOW + DAY)
            assert "resumptionToken" in server.requests[2].query
            assert run.memory["oai_from"] == "2026-11-23", "the day on which the pass began"
        assert set(first.names + second.names) == set(ids(WEEK))
        assert news(first) + news(second) == first.names + second.names
        assert second.pages[-1].complete


def test_max_pages_ends_the_pass_and_the_next_continues() -> None:
    with OaiServer(WEEK, now=NOW) as server:
        run = Run(server, max_pages=2)
        first, second = run(), run()
    assert first.pages[-1].note == "stopped at max_pages: 2; the next fetch continues from here"
    assert not first.pages[-1].complete
    assert second.pages[-1].complete
    assert first.names + second.names == ids(WEEK)


def test_unreadable_records_are_counted() -> None:
    broken = fresh(400, FLOOR, id="2613.00400")
    with OaiServer([broken, *WEEK], now=NOW) as server:
        result = Run(server)()
    assert result.pages[-1].note == "unreadable records skipped: 1"
    assert result.names == ids(WEEK)


# Sets


@pytest.mark.parametrize(
    ("categories", "sets"),
    [
        (("cs.DC",), ("cs:cs:DC",)),
        (("hep-lat",), ("physics:hep-lat",)),
        (("astro-ph.CO",), ("physics:astro-ph:CO",)),
        (("physics.optics", "q-bio.NC"), ("physics:physics:optics", "q-bio:q-bio:NC")),
        (("math.NA",), ("cs:cs:NA", "math:math:NA")),
        (("astro-ph",), ("physics:astro-ph",)),
        (("cs",), ("cs:cs", "eess:eess:SY", "math:math:IT", "math:math:NA")),
        (("cs.DC", "cs.OS", "cs.DB", "cs.PF"), ("cs:cs:DB", "cs:cs:DC", "cs:cs:OS", "cs:cs:PF")),
        (("cs.DC", "cs.OS", "cs.DB", "cs.PF", "cs.AR"), ("cs:cs",)),
        (("cs.CL",), ("cs:cs:CL",)),
    ],
)
def test_sets_of_categories(categories: tuple[str, ...], sets: tuple[str, ...]) -> None:
    assert sets_of(categories) == sets


def test_an_archives_set_is_asked_once_and_filtered() -> None:
    wanted = ("cs.DC", "cs.OS", "cs.DB", "cs.PF", "cs.AR")
    papers = [
        fresh(501, FLOOR, categories=("cs.OS", "cs.LG")),
        fresh(502, FLOOR, categories=("cs.LG",)),
        fresh(503, FLOOR, categories=("math.CO", "cs.AR")),
    ]
    with OaiServer(papers, now=NOW) as server:
        result = Run(server, categories=wanted)()
        assert [request.query["set"] for request in server.requests] == ["cs:cs"]
    assert [(paper.id, paper.type) for paper in result.papers] == [
        ("arxiv:2611.00501", "new"),
        ("arxiv:2611.00503", "cross"),
    ]


def test_both_sets_of_an_alias_are_read() -> None:
    papers = [
        fresh(501, FLOOR, categories=("math.NA",)),
        fresh(502, FLOOR, categories=("cs.NA",)),
    ]
    with OaiServer(papers, now=NOW) as server:
        result = Run(server, categories=("cs.NA",))()
    assert sorted(result.names) == ids(papers)
    assert {paper.type for paper in result.papers} == {"new"}


# News


def test_papers_since_the_floor_are_news_and_edits_are_not() -> None:
    long_ago = datetime(2026, 10, 23, 12, tzinfo=UTC)
    held = fresh(521, date(2026, 11, 18), submitted=(long_ago,))
    before = fresh(400, date(2026, 11, 13))
    edited = fresh(7, date(2026, 11, 18), submitted=(long_ago + DAY,))
    replaced = fresh(8, date(2026, 11, 19), submitted=(long_ago, NOW - 5 * DAY))
    old_version = fresh(9, date(2026, 11, 19), submitted=(long_ago, long_ago + DAY))
    with OaiServer(
        [before, *WEEK, held, edited, replaced, old_version], now=NOW, page_size=100
    ) as server:
        result = Run(server)()
    assert set(news(result)) == {*ids(WEEK), *ids([held]), *ids([replaced])}
    days = {paper.id: paper.announced_on for paper in result.papers}
    assert days["arxiv:2611.00521"] == date(2026, 11, 17), "by its id, whatever the datestamp"
    assert days["arxiv:2611.00008"] == date(2026, 11, 19)
    assert days["arxiv:2611.00007"] is None
    assert all(days[f"arxiv:{paper.id}"] == paper.datestamp for paper in WEEK)


def test_a_bulk_update_is_backlog_in_every_later_pass() -> None:
    with OaiServer(WEEK, now=NOW) as server:
        run = Run(server)
        run()
        old = datetime(2019, 5, 2, tzinfo=UTC)
        server.papers += [
            OaiPaper(id=f"1905.{n:05}", datestamp=date(2026, 11, 24), submitted=(old,))
            for n in range(1, 40)
        ]
        again = run(now=NOW + DAY)
    assert (len(again.papers), news(again)) == (39, [])


def test_a_change_of_categories_reports_back_to_the_last_pass() -> None:
    other = [fresh(800, date(2026, 11, 12), categories=("cs.OS",))]
    with OaiServer([*WEEK, *other], now=NOW) as server:
        run = Run(server, backfill=DAY)
        run(now=NOW - 11 * DAY)
        assert run.memory["oai_from"] == "2026-11-12"
        changed = run(categories=("cs.DC", "cs.OS"))
        assert server.requests[-1].query.get("from") in (None, "2026-11-07")
        assert run.memory["oai_floor"] == "2026-11-11"
    assert "arxiv:2611.00800v1" in news(changed)


def test_checks_name_the_days_that_were_read() -> None:
    """Tuesday was never announced, Monday is there, and the evening's announcement is not due."""
    papers = [paper for paper in WEEK if paper.datestamp != date(2026, 11, 17)]
    papers.append(fresh(700, date(2026, 11, 23)))
    with OaiServer(papers, now=NOW) as server:
        result = Run(server)()
    checks = {check.announced_on: check.outcome for check in result.pages[-1].checks}
    assert checks == {
        date(2026, 11, 16): BatchOutcome.COMPLETE,
        date(2026, 11, 17): BatchOutcome.EMPTY,
        **{date(2026, 11, day): BatchOutcome.COMPLETE for day in (18, 19, 20, 23)},
    }


# Decisions and memory


def request(token: str | None = None) -> OaiRequest:
    return OaiRequest(name="source", url=URL, token=token)


def test_a_503_of_arxiv_is_given_half_a_minute() -> None:
    response = Response(status=503, headers={"retry-after": "0"}, body=b"", url=URL)
    decision = decide(response, request(), attempts=1, now=NOW, jitter=0.0)
    assert isinstance(decision, Retry)
    assert decision.wait_s == BUSY_WAIT_S
    assert isinstance(decide(response, request(), attempts=6, now=NOW, jitter=0.0), GiveUp)


def test_a_broken_connection_is_retried_with_back_off() -> None:
    error = Unreachable("reset", arrived=True)
    waits = [decide(error, request(), attempts=n, now=NOW, jitter=0.9) for n in range(1, 7)]
    assert [getattr(wait, "wait_s", None) for wait in waits] == [
        5.0,
        18.0,
        72.0,
        288.0,
        810.0,
        None,
    ]


def test_a_token_that_does_not_advance_restarts() -> None:
    inside = b"<record/><resumptionToken>a</resumptionToken>"
    page = b"<OAI-PMH><ListRecords>%b</ListRecords></OAI-PMH>" % inside
    response = Response(status=200, headers={}, body=page, url=URL)
    decision = decide(response, request("a"), attempts=1, now=NOW, jitter=0.0)
    assert type(decision).__name__ == "Restart"


@pytest.mark.parametrize(
    "memory",
    [
        OaiMemory(query="q"),
        OaiMemory(query="q", from_day=FLOOR, floor=FLOOR, first_id=(2026, 11, 17)),
        OaiMemory(
            query="q",
            floor=FLOOR,
            begun=FLOOR,
            cursor=Cursor(set_number=2, day=FLOOR, token="a|b c"),
        ),
        OaiMemory(query="q", begun=FLOOR, cursor=Cursor(set_number=0, day=FLOOR)),
    ],
)
def test_memory_survives_writing(memory: OaiMemory) -> None:
    assert OaiMemory.read(memory.written(), "q") == memory


@pytest.mark.parametrize("text", ["", "x", "2026-11-", "2026-11-16 x 2026-11-16", "a 0 b", "-"])
def test_damaged_memory_is_ignored(text: str) -> None:
    keys = ("oai_from", "oai_floor", "oai_first_id", "oai_resume")
    read = OaiMemory.read({"oai_query": "q", **dict.fromkeys(keys, text)}, "q")
    assert (read.first_id, read.cursor) == (None, None)


def test_all_hosts_of_arxiv_share_one_pace() -> None:
    hosts = ("export.arxiv.org", "rss.arxiv.org", "oaipmh.arxiv.org", "arxiv.org")
    assert {pace_group(f"https://{host}/x") for host in hosts} == {"arxiv.org"}
