"""Rules that every web API keeps; see `tests.sources.conformance`."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from digestbot.errors import SourceError
from digestbot.sources import REGISTRY
from tests.servers import (
    biorxiv,
    crossref,
    dblp,
    europepmc,
    huggingface,
    openalex,
    openreview,
    pubmed,
    semanticscholar,
)
from tests.servers.web import Reply
from tests.sources.conformance import (
    DAY,
    NOW,
    Clock,
    Kind,
    Pass,
    Service,
    Work,
    damaged,
    hostile,
    make_works,
)
from tests.sources.feed_fuzz import check_paper, check_words

KINDS: dict[str, Kind] = {
    "biorxiv": biorxiv.KIND,
    "crossref": crossref.KIND,
    "dblp": dblp.KIND,
    "europepmc": europepmc.KIND,
    "huggingface": huggingface.KIND,
    "openalex": openalex.KIND,
    "openreview": openreview.KIND,
    "pubmed": pubmed.KIND,
    "semanticscholar": semanticscholar.KIND,
}
OTHERS = {"arxiv", "feed", "folder", "opml"}
"""Kinds with tests of their own: a query API of several faults, and one request."""
WORKS = make_works(10)
HTML = Reply(body=b"<!DOCTYPE html><html><title>Checking your browser</title></html>")


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def service(kind: Kind) -> Iterator[Service]:
    with Service(kind=kind, works=list(WORKS)) as running:
        yield running


def ids(kind: Kind, works: list[Work]) -> set[str]:
    return {kind.id_of(work) for work in works}


def check_failure(result: Pass) -> str:
    """Fail unless *result* ended with one clear error; return its text."""
    error = result.error
    assert isinstance(error, SourceError), result
    text = str(error)
    assert text.startswith("source: ")
    assert error.retry_at is not None
    check_words(text)
    return text


def test_every_kind_takes_part() -> None:
    assert set(KINDS) | OTHERS == set(REGISTRY)


def test_a_pass_reads_every_paper_once(kind: Kind, service: Service) -> None:
    found = service.run()
    assert found.error is None
    assert found.is_complete
    assert sorted(paper.id for paper in found.papers) == sorted(ids(kind, WORKS))
    assert not [paper.id for paper in found.papers if paper.backlog]
    assert found.pages[-1].note is None
    assert found.pages[-1].done == len(WORKS)


def test_papers_have_title_authors_day_and_link(kind: Kind, service: Service) -> None:
    papers = {paper.id: paper for paper in service.run().papers}
    for work in WORKS:
        paper = papers[kind.id_of(work)]
        assert paper.title == work.title
        assert [author.name.split()[-1] for author in paper.authors] == ["Xu", "Li"]
        assert paper.abstract == (work.abstract if kind.has_abstracts else "")
        assert paper.url.startswith("https://")
        assert paper.id in paper.aliases
        dates = [date for date in (paper.published, paper.updated) if date]
        assert {date.date() for date in dates} <= {work.day.date()}


def test_a_second_pass_adds_nothing(kind: Kind, service: Service) -> None:
    first = service.run()
    second = service.run(first.memory)
    assert second.is_complete
    assert second.ids <= first.ids
    assert service.run(second.memory).memory == second.memory


def test_a_killed_pass_loses_nothing(kind: Kind, service: Service) -> None:
    whole = service.run()
    for pages in range(1, len(whole.pages)):
        killed = service.run(pages=pages)
        assert not killed.is_complete
        resumed = service.run(killed.memory)
        assert resumed.is_complete
        assert killed.ids | resumed.ids == ids(kind, WORKS)
        news = {paper.id for paper in resumed.papers if not paper.backlog}
        assert killed.ids | news == ids(kind, WORKS)


def test_a_first_pass_resumed_days_later_keeps_its_range(kind: Kind, service: Service) -> None:
    killed = service.run(pages=1)
    service.clock.now += 5 * DAY
    resumed = service.run(killed.memory)
    news = {paper.id for paper in resumed.papers if not paper.backlog}
    assert killed.ids | news == ids(kind, WORKS)


def test_papers_indexed_late_are_found(kind: Kind, service: Service) -> None:
    late = [service.works.pop(3), service.works.pop()]
    first = service.run()
    assert first.ids == ids(kind, service.works)
    service.works += late
    service.clock.now += DAY
    found = service.run(first.memory)
    assert found.ids >= ids(kind, late)
    assert not [paper for paper in found.papers if paper.backlog]


def test_a_long_pause_loses_nothing(kind: Kind, service: Service) -> None:
    """A machine that was off for 60 days reads on from its mark."""
    first = service.run()
    service.clock.now += 60 * DAY
    later = make_works(30, days=60, first=100, until=service.clock.now)
    service.works += later
    found = service.run(first.memory)
    assert found.ids >= ids(kind, later)
    assert not [paper for paper in found.papers if paper.backlog]


def test_older_papers_of_a_first_pass_are_backlog(kind: Kind, service: Service) -> None:
    old = [replace(WORKS[0], number=99, day=NOW.replace(hour=0) - kind.old)]
    service.works += old
    found = service.run(**kind.first)
    assert {paper.id for paper in found.papers if paper.backlog} == ids(kind, old)
    again = service.run(found.memory, **kind.first)
    assert again.ids <= found.ids


def test_an_empty_service_is_said_to_be_empty(kind: Kind, service: Service) -> None:
    service.works.clear()
    found = service.run()
    assert found.is_complete
    assert found.papers == []
    assert found.pages[-1].note == "the query has no results"


def test_an_empty_answer_is_no_empty_day(kind: Kind, service: Service) -> None:
    """What was listed before does not vanish: the pass is incomplete, and its mark stays."""
    first = service.run()
    service.works.clear()
    empty = service.run(first.memory)
    assert not empty.is_complete
    assert empty.pages[-1].note == "no results, although there were some before"
    service.works += WORKS
    assert service.run(empty.memory).ids >= {kind.id_of(WORKS[-1])}


def test_requests_keep_the_interval(kind: Kind, service: Service) -> None:
    service.run(interval=timedelta(seconds=7))
    gaps = [
        (b - a).total_seconds()
        for a, b in zip(service.asked_at, service.asked_at[1:], strict=False)
    ]
    assert len(gaps) >= 3
    assert min(gaps) >= 7


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(kind: Kind, service: Service, status: int) -> None:
    service.faults[2] = Reply(status=status, headers={"Retry-After": "41"})
    found = service.run(interval=timedelta(seconds=1))
    assert (service.asked_at[2] - service.asked_at[1]).total_seconds() >= 41
    assert found.ids == ids(kind, WORKS)


def test_a_long_retry_after_ends_the_pass(kind: Kind, service: Service) -> None:
    service.always = Reply(status=429, headers={"Retry-After": "7200"})
    found = service.run()
    assert "429" in check_failure(found)
    assert len(service.asked_at) == 1
    assert isinstance(found.error, SourceError)
    assert found.error.retry_at is not None
    assert found.error.retry_at >= NOW + timedelta(hours=2)


def test_access_denied_is_not_repeated(kind: Kind, service: Service) -> None:
    service.always = Reply(status=403, body=b"<html>Access Denied")
    assert "access denied" in check_failure(service.run())
    assert len(service.asked_at) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Reply(status=500),
        Reply(status=503, headers={"Retry-After": "0"}),
        Reply(reset=True),
        Reply(body=b"{", reset=True),
        HTML,
        Reply(body=b""),
        Reply(body=b"\x00\xff\xfe garbage"),
        lambda reply: replace(reply, body=reply.body[: len(reply.body) // 2]),
    ],
    ids=["500", "503", "reset", "reset inside", "html", "empty", "garbage", "truncated"],
)
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_fault_in_between_costs_nothing(
    kind: Kind, service: Service, fault: Reply, at: int
) -> None:
    service.faults[at] = fault
    found = service.run()
    assert found.is_complete
    assert found.ids == ids(kind, WORKS)


@pytest.mark.parametrize(
    "reply",
    [
        HTML,
        Reply(body=b""),
        Reply(body=b"null"),
        Reply(body=b"[" * 200_000),
        Reply(body=b"%PDF-1.7"),
        Reply(body=b"<a/>"),
        Reply(body=b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        Reply(body=b"{}"),
        Reply(body=b"[]"),
        Reply(status=500, body=b"x" * 5000),
        Reply(status=400, body=b'{"message": "bad \\u001b[31m query"}'),
        Reply(status=404, body=b"Resource not found."),
        Reply(body=b"x", headers={"Content-Encoding": "gzip"}),
    ],
    ids=[
        "html", "empty", "null", "deep", "pdf", "xml", "entity", "no members", "list", "500", "400",
        "404", "gzip",
    ],
)  # fmt: skip
def test_other_answers_are_one_clear_error(kind: Kind, service: Service, reply: Reply) -> None:
    first = service.run(pages=1)
    service.always = reply
    found = service.run(first.memory)
    if reply.body == kind.empty:
        assert found.papers == []
    else:
        check_failure(found)
        assert found.memory == first.memory
    service.always = None
    assert service.run(found.memory).ids == ids(kind, WORKS)


def test_the_services_own_error_is_an_error(kind: Kind, service: Service) -> None:
    service.always = kind.error
    check_failure(service.run())


@pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if kind.is_json))
def test_damaged_members_cost_their_record_only(name: str) -> None:
    """Each member of the first answer in turn has another type: papers or one clear error."""
    bodies: list[bytes] = []

    def keep(reply: Reply) -> Reply:
        bodies.append(reply.body)
        return reply

    with Service(kind=KINDS[name], works=list(WORKS), always=keep) as service:
        service.run()
    for value in damaged(json.loads(bodies[0])):
        try:
            page = KINDS[name].read(json.dumps(value).encode(), "")
        except SourceError as error:
            check_words(str(error))
        else:
            for record in page.records:
                check_paper(record.paper)


def test_hostile_texts_become_plain(kind: Kind, service: Service) -> None:
    service.works = [hostile(work) for work in WORKS]
    found = service.run()
    assert found.error is None
    assert found.ids == ids(kind, WORKS)
    for paper in found.papers:
        check_paper(paper)
        assert "E. coli & a<b" in paper.title
        assert paper.title.replace(" ", "").isprintable()
        assert not {"\x00", "\x07", "\x1b"} & set(f"{paper.title}{paper.abstract}{paper.authors}")
        assert all(len(author.name) <= 300 for author in paper.authors)


def test_pages_without_end_are_bounded(kind: Kind, service: Service) -> None:
    found = service.run(max_pages=2)
    assert not found.is_complete
    assert "max_pages" in str(found.pages[-1].note)
    assert len(service.asked_at) == 2
    assert service.run(found.memory).ids == ids(kind, WORKS)


def test_an_answer_that_never_changes_ends(kind: Kind, service: Service) -> None:
    """A server that ignores the cursor is noticed after a few pages."""
    true: list[Reply] = []

    def same(reply: Reply) -> Reply:
        true.append(reply)
        return true[min(len(true) - 1, 1)]

    service.always = same
    service.run()
    assert len(service.asked_at) < 10


def test_huge_answers_are_refused(kind: Kind, service: Service) -> None:
    service.always = Reply(body=b" " * 40_000_000)
    assert "32" in check_failure(service.run())


def test_a_pass_can_be_cancelled(kind: Kind, service: Service) -> None:
    gate = threading.Event()
    service.always = replace(HTML, wait_for=gate)

    async def cancelled() -> bool:
        task = asyncio.create_task(service.go({}))
        await asyncio.to_thread(service.asked.wait)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True
        return False

    try:
        assert asyncio.run(asyncio.wait_for(cancelled(), 5))
    finally:
        gate.set()


def test_a_redirect_to_another_host_is_not_followed(kind: Kind, service: Service) -> None:
    with Service(kind=kind, works=list(WORKS), clock=Clock()) as other:
        target = other.web.url.replace("127.0.0.1", "localhost")
        service.always = Reply(status=302, headers={"Location": f"{target}/x"})
        check_failure(service.run())
        assert other.asked_at == []
