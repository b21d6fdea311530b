"""
A feed as a source: RSS, RDF or Atom of a journal, a preprint server, a person, or arXiv's own.

One request a pass, conditional on what the server said last time. `feed_items` and `arxiv_rss`
read the bytes; here it is decided what of them is news. Begin at `FeedOptions.fetch`.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from digestbot.errors import BadAnswer, SourceError, SourceLate, SourceRefused
from digestbot.model import FetchedPaper
from digestbot.net import (
    Answer,
    BadRedirect,
    Client,
    NetError,
    TooLarge,
    is_arxiv,
    parse_retry_after,
    shown_url,
)
from digestbot.sources.protocols import Page

if TYPE_CHECKING:
    from digestbot.sources.feed_items import ParsedFeed

log = logging.getLogger(__name__)

MAX_BYTES = 10 * 1024 * 1024
LATE = timedelta(minutes=30)
ARXIV_INTERVAL_S = 3.0
CENTURY = timedelta(days=36_500)
REMEMBERED = 300
"""Items whose ids and titles are remembered, to know a feed again that changes all its ids."""
MOVED_SHARE = 0.8
"""Share of unknown ids from which a feed with known titles has changed its ids."""
_BUSY = frozenset({406, 408, 425, 429})
_REFUSALS = {
    400: ("check the address", timedelta(hours=6)),
    401: ("it wants a login; put it into the address or take the source out", timedelta(hours=6)),
    403: ("it does not let us in; set `contact`, or ask its owner", timedelta(hours=6)),
    404: ("there is no such feed; check the address", timedelta(hours=6)),
    410: ("it is gone for good; take the source out", timedelta(days=7)),
}
"""Status → what to do, and when it makes sense to ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """Papers of an RSS or Atom feed."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    url: str
    """The feed's address, http or https."""
    title: str | None = None
    """The journal of papers whose feed does not name one."""
    categories: tuple[str, ...] = ()
    """Given to each paper, so that filters can ask for them."""
    interval: timedelta = timedelta(seconds=1)
    """Between requests to the same host; at least 3s for arxiv.org, by its terms."""
    newest: int = 10
    """How many papers of the very first fetch are news at most; the others are backlog."""
    backfill: timedelta = timedelta(days=7)
    """How far back the very first fetch has news, counted from the newest paper."""
    max_items: int = 2000
    """How many papers of one answer are read: the newest."""

    def __post_init__(self) -> None:
        if not _is_web(self.url):
            raise ValueError("url must be an http or https address")
        if self.newest < 0 or self.max_items < 1:
            raise ValueError("newest must be at least 0 and max_items at least 1")
        if not timedelta(0) <= self.backfill <= CENTURY or self.interval < timedelta(0):
            raise ValueError("backfill and interval must not be negative, nor beyond a century")

    async def fetch(
        self, name: str, client: Client, memory: Mapping[str, str], now: datetime
    ) -> AsyncIterator[Page]:
        """One pass of one page; see `Options.fetch`."""
        answer = await _asked(self, name, client, memory)
        if answer.status == 304:
            yield Page(papers=(), memory=memory, complete=True)
            return
        if answer.status != 200:
            raise _refusal(answer, name, shown_url(self.url), client.clock())
        if answer.moved:
            new = shown_url(answer.url)
            log.warning(
                "%s: the feed has moved for good; put its new address into the config: %s",
                name,
                new,
            )
        validators = _validators(self.url, answer)
        if memory.get("url") == _fingerprint(self.url) and memory.get("body") == validators["body"]:
            yield Page(papers=(), memory={**memory, **validators}, complete=True)
            return
        try:
            parsed = await asyncio.to_thread(_parsed, self, answer, now)
        except BadAnswer as error:
            raise _bad(name, f"{shown_url(self.url)}: {error}", client.clock()) from error
        yield _page(self, parsed, answer, memory, validators)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


