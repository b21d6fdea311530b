"""
Feeds as a source: RSS, RDF, Atom or JSON Feed of journals, preprint servers, people, or arXiv.

A pass is one request, conditional on the validators of the last response. `feed_items` and
`arxiv_rss` parse the bytes; this module decides which papers are new. Begin at `FeedOptions.fetch`.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.net import (
    Client,
    NetError,
    Response,
    allowed_interval_s,
    is_arxiv,
    is_web_url,
    shown_url,
)
from digestbot.sources.memory import RecentPapers, fingerprint
from digestbot.sources.parser_pool import Parse, ParserStopped
from digestbot.sources.protocols import Page, check_interval, check_span
from digestbot.sources.retry import from_net_error, from_status, unreadable
from digestbot.sources.web_options import WebOptions

if TYPE_CHECKING:
    from digestbot.sources.feed_items import ParsedFeed

log = logging.getLogger(__name__)

MAX_BYTES = 10 * 1024 * 1024
MAX_VALIDATOR_CHARS = 1024
"""ETag or Last-Modified; a longer one is not stored, and the next request is unconditional."""
_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json;q=0.9, "
    "application/xml;q=0.9, */*;q=0.8"
)
_HEADERS = ("content-type", "content-language")
_DAY = timedelta(days=1, microseconds=-1)
"""From the beginning of a day to its last moment."""
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions(WebOptions):
    """Papers of an RSS, Atom or JSON feed."""

    url: str
    """URL of the feed, http or https."""
    title: str | None = None
    """Journal name, for papers whose feed names none."""
    categories: tuple[str, ...] = ()
    """Categories added to every paper, for use in filters."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests to the same host; at least 3s for arxiv.org, by its terms of use."""
    newest: int = 10
    """How many papers the first fetch reports at most; older ones are backlog."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers, counted from the newest paper."""
    max_items: int = 2000
    """How many papers of one response are read, newest first."""
    enrich: bool | None = None
    """Complete papers from the services of `enrichment`; by default as the config's `enrich`, and
    not for feeds on this machine or a private network."""

    def __post_init__(self) -> None:
        WebOptions.__post_init__(self)
        if not is_web_url(self.url):
            raise ValueError("url must be an http or https address")
        if self.newest < 0:
            raise ValueError(f"newest must be at least 0, not {self.newest}")
        if self.max_items < 1:
            raise ValueError(f"max_items must be at least 1, not {self.max_items}")
        check_interval(self.interval)
        check_span("backfill", self.backfill)

    async def fetch(
        self,
        name: str,
        client: Client,
        memory: Mapping[str, str],
        now: datetime,
        *,
        parse: Parse,
    ) -> AsyncIterator[Page]:
        """Make one pass of one page; see `Options.fetch`."""
        conditions = _conditions(self.url, memory)
        response = await self._get(name, client, conditions)
        url = shown_url(self.url)
        if response.status == 304:
            if not conditions:
                cause = f"{url} answered 304 (not modified) to a request for the whole feed"
                raise unreadable(name, cause, client.clock())
            # Its validators may belong to a body that we never saw, so keep the old ones.
            yield Page(papers=(), memory=memory, complete=True)
            return
        if response.status != 200:
            from digestbot.sources.arxiv_rss import error_in

            message = error_in(response.body) if response.status == 400 else None
            raise from_status(name, url, response, client.clock(), message=message)
        if response.moved:
            facts = {"source": name, "new_url": shown_url(response.url)}
            log.warning("feed moved permanently; update its URL in the config", extra=facts)
        validators = _validators(self.url, response)
        if _is_unchanged(memory, validators):
            yield Page(papers=(), memory={**memory, **validators}, complete=True)
            return
        try:
            headers = {each: response.headers.get(each, "") for each in _HEADERS}
            options, url_of_links = self.without_secrets(), shown_url(response.url)
            parsed = await parse(_parse, options, response.body, headers, url_of_links, now)
        except BadAnswer as error:
            raise unreadable(name, f"{url}: {error}", client.clock()) from error
        except ParserStopped as error:
            raise ParserStopped(f"{name}: {url}: {error}") from error
        yield _page(self, parsed, memory, validators, now)

    async def _get(self, name: str, client: Client, conditions: Mapping[str, str]) -> Response:
        try:
            return await client.get(
                self.url,
                headers={"accept": _ACCEPT, **self.request_headers(), **conditions},
                interval_s=allowed_interval_s(self.url, self.interval.total_seconds()),
                max_bytes=MAX_BYTES,
                same_site=is_arxiv(self.url),
            )
        except NetError as error:
            raise from_net_error(name, error, client.clock()) from error


