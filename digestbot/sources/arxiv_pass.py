"""
One pass over arXiv's query API, page by page.

Reads the listing from the top down to the end of its `Window` and yields each page once accepted.
Only the last page moves the mark, so an interrupted pass starts again at the top and the log drops
duplicates. Begin at `ArxivPass.pages`; `arxiv_atom.parse` reads a response, `arxiv_retry.decide`
accepts it or asks again.
"""

import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Protocol

from digestbot.errors import SourceError
from digestbot.model import FetchedPaper
from digestbot.net import Client, NetError, Response, is_arxiv, shown_url
from digestbot.sources.arxiv_atom import ArxivFeed, read_time
from digestbot.sources.arxiv_retry import (
    MAX_RESULTS,
    Accept,
    AcceptIncomplete,
    GiveUp,
    PageRequest,
    Retry,
    decide,
)
from digestbot.sources.protocols import Page

log = logging.getLogger(__name__)

LOGGED_WAIT_S = 5.0
"""Waits from here on are logged as warnings, since someone may be watching the terminal."""

MAX_BYTES = 32 * 1024 * 1024
"""Size limit of a page; one of 2,000 papers has about 6 MB."""
MAX_REREADS = 5
"""Pages read again in one pass because the listing moved during the pass."""
MAX_USELESS_PAGES = 3
"""Repeated or implausible pages in a row: the server ignores the request."""


