"""
arXiv's daily feed as a channel: what was announced today, with announce types.

The feed has one batch only and computes its dates when it is asked, so a date proves nothing: arXiv
has served yesterday's papers under today's. `judge` therefore compares the papers with those of the
batch before. Pure except `read`.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import count

from digestbot import taxonomy
from digestbot.arxiv_calendar import Calendar, day_in_words, feed_day, latest_feed_day
from digestbot.errors import BadAnswer
from digestbot.ids import arxiv_order
from digestbot.model import AnnounceType, BatchOutcome, Channel, ChannelCheck, FetchedPaper
from digestbot.net import Client, NetError, Response, is_arxiv, shown_url
from digestbot.sources.arxiv_retry import (
    Attempt,
    GiveUp,
    PageRequest,
    Retry,
    after_failure,
    check_is_xml,
    retry_or_give_up,
)
from digestbot.sources.arxiv_rss import error_in, parse_announcements

log = logging.getLogger(__name__)

MAX_ITEMS = 2000
"""Items of one feed; arXiv cuts off what follows (info.arxiv.org/help/rss_specifications)."""
MAX_BYTES = 32 * 1024 * 1024

Order = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyMemory:
    """The last batch that was read as new."""

    day: date | None = None
    top: Order | None = None
    """Greatest id of its new papers; ids grow with each announcement."""
    before: Order | None = None
    """Greatest id of the batch before it."""
    papers: str = ""
    """Fingerprint of all its ids and versions."""

    @classmethod
    def read(cls, memory: Mapping[str, str]) -> "DailyMemory":
        """Read what `written` wrote."""
        day = memory.get("rss_day")
        return cls(
            day=date.fromisoformat(day) if day else None,
            top=_order(memory.get("rss_top")),
            before=_order(memory.get("rss_before")),
            papers=memory.get("rss_papers", ""),
        )

    def written(self) -> dict[str, str]:
        """Return the entries for the source's memory."""
        tops = {"rss_top": self.top, "rss_before": self.before}
        found = {key: " ".join(map(str, order)) for key, order in tops.items() if order}
        day = {"rss_day": self.day.isoformat()} if self.day else {}
        return {"rss_papers": self.papers} | found | day


def _order(text: str | None) -> Order | None:
    if not text:
        return None
    year, month, number = map(int, text.split())
    return year, month, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """One reading of the feed: its papers with their day, and how far it is complete."""

    papers: tuple[FetchedPaper, ...]
    check: ChannelCheck
    memory: DailyMemory


def feed_spec(categories: Sequence[str]) -> str:
    """Return the feed's name for *categories*: ``cs.DC+cs.OS``, an archive as a whole."""
    names: dict[str, None] = {}
    for category in categories:
        if "*" not in category.removesuffix(".*"):
            names |= dict.fromkeys([category.removesuffix(".*"), *_other_names(category)])
        else:
            names |= dict.fromkeys(sorted(taxonomy.expand(category)))
    return "+".join(names)


def _other_names(category: str) -> list[str]:
    """Return the canonical name of an alias such as ``cs.NA``."""
    other = taxonomy.canonical(category)
    return [other] if other != category else []


def judge(
    papers: Sequence[FetchedPaper], known: DailyMemory, now: datetime, calendar: Calendar
) -> Daily:
    """
    Judge a reading of the feed, and date its papers if they are a new batch.

    Args:
        papers: All papers of the feed.
        known: The last batch.
        now: When the feed was read.
        calendar: The days on which arXiv announces papers.
    """
    day = latest_feed_day(now, calendar)
    if not papers:
        return _empty(known, day, now)
    before = known.before if known.day == day else known.top
    if _is_stale(papers, known, day, before):
        return _stale(papers, known, day, now)
    is_cut = len(papers) >= MAX_ITEMS
    detail = f"the daily feed is cut off after {MAX_ITEMS:,} papers" if is_cut else None
    outcome = BatchOutcome.PARTIAL if is_cut else BatchOutcome.COMPLETE
    return Daily(
        papers=tuple(_dated(paper, day, before) for paper in papers),
        check=_check(outcome, day, now, detail),
        memory=DailyMemory(
            day=day, top=_top(papers) or before, before=before, papers=_fingerprint(papers)
        ),
    )


