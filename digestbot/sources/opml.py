"""
A list of feeds as one source: an OPML file, as feed readers export it.

Each feed is read exactly as `kind: feed` reads it, with the same dates, limits and pacing, and what
it can miss is the same: papers that leave the feed between two passes. A feed that fails is
reported and read again in the next pass, or, if its server refused us, after the pause that this
requires; the others are stored. The file is read in every pass, so that an edit takes effect at
once. Begin at `OpmlOptions.fetch`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from digestbot.errors import (
    BadAnswer,
    DigestbotError,
    SourceError,
    SourceLate,
    SourceRefused,
    StoreError,
)
from digestbot.model import FetchedPaper
from digestbot.sources.feed import FeedOptions
from digestbot.sources.identity import in_feed
from digestbot.sources.local_files import check_path, read_file, reason
from digestbot.sources.memory import best_types, fingerprint
from digestbot.sources.protocols import Page
from digestbot.sources.retry import LATE_PAUSE, unreadable

if TYPE_CHECKING:
    from digestbot.net import Client
    from digestbot.sources.opml_outlines import FeedList, ListedFeed
    from digestbot.sources.parser_pool import Parse

log = logging.getLogger(__name__)

WAVE = 50
"""Feeds that are read at a time and give one page: the memory of all is stored with each page."""
MAX_NAMED = 3
"""Failed feeds that a note names."""
MAX_CAUSE = 300
"""Characters of a failure in a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpmlOptions:
    """Papers of all feeds in an OPML file."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    path: str
    """The OPML file, relative to the config; it is read again in every pass."""
    categories: tuple[str, ...] = ()
    """Categories added to every paper, for use in filters."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests to the same host; at least 3s for arxiv.org, by its terms of use."""
    newest: int = 10
    """How many papers of each feed its first fetch reports at most; older ones are backlog."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch of a feed reports papers, counted from its newest paper."""
    max_items: int = 2000
    """How many papers of one response are read, newest first."""

    def __post_init__(self) -> None:
        check_path(self.path)
        self.feed("https://feeds.invalid/")

    def located(self, folder: Path) -> "OpmlOptions":
        """Return the options with the path resolved against *folder*."""
        return replace(self, path=str(folder / self.path))

    def feed(self, url: str) -> FeedOptions:
        """
        Return the options of one feed.

        Raises:
            ValueError: An option is out of range.
        """
        return FeedOptions(
            url=url,
            categories=self.categories,
            interval=self.interval,
            newest=self.newest,
            backfill=self.backfill,
            max_items=self.max_items,
        )

    async def fetch(
        self,
        name: str,
        client: "Client",
        memory: Mapping[str, str],
        now: datetime,
        *,
        parse: "Parse",
    ) -> AsyncIterator[Page]:
        """Make one pass; see `Options.fetch`."""
        listed = await self._read(name, client.clock(), parse)
        reading = OpmlPass(
            options=self,
            name=name,
            client=client,
            listed=listed,
            memory=memory,
            now=now,
            parse=parse,
        )
        async for page in reading.pages():
            yield page

    async def _read(self, name: str, now: datetime, parse: "Parse") -> "FeedList":
        from digestbot.sources.opml_outlines import parse_opml

        try:
            body, _ = await asyncio.to_thread(read_file, Path(self.path))
            return await parse(parse_opml, body)
        except OSError as error:
            cause = f'cannot read "{self.path}": {reason(error)}; check the path'
            raise SourceRefused(f"{name}: {cause}", retry_at=now + LATE_PAUSE) from error
        except BadAnswer as error:
            raise unreadable(name, f'"{self.path}": {error}', now) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """Outcome of one feed."""

    feed: "ListedFeed"
    papers: tuple[FetchedPaper, ...] = ()
    memory: Mapping[str, str]
    note: str | None = None
    """Remark of its last page, or its failure."""
    is_whole: bool = False
    """True if all its papers were read."""
    error: Exception | None = None


