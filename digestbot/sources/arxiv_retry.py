"""
Whether to believe an answer of arXiv, to ask again, or to give up for now.

Pure: what arrived goes in, a decision comes out; `digestbot.sources.arxiv` does what it says.
The rules are those that arXiv's answers of the last years taught: empty pages in the middle of a
listing, short pages, HTML with status 200, 406 from the edge, 503 with ``Retry-After: 0``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.errors import BadAnswer, SourceError, SourceLate, SourceRefused
from digestbot.net import Response, NetError, Unreachable, parse_retry_after
from digestbot.sources.arxiv_atom import ArxivFeed, parse

TRIES = 6
OFFLINE_TRIES = 3
STABLE_TRIES = 3
"""Tries after which a doubtful page that always comes out the same is taken as it is."""
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 900.0
EMPTY_WAIT_S = 120.0
"""Before asking again for a listing that had papers before and is empty now."""
GROWTH = 4.0
"""Each back-off may be this much longer: five waits reach from 5 s to 15 min."""
LATE = timedelta(minutes=30)
REFUSED = timedelta(hours=6)
"""Asking on while blocked is read as an attack (arXiv, "Robots Beware")."""
MAX_RESULTS = 30_000
"""Results of one query that arXiv serves; beyond is HTTP 400 (API manual 3.1.1.2)."""
_AGAIN = frozenset({406, 408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, and what is known from before."""

    name: str
    """The source, for messages."""
    url: str
    """As it may be shown."""
    start: int
    size: int
    """``max_results``."""
    total: int | None = None
    """Results that the page before told of, in this pass."""
    has_had_papers: bool = False
    """This query gave papers: in an earlier pass, or on an earlier page of this one."""
    is_arxiv: bool = True
    """One of arXiv's own hosts: then its floors apply."""
    interval_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The page is what it should be."""

    feed: ArxivFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """The page stays unbelievable after all tries; what is on it is real all the same."""

    feed: ArxivFeed
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Ask the same once more, after *wait_s* seconds."""

    wait_s: float
    why: str
    feed: ArxivFeed | None = None
    """What came, if it could be read but not be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Nothing more to be had now."""

    error: SourceError


Decision = Trust | Doubt | Again | GiveUp


def what_next(
    got: Response | NetError,
    asked: Asked,
    *,
    tries: int,
    now: datetime,
    luck: float,
    before: ArxivFeed | None = None,
) -> Decision:
    """
    What to do with what came.

    Args:
        got: The answer, or how the link failed.
        asked: What it should answer.
        tries: Requests made for this page so far, this one included; from 1.
        now: For a Retry-After that is a date, and for when to ask again.
        luck: Uniform in [0, 1): spreads the waits of many clients (full jitter).
        before: The last page for this request that could be read but not be believed.
    """
    if isinstance(got, Unreachable) and not got.arrived:
        return _offline(got, asked, tries, now, luck)
    if isinstance(got, NetError):
        return _again_or_late(str(got), asked, tries, now, luck)
    if got.status != 200:
        return _by_status(got, asked, tries, now, luck)
    try:
        feed = _read(got)
    except BadAnswer as error:
        return _again_or_late(f"{asked.url}: {error}", asked, tries, now, luck)
    if feed.error is not None:
        why = f"{asked.url} answered with an error: {feed.error}"
        return _again_or_late(why, asked, tries, now, luck)
    return _by_content(feed, asked, tries, now, luck, before)


def _offline(got: Unreachable, asked: Asked, tries: int, now: datetime, luck: float) -> Decision:
    """No request got through: most likely we have no network, which a person wants to hear soon."""
    if tries >= OFFLINE_TRIES:
        return GiveUp(error=_late(str(got), asked, tries, now, luck))
    return Again(wait_s=_wait(asked, 1, luck), why=str(got))


def _read(answer: Response) -> ArxivFeed:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and "xml" not in kind:
        raise BadAnswer(f"the answer is {kind[:40]}, not XML")
    return parse(answer.body)


def _by_status(
    answer: Response, asked: Asked, tries: int, now: datetime, luck: float
) -> Again | GiveUp:
    why = f"{asked.url} answered {answer.status}"
    retry_after_s = parse_retry_after(answer.headers.get("retry-after"), now)
    if answer.status in _AGAIN or not 400 <= answer.status < 500:
        return _again_or_late(why, asked, tries, now, luck, retry_after_s)
    return GiveUp(error=_refusal(answer, asked, why, now))


def _refusal(answer: Response, asked: Asked, why: str, now: datetime) -> SourceRefused:
    if answer.status == 403:
        advice = (
            "we are blocked; not asking for hours, set `contact` so that arXiv can write to you"
        )
    elif answer.status == 400:
        advice = f"{_server_says(answer)}; correct the query"
    else:
        advice = "check the address"
    return SourceRefused(f"{asked.name}: {why}: {advice}", retry_at=now + REFUSED)