async def _asked(
    options: FeedOptions, name: str, client: Client, memory: Mapping[str, str]
) -> Answer:
    floor_s = ARXIV_INTERVAL_S if is_arxiv(options.url) else 0.0
    try:
        return await client.get(
            options.url,
            headers=_conditions(options.url, memory),
            interval_s=max(options.interval.total_seconds(), floor_s),
            max_bytes=MAX_BYTES,
            same_site=is_arxiv(options.url),
        )
    except BadRedirect as error:
        raise SourceRefused(f"{name}: {error}", retry_at=client.clock() + LATE) from error
    except TooLarge as error:
        raise _bad(name, str(error), client.clock()) from error
    except NetError as error:
        raise _late(name, str(error), client.clock()) from error


def _conditions(url: str, memory: Mapping[str, str]) -> dict[str, str]:
    """
    Headers of a conditional GET (RFC 9110 13.1): the validators exactly as they were given.

    They belong to an address, and to a body that we have read; both may have changed.
    """
    headers = {
        "accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.8"
    }
    if memory.get("url") != _fingerprint(url):
        return headers
    if etag := memory.get("etag"):
        headers["if-none-match"] = etag
    if modified := memory.get("modified"):
        headers["if-modified-since"] = modified
    return headers


def _validators(url: str, answer: Answer) -> dict[str, str]:
    # A validator that is no ASCII is against RFC 9110 8.8.3 and cannot be sent back.
    etag, modified = (answer.headers.get(name, "") for name in ("etag", "last-modified"))
    return {
        "url": _fingerprint(url),
        "body": hashlib.sha256(answer.body).hexdigest()[:32],
        "etag": etag if etag.isascii() else "",
        "modified": modified if modified.isascii() else "",
    }


def _refusal(answer: Answer, name: str, url: str, now: datetime) -> SourceError:
    """What a status other than 200 and 304 means."""
    from digestbot.sources.arxiv_rss import error_in

    status = answer.status
    if status in _BUSY or not 400 <= status < 500:
        wait_s = parse_retry_after(answer.headers.get("retry-after"), now)
        return _late(name, f"{url} answered {status}", now, wait_s or 0.0)
    advice, pause = _REFUSALS.get(status, _REFUSALS[400])
    said = error_in(answer.body) if status == 400 else None
    what = f'"{said[:200]}"; {advice}' if said else advice
    return SourceRefused(f"{name}: {url} answered {status}: {what}", retry_at=now + pause)


def _bad(name: str, why: str, now: datetime) -> BadAnswer:
    retry_at = now + LATE
    return BadAnswer(f"{name}: {why}; next try {retry_at:%Y-%m-%d %H:%M} UTC", retry_at=retry_at)


