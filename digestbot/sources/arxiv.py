"""
arXiv's query API as a source: newest update first, back to what is known, with an overlap.

A pass reads from the top of the listing down to its `Horizon` and gives each page as soon as it is
believed. Only its last page moves the mark, so a pass that dies starts again from the top and the
log drops what it knows. Begin at `ArxivOptions.fetch`; `parse` reads an answer,
`arxiv_patience.what_next` decides whether to believe it.
"""

import hashlib
import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import ClassVar

from digestbot import taxonomy
from digestbot.errors import SourceError
from digestbot.model import FetchedPaper
from digestbot.net import Response, Client, NetError, is_arxiv, shown_url
from digestbot.sources.arxiv_atom import ArxivFeed, parse, read_time
from digestbot.sources.protocols import Page
from digestbot.sources.arxiv_retry import (
    MAX_RESULTS,
    Again,
    Asked,
    Doubt,
    GiveUp,
    Trust,
    what_next,
)

__all__ = ["ArxivFeed", "ArxivOptions", "parse"]

log = logging.getLogger(__name__)

WORTH_A_WORD_S = 5.0
"""A wait that a person at a terminal should know the reason of."""

MAX_BYTES = 32 * 1024 * 1024
"""A page of 2,000 papers has about 6 MB."""
MAX_REREADS = 5
"""Pages read again in one pass because the listing moved under it."""
MAX_BARREN = 3
"""Pages that repeat what is known against all order: a server that answers whatever is asked."""
CENTURY = timedelta(days=36_500)
ARXIV_INTERVAL = timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivOptions:
    """Papers of arXiv by category or by a query of its own syntax."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    categories: tuple[str, ...] = ()
    """Categories (`cs.DC`) or whole archives (`cs`, `astro-ph`); or else `query`."""
    query: str | None = None
    """arXiv's own query syntax: `cat:cs.DC AND all:gpu`; or else `categories`."""
    url: str = "https://export.arxiv.org/api/query"
    """A mirror or a test server, instead of arXiv."""
    backfill: timedelta = timedelta(days=7)
    """How far back the very first fetch has news, counted from the newest paper."""
    interval: timedelta = ARXIV_INTERVAL
    """Between requests; at least 3s for arxiv.org, by its terms."""
    page_size: int = 200
    """Papers asked for at once, 1 to 2000; small pages are cheaper to ask for again."""
    overlap: timedelta = timedelta(days=14)
    """How far below the last complete pass each pass reads again: moderation holds papers."""
    max_pages: int = 500
    """Pages of one pass."""

    def __post_init__(self) -> None:
        if bool(self.categories) == (self.query is not None):
            raise ValueError("give either categories or a query")
        if self.query is not None and not self.query.strip():
            raise ValueError("the query is empty")
        for category in self.categories:
            _check_category(category)
        if not 1 <= self.page_size <= 2000:
            raise ValueError(f"page_size must be from 1 to 2000, not {self.page_size}")
        if self.max_pages < 1:
            raise ValueError(f"max_pages must be at least 1, not {self.max_pages}")
        if self.interval < timedelta(0):
            raise ValueError("interval must not be negative")
        if not timedelta(0) <= self.backfill <= CENTURY:
            raise ValueError("backfill must not be negative, nor beyond a century")
        if not timedelta(0) <= self.overlap <= CENTURY:
            raise ValueError("overlap must not be negative, nor beyond a century")

    @property
    def search(self) -> str:
        """``search_query``: the owner's own, or his categories with both names of the aliases."""
        if self.query is not None:
            return self.query.strip()
        codes = dict.fromkeys(
            code for spec in self.categories for code in sorted(taxonomy.expand(spec))
        )
        return " OR ".join(f"cat:{code}" for code in codes)

    @property
    def interval_s(self) -> float:
        """Seconds between requests; arXiv's own hosts have a floor that no config lowers."""
        floor = ARXIV_INTERVAL if is_arxiv(self.url) else self.interval
        return max(self.interval, floor).total_seconds()

    def fetch(
        self, name: str, client: Client, memory: Mapping[str, str], now: datetime
    ) -> AsyncIterator[Page]:
        """One pass; see `Options.fetch`."""
        return _Pass(
            options=self,
            name=name,
            client=client,
            memory=memory,
            known=Known.read(memory, fingerprint(self)),
            now=now,
        ).pages()


