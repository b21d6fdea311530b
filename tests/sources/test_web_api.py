"""The pass over a web API: windows, retries, gaps and limits; `test_conformance` has the rest."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from digestbot.errors import BadAnswer, SourceLate, SourceRefused
from digestbot.model import FetchedPaper
from digestbot.net import BadRedirect, Client, NetError, Response, TooLarge, Unreachable
from digestbot.sources import REGISTRY, Page
from digestbot.sources.parser_pool import in_thread
from digestbot.sources.web_api import (
    MAX_ATTEMPTS,
    MAX_WAIT_S,
    OFFLINE_ATTEMPTS,
    ApiPage,
    ApiRequest,
    Failure,
    ReadPage,
    Record,
    WebApiOptions,
    WebMemory,
    WebPass,
    Window,
    failure,
    official_interval_s,
    under,
    wait_s,
)
from tests.servers.web import Reply, WebServer
from tests.sources.test_registry import REQUIRED

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(WebApiOptions):
    """Options of a listing without dates in its requests."""

    url: str = "https://x.example/"
    server: str = ""
    """Where the requests go."""
    searched: str = "all"
    limits: Mapping[str, float] = field(default_factory=dict)
    interval: timedelta = timedelta(0)
    backfill: timedelta = 7 * DAY
    overlap: timedelta = 3 * DAY
    max_pages: int = 50

    def request(self, window: Window, cursor: str) -> ApiRequest:
        return ApiRequest(url=self.server, params={"cursor": cursor})

    def reader(self, window: Window) -> ReadPage:
        return read


def read(body: bytes, cursor: str, /) -> ApiPage:
    """Read a page of numbers of papers, posted so many days ago."""
    if not body.startswith(b"{"):
        raise BadAnswer("not an object")
    data = json.loads(body)
    return ApiPage(
        records=tuple(
            Record(key=str(n), paper=paper(n), at=NOW - n * DAY if n >= 0 else None)
            for n in data["papers"]
        ),
        cursor=data.get("next"),
        total=data.get("total"),
        note=data.get("note"),
        skipped=data.get("skipped", 0),
        ignored=data.get("ignored", 0),
    )


def paper(number: int) -> FetchedPaper:
    return FetchedPaper(id=f"doi:10.5555/{number}", title=f"T{number}", abstract="", url="")


def run(
    pages: Sequence[Mapping[str, object]], memory: Mapping[str, str] | None = None, **keys: object
) -> list[Page]:
    """Make one pass over a server that sends *pages* in turn."""
    replies = [Reply(body=json.dumps(page).encode()) for page in pages]

    async def go(url: str) -> list[Page]:
        async with Client(user_agent="test", clock=lambda: NOW) as client:
            options = Options(server=url, **keys)  # type: ignore[arg-type]
            reading = WebPass(
                options=options,
                name="s",
                client=client,
                memory=memory or {},
                now=NOW,
                parse=in_thread,
            )
            return [page async for page in reading.pages()]

    with WebServer.of(*replies) as server:
        return asyncio.run(go(server.url))


def ids(pages: Sequence[Page], *, backlog: bool) -> list[str]:
    return [p.id[12:] for page in pages for p in page.papers if p.backlog is backlog]


# Windows


def test_a_first_pass_reads_back_as_far_as_later_ones() -> None:
    """The backfill counts in whole days; what is older, but within the overlap, is backlog."""
    options = Options(backfill=2 * DAY, overlap=9 * DAY)
    window = WebMemory.read({}, "q").window(options, NOW)
    assert (window.floor, window.since) == (at(14), at(21))
    assert (window.first_day, window.last_day) == ("2026-11-14", "2026-11-24")


def test_a_later_pass_begins_an_overlap_before_the_mark() -> None:
    known = {"query": "q", "mark": at(20).isoformat(), "floor": at(1).isoformat()}
    window = WebMemory.read(known, "q").window(Options(), NOW)
    assert window.floor == at(17)


def test_a_later_pass_never_reads_before_the_first_one() -> None:
    """A longer overlap in the config must not report what the first pass left out."""
    known = {"query": "q", "mark": at(20).isoformat(), "floor": at(19).isoformat()}
    window = WebMemory.read(known, "q").window(Options(overlap=30 * DAY), NOW)
    assert window.floor == at(19)


def test_another_query_reports_papers_back_to_the_old_mark() -> None:
    known = {"query": "old", "mark": at(2).isoformat(), "floor": at(1).isoformat()}
    window = WebMemory.read(known, "q").window(Options(), NOW)
    assert window.since == at(2)


def test_an_interrupted_first_pass_keeps_its_range() -> None:
    known = {"pending": f"q {at(5).isoformat()}"}
    assert WebMemory.read(known, "q").window(Options(), NOW).since == at(5)
    assert WebMemory.read(known, "other").window(Options(), NOW).since == at(16)


@pytest.mark.parametrize("text", ["", "x", "2026-11-20", "2026-11-20T00:00:00", "9" * 500])
def test_a_damaged_memory_begins_anew(text: str) -> None:
    known = {"query": "q", "mark": text, "floor": text, "pending": f"q {text}", "doubts": text}
    assert WebMemory.read(known, "q").window(Options(), NOW).since == at(16)


def at(day: int) -> datetime:
    return datetime(2026, 11, day, tzinfo=UTC)


# Passes


def test_old_papers_of_a_first_pass_are_backlog() -> None:
    pages = run([{"papers": [1, 20]}], overlap=30 * DAY)
    assert ids(pages, backlog=True) == ["20"]
    assert ids(pages, backlog=False) == ["1"]
    assert ids(run([{"papers": [1, 20]}], pages[-1].memory), backlog=True) == []


def test_papers_without_a_date_are_news() -> None:
    assert ids(run([{"papers": [-1]}]), backlog=False) == ["-1"]


def test_the_mark_is_the_newest_date_but_not_in_the_future() -> None:
    assert run([{"papers": [3, 2]}])[-1].memory["mark"] == (NOW - 2 * DAY).isoformat()
    later = {"query": "", "mark": "", "floor": ""}
    assert run([{"papers": [0]}], later)[-1].memory["mark"] == NOW.isoformat()


def test_a_paper_on_two_pages_is_reported_once() -> None:
    pages = run([{"papers": [1, 2], "next": "a"}, {"papers": [2, 3]}])
    assert ids(pages, backlog=False) == ["1", "2", "3"]
    assert pages[-1].done == 3


def test_missing_records_are_read_again_and_accepted_at_last() -> None:
    """A service may count a record that it does not list; the note stays, the mark moves."""
    memory: Mapping[str, str] = {}
    found = []
    for _ in range(5):
        page = run([{"papers": [1], "total": 2}], memory)[-1]
        assert page.note == "received 1 of 2 records; the others are read again"
        found.append((page.complete, "mark" in page.memory))
        memory = page.memory
    assert found == [(False, False)] * 2 + [(True, True)] * 3
    memory = run([{"papers": [1], "total": 1}], memory)[-1].memory
    assert not run([{"papers": [1], "total": 2}], memory)[-1].complete


def test_ignored_and_skipped_records_are_not_missing() -> None:
    page = run([{"papers": [1], "total": 3, "ignored": 1, "skipped": 1}])[-1]
    assert page.complete
    assert page.note == "unreadable records skipped: 1"


def test_notes_of_the_api_are_passed_on() -> None:
    assert run([{"papers": [1], "note": "PubMed ignores x"}])[-1].note == "PubMed ignores x"


def test_a_cursor_that_leads_nowhere_ends_the_pass() -> None:
    page = run([{"papers": [1], "next": "a"}])[-1]
    assert not page.complete
    assert "mark" not in page.memory
    assert page.note == "the server repeats its pages; papers may be missing"


def test_max_pages_ends_the_pass_and_keeps_the_mark() -> None:
    pages = run([{"papers": [1], "next": "a"}, {"papers": [2], "next": "b"}], max_pages=2)
    note = "stopped at max_pages: 2; papers are missing; raise it or narrow the query"
    assert pages[-1].note == note
    assert "mark" not in pages[-1].memory
    assert ids(pages, backlog=False) == ["1", "2"]


# Retries


def response(status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=named, body=b'{"message": "why"}', url="https://x/")


@pytest.mark.parametrize(
    ("received", "kind", "attempts"),
    [
        (response(500), SourceLate, MAX_ATTEMPTS),
        (response(503), SourceLate, MAX_ATTEMPTS),
        (response(429), SourceLate, MAX_ATTEMPTS),
        (response(204), SourceLate, MAX_ATTEMPTS),
        (response(400), SourceRefused, 1),
        (response(401), SourceRefused, 1),
        (response(403), SourceRefused, 1),
        (response(404), SourceRefused, 1),
        (Unreachable("x: no", arrived=False), SourceLate, OFFLINE_ATTEMPTS),
        (Unreachable("x: lost"), SourceLate, MAX_ATTEMPTS),
        (TooLarge("x: large"), BadAnswer, 1),
        (BadRedirect("x redirects"), SourceRefused, 1),
    ],
)
def test_failures_have_their_error_and_attempts(
    received: Response | NetError, kind: type[Exception], attempts: int
) -> None:
    found = failure("s", "https://x/", received, NOW)
    assert found is not None
    assert isinstance(found.error, kind)
    assert found.attempts == attempts
    assert str(found.error).startswith("s: ")


def test_the_apis_own_message_is_shown() -> None:
    found = failure("s", "https://x/", response(400), NOW)
    assert found is not None
    assert str(found.error) == 's: https://x/ answered 400: "why"; correct the query'
    assert failure("s", "https://x/", response(200), NOW) is None


def test_waits_grow_up_to_a_bound() -> None:
    late = Failure(error=SourceLate("x"), attempts=9)
    found = [wait_s(late, attempts=n, unit_s=2.0, jitter=0.999) for n in range(1, 9)]
    assert found == sorted(found, key=lambda each: each or 0.0)
    assert found[0] is not None
    assert 2.0 <= found[0] <= 8.0
    assert found[-1] is not None
    assert found[-1] <= MAX_WAIT_S
    assert wait_s(late, attempts=9, unit_s=2.0, jitter=0.5) is None


def test_retry_after_is_the_shortest_wait() -> None:
    asked = Failure(error=SourceLate("x"), attempts=3, retry_after_s=100.0)
    assert wait_s(asked, attempts=1, unit_s=2.0, jitter=0.0) == 100.0
    long = Failure(error=SourceLate("x"), attempts=3, retry_after_s=MAX_WAIT_S + 1)
    assert wait_s(long, attempts=1, unit_s=2.0, jitter=0.0) is None


def test_a_test_server_is_asked_again_at_once() -> None:
    late = Failure(error=SourceLate("x"), attempts=3)
    assert wait_s(late, attempts=1, unit_s=0.0, jitter=0.9) == 0.0


# Options


@pytest.mark.parametrize(
    ("kind", "url", "least_s"),
    [
        ("biorxiv", "https://api.biorxiv.org/details", 1.0),
        ("biorxiv", "https://API.medRxiv.org./details", 1.0),
        ("crossref", "https://api.crossref.org/works", 1.0),
        ("europepmc", "https://www.ebi.ac.uk/europepmc/webservices/rest/search", 1.0),
        ("openalex", "https://api.openalex.org/works", 0.2),
        ("pubmed", "https://eutils.ncbi.nlm.nih.gov/entrez/eutils", 0.34),
        ("pubmed", "http://127.0.0.1:8000/", 0.0),
    ],
)
def test_official_hosts_have_a_least_interval(kind: str, url: str, least_s: float) -> None:
    keys = {**REQUIRED.get(kind, {}), "url": url, "interval": timedelta(0)}
    options: object = REGISTRY[kind](**keys)
    assert options.interval_s == least_s  # type: ignore[attr-defined]
    assert options.is_official is (least_s > 0)  # type: ignore[attr-defined]
    assert official_interval_s(url, timedelta(seconds=60), {}) == 60.0


@pytest.mark.parametrize(
    ("kind", "keys", "message"),
    [
        ("biorxiv", {"url": "ftp://x/"}, "url must be an http or https address"),
        ("biorxiv", {"interval": -DAY}, "interval must be 0 or longer"),
        ("biorxiv", {"overlap": -DAY}, "overlap must be between 0 and 100 years"),
        ("biorxiv", {"backfill": 99_999 * DAY}, "backfill must be between 0 and 100 years"),
        ("biorxiv", {"max_pages": 0}, "max_pages must be at least 1, not 0"),
        (
            "biorxiv",
            {"categories": ("cel biology",)},
            'biorxiv has no category "cel biology"; did you mean "cell biology"?',
        ),
        ("biorxiv", {"server": "medrxiv", "categories": ("zoology",)}, "medrxiv has no category"),
        ("biorxiv", {"categories": ("letters",)}, '"letters"; it has animal behavior and cogn'),
        ("crossref", {}, 'set "issn" or "query"'),
        ("crossref", {"query": " "}, '"query" is empty'),
        ("crossref", {"issn": ("12345678",)}, '"12345678" is not an ISSN; write one like'),
        ("crossref", {"issn": ("2167-8358",)}, '"2167-8358" is not an ISSN: its check digit is'),
        ("crossref", {"issn": ("1050-1240",)}, '"1050-1240" is not an ISSN: its check digit is'),
        ("crossref", {"query": "x", "types": ("a,b",)}, 'Crossref has no type "a,b"'),
        ("openalex", {}, 'set "filter" or "search"'),
        ("europepmc", {"query": ""}, '"query" is empty'),
        ("pubmed", {"query": ""}, '"query" is empty'),
        ("pubmed", {"query": "x", "page_size": 0}, "page_size must be from 1 to 1000, not 0"),
    ],
)
def test_wrong_options_are_named(kind: str, keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        REGISTRY[kind](**keys)


def test_a_path_goes_before_the_query() -> None:
    assert under("https://x.example/api/?key=1", "a/b") == "https://x.example/api/a/b?key=1"
    assert under("https://x.example", "a") == "https://x.example/a"