def _conditions(url: str, memory: Mapping[str, str]) -> dict[str, str]:
    """
    Return the headers of a conditional GET (RFC 9110 13.1): the validators exactly as received.

    They hold for the same URL only.
    """
    if memory.get("url") != fingerprint(url):
        return {}
    names = {"if-none-match": "etag", "if-modified-since": "modified"}
    stored = {header: memory.get(key, "") for header, key in names.items()}
    return {header: value for header, value in stored.items() if _is_sendable(value)}


def _validators(url: str, response: Response) -> dict[str, str]:
    return {
        "url": fingerprint(url),
        "body": hashlib.sha256(response.body).hexdigest()[:32],
        "etag": _validator(response, "etag"),
        "modified": _validator(response, "last-modified"),
    }


def _validator(response: Response, name: str) -> str:
    """Return a header to send back; empty if it is missing, too long or invalid."""
    value = response.headers.get(name, "")
    return value if _is_sendable(value) else ""


def _is_sendable(validator: str) -> bool:
    # A validator outside ASCII violates RFC 9110 8.8.3 and cannot be sent back.
    return validator.isascii() and 0 < len(validator) <= MAX_VALIDATOR_CHARS


def _is_unchanged(memory: Mapping[str, str], validators: Mapping[str, str]) -> bool:
    return all(memory.get(key) == validators[key] for key in ("url", "body"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    feed: "ParsedFeed"
    is_batch: bool
    """True for arXiv's daily feeds: everything was just announced, so nothing is backlog."""


def _parse(
    options: FeedOptions, body: bytes, headers: Mapping[str, str], url: str, now: datetime
) -> _Parsed:
    # Here, not above: every command needs the options of a feed, few need the parsers.
    from digestbot.sources.arxiv_rss import is_announcement, parse_announcements
    from digestbot.sources.feed_items import ParsedFeed, parse_feed

    if is_announcement(body):
        papers = parse_announcements(body)[: options.max_items]
        labelled = tuple(_with_categories(paper, options.categories) for paper in papers)
        return _Parsed(feed=ParsedFeed(title="", papers=labelled), is_batch=True)
    given = {name: value for name, value in headers.items() if value}
    feed = parse_feed(
        body,
        {**given, "content-location": url},  # shown: links must not inherit a password
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
    memory: Mapping[str, str],
    validators: Mapping[str, str],
    now: datetime,
) -> Page:
    recent = RecentPapers.read(memory)
    papers = tuple({(p.id, p.version): p for p in parsed.feed.papers}.values())
    if not parsed.is_batch:
        is_first = memory.get("url") != fingerprint(options.url) or not recent.ids
        old = _before_first_fetch(papers, options, now) if is_first else set()
        old |= recent.renamed(papers)
        papers = tuple(replace(p, backlog=True) if p.id in old else p for p in papers)
    if parsed.feed.is_cut:
        # Without validators: "304 Not Modified" would withhold the missing items for good.
        note = "the feed is cut off; missing items are read with the next response"
        learned = {"url": validators["url"], **recent.with_papers(papers).written()}
        return Page(papers=papers, memory=learned, done=len(papers), complete=False, note=note)
    return Page(
        papers=papers,
        memory={**validators, **recent.with_papers(papers).written()},
        total=len(papers),
        done=len(papers),
        complete=True,
        note=_skipped(parsed.feed),
    )


def _skipped(feed: "ParsedFeed") -> str | None:
    """Return how many items were skipped, and the name of the first."""
    if not feed.skipped:
        return None
    first = f", the first is {feed.first_skipped}" if feed.first_skipped else ""
    return f"unreadable items skipped: {feed.skipped}{first}"


def _before_first_fetch(
    papers: tuple[FetchedPaper, ...], options: FeedOptions, now: datetime
) -> set[str]:
    """Return the ids that a first fetch takes as backlog: beyond `newest`, or before `backfill`."""
    ends = {paper.id: _end(paper, now) for paper in papers}
    # The sort is stable: undated papers keep their order, after the dated ones.
    by_date = sorted(papers, key=lambda paper: ends[paper.id] or _LONG_AGO, reverse=True)
    dates = [min(paper.updated, now) for paper in papers if paper.updated is not None]
    oldest = max(dates) - options.backfill if dates else _LONG_AGO
    newest = by_date[: options.newest]
    reported = {p.id for p in newest if (end := ends[p.id]) is None or end >= oldest}
    return {paper.id for paper in papers} - reported


def _end(paper: FetchedPaper, now: datetime) -> datetime | None:
    """Return when *paper* was updated at the latest, if it has a date: a day lasts to its end."""
    if paper.updated is None:
        return None
    return min(paper.updated + (_DAY if paper.updated_is_date else timedelta()), now)