def _check_category(category: str) -> None:
    if taxonomy.expand(category):
        return
    nearest = taxonomy.suggest(category)
    hint = taxonomy.meant(nearest) if nearest else ""
    raise ValueError(f'arXiv has no category "{category}"{hint}')


def fingerprint(options: ArxivOptions) -> str:
    """What is asked, and whom: if it changes, what was read before says nothing of the new."""
    return hashlib.sha256(f"{options.url}\n{options.search}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What earlier passes left in the memory of the source."""

    query: str
    """Fingerprint of the query as it is now."""
    mark: datetime | None = None
    """The newest ``updated`` of the last complete pass, of whatever query."""
    floor: datetime | None = None
    """How deep this query was ever read; None if it had no complete pass."""
    since: datetime | None = None
    """Where the news begin of a first pass that was not completed."""

    @classmethod
    def read(cls, memory: Mapping[str, str], query: str) -> "Known":
        """From *memory*; what belongs to another query is not taken."""
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
        """This query gave papers in an earlier pass."""
        return self.floor is not None or self.since is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """How deep a pass reads, and what of it is news."""

    floor: datetime
    """Read until older than this."""
    since: datetime
    """Papers last updated before this are backlog."""

    @classmethod
    def of(cls, options: ArxivOptions, known: Known, newest: datetime) -> "Horizon":
        """
        The horizon of a pass whose listing begins at *newest*.

        The first pass is anchored at the newest paper, so that an old or quiet listing does not
        come out empty. It reads as deep as the next pass will, whatever the backfill: else the
        next would take all the papers in between for news. After a change of the query its news
        reach back to the old mark at least, so that nothing falls between the two queries.
        """
        if known.floor is not None and known.mark is not None:
            return cls(floor=known.mark - options.overlap, since=known.floor)
        since = known.since or min(newest - options.backfill, known.mark or newest)
        return cls(floor=min(since, newest - options.overlap), since=since)


_NOTHING = ArxivFeed(total=None, start=None, per_page=None, title="", error=None, entries=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What was had for one page in the end."""

    feed: ArxivFeed
    why: str | None = None
    """Why it is not to be believed."""
    error: SourceError | None = None
    """Why the pass ends here."""


@dataclass(slots=True, kw_only=True)
class _Pass:
    """One pass from the top down; its later fields are what it has met so far."""

    options: ArxivOptions
    name: str
    client: Client
    memory: Mapping[str, str]
    known: Known
    now: datetime
    horizon: Horizon | None = None
    newest: datetime | None = None
    total: int | None = None
    seen: set[tuple[str, int]] = field(default_factory=set)
    flaws: list[str] = field(default_factory=list)
    limit: str | None = None
    skipped: int = 0
    rereads: int = 0
    barren: int = 0
    """Pages in a row that are not to be believed and hold nothing new."""
    has_grown: bool = False
    """The listing got longer while it was read: there may be new papers on its top."""
    is_at_top_again: bool = False

    async def pages(self) -> AsyncIterator[Page]:
        """All pages; each is to be stored before the next is asked for."""
        start: int | None = 0
        for number in count(1):
            reading = await self._read(start or 0)
            papers = self._take(reading.feed)
            if reading.error is not None:
                if papers:
                    yield self._page(papers)
                raise reading.error
            if reading.why is not None:
                self.flaws.append(reading.why)
            self.barren = self.barren + 1 if reading.why is not None and not papers else 0
            start = self._next_start(start or 0, number, reading.feed, fresh=len(papers))
            if start is None:
                yield self._last_page(papers)
                return
            yield self._page(papers)

    async def _read(self, start: int) -> _Reading:
        """The page from *start*, asked for as often as `what_next` says."""
        asked = self._asked(start)
        before: ArxivFeed | None = None
        fullest = _NOTHING
        for tries in count(1):
            decision = what_next(
                await self._request(start),
                asked,
                tries=tries,
                now=self.client.clock(),
                luck=self.client.jitter(),
                before=before,
            )
            match decision:
                case Trust(feed=feed):
                    return _Reading(feed=feed)
                case Doubt(feed=feed, why=why):
                    return _Reading(feed=_fuller(fullest, feed), why=why)
                case GiveUp(error=error):
                    return _Reading(feed=fullest, error=error)
                case Again(wait_s=wait_s, why=why):
                    facts = {"source": self.name, "cause": why, "wait_s": round(wait_s, 1)}
                    level = logging.WARNING if wait_s >= WORTH_A_WORD_S else logging.INFO
                    log.log(level, "asking again", extra=facts)
                    before = decision.feed
                    fullest = _fuller(fullest, before or _NOTHING)
                    await self.client.sleep(wait_s)
        raise AssertionError("what_next gives up in the end")

    async def _request(self, start: int) -> Response | NetError:
        options = self.options
        try:
            return await self.client.get(
                options.url,
                params={
                    "search_query": options.search,
                    "start": str(start),
                    "max_results": str(self._size(start)),
                    "sortBy": "lastUpdatedDate",
                    "sortOrder": "descending",
                },
                interval_s=self.options.interval_s,
                max_bytes=MAX_BYTES,
                same_site=True,
            )
        except NetError as error:
            return error

    def _asked(self, start: int) -> Asked:
        return Asked(
            name=self.name,
            url=shown_url(self.options.url),
            start=start,
            size=self._size(start),
            total=self.total,
            has_had_papers=self.known.has_had_papers or bool(self.seen),
            is_arxiv=is_arxiv(self.options.url),
            interval_s=self.options.interval_s,
        )

    def _size(self, start: int) -> int:
        return min(self.options.page_size, MAX_RESULTS - start)

    def _take(self, feed: ArxivFeed) -> tuple[FetchedPaper, ...]:
        """The papers of *feed* not met before in this pass, those too old to be news marked."""
        self._look_at(feed)
        fresh = {(p.id, p.version): p for p in feed.entries if (p.id, p.version) not in self.seen}
        self.seen.update(fresh)
        return tuple(map(self._dated, fresh.values()))

    def _look_at(self, feed: ArxivFeed) -> None:
        self.skipped += feed.skipped
        newest = max(_updates(feed), default=None)
        if newest is None:
            return
        # A date in the future, should one slip in, must not move the mark past what comes next.
        newest = min(newest, self.now)
        self.newest = max(newest, self.newest or newest)
        if self.horizon is None:
            self.horizon = Horizon.of(self.options, self.known, newest)
            self._compare_query(feed.title)

    def _dated(self, paper: FetchedPaper) -> FetchedPaper:
        if self.horizon is None or paper.updated is None or paper.updated >= self.horizon.since:
            return paper
        return replace(paper, backlog=True)

    def _compare_query(self, title: str) -> None:
        """Since 2025 arXiv rewrites loose queries, ``pineapple`` to ``all:pineapple``: say so."""
        understood = re.search(r"search_query=(.*?)&id_list=", title)
        if self.options.query is None or understood is None:
            return
        if _bare(understood[1]) != _bare(self.options.query):
            facts = {"source": self.name, "understood": understood[1][:200]}
            log.warning("arXiv read the query differently", extra=facts)

    def _next_start(self, start: int, number: int, feed: ArxivFeed, *, fresh: int) -> int | None:
        """Where the next page begins: downwards, then, if papers came meanwhile, the top again."""
        if self.barren == MAX_BARREN:
            return None
        if self.is_at_top_again:
            self.total = feed.total if feed.total is not None else self.total
            is_all_new = fresh > 0 and fresh == feed.count
            return start + feed.count if is_all_new and number < self.options.max_pages else None
        following = self._following(start, number, feed)
        if following is None and self.has_grown and not self.limit:
            self.is_at_top_again = True
            return 0
        return following

    def _following(self, start: int, number: int, feed: ArxivFeed) -> int | None:
        """Where the next page down begins; None if this was the last."""
        has_moved = start > 0 and None not in (self.total, feed.total) and self.total != feed.total
        self.has_grown |= has_moved and (feed.total or 0) > (self.total or 0)
        self.total = feed.total if feed.total is not None else self.total
        if has_moved and self.rereads < MAX_REREADS:
            # Results above this page came or went: its first ones may now be on the page before.
            self.rereads += 1
            return max(0, start - self.options.page_size)
        following = start + feed.count
        if not feed.count or self._is_deep_enough(feed) or self._is_at_end(following, feed):
            return None
        if number >= self.options.max_pages:
            self.limit = (
                f"stopped after {number} pages, as max_pages says; older papers are missing"
            )
        elif following >= MAX_RESULTS:
            self.limit = f"arXiv gives {MAX_RESULTS:,} results of a query; older papers are missing"
        return None if self.limit else following

    def _is_deep_enough(self, feed: ArxivFeed) -> bool:
        """Whether the horizon is passed; a page out of order must lie below it altogether."""
        updates = _updates(feed)
        if self.horizon is None or not updates:
            return False
        is_sorted = all(above >= below for above, below in pairwise(updates))
        return (updates[-1] if is_sorted else max(updates)) < self.horizon.floor

    def _is_at_end(self, following: int, feed: ArxivFeed) -> bool:
        if feed.total is None:
            return feed.count < self.options.page_size
        return following >= feed.total

    def _page(self, papers: tuple[FetchedPaper, ...]) -> Page:
        memory = dict(self.memory)
        if self.known.floor is None and self.horizon is not None:
            memory["pending"] = f"{self.known.query} {self.horizon.since.isoformat()}"
        return Page(papers=papers, memory=memory, total=self.total, done=len(self.seen))

    def _last_page(self, papers: tuple[FetchedPaper, ...]) -> Page:
        """The end of the pass; the mark moves unless a page may have lacked something."""
        page = self._page(papers)
        if self.flaws:
            return replace(page, note=self._note())
        is_complete = self.limit is None
        # What a limit cuts off no later pass would get either: the mark moves all the same.
        return replace(page, memory=self._moved(page), complete=is_complete, note=self._note())

    def _moved(self, page: Page) -> Mapping[str, str]:
        if self.newest is None or self.horizon is None:
            return page.memory
        mark = max(self.newest, min(self.known.mark or self.newest, self.now))
        floor = min(self.horizon.floor, self.known.floor or self.horizon.floor)
        return {
            "query": self.known.query,
            "mark": mark.isoformat(),
            "floor": floor.isoformat(),
        }

    def _note(self) -> str | None:
        notes = [*dict.fromkeys(self.flaws[:3]), *filter(None, [self.limit])]
        if not self.seen and not self.flaws:
            notes.append("the query has no results")
        if self.skipped:
            notes.append(f"{self.skipped} entries could not be read")
        return "; ".join(notes) or None


def _updates(feed: ArxivFeed) -> tuple[datetime, ...]:
    return tuple(paper.updated for paper in feed.entries if paper.updated is not None)


def _fuller(one: ArxivFeed, other: ArxivFeed) -> ArxivFeed:
    return one if one.count > other.count else other


def _bare(query: str) -> str:
    """*query* without what says nothing: blanks, brackets, quotes and case."""
    return re.sub(r'[\s+()"]', "", query).lower()
