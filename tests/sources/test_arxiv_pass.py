"""arXiv's query API as a source, against a loopback server with arXiv's known faults."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest

from digestbot.errors import SourceLate, SourceRefused
from digestbot.sources.arxiv import ArxivOptions
from digestbot.sources.arxiv_retry import STABLE_ATTEMPTS
from tests.servers.arxiv import ArxivServer, FakePaper, Fault, every_fault, make_papers
from tests.servers.web import Reply, WebServer
from tests.sources.passes import NOW, run_pass

WEEK = make_papers(60, start=NOW - timedelta(days=6), days=6, category="cs.DC")

DAY = timedelta(days=1)


def options(server: ArxivServer, **overrides: object) -> ArxivOptions:
    settings = {"categories": ("cs.DC",), "interval": timedelta(0), "page_size": 10}
    return ArxivOptions(url=server.url, **settings | overrides)  # type: ignore[arg-type]


def names(papers: Sequence[FakePaper]) -> list[str]:
    return sorted(f"arxiv:{paper.name}" for paper in papers)


def test_a_pass_yields_every_paper_once_newest_first() -> None:
    with ArxivServer(WEEK) as server:
        result = run_pass(options(server))
    assert result.names == [f"arxiv:{paper.name}" for paper in reversed(WEEK)]
    assert [page.complete for page in result.pages] == [False] * 5 + [True]
    assert [page.done for page in result.pages] == [10, 20, 30, 40, 50, 60]
    assert {page.total for page in result.pages} == {60}
    assert result.pages[-1].note is None


def test_texts_stay_as_served() -> None:
    with ArxivServer(WEEK) as server:
        result = run_pass(options(server))
    served = {f"arxiv:{paper.id}": paper for paper in WEEK}
    for paper in result.papers:
        original = served[paper.id]
        assert (paper.title, paper.abstract) == (original.title, original.abstract)
        assert tuple(author.name for author in paper.authors) == original.authors
        assert paper.categories == original.categories
        assert (paper.published, paper.updated) == (original.published, original.updated)
        assert paper.url == f"https://arxiv.org/abs/{original.name}"
        assert paper.pdf_url == f"https://arxiv.org/pdf/{original.name}"


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("request_number", [1, 3, 6], ids=["first", "middle", "last"])
def test_one_fault_neither_loses_nor_doubles_papers(fault: Fault, request_number: int) -> None:
    with ArxivServer(WEEK, faults={request_number: fault}) as server:
        result = run_pass(options(server))
        assert server.happened == [fault]
    assert result.error is None
    assert sorted(result.names) == names(WEEK)
    assert result.pages[-1].complete


def test_all_faults_in_one_pass_lose_no_paper() -> None:
    week = make_papers(2000, start=NOW - timedelta(days=6.9), days=6.9, category="cs.DC")
    late = make_papers(3, start=NOW, days=0.01, category="cs.DC", first_number=5000)
    with ArxivServer(week, faults=every_fault(), arrivals=late) as server:
        result = run_pass(options(server, page_size=100))
        assert server.happened == list(Fault)
        again = run_pass(options(server, page_size=100), result.memory, now=NOW + DAY)
    assert max(Counter(result.names).values()) == 1
    assert not set(names(week)) - set(result.names)
    assert not set(names(late)) - set(again.names)
    assert not [paper for paper in result.papers if paper.backlog]


def test_two_faults_at_every_request_lose_no_paper() -> None:
    faults = {n: (Fault.EMPTY, Fault.SHORT)[n % 2] for n in range(1, 40) if n % 3}
    with ArxivServer(WEEK, faults=faults) as server:
        result = run_pass(options(server))
    assert sorted(result.names) == names(WEEK)


# The window: how far a pass reads, and which papers it reports.


def test_first_pass_marks_papers_before_backfill_as_backlog() -> None:
    papers = make_papers(100, start=NOW - timedelta(days=50), days=50, category="cs.DC")
    with ArxivServer(papers) as server:
        result = run_pass(options(server, backfill=timedelta(days=5)))
    news = [paper for paper in result.papers if not paper.backlog]
    newest = papers[-1].updated
    assert [p.updated for p in news] == [
        p.updated for p in reversed(papers) if p.updated >= newest - timedelta(days=5)
    ]
    assert 28 <= len(result.papers) < 40, "it reads as far back as the next pass, not to the end"


def test_second_pass_of_an_unchanged_listing_reports_nothing() -> None:
    papers = make_papers(100, start=NOW - timedelta(days=50), days=50, category="cs.DC")
    with ArxivServer(papers) as server:
        first = run_pass(options(server))
        second = run_pass(options(server), first.memory, now=NOW + DAY)
    fresh = set(second.names) - set(first.names)
    assert not [p for p in second.papers if not p.backlog and f"{p.id}v{p.version}" in fresh]
    assert second.pages[-1].complete


def test_first_pass_of_an_old_listing_reports_its_newest_papers() -> None:
    papers = make_papers(30, start=datetime(2019, 3, 1, tzinfo=UTC), days=10, category="cs.DC")
    with ArxivServer(papers) as server:
        result = run_pass(options(server))
    assert len([paper for paper in result.papers if not paper.backlog]) >= 20


def test_papers_delayed_by_moderation_are_reported() -> None:
    listed = [paper for paper in WEEK if paper is not WEEK[5]]
    with ArxivServer(listed) as server:
        first = run_pass(options(server, backfill=timedelta(days=1)))
        server.papers.append(WEEK[5])
        second = run_pass(options(server), first.memory, now=NOW + DAY)
    held = [paper for paper in second.papers if paper.id == f"arxiv:{WEEK[5].id}"]
    assert [paper.backlog for paper in held] == [False]


def test_a_pass_stops_below_its_overlap() -> None:
    papers = make_papers(300, start=NOW - timedelta(days=300), days=300, category="cs.DC")
    with ArxivServer(papers) as server:
        first = run_pass(options(server))
        before = len(server.requests)
        run_pass(options(server), first.memory, now=NOW + DAY)
        assert len(server.requests) - before <= 2


def test_a_page_out_of_order_does_not_end_the_pass() -> None:
    stray = make_papers(
        1, start=NOW - timedelta(days=400), days=1, category="cs.DC", first_number=9000
    )[0]

    # As if indexed twice: among new papers, with the date of an old version.
    misplaced = replace(stray, listed=WEEK[50].updated)
    with ArxivServer([*WEEK, misplaced]) as server:
        result = run_pass(options(server))
    assert set(names(WEEK)) <= set(result.names)


# Memory.


def test_an_interrupted_first_pass_keeps_its_window() -> None:
    with ArxivServer(WEEK) as server:
        killed = run_pass(options(server, backfill=DAY), pages=2)
        assert "mark" not in killed.memory
        server.papers += make_papers(
            5, start=NOW + 9 * DAY, days=1, category="cs.DC", first_number=7000
        )
        result = run_pass(options(server, backfill=DAY), killed.memory, now=NOW + 10 * DAY)
    newest = WEEK[-1].updated
    news = {f"{p.id}v{p.version}" for p in result.papers if not p.backlog}
    assert {f"arxiv:{p.name}" for p in WEEK if p.updated >= newest - DAY} <= news


def test_an_interrupted_later_pass_keeps_the_mark() -> None:
    with ArxivServer(WEEK[:30]) as server:
        first = run_pass(options(server))
        server.papers = list(WEEK)
        killed = run_pass(options(server), first.memory, pages=1)
        assert killed.memory["mark"] == first.memory["mark"]
        result = run_pass(options(server), killed.memory)
    assert sorted(result.names) == names(WEEK)
    assert result.memory["mark"] == WEEK[-1].updated.isoformat()


def test_a_future_date_moves_the_mark_no_further_than_now() -> None:
    odd = make_papers(
        1, start=NOW + timedelta(days=300), days=1, category="cs.DC", first_number=9000
    )
    with ArxivServer([*WEEK, *odd]) as server:
        result = run_pass(options(server))
    assert result.memory["mark"] == NOW.isoformat()
    assert not [paper for paper in result.papers if paper.backlog]


def test_a_changed_query_reads_back_to_the_old_mark() -> None:
    other = make_papers(40, start=NOW - timedelta(days=6), days=6, category="cs.OS", seed=2)
    with ArxivServer(other) as server:
        first = run_pass(options(server, categories=("cs.OS",)), now=NOW)
        server.papers += make_papers(
            60, start=NOW, days=20, category="cs.DC", seed=3, first_number=500
        )
        changed = options(server, categories=("cs.OS", "cs.DC"), backfill=DAY)
        result = run_pass(changed, first.memory, now=NOW + 20 * DAY)
    assert first.memory["query"] != result.memory["query"]
    mark = other[-1].updated
    since_mark = [paper for paper in result.papers if paper.updated and paper.updated >= mark]
    assert len(since_mark) >= 60
    assert not [paper for paper in since_mark if paper.backlog]


# Empty listings, refusals and failures.


def test_a_new_empty_listing_is_accepted_after_three_attempts() -> None:
    with ArxivServer([]) as server:
        result = run_pass(options(server))
        assert len(server.requests) == 3
    assert result.pages[-1].complete
    assert result.pages[-1].note == "the query has no results"
    assert not result.memory


def test_a_suddenly_empty_listing_is_incomplete() -> None:
    with ArxivServer(WEEK) as server:
        first = run_pass(options(server))
        server.papers = []
        result = run_pass(options(server), first.memory)
    assert not result.pages[-1].complete
    assert result.pages[-1].note == "no results, although there were some before"
    assert result.memory["mark"] == first.memory["mark"]


def test_papers_before_a_failure_are_kept() -> None:
    faults = dict.fromkeys(range(3, 50), Fault.S503)
    with ArxivServer(WEEK, faults=faults) as server:
        result = run_pass(options(server))
        assert len(server.requests) == 2 + 6
        url = server.url
    assert len(result.papers) == 20
    assert "mark" not in result.memory
    assert isinstance(result.error, SourceLate)
    assert str(result.error) == (
        f"source: {url} answered 503 (6 attempts); no papers lost; next try at 2026-11-23 08:45 UTC"
    )
    assert result.error.retry_at == NOW + timedelta(minutes=45)


def test_a_short_page_is_kept_and_the_pass_continues() -> None:
    faults = dict.fromkeys(range(2, 5), Fault.SHORT)
    with ArxivServer(WEEK, faults=faults) as server:
        result = run_pass(options(server))
    missing = set(names(WEEK)) - set(result.names)
    assert len(missing) <= 1
    assert not result.pages[-1].complete
    assert result.pages[-1].note == "9 of 10 results on the page from 10"
    assert "mark" not in result.memory


def test_papers_of_a_short_page_are_kept_before_a_failure() -> None:
    faults = {1: Fault.SHORT} | dict.fromkeys(range(2, 50), Fault.S500)
    with ArxivServer(WEEK, faults=faults) as server:
        result = run_pass(options(server))
    assert len(result.papers) == 9
    assert isinstance(result.error, SourceLate)


def test_an_invalid_query_shows_the_message_of_the_server() -> None:
    with ArxivServer(WEEK) as server:
        result = run_pass(options(server, categories=(), query="nonsense:gpu"))
        assert len(server.requests) == 1
        url = server.url
    assert isinstance(result.error, SourceRefused)
    assert str(result.error) == (
        f'source: {url} answered 400: "unknown field in nonsense:gpu"; correct the query'
    )


def test_retry_after_is_honoured_on_a_mirror() -> None:
    faults = {1: Fault.S429_WAIT, 3: Fault.S500}
    with ArxivServer(WEEK[:10], faults=faults) as server:
        assert run_pass(options(server)).waits_s == (1.0,)
    with ArxivServer(WEEK, faults=faults) as server:
        assert run_pass(options(server)).waits_s == (1.0, 0.0)


def test_max_pages_ends_a_pass_with_a_note() -> None:
    with ArxivServer(WEEK) as server:
        result = run_pass(options(server, max_pages=2))
    assert len(result.papers) == 20
    assert not result.pages[-1].complete
    note = "stopped at max_pages: 2; older papers are missing"
    assert result.pages[-1].note == note


def test_requests_follow_the_api_manual() -> None:
    with ArxivServer(WEEK[:3]) as server:
        run_pass(options(server, categories=("cs.NA", "cs.DC")))
        query = server.requests[0].query
    assert query == {
        "search_query": "cat:cs.NA OR cat:math.NA OR cat:cs.DC",
        "start": "0",
        "max_results": "10",
        "sortBy": "lastUpdatedDate",
        "sortOrder": "descending",
    }


def test_a_configured_query_finds_its_papers() -> None:
    with ArxivServer(WEEK) as server:
        found = run_pass(options(server, categories=(), query='cat:cs.DC AND ti:"cold starts"'))
    assert sorted(found.names) == names([p for p in WEEK if "Cold Starts" in p.title])
    assert found.names


@pytest.mark.parametrize(("title", "warnings"), [("all:pineapple", 1), ("(Pineapple)", 0)])
def test_a_rewritten_query_is_logged(
    title: str, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    body = (
        '<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<title>arXiv Query: search_query={title}&amp;id_list=&amp;start=0</title>"
        "<entry><id>http://arxiv.org/abs/2611.00001v1</id><title>T</title>"
        "<updated>2026-11-20T00:00:00Z</updated></entry></feed>"
    )
    with WebServer.of(Reply(body=body.encode())) as server:
        run_pass(ArxivOptions(query="pineapple", url=server.url, interval=timedelta(0)))
    logged = [entry for entry in caplog.records if entry.message == "query rewritten by arXiv"]
    assert len(logged) == warnings


def test_a_server_that_ignores_the_request_is_given_up() -> None:
    """The bundled page answers every request with "results from 180 of 27,874"."""
    seed = files("digestbot") / "seed" / "arxiv-cs.DC-start180.xml"
    page = Reply(body=seed.read_bytes(), headers={"Content-Type": "application/atom+xml"})
    with WebServer(lambda request: page) as server:
        passed = run_pass(ArxivOptions(categories=("cs.DC",), url=server.url, interval=0 * DAY))
        requests = len(server.requests)
    assert len(passed.papers) == 15
    assert not passed.pages[-1].complete
    assert "requested results from 0, got results from 180" in (passed.pages[-1].note or "")
    assert requests == 4 * STABLE_ATTEMPTS
