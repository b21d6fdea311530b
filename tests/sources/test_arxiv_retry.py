"""Responses of arXiv: accepted, retried, or given up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digestbot.errors import SourceLate, SourceRefused
from digestbot.model import FetchedPaper
from digestbot.net import Response, Unreachable
from digestbot.sources.arxiv_atom import ArxivFeed
from digestbot.sources.arxiv_retry import (
    MAX_ATTEMPTS,
    Accept,
    AcceptIncomplete,
    Decision,
    GiveUp,
    PageRequest,
    Retry,
    decide,
)

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
URL = "https://export.arxiv.org/api/query"
ATOM = {"content-type": "application/atom+xml; charset=utf-8"}


def body(count: int, *, total: int = 500, start: int = 0, message: str | None = None) -> bytes:
    """Return a feed of *count* entries, or the error feed with *message*."""
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


def page_request(**overrides: Any) -> PageRequest:
    settings: dict[str, Any] = {"name": "systems", "url": URL, "start": 0, "size": 10}
    return PageRequest(**settings | overrides)


def decided(
    received: Response | Unreachable,
    request: PageRequest | None = None,
    *,
    attempts: int = 1,
    **settings: Any,
) -> Decision:
    given: dict[str, Any] = {"now": NOW, "jitter": 0.0} | settings
    return decide(received, request or page_request(), attempts=attempts, **given)


PLAUSIBLE = [
    ("a full page", page(10), {}),
    ("the rest of the listing", page(3, total=23, start=20), {"start": 20}),
    ("a listing of one page", page(4, total=4), {}),
    ("a total that grew", page(10, total=510), {"total": 500}),
    ("a total that shrank by less than a page", page(10, total=495), {"total": 500}),
]


@pytest.mark.parametrize(("got", "overrides"), [case[1:] for case in PLAUSIBLE],
                         ids=[case[0] for case in PLAUSIBLE])  # fmt: skip
def test_plausible_pages_are_accepted_at_once(got: Response, overrides: dict[str, Any]) -> None:
    assert isinstance(decided(got, page_request(**overrides)), Accept)


HTML = Response(status=200, headers={"content-type": "text/html"}, body=b"<html/>", url=URL)
CUT = Response(status=200, headers=ATOM, body=body(10)[:-20], url=URL)
OTHER = Response(status=200, headers=ATOM, body=b"<rss/>", url=URL)
IMPLAUSIBLE = [
    (page(9), {}, "9 of 10 results on the page from 0"),
    (page(11), {}, "11 of 10 results on the page from 0"),
    (page(10, start=0), {"start": 10}, "requested results from 10, got results from 0"),
    (page(0), {}, "no results"),
    (page(0, total=0), {}, "no results"),
    (page(0, total=0), {"has_had_papers": True}, "no results, although there were some before"),
    (page(0, total=0, start=20), {"start": 20}, "no results on the page from 20"),
    (page(0, total=18, start=20), {"start": 20}, "no results on the page from 20"),
    (
        page(10, total=60, start=50),
        {"start": 50, "total": 500},
        "60 results, down from 500 a moment before",
    ),
    (page(0, message="try later"), {}, f"{URL} answered with an error: try later"),
    (HTML, {}, f"{URL}: expected XML, got text/html"),
    (OTHER, {}, f"{URL}: not an Atom feed; check the URL"),
]


@pytest.mark.parametrize(("got", "overrides", "reason"), IMPLAUSIBLE)
def test_implausible_pages_are_retried(
    got: Response, overrides: dict[str, Any], reason: str
) -> None:
    decision = decided(got, page_request(**overrides))
    assert isinstance(decision, Retry)
    assert decision.reason == reason


def test_truncated_xml_is_retried() -> None:
    decision = decided(CUT)
    assert isinstance(decision, Retry)
    assert "not well-formed XML" in decision.reason


RETRIED = [406, 408, 425, 429, 500, 501, 502, 503, 504, 520, 204, 302]


@pytest.mark.parametrize("code", RETRIED)
def test_temporary_statuses_are_retried(code: int) -> None:
    assert decided(status(code)) == Retry(wait_s=5.0, reason=f"{URL} answered {code}")


def test_a_broken_connection_is_retried() -> None:
    assert decided(Unreachable("reset")) == Retry(wait_s=5.0, reason="reset")


def test_a_missing_network_is_reported_after_three_attempts() -> None:
    lost = Unreachable("no such host", arrived=False)
    assert decided(lost, attempts=2, jitter=1.0) == Retry(wait_s=5.0, reason="no such host")
    decision = decided(lost, attempts=3)
    assert isinstance(decision, GiveUp)
    assert str(decision.error).startswith("systems: no such host (3 attempts); no papers lost")


# Waits.


@pytest.mark.parametrize(
    ("attempts", "jitter", "wait_s"),
    [(1, 0.99, 5.0), (2, 0.5, 10.0), (3, 0.5, 40.0), (4, 0.5, 160.0), (5, 1.0, 900.0), (5, 0, 5.0)],
)
def test_waits_for_arxiv_grow_from_5_s_to_15_min(
    attempts: int, jitter: float, wait_s: float
) -> None:
    assert decided(status(500), attempts=attempts, jitter=jitter) == Retry(
        wait_s=wait_s, reason=f"{URL} answered 500"
    )


@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [("0", 5.0), ("3", 5.0), ("77", 77.0), ("Mon, 23 Nov 2026 08:02:00 GMT", 120.0), ("x", 5.0)],
)
def test_retry_after_extends_the_minimum_wait(retry_after: str, wait_s: float) -> None:
    decision = decided(status(503, retry_after=retry_after))
    assert isinstance(decision, Retry)
    assert decision.wait_s == wait_s


def test_a_long_retry_after_ends_the_pass() -> None:
    decision = decided(status(429, retry_after="7200"))
    assert isinstance(decision, GiveUp)
    assert decision.error.retry_at == NOW + timedelta(hours=2)


@pytest.mark.parametrize(("interval_s", "waits"), [(0.0, [0, 0, 0]), (2.0, [2, 4, 16])])
def test_a_mirror_is_retried_at_its_own_interval(interval_s: float, waits: list[float]) -> None:
    mirror = page_request(is_arxiv=False, interval_s=interval_s)
    decisions = [decided(status(500), mirror, attempts=n, jitter=0.5) for n in (1, 2, 3)]
    assert [decision.wait_s for decision in decisions if isinstance(decision, Retry)] == waits


def test_a_suddenly_empty_listing_is_retried_after_minutes() -> None:
    decision = decided(page(0, total=0), page_request(has_had_papers=True))
    assert isinstance(decision, Retry)
    assert decision.wait_s == 120.0


# Giving up.


@pytest.mark.parametrize("jitter", [0.0, 0.5])
def test_six_failed_attempts_pause_for_30_to_60_minutes(jitter: float) -> None:
    decision = decided(status(503), attempts=MAX_ATTEMPTS, jitter=jitter)
    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, SourceLate)
    assert decision.error.retry_at == NOW + timedelta(minutes=30) * (1 + jitter)
    assert str(decision.error).startswith(
        f"systems: {URL} answered 503 (6 attempts); no papers lost"
    )


REFUSED = [
    (403, b"<html>Access Denied", "access denied; paused for 6 hours, set `contact`"),
    (400, body(0, message="bad field"), '"bad field"; correct the query'),
    (400, b"nonsense", "correct the query"),
    (404, b"", "not found; check the URL"),
    (401, b"", "check the URL"),
]


@pytest.mark.parametrize(("code", "content", "advice"), REFUSED)
def test_refusals_are_final_at_once(code: int, content: bytes, advice: str) -> None:
    decision = decided(status(code, content))
    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, SourceRefused)
    assert str(decision.error).startswith(f"systems: {URL} answered {code}: {advice}")
    assert decision.error.retry_at == NOW + timedelta(hours=6)


def feed(count: int, **settings: Any) -> ArxivFeed:
    decision = decided(page(count, **settings), page_request(size=99))
    return decision.feed if isinstance(decision, Retry) and decision.feed else _accepted(decision)


def _accepted(decision: Decision) -> ArxivFeed:
    assert isinstance(decision, Accept)
    return decision.feed


def test_a_page_past_the_end_is_accepted_if_empty_twice() -> None:
    request = page_request(start=20, total=25)
    past = page(0, total=18, start=20)
    first = decided(past, request)
    assert isinstance(first, Retry)
    assert isinstance(decided(past, request, attempts=2, before=first.feed), Accept)
    other = feed(0, total=19, start=20)
    assert isinstance(decided(past, request, attempts=2, before=other), Retry)


def test_a_total_of_zero_mid_pass_is_never_accepted() -> None:
    request = page_request(start=20)
    zero = page(0, total=0, start=20)
    before = feed(0, total=0, start=20)
    assert isinstance(decided(zero, request, attempts=5, before=before), Retry)
    assert isinstance(decided(zero, request, attempts=MAX_ATTEMPTS, before=before), GiveUp)


def test_an_empty_page_inside_the_listing_is_never_accepted() -> None:
    assert isinstance(decided(page(0), attempts=MAX_ATTEMPTS, before=feed(0)), GiveUp)


@pytest.mark.parametrize(("has_had_papers", "kind"), [(False, Accept), (True, AcceptIncomplete)])
def test_an_empty_listing_is_accepted_after_three_attempts(
    has_had_papers: bool, kind: type[Accept] | type[AcceptIncomplete]
) -> None:
    empty, request = page(0, total=0), page_request(has_had_papers=has_had_papers)
    before = feed(0, total=0)
    assert isinstance(decided(empty, request, attempts=2, before=before), Retry)
    assert isinstance(decided(empty, request, attempts=3, before=before), kind)


def test_a_stable_short_page_is_accepted_after_three_attempts() -> None:
    assert isinstance(decided(page(9), attempts=3, before=feed(9)), AcceptIncomplete)
    assert isinstance(decided(page(9), attempts=3, before=feed(8)), Retry)
    assert isinstance(decided(page(9), attempts=MAX_ATTEMPTS, before=feed(8)), AcceptIncomplete)


def test_unreadable_entries_count_as_entries() -> None:
    broken = body(10).replace(b"http://arxiv.org/abs/2611.00003v1", b"nonsense")
    decision = decided(Response(status=200, headers=ATOM, body=broken, url=URL))
    assert isinstance(decision, Accept)
    assert (len(decision.feed.entries), decision.feed.skipped) == (9, 1)
    assert all(isinstance(paper, FetchedPaper) for paper in decision.feed.entries)