def _server_says(answer: Response) -> str:
    """The message of an error feed, on one bounded line."""
    try:
        message = parse(answer.body).error
    except BadAnswer:
        message = None
    return f'"{message[:200]}"' if message else "no message"


def _by_content(
    feed: ArxivFeed, asked: Asked, tries: int, now: datetime, luck: float, before: ArxivFeed | None
) -> Decision:
    why = _distrust(feed, asked, before)
    if why is None:
        return Trust(feed=feed)
    is_stable = before is not None and _is_same(feed, before)
    if tries >= (STABLE_TRIES if is_stable and _is_an_end(feed, asked) else TRIES):
        return _at_the_end(feed, asked, tries, why, now, luck)
    wait_s = _wait(asked, tries, luck)
    if asked.has_had_papers and asked.is_arxiv and _is_empty_listing(feed, asked):
        wait_s = max(wait_s, EMPTY_WAIT_S)
    return Again(wait_s=wait_s, why=why, feed=feed)


def _at_the_end(
    feed: ArxivFeed, asked: Asked, tries: int, why: str, now: datetime, luck: float
) -> Decision:
    """The tries are used up: what is there is taken; a listing that never had any is empty."""
    if _is_empty_listing(feed, asked) and not asked.has_had_papers:
        return Trust(feed=feed)
    if _is_an_end(feed, asked):
        return Doubt(feed=feed, why=why)
    return GiveUp(error=_late(f"{asked.url}: {why}", asked, tries, now, luck))


def _is_an_end(feed: ArxivFeed, asked: Asked) -> bool:
    """Whether there is something to take: papers, or the statement that there are none."""
    return feed.count > 0 or _is_empty_listing(feed, asked)


def _is_empty_listing(feed: ArxivFeed, asked: Asked) -> bool:
    return asked.start == 0 and not feed.count and not feed.total


def _is_same(one: ArxivFeed, other: ArxivFeed) -> bool:
    return (one.start, one.total, one.entries) == (other.start, other.total, other.entries)


def _distrust(feed: ArxivFeed, asked: Asked, before: ArxivFeed | None) -> str | None:
    """Why this page cannot be what was asked for, or None."""
    if feed.start not in (None, asked.start):
        return f"asked for results from {asked.start}, got those from {feed.start}"
    if not feed.count:
        return _distrust_empty(feed, asked, before)
    if feed.total is None:
        return None
    if asked.total is not None and feed.total < asked.total - asked.size:
        return f"{feed.total} results, where a moment before there were {asked.total}"
    expected = min(asked.size, feed.total - asked.start)
    if feed.count != expected:
        return f"{feed.count} of {expected} results on the page from {asked.start}"
    return None


def _distrust_empty(feed: ArxivFeed, asked: Asked, before: ArxivFeed | None) -> str | None:
    """
    An empty page is believed past the end of a listing, if it is so twice.

    A total of 0 is what failures look like: never believed at once, nor in the middle of a pass.
    """
    past_the_end = feed.total is not None and 0 < feed.total <= asked.start
    if past_the_end and before is not None and before.total == feed.total and not before.count:
        return None
    if asked.start > 0:
        return f"no results on the page from {asked.start}"
    return "no results, where there were some before" if asked.has_had_papers else "no results"


def _again_or_late(
    why: str,
    asked: Asked,
    tries: int,
    now: datetime,
    luck: float,
    retry_after_s: float | None = None,
) -> Again | GiveUp:
    wait_s = max(_wait(asked, tries, luck), retry_after_s or 0.0)
    if tries >= TRIES or wait_s > LONGEST_WAIT_S:
        return GiveUp(error=_late(why, asked, tries, now, luck, retry_after_s))
    return Again(wait_s=wait_s, why=why)


def _late(
    why: str,
    asked: Asked,
    tries: int,
    now: datetime,
    luck: float,
    retry_after_s: float | None = None,
) -> SourceLate:
    pause = max(LATE * (1 + luck), timedelta(seconds=retry_after_s or 0.0))
    times = f" (asked {tries} times)" if tries > 1 else ""
    retry_at = now + pause
    due = f"nothing is lost, next try {retry_at:%Y-%m-%d %H:%M} UTC"
    return SourceLate(f"{asked.name}: {why}{times}; {due}", retry_at=retry_at)


def _wait(asked: Asked, tries: int, luck: float) -> float:
    """
    Seconds until the next try: full jitter below a bound that grows with each try.

    For arXiv from 5 s to 15 min. A mirror or a test server is the owner's: its interval is both
    the floor and the unit, so that an interval of 0 asks again at once.
    """
    unit = max(FIRST_WAIT_S, asked.interval_s) if asked.is_arxiv else asked.interval_s
    return max(unit, luck * min(LONGEST_WAIT_S, unit * GROWTH ** (tries - 1)))
