"""
Decide whether to accept a response of arXiv, to repeat the request, or to give up for now.

Pure: `decide` maps what arrived to a decision that `digestbot.sources.arxiv` carries out. The rules
follow failures seen on arXiv in recent years: empty pages in the middle of a listing, short pages,
HTML with status 200, 406 from the edge, 503 with ``Retry-After: 0``.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from digestbot.errors import BadAnswer, SourceError
from digestbot.net import NetError, Response, Unreachable, is_retryable, parse_retry_after
from digestbot.sources.arxiv_atom import ArxivFeed, parse
from digestbot.sources.retry import LATE_PAUSE, from_status, late

MAX_ATTEMPTS = 6
OFFLINE_ATTEMPTS = 3
STABLE_ATTEMPTS = 3
"""Attempts after which an implausible page that is always the same is accepted."""
FIRST_WAIT_S = 5.0
MAX_WAIT_S = 900.0
EMPTY_WAIT_S = 120.0
"""Wait before asking again for a listing that had papers and is empty now."""
GROWTH = 4.0
"""Factor between the bounds of two back-offs: five of them reach from 5 s to 15 min."""
MAX_RESULTS = 30_000
"""Results of one query that arXiv serves; beyond is HTTP 400 (API manual 3.1.1.2)."""
_ADVICE = {
    400: "correct the query",
    401: "check the URL",
    403: "access denied; paused for 6 hours, set `contact` so that arXiv can write to you",
    410: "check the URL",
}


class Target(Protocol):
    """Target of a request; the same for all of arXiv's channels."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def is_arxiv(self) -> bool: ...
    @property
    def interval_s(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Request for one page, and what earlier pages said."""

    name: str
    """The source, for messages."""
    url: str
    """As it may be shown."""
    start: int
    size: int
    """``max_results``."""
    total: int | None = None
    """Results that the page before reported in this pass."""
    has_had_papers: bool = False
    """True if this query returned papers, in this pass or an earlier one."""
    is_arxiv: bool = True
    """True on arXiv's own hosts, where its minimum waits apply."""
    interval_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """The page is plausible."""

    feed: ArxivFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptIncomplete:
    """The page stayed implausible after all attempts; its papers are real, some may be missing."""

    feed: ArxivFeed
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Repeat the request after *wait_s* seconds."""

    wait_s: float
    reason: str
    feed: ArxivFeed | None = None
    """The implausible page, if the response could be parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """End the pass with *error*."""

    error: SourceError


Decision = Accept | AcceptIncomplete | Retry | GiveUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a request."""

    request: Target
    number: int
    """From 1."""
    now: datetime
    jitter: float


def decide(
    received: Response | NetError,
    request: PageRequest,
    *,
    attempts: int,
    now: datetime,
    jitter: float,
    before: ArxivFeed | None = None,
) -> Decision:
    """
    Decide what to do with the outcome of a request.

    Args:
        received: The response, or how the connection failed.
        request: What was requested.
        attempts: Requests made for this page so far, this one included; from 1.
        now: For a Retry-After that is a date, and for the time of the next pass.
        jitter: Uniform in [0, 1): spreads the waits of many clients (full jitter).
        before: The last page for this request that was parsed but implausible.
    """
    attempt = Attempt(request=request, number=attempts, now=now, jitter=jitter)
    if isinstance(received, NetError) or received.status != 200:
        return after_failure(received, attempt)
    try:
        check_is_xml(received)
        feed = parse(received.body)
    except BadAnswer as error:
        return retry_or_give_up(f"{request.url}: {error}", attempt)
    if feed.error is not None:
        reason = f"{request.url} answered with an error: {feed.error}"
        return retry_or_give_up(reason, attempt)
    return _after_page(feed, request, attempt, before)


def after_failure(received: Response | NetError, attempt: Attempt) -> Retry | GiveUp:
    """Decide what to do without a connection, or after a status other than 200."""
    if isinstance(received, Unreachable) and not received.arrived:
        return _after_no_connection(received, attempt)
    if isinstance(received, NetError):
        return retry_or_give_up(str(received), attempt)
    return _after_status(received, attempt)


def _after_no_connection(error: Unreachable, attempt: Attempt) -> Retry | GiveUp:
    """Give up soon: the network is probably down, which the operator should see quickly."""
    if attempt.number >= OFFLINE_ATTEMPTS:
        return GiveUp(error=_late(str(error), attempt))
    return Retry(wait_s=_back_off(attempt.request, 1, attempt.jitter), reason=str(error))


def check_is_xml(response: Response) -> None:
    """
    Check the content type: proxies answer with HTML and status 200.

    Raises:
        BadAnswer: It is another type than XML.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and "xml" not in kind:
        raise BadAnswer(f"expected XML, got {kind[:40]}")


def _after_status(response: Response, attempt: Attempt) -> Retry | GiveUp:
    request, now = attempt.request, attempt.now
    if is_retryable(response.status):
        retry_after_s = parse_retry_after(response.headers.get("retry-after"), now)
        return retry_or_give_up(f"{request.url} answered {response.status}", attempt, retry_after_s)
    message = _server_message(response) if response.status == 400 else None
    return GiveUp(
        error=from_status(request.name, request.url, response, now, advice=_ADVICE, message=message)
    )


def _server_message(response: Response) -> str | None:
    try:
        return parse(response.body).error
    except BadAnswer:
        return None


def _after_page(
    feed: ArxivFeed, request: PageRequest, attempt: Attempt, before: ArxivFeed | None
) -> Decision:
    reason = _implausible(feed, request, before)
    if reason is None:
        return Accept(feed=feed)
    is_stable = before is not None and _is_same(feed, before)
    can_accept = is_stable and _is_acceptable(feed, request)
    if attempt.number >= (STABLE_ATTEMPTS if can_accept else MAX_ATTEMPTS):
        return _after_last_attempt(feed, request, attempt, reason)
    wait_s = _back_off(request, attempt.number, attempt.jitter)
    if request.has_had_papers and request.is_arxiv and _is_empty_listing(feed, request):
        wait_s = max(wait_s, EMPTY_WAIT_S)
    return Retry(wait_s=wait_s, reason=reason, feed=feed)


def _after_last_attempt(
    feed: ArxivFeed, request: PageRequest, attempt: Attempt, reason: str
) -> Decision:
    """Accept whatever the page contains; give up if it is useless."""
    if _is_empty_listing(feed, request) and not request.has_had_papers:
        return Accept(feed=feed)
    if _is_acceptable(feed, request):
        return AcceptIncomplete(feed=feed, reason=reason)
    return GiveUp(error=_late(f"{request.url}: {reason}", attempt))


def _is_acceptable(feed: ArxivFeed, request: PageRequest) -> bool:
    """Return True for papers, or for the statement that the listing is empty."""
    return feed.count > 0 or _is_empty_listing(feed, request)


def _is_empty_listing(feed: ArxivFeed, request: PageRequest) -> bool:
    return request.start == 0 and not feed.count and not feed.total


def _is_same(one: ArxivFeed, other: ArxivFeed) -> bool:
    return (one.start, one.total, one.entries) == (other.start, other.total, other.entries)


def _implausible(feed: ArxivFeed, request: PageRequest, before: ArxivFeed | None) -> str | None:
    """Return the reason to distrust the page; None if it is plausible."""
    if feed.start not in (None, request.start):
        return f"requested results from {request.start}, got results from {feed.start}"
    if not feed.count:
        return _implausibly_empty(feed, request, before)
    if feed.total is None:
        return None
    if request.total is not None and feed.total < request.total - request.size:
        return f"{feed.total} results, down from {request.total} a moment before"
    expected = min(request.size, feed.total - request.start)
    if feed.count != expected:
        return f"{feed.count} of {expected} results on the page from {request.start}"
    return None


def _implausibly_empty(
    feed: ArxivFeed, request: PageRequest, before: ArxivFeed | None
) -> str | None:
    """
    Return the reason to distrust an empty page.

    Past the end of the listing, a page that is empty twice is plausible. A total of 0 is how
    failures look, so it is never accepted at once, nor in the middle of a pass.
    """
    past_the_end = feed.total is not None and 0 < feed.total <= request.start
    if past_the_end and before is not None and before.total == feed.total and not before.count:
        return None
    if request.start > 0:
        return f"no results on the page from {request.start}"
    return "no results, although there were some before" if request.has_had_papers else "no results"


def retry_or_give_up(
    reason: str, attempt: Attempt, retry_after_s: float | None = None
) -> Retry | GiveUp:
    """Repeat the request after the back-off; give up after the last attempt or for a long wait."""
    wait_s = max(_back_off(attempt.request, attempt.number, attempt.jitter), retry_after_s or 0.0)
    if attempt.number >= MAX_ATTEMPTS or wait_s > MAX_WAIT_S:
        return GiveUp(error=_late(reason, attempt, retry_after_s))
    return Retry(wait_s=wait_s, reason=reason)


def _late(reason: str, attempt: Attempt, retry_after_s: float | None = None) -> SourceError:
    times = f" ({attempt.number} attempts)" if attempt.number > 1 else ""
    return late(
        attempt.request.name,
        f"{reason}{times}",
        attempt.now,
        pause=LATE_PAUSE * (1 + attempt.jitter),
        retry_after_s=retry_after_s,
    )


def _back_off(request: Target, attempts: int, jitter: float) -> float:
    """
    Return the seconds until the next attempt: full jitter below a bound that grows each time.

    For arXiv from 5 s to 15 min. A mirror or test server belongs to the operator: its interval is
    both the minimum and the unit, so that an interval of 0 repeats at once.
    """
    unit = max(FIRST_WAIT_S, request.interval_s) if request.is_arxiv else request.interval_s
    return max(unit, jitter * min(MAX_WAIT_S, unit * GROWTH ** (attempts - 1)))