def _late(name: str, why: str, now: datetime, wait_s: float = 0.0) -> SourceLate:
    retry_at = now + max(LATE, timedelta(seconds=wait_s))
    due = f"nothing is lost, next try {retry_at:%Y-%m-%d %H:%M} UTC"
    return SourceLate(f"{name}: {why}; {due}", retry_at=retry_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    feed: "ParsedFeed"
    is_batch: bool
    """One of arXiv's daily feeds: all of it was announced now, and there is no backlog."""


def _parsed(options: FeedOptions, answer: Answer, now: datetime) -> _Parsed:
    # Here, not above: the options of a feed are needed by every command, the parsers by few.
    from digestbot.sources.arxiv_rss import is_announcement, parse_announcements
    from digestbot.sources.feed_items import ParsedFeed, parse_feed

    if is_announcement(answer.body):
        papers = parse_announcements(answer.body)[: options.max_items]
        named = tuple(_with_categories(paper, options.categories) for paper in papers)
        return _Parsed(feed=ParsedFeed(title="", papers=named), is_batch=True)
    names = ("content-type", "content-language")
    headers = {name: answer.headers[name] for name in names if name in answer.headers}
    headers["content-location"] = shown_url(answer.url)  # links must not inherit a password
    feed = parse_feed(
        answer.body,
        headers,
        feed_url=options.url,
        now=now,
        categories=options.categories,
        journal=options.title,
        max_items=options.max_items,
    )
    return _Parsed(feed=feed, is_batch=False)


def _with_categories(paper: FetchedPaper, categories: tuple[str, ...]) -> FetchedPaper:
    return replace(paper, categories=tuple(dict.fromkeys([*paper.categories, *categories])))


def _page(
    options: FeedOptions,
    parsed: _Parsed,
    answer: Answer,
    memory: Mapping[str, str],
    validators: Mapping[str, str],
) -> Page:
    known = Known.read(memory, options.url)
    papers = tuple({(p.id, p.version): p for p in parsed.feed.papers}.values())
    if not parsed.is_batch:
        papers = with_backlog(papers, known, newest=options.newest, backfill=options.backfill)
    if parsed.feed.is_cut:
        # Nothing is remembered: a server that answers "not modified" would keep the rest from us.
        note = "the feed breaks off in the middle; the rest comes with its next answer"
        return Page(papers=papers, memory=memory, done=len(papers), complete=False, note=note)
    skipped = parsed.feed.skipped
    return Page(
        papers=papers,
        memory={**validators, **known.with_papers(papers).written()},
        total=len(papers),
        done=len(papers),
        complete=True,
        note=f"{skipped} items could not be read" if skipped else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a feed held lately, as short hashes."""

    is_first: bool
    """No paper was read from this address before."""
    ids: tuple[str, ...]
    """Newest first."""
    titles: tuple[str, ...]

    @classmethod
    def read(cls, memory: Mapping[str, str], url: str) -> "Known":
        """From the memory of the source."""
        return cls(
            is_first=memory.get("url") != _fingerprint(url) or not memory.get("ids"),
            ids=tuple(memory.get("ids", "").split()),
            titles=tuple(memory.get("titles", "").split()),
        )

    def with_papers(self, papers: Collection[FetchedPaper]) -> "Known":
        """After *papers* were read too."""
        ids = dict.fromkeys([*(_short(paper.id) for paper in papers), *self.ids])
        titles = dict.fromkeys([*(_short_title(paper) for paper in papers), *self.titles])
        return replace(self, ids=tuple(ids)[:REMEMBERED], titles=tuple(titles)[:REMEMBERED])

    def written(self) -> dict[str, str]:
        """As memory: some 5 KB at most."""
        return {"ids": " ".join(self.ids), "titles": " ".join(self.titles)}


def with_backlog(
    papers: tuple[FetchedPaper, ...], known: Known, *, newest: int, backfill: timedelta
) -> tuple[FetchedPaper, ...]:
    """
    *papers*, with those marked as backlog that are no news.

    At the very first fetch these are all but the *newest* ones, and what is older than the newest
    by more than *backfill*. Later, it is what a feed shows under new ids after it changed them
    all, as when it moves to https: else all of it would be sent once more.
    """
    old = _too_old(papers, newest, backfill) if known.is_first else set()
    if _has_new_ids(papers, known):
        old |= {paper.id for paper in papers if _short_title(paper) in known.titles}
    return tuple(replace(paper, backlog=True) if paper.id in old else paper for paper in papers)


_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def _too_old(papers: tuple[FetchedPaper, ...], newest: int, backfill: timedelta) -> set[str]:
    # Those without a date keep their place among themselves, after the dated ones.
    by_date = sorted(papers, key=lambda paper: paper.updated or _LONG_AGO, reverse=True)
    dates = [paper.updated for paper in papers if paper.updated is not None]
    horizon = max(dates) - backfill if dates else _LONG_AGO
    kept = {p.id for p in by_date[:newest] if p.updated is None or p.updated >= horizon}
    return {paper.id for paper in papers} - kept


def _has_new_ids(papers: tuple[FetchedPaper, ...], known: Known) -> bool:
    if not papers or not known.ids:
        return False
    unknown = [paper for paper in papers if _short(paper.id) not in known.ids]
    recognised = [paper for paper in unknown if _short_title(paper) in known.titles]
    is_most = len(unknown) >= MOVED_SHARE * len(papers)
    return is_most and len(recognised) >= MOVED_SHARE * len(unknown)


def _fingerprint(url: str) -> str:
    """*url* for the memory, where a password or key in it must not lie."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _short_title(paper: FetchedPaper) -> str:
    return _short(" ".join(paper.title.casefold().split()))