def _empty(known: DailyMemory, day: date, now: datetime) -> Daily:
    """Judge a feed without papers: of this day, or read too late for the last one."""
    if feed_day(now) == day or known.day == day:
        check = _check(BatchOutcome.EMPTY, day, now, "the daily feed is empty")
    else:
        check = _check(BatchOutcome.DOWN, day, now, "the daily feed was not read on that day")
    return Daily(papers=(), check=check, memory=known)


def _is_stale(
    papers: Sequence[FetchedPaper], known: DailyMemory, day: date, before: Order | None
) -> bool:
    """Return True if *papers* are the batch before, or a part of it."""
    if known.day != day and known.papers == _fingerprint(papers):
        return True
    top = _top(papers)
    return top is not None and before is not None and top <= before


def _stale(papers: Sequence[FetchedPaper], known: DailyMemory, day: date, now: datetime) -> Daily:
    old = f"of {day_in_words(known.day)}" if known.day else "of an earlier day"
    check = _check(BatchOutcome.STALE, day, now, f"the daily feed still has the papers {old}")
    return Daily(papers=tuple(papers), check=check, memory=known)


def _dated(paper: FetchedPaper, day: date, before: Order | None) -> FetchedPaper:
    """Date *paper*, unless its id shows that it was new in an earlier batch."""
    is_new = paper.type is AnnounceType.NEW
    was_new = is_new and before is not None and arxiv_order(paper.id) <= before
    return paper if was_new else replace(paper, announced_on=day)


def _top(papers: Sequence[FetchedPaper]) -> Order | None:
    new = (arxiv_order(paper.id) for paper in papers if paper.type is AnnounceType.NEW)
    return max(new, default=None)


def _fingerprint(papers: Sequence[FetchedPaper]) -> str:
    names = "\n".join(sorted(f"{paper.id}v{paper.version}" for paper in papers))
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def _check(
    outcome: BatchOutcome, day: date, now: datetime, detail: str | None = None
) -> ChannelCheck:
    return ChannelCheck(
        channel=Channel.RSS, announced_on=day, outcome=outcome, at=now, detail=detail
    )


async def read(client: Client, name: str, url: str, interval_s: float) -> tuple[FetchedPaper, ...]:
    """
    Request the feed at *url* and return its papers; repeat requests that fail.

    Args:
        client: Sends the requests.
        name: The source, for messages.
        url: Of the feed, ``https://rss.arxiv.org/rss/cs.DC+cs.OS``.
        interval_s: Seconds between requests.

    Raises:
        SourceLate, SourceRefused: After all attempts.
    """
    request = PageRequest(
        name=name,
        url=shown_url(url),
        start=0,
        size=0,
        is_arxiv=is_arxiv(url),
        interval_s=interval_s,
    )
    for attempts in count(1):
        answer = await _answer(client, url, request, attempts)
        if isinstance(answer, tuple):
            return answer
        if isinstance(answer, GiveUp):
            raise answer.error
        log.info("request repeated", extra={"source": name, "error": answer.reason})
        await client.sleep(answer.wait_s)
    raise AssertionError("after_failure gives up after MAX_ATTEMPTS")


async def _answer(
    client: Client, url: str, request: PageRequest, attempts: int
) -> tuple[FetchedPaper, ...] | Retry | GiveUp:
    """Send one request; return its papers, or what to do next."""
    received = await _send(client, url, request.interval_s)
    now, jitter = client.clock(), client.jitter()
    attempt = Attempt(request=request, number=attempts, now=now, jitter=jitter)
    if isinstance(received, NetError) or received.status != 200:
        return after_failure(received, attempt)
    try:
        check_is_xml(received)
        reason = error_in(received.body)
        if reason is None:
            return parse_announcements(received.body)
    except BadAnswer as error:
        reason = str(error)
    return retry_or_give_up(f"{request.url}: {reason}", attempt)


async def _send(client: Client, url: str, interval_s: float) -> Response | NetError:
    try:
        return await client.get(url, interval_s=interval_s, max_bytes=MAX_BYTES, same_site=True)
    except NetError as error:
        return error
