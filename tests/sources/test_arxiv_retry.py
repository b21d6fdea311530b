"""Which answers of arXiv are believed, which are asked for again, and when to give up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digestbot.errors import SourceLate, SourceRefused
from digestbot.model import FetchedPaper
from digestbot.net import Response, Unreachable
from digestbot.sources.arxiv_atom import ArxivFeed
from digestbot.sources.arxiv_retry import (
    TRIES,
    Again,
    Asked,
    Decision,
    Doubt,
    GiveUp,
    Trust,
    what_next,
)

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
URL = "https://export.arxiv.org/api/query"
ATOM = {"content-type": "application/atom+xml; charset=utf-8"}


def body(count: int, *, total: int = 500, start: int = 0, message: str | None = None) -> bytes:
    """A feed of *count* entries, or the error feed with *message*."""
    entries = "".join(
        f"<entry><id>http://arxiv.org/abs/2611.{n:05}v1</id><title>T</title></entry>"
        for n in range(1, count + 1)
    )
    if message is not None:
        entries = (
            "<entry><id>https://arxiv.org/api/errors#x</id><title>Error</title>"
            f"<summary>{message}</summary></entry>"
        )
    return (
        '<feed xmlns="http://www.w3.org/2005/Atom" '
        'xmlns:o="http://a9.com/-/spec/opensearch/1.1/">'
        f"<o:totalResults>{total}</o:totalResults><o:startIndex>{start}</o:startIndex>"
        f"{entries}</feed>"
    ).encode()


def page(count: int, **settings: Any) -> Response:
    return Response(status=200, headers=ATOM, body=body(count, **settings), url=URL)


def status(code: int, content: bytes = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=code, headers=named, body=content, url=URL)


def asked(**overrides: Any) -> Asked:
    settings: dict[str, Any] = {"name": "systems", "url": URL, "start": 0, "size": 10}
    return Asked(**settings | overrides)


def decided(
    got: Response | Unreachable, question: Asked | None = None, *, tries: int = 1, **settings: Any
) -> Decision:
    given: dict[str, Any] = {"now": NOW, "luck": 0.0} | settings
    return what_next(got, question or asked(), tries=tries, **given)


BELIEVED = [
    ("a full page", page(10), {}),
    ("the rest of the listing", page(3, total=23, start=20), {"start": 20}),
    ("a listing of one page", page(4, total=4), {}),
    ("a total that grew", page(10, total=510), {"total": 500}),
    ("a total that shrank by less than a page", page(10, total=495), {"total": 500}),
]


@pytest.mark.parametrize(("got", "overrides"), [case[1:] for case in BELIEVED],
                         ids=[case[0] for case in BELIEVED])  # fmt: skip
def test_a_page_as_it_should_be_is_believed_at_once(got: Response, overrides: dict[str, Any]) -> None:
    assert isinstance(decided(got, asked(**overrides)), Trust)


HTML = Response(status=200, headers={"content-type": "text/html"}, body=b"<html/>", url=URL)
CUT = Response(status=200, headers=ATOM, body=body(10)[:-20], url=URL)
OTHER = Response(status=200, headers=ATOM, body=b"<rss/>", url=URL)
DOUBTED = [
    (page(9), {}, "9 of 10 results on the page from 0"),
    (page(11), {}, "11 of 10 results on the page from 0"),
    (page(10, start=0), {"start": 10}, "asked for results from 10, got those from 0"),
    (page(0), {}, "no results"),
    (page(0, total=0), {}, "no results"),
    (page(0, total=0), {"has_had_papers": True}, "no results, where there were some before"),
    (page(0, total=0, start=20), {"start": 20}, "no results on the page from 20"),
    (page(0, total=18, start=20), {"start": 20}, "no results on the page from 20"),
    (
        page(10, total=60, start=50),
        {"start": 50, "total": 500},
        "60 results, where a moment before there were 500",
    ),
    (page(0, message="try later"), {}, f"{URL} answered with an error: try later"),
    (HTML, {}, f"{URL}: the answer is text/html, not XML"),
    (OTHER, {}, f"{URL}: the answer is XML, but no Atom feed"),
]


@pytest.mark.parametrize(("got", "overrides", "why"), DOUBTED)
def test_a_page_that_cannot_be_is_asked_for_again(
    got: Response, overrides: dict[str, Any], why: str
) -> None:
    decision = decided(got, asked(**overrides))
    assert isinstance(decision, Again)
    assert decision.why == why


def test_xml_that_ends_in_the_middle_is_asked_for_again() -> None:
    decision = decided(CUT)
    assert isinstance(decision, Again)
    assert "not well-formed XML" in decision.why


AGAIN = [406, 408, 425, 429, 500, 501, 502, 503, 504, 520, 204, 302]


@pytest.mark.parametrize("code", AGAIN)
def test_a_busy_or_broken_server_is_asked_again(code: int) -> None:
    assert decided(status(code)) == Again(wait_s=5.0, why=f"{URL} answered {code}")


def test_a_broken_link_is_asked_again() -> None:
    assert decided(Unreachable("reset")) == Again(wait_s=5.0, why="reset")


def test_without_a_network_it_is_said_after_three_tries() -> None:
    lost = Unreachable("no such host", arrived=False)
    assert decided(lost, tries=2, luck=1.0) == Again(wait_s=5.0, why="no such host")
    decision = decided(lost, tries=3)
    assert isinstance(decision, GiveUp)
    assert str(decision.error).startswith("systems: no such host (asked 3 times); nothing is lost")


# How long to wait.


@pytest.mark.parametrize(
    ("tries", "luck", "wait_s"),
    [(1, 0.99, 5.0), (2, 0.5, 10.0), (3, 0.5, 40.0), (4, 0.5, 160.0), (5, 1.0, 900.0), (5, 0, 5.0)],
)
def test_waits_for_arxiv_grow_from_5_s_to_15_min_with_full_jitter(
    tries: int, luck: float, wait_s: float
) -> None:
    assert decided(status(500), tries=tries, luck=luck) == Again(
        wait_s=wait_s, why=f"{URL} answered 500"
    )


@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [("0", 5.0), ("3", 5.0), ("77", 77.0), ("Mon, 23 Nov 2026 08:02:00 GMT", 120.0), ("x", 5.0)],
)
def test_retry_after_is_obeyed_above_the_floor(retry_after: str, wait_s: float) -> None:
    decision = decided(status(503, retry_after=retry_after))
    assert isinstance(decision, Again)
    assert decision.wait_s == wait_s


def test_a_long_retry_after_ends_the_pass_instead_of_holding_it() -> None:
    decision = decided(status(429, retry_after="7200"))
    assert isinstance(decision, GiveUp)
    assert decision.error.retry_at == NOW + timedelta(hours=2)


@pytest.mark.parametrize(("interval_s", "waits"), [(0.0, [0, 0, 0]), (2.0, [2, 4, 16])])
def test_a_mirror_is_asked_at_its_own_interval(interval_s: float, waits: list[float]) -> None:
    mirror = asked(is_arxiv=False, interval_s=interval_s)
    decisions = [decided(status(500), mirror, tries=n, luck=0.5) for n in (1, 2, 3)]
    assert [decision.wait_s for decision in decisions if isinstance(decision, Again)] == waits


def test_a_listing_that_was_not_empty_gets_minutes_to_recover() -> None:
    decision = decided(page(0, total=0), asked(has_had_papers=True))
    assert isinstance(decision, Again)
    assert decision.wait_s == 120.0


# When to give up.


@pytest.mark.parametrize("luck", [0.0, 0.5])
def test_after_six_tries_the_source_is_late_for_half_an_hour_to_an_hour(luck: float) -> None:
    decision = decided(status(503), tries=TRIES, luck=luck)
    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, SourceLate)
    assert decision.error.retry_at == NOW + timedelta(minutes=30) * (1 + luck)
    assert str(decision.error).startswith(f"systems: {URL} answered 503 (asked 6 times); nothing")


REFUSED = [
    (403, b"<html>Access Denied", "we are blocked; not asking for hours, set `contact`"),
    (400, body(0, message="bad field"), '"bad field"; correct the query'),
    (400, b"nonsense", "no message; correct the query"),
    (404, b"", "check the address"),
    (401, b"", "check the address"),
]


@pytest.mark.parametrize(("code", "content", "advice"), REFUSED)
def test_a_refusal_is_final_at_once(code: int, content: bytes, advice: str) -> None:
    decision = decided(status(code, content))
    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, SourceRefused)
    assert str(decision.error).startswith(f"systems: {URL} answered {code}: {advice}")
    assert decision.error.retry_at == NOW + timedelta(hours=6)


def feed(count: int, **settings: Any) -> ArxivFeed:
    decision = decided(page(count, **settings), asked(size=99))
    return decision.feed if isinstance(decision, Again) and decision.feed else _trusted(decision)


def _trusted(decision: Decision) -> ArxivFeed:
    assert isinstance(decision, Trust)
    return decision.feed


def test_past_the_end_is_believed_when_it_is_so_twice() -> None:
    question = asked(start=20, total=25)
    past = page(0, total=18, start=20)
    first = decided(past, question)
    assert isinstance(first, Again)
    assert isinstance(decided(past, question, tries=2, before=first.feed), Trust)
    other = feed(0, total=19, start=20)
    assert isinstance(decided(past, question, tries=2, before=other), Again)


def test_a_total_of_zero_in_the_middle_is_never_believed() -> None:
    question = asked(start=20)
    zero = page(0, total=0, start=20)
    before = feed(0, total=0, start=20)
    assert isinstance(decided(zero, question, tries=5, before=before), Again)
    assert isinstance(decided(zero, question, tries=TRIES, before=before), GiveUp)


def test_an_empty_page_inside_the_listing_is_never_believed() -> None:
    assert isinstance(decided(page(0), tries=TRIES, before=feed(0)), GiveUp)


@pytest.mark.parametrize(("had", "kind"), [(False, Trust), (True, Doubt)])
def test_an_empty_listing_is_accepted_after_three_tries(
    had: bool, kind: type[Trust] | type[Doubt]
) -> None:
    empty, question = page(0, total=0), asked(has_had_papers=had)
    before = feed(0, total=0)
    assert isinstance(decided(empty, question, tries=2, before=before), Again)
    assert isinstance(decided(empty, question, tries=3, before=before), kind)


def test_a_page_that_is_always_short_the_same_way_is_taken_after_three_tries() -> None:
    assert isinstance(decided(page(9), tries=3, before=feed(9)), Doubt)
    assert isinstance(decided(page(9), tries=3, before=feed(8)), Again)
    assert isinstance(decided(page(9), tries=TRIES, before=feed(8)), Doubt)


def test_entries_that_cannot_be_read_count_as_entries() -> None:
    broken = body(10).replace(b"http://arxiv.org/abs/2611.00003v1", b"nonsense")
    decision = decided(Response(status=200, headers=ATOM, body=broken, url=URL))
    assert isinstance(decision, Trust)
    assert (len(decision.feed.entries), decision.feed.skipped) == (9, 1)
    assert all(isinstance(paper, FetchedPaper) for paper in decision.feed.entries)