@dataclass(slots=True, kw_only=True)
class OpmlPass:
    """One pass over all feeds of a file; the later fields record its progress."""

    options: OpmlOptions
    name: str
    client: "Client"
    listed: "FeedList"
    memory: Mapping[str, str]
    now: datetime
    parse: "Parse"
    memories: dict[str, Mapping[str, str]] = field(init=False)
    """Memory of each feed, by the fingerprint of its URL."""
    done: int = 0
    failed: list[_Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_whole: bool = True

    def __post_init__(self) -> None:
        known = _divided(self.memory)
        keys = (fingerprint(feed.url) for feed in self.listed.feeds)
        self.memories = {key: known.get(key, {}) for key in keys}

    async def pages(self) -> AsyncIterator[Page]:
        """
        Yield the papers of several feeds per page, as they arrive.

        Raises:
            SourceError: Every feed failed.
        """
        stored = self.memory
        *waves, last = _waves(self.listed.feeds)
        for wave in waves:
            page = self._page(await self._outcomes(wave))
            if page.papers or page.memory != stored:
                stored = page.memory
                yield page
        page = self._page(await self._outcomes(last))
        if self.failed and len(self.failed) == len(self.listed.feeds):
            yield page
            raise self._total_failure()
        yield self._last(page)

    async def _outcomes(self, feeds: "Sequence[ListedFeed]") -> list[_Outcome]:
        """Read *feeds* at the same time. No request is pending while the caller has a page."""
        return [self._noted(each) for each in await asyncio.gather(*map(self._outcome, feeds))]

    async def _outcome(self, feed: "ListedFeed") -> _Outcome:
        """Read one feed; return its failure as an outcome."""
        memory = self.memories[fingerprint(feed.url)]
        if refusal := _refusal(memory, self.now):
            return _Outcome(feed=feed, memory=memory, note=str(refusal), error=refusal)
        known = {key: value for key, value in memory.items() if key not in ("rest", "cause")}
        try:
            return await self._fetched(feed, known)
        except DigestbotError as error:
            cause = str(error)[:MAX_CAUSE]
            memory = _resting(known, error, cause)
            return _Outcome(feed=feed, memory=memory, note=cause, error=error)
        except Exception as error:
            log.exception("feed failed unexpectedly", extra={"source": self.name})
            cause = f"{feed.label}: {type(error).__name__}: a bug, see the log"
            return _Outcome(feed=feed, memory=known, note=cause, error=error)

    async def _fetched(self, feed: "ListedFeed", memory: Mapping[str, str]) -> _Outcome:
        outcome = _Outcome(feed=feed, memory=memory)
        pages = self.options.feed(feed.url).fetch(
            feed.label, self.client, memory, self.now, parse=self.parse
        )
        async for page in pages:
            outcome = replace(
                outcome,
                papers=(*outcome.papers, *(in_feed(paper, feed.url) for paper in page.papers)),
                memory=page.memory,
                note=f"{feed.label}: {page.note}" if page.note else None,
                is_whole=page.complete,
            )
        return outcome

    def _noted(self, outcome: _Outcome) -> _Outcome:
        if isinstance(outcome.error, StoreError):
            raise outcome.error
        self.memories[fingerprint(outcome.feed.url)] = outcome.memory
        self.done += len(outcome.papers)
        if outcome.error is not None:
            self.failed.append(outcome)
        if outcome.note:
            self.notes.append(outcome.note)
        self.is_whole &= outcome.is_whole
        return outcome

    def _page(self, batch: list[_Outcome]) -> Page:
        papers = best_types(paper for outcome in batch for paper in outcome.papers)
        memory = {
            f"{feed}.{key}": value
            for feed, each in self.memories.items()
            for key, value in each.items()
        }
        return Page(papers=papers, memory=memory, done=self.done)

    def _last(self, page: Page) -> Page:
        notes = [*self.notes, *self.listed.problems]
        if not self.listed.feeds and not notes:
            notes = ["the file lists no feeds"]
        text = "; ".join(notes[:MAX_NAMED])
        if self.failed:
            text = f"{len(self.failed)} of {len(self.listed.feeds)} feeds failed: {text}"
        if len(notes) > MAX_NAMED:
            text = f"{text}; and {len(notes) - MAX_NAMED} more"
        return replace(page, complete=self.is_whole and not self.listed.problems, note=text or None)

    def _total_failure(self) -> SourceError:
        """Return the error of a pass in which every feed failed, with the first of their causes."""
        late = next((each for each in self.failed if not _is_refusal(each.error)), None)
        first = late or self.failed[0]
        kind = SourceLate if late else SourceRefused
        times = (getattr(each.error, "retry_at", None) for each in self.failed)
        retry_at = min(filter(None, times), default=self.client.clock() + LATE_PAUSE)
        return kind(f"{self.name}: every feed failed; {first.note}", retry_at=retry_at)


def _waves(feeds: "Sequence[ListedFeed]") -> "list[Sequence[ListedFeed]]":
    """Divide *feeds* into waves; return at least one."""
    starts = range(0, len(feeds), WAVE)
    return [feeds[start : start + WAVE] for start in starts] or [()]


def _is_refusal(error: Exception | None) -> bool:
    return isinstance(error, SourceRefused)


def _divided(memory: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the memory of each feed by the fingerprint of its URL."""
    feeds: dict[str, dict[str, str]] = {}
    for name, value in memory.items():
        feed, _, key = name.partition(".")
        feeds.setdefault(feed, {})[key] = value
    return feeds


def _resting(memory: Mapping[str, str], error: DigestbotError, cause: str) -> Mapping[str, str]:
    """Return *memory* with the pause after a refusal."""
    if not isinstance(error, SourceRefused) or error.retry_at is None:
        return memory
    return {**memory, "rest": error.retry_at.isoformat(), "cause": cause}


def _refusal(memory: Mapping[str, str], now: datetime) -> SourceRefused | None:
    """Return the refusal whose pause is not over yet."""
    try:
        until = datetime.fromisoformat(memory.get("rest", "")).astimezone(UTC)
    except ValueError:
        return None
    return SourceRefused(memory.get("cause", ""), retry_at=until) if now < until else None