class Listing(Protocol):
    """Listing of the API to read, and how far; see `sources.arxiv.ArxivOptions`."""

    @property
    def api_url(self) -> str: ...
    @property
    def query(self) -> str | None: ...
    @property
    def search(self) -> str: ...
    @property
    def interval_s(self) -> float: ...
    @property
    def page_size(self) -> int: ...
    @property
    def max_pages(self) -> int: ...
    @property
    def overlap(self) -> timedelta: ...
    @property
    def backfill(self) -> timedelta: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivMemory:
    """Memory of earlier passes."""

    query: str
    """Fingerprint of the current URL and query."""
    mark: datetime | None = None
    """Newest ``updated`` of the last complete pass, even of another query."""
    floor: datetime | None = None
    """Oldest ``updated`` read by this query; set by its first complete pass."""
    since: datetime | None = None
    """Oldest paper to report of a first pass that was interrupted."""

    @classmethod
    def read(cls, memory: Mapping[str, str], query: str) -> "ArxivMemory":
        """Read *memory*, ignoring what belongs to another query."""
        is_same = memory.get("query") == query
        pending, _, since = memory.get("pending", "").partition(" ")
        return cls(
            query=query,
            mark=read_time(memory.get("mark")),
            floor=read_time(memory.get("floor")) if is_same else None,
            since=read_time(since) if pending == query else None,
        )

    @property
    def has_had_papers(self) -> bool:
        """True if this query returned papers in an earlier pass."""
        return self.floor is not None or self.since is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Range of a pass: how far back it reads, and which papers it reports."""

    floor: datetime
    """Read until papers are older than this."""
    since: datetime
    """Papers last updated before this are backlog."""

    @classmethod
    def of(cls, options: Listing, known: ArxivMemory, newest: datetime) -> "Window":
        """
        Return the window of a pass whose listing begins at *newest*.

        The first pass is anchored at the newest paper, so that an old or quiet listing still
        reports papers. It reads as far back as the next pass will, whatever the backfill;
        otherwise the next would report all the papers in between. After a change of the query it
        reports papers back to the old mark at least, so that none falls between the two queries.
        """
        if known.floor is not None and known.mark is not None:
            return cls(floor=known.mark - options.overlap, since=known.floor)
        since = known.since or min(newest - options.backfill, known.mark or newest)
        return cls(floor=min(since, newest - options.overlap), since=since)


_NOTHING = ArxivFeed(total=None, start=None, per_page=None, title="", error=None, entries=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _PageOutcome:
    """Outcome of one page after all attempts."""

    feed: ArxivFeed
    gap: str | None = None
    """Why papers may be missing from it."""
    error: SourceError | None = None
    """Why the pass ends here."""


@dataclass(slots=True, kw_only=True)
class ArxivPass:
    """One pass from the top down; the later fields record its progress."""

    options: Listing
    name: str
    client: Client
    memory: Mapping[str, str]
    known: ArxivMemory
    now: datetime
    window: Window | None = None
    newest: datetime | None = None
    total: int | None = None
    seen: set[tuple[str, int]] = field(default_factory=set)
    gaps: list[str] = field(default_factory=list)
    limit: str | None = None
    skipped: int = 0
    rereads: int = 0
    useless_pages: int = 0
    """Implausible pages in a row that added no papers."""
    has_grown: bool = False
    """True if the listing grew during the pass: there may be new papers at its top."""
    is_rereading_top: bool = False

    async def pages(self) -> AsyncIterator[Page]:
        """Yield each page; the caller stores it before the next is requested."""
        start: int | None = 0
        for number in count(1):
            outcome = await self._read(start or 0)
            papers = self._new_papers(outcome.feed)
            if outcome.error is not None:
                if papers:
                    yield self._page(papers)
                raise outcome.error
            if outcome.gap is not None:
                self.gaps.append(outcome.gap)
            is_useless = outcome.gap is not None and not papers
            self.useless_pages = self.useless_pages + 1 if is_useless else 0
            start = self._next_start(start or 0, number, outcome.feed, new=len(papers))
            if start is None:
                yield self._last_page(papers)
                return
            yield self._page(papers)

    async def _read(self, start: int) -> _PageOutcome:
        """Request the page from *start*, repeatedly if `decide` says so."""
        request = self._page_request(start)
        before: ArxivFeed | None = None
        fullest = _NOTHING
        for attempts in count(1):
            decision = decide(
                await self._send(start),
                request,
                attempts=attempts,
                now=self.client.clock(),
                jitter=self.client.jitter(),
                before=before,
            )
            match decision:
                case Accept(feed=feed):
                    return _PageOutcome(feed=feed)
                case AcceptIncomplete(feed=feed, reason=reason):
                    return _PageOutcome(feed=_fuller(fullest, feed), gap=reason)
                case GiveUp(error=error):
                    return _PageOutcome(feed=fullest, error=error)
                case Retry(wait_s=wait_s, reason=reason):
                    facts = {"source": self.name, "error": reason, "wait_s": round(wait_s, 1)}
                    level = logging.WARNING if wait_s >= LOGGED_WAIT_S else logging.INFO
                    log.log(level, "request repeated", extra=facts)
                    before = decision.feed
                    fullest = _fuller(fullest, before or _NOTHING)
                    await self.client.sleep(wait_s)
        raise AssertionError("decide gives up after MAX_ATTEMPTS")

    async def _send(self, start: int) -> Response | NetError:
        options = self.options
        try:
            return await self.client.get(
                options.api_url,
                params={
                    "search_query": options.search,
                    "start": str(start),
                    "max_results": str(self._size(start)),
                    "sortBy": "lastUpdatedDate",
                    "sortOrder": "descending",
                },
                interval_s=options.interval_s,
                max_bytes=MAX_BYTES,
                same_site=True,
            )
        except NetError as error:
            return error

    def _page_request(self, start: int) -> PageRequest:
        return PageRequest(
            name=self.name,
            url=shown_url(self.options.api_url),
            start=start,
            size=self._size(start),
            total=self.total,
            has_had_papers=self.known.has_had_papers or bool(self.seen),
            is_arxiv=is_arxiv(self.options.api_url),
            interval_s=self.options.interval_s,
        )

    def _size(self, start: int) -> int:
        return min(self.options.page_size, MAX_RESULTS - start)

    def _new_papers(self, feed: ArxivFeed) -> tuple[FetchedPaper, ...]:
        """Return the papers first seen in this pass, marking the backlog."""
        self._observe(feed)
        new = {(p.id, p.version): p for p in feed.entries if (p.id, p.version) not in self.seen}
        self.seen.update(new)
        return tuple(map(self._with_backlog, new.values()))

    def _observe(self, feed: ArxivFeed) -> None:
        """Update the progress; the first page with dates sets the window."""
        self.skipped += feed.skipped
        newest = max(_updates(feed), default=None)
        if newest is None:
            return
        # A date in the future must not move the mark past papers still to come.
        newest = min(newest, self.now)
        self.newest = max(newest, self.newest or newest)
        if self.window is None:
            self.window = Window.of(self.options, self.known, newest)
            self._compare_query(feed.title)

    def _with_backlog(self, paper: FetchedPaper) -> FetchedPaper:
        if self.window is None or paper.updated is None or paper.updated >= self.window.since:
            return paper
        return replace(paper, backlog=True)

    def _compare_query(self, title: str) -> None:
        """Log a rewritten query: since 2025 arXiv turns ``pineapple`` into ``all:pineapple``."""
        understood = re.search(r"search_query=(.*?)&id_list=", title)
        if self.options.query is None or understood is None:
            return
        if _normalised(understood[1]) != _normalised(self.options.query):
            facts = {"source": self.name, "understood": understood[1][:200]}
            log.warning("query rewritten by arXiv", extra=facts)

    def _next_start(self, start: int, number: int, feed: ArxivFeed, *, new: int) -> int | None:
        """Return the start of the next page: downwards, then the top again if papers arrived."""
        if self.useless_pages == MAX_USELESS_PAGES:
            return None
        if self.is_rereading_top:
            self.total = feed.total if feed.total is not None else self.total
            is_all_new = new > 0 and new == feed.count
            return start + feed.count if is_all_new and number < self.options.max_pages else None
        following = self._following(start, number, feed)
        if following is None and self.has_grown and not self.limit:
            self.is_rereading_top = True
            return 0
        return following

    def _following(self, start: int, number: int, feed: ArxivFeed) -> int | None:
        """Return the start of the next page down; None after the last."""
        has_moved = start > 0 and None not in (self.total, feed.total) and self.total != feed.total
        self.has_grown |= has_moved and (feed.total or 0) > (self.total or 0)
        self.total = feed.total if feed.total is not None else self.total
        if has_moved and self.rereads < MAX_REREADS:
            # Results above moved: the first ones of this page may now be on the page before.
            self.rereads += 1
            return max(0, start - self.options.page_size)
        following = start + feed.count
        if not feed.count or self._has_passed_window(feed) or self._is_at_end(following, feed):
            return None
        if number >= self.options.max_pages:
            self.limit = f"stopped at max_pages: {number}; older papers are missing"
        elif following >= MAX_RESULTS:
            self.limit = f"arXiv serves {MAX_RESULTS:,} results per query; older papers are missing"
        return None if self.limit else following

    def _has_passed_window(self, feed: ArxivFeed) -> bool:
        """Return True if *feed* ends below the window. Out of order, all of it must be."""
        updates = _updates(feed)
        if self.window is None or not updates:
            return False
        is_sorted = all(above >= below for above, below in pairwise(updates))
        return (updates[-1] if is_sorted else max(updates)) < self.window.floor

    def _is_at_end(self, following: int, feed: ArxivFeed) -> bool:
        if feed.total is None:
            return feed.count < self.options.page_size
        return following >= feed.total

    def _page(self, papers: tuple[FetchedPaper, ...]) -> Page:
        memory = dict(self.memory)
        if self.known.floor is None and self.window is not None:
            memory["pending"] = f"{self.known.query} {self.window.since.isoformat()}"
        return Page(papers=papers, memory=memory, total=self.total, done=len(self.seen))

    def _last_page(self, papers: tuple[FetchedPaper, ...]) -> Page:
        """Return the last page; the mark moves unless papers may be missing."""
        page = self._page(papers)
        if self.gaps:
            return replace(page, note=self._note())
        is_complete = self.limit is None
        # Later passes would stop at the same limit, so the mark moves all the same.
        memory = self._memory_after(page)
        return replace(page, memory=memory, complete=is_complete, note=self._note())

    def _memory_after(self, page: Page) -> Mapping[str, str]:
        if self.newest is None or self.window is None:
            return page.memory
        mark = max(self.newest, min(self.known.mark or self.newest, self.now))
        floor = min(self.window.floor, self.known.floor or self.window.floor)
        return {
            "query": self.known.query,
            "mark": mark.isoformat(),
            "floor": floor.isoformat(),
        }

    def _note(self) -> str | None:
        notes = [*dict.fromkeys(self.gaps[:3]), *filter(None, [self.limit])]
        if not self.seen and not self.gaps:
            notes.append("the query has no results")
        if self.skipped:
            notes.append(f"unreadable entries skipped: {self.skipped}")
        return "; ".join(notes) or None


def _updates(feed: ArxivFeed) -> tuple[datetime, ...]:
    return tuple(paper.updated for paper in feed.entries if paper.updated is not None)


def _fuller(one: ArxivFeed, other: ArxivFeed) -> ArxivFeed:
    return one if one.count > other.count else other


def _normalised(query: str) -> str:
    """Strip blanks, brackets, quotes and case, which arXiv may change."""
    return re.sub(r'[\s+()"]', "", query).lower()
