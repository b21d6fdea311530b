"""
One pass over a web API that lists papers page by page, shared by all sources of that kind.

A kind supplies its options, a `WebApiOptions`: its `request` turns a window of time and a cursor
into a request, its `reader` is a pure function that turns the response into an `ApiPage`. Pacing,
retries, bounds, and what is remembered between passes are here.

A pass reads from an overlap before the newest paper of the last complete pass, since services index
late. Only the last page moves the mark, so an interrupted pass is repeated and the log drops
duplicates. Begin at `WebPass.pages`; `failure` and `wait_s` decide about retries.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import ClassVar, Protocol
from urllib.parse import urlsplit, urlunsplit

from digestbot.errors import BadAnswer, SourceError, SourceLate
from digestbot.model import FetchedPaper
from digestbot.net import (
    Client,
    NetError,
    Response,
    Unreachable,
    is_retryable,
    is_web_url,
    parse_retry_after,
    shown_url,
)
from digestbot.sources.api_json import message_in
from digestbot.sources.memory import fingerprint
from digestbot.sources.parser_pool import Parse, ParserStopped
from digestbot.sources.protocols import Page, check_interval, check_span
from digestbot.sources.retry import from_net_error, from_status, unreadable

log = logging.getLogger(__name__)

MAX_BYTES = 32 * 1024 * 1024
"""Size limit of a page; a page of 1,000 records with abstracts has about 5 MB."""
TOTAL_S = 90.0
"""For one request; another process waits as long for one that never ends."""
MAX_ATTEMPTS = 5
OFFLINE_ATTEMPTS = 3
UNREADABLE_ATTEMPTS = 3
"""Requests for a page that comes as HTML, cut off, or with an error in place of records."""
FIRST_WAIT_S = 2.0
GROWTH = 4.0
"""Factor between the bounds of two back-offs."""
MAX_WAIT_S = 300.0
MAX_USELESS_PAGES = 3
"""Pages in a row without a new record: the server ignores the cursor."""
MAX_DOUBTS = 3
"""Complete-looking passes with missing records, after which the mark moves all the same."""
_COUNTS = frozenset(map(str, range(MAX_DOUBTS + 1)))
_ADVICE = {
    400: "correct the query",
    401: "set `api_key`, or correct it",
    403: "access denied; check `api_key`, and set `contact` so that the service can write to you",
    404: "check the URL and the query",
    422: "correct the query",
}
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Range of time that a pass reads, whole days in UTC."""

    floor: datetime
    """Read records from this day on."""
    since: datetime
    """In a first pass, older papers are backlog."""
    until: datetime
    """When the pass began."""

    @property
    def first_day(self) -> str:
        """ISO date of `floor`."""
        return self.floor.date().isoformat()

    @property
    def last_day(self) -> str:
        """ISO date after `until`, where it may be tomorrow already."""
        return (self.until + _DAY).date().isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """Request for one page."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Query parameters, left out of the repr since they may have API keys."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cursor: str = ""
    """Cursor for the parser, if it differs from that of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Paper as an API lists it."""

    key: str
    """The API's own identifier, with the version if it has one."""
    paper: FetchedPaper
    at: datetime | None = None
    """Date by which the API is searched; None if the record has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPage:
    """One parsed response."""

    records: tuple[Record, ...] = ()
    cursor: str | None = None
    """Of the next page; None after the last."""
    total: int | None = None
    """Records that the API reports for the whole window; None if it reports none."""
    ignored: int = 0
    """Records of other things, such as a figure with its own DOI."""
    skipped: int = 0
    """Unreadable records."""
    note: str | None = None
    """Remark for the operator, such as how the API understood the query."""


class ReadPage(Protocol):
    """Parser of a kind: a function of a module, so that it can run in another process."""

    def __call__(self, body: bytes, cursor: str, /) -> ApiPage:
        """
        Return what *body* lists.

        Args:
            body: Of a response with status 200.
            cursor: Of its request; empty for the first page.

        Raises:
            BadAnswer: It is something else, such as HTML or the API's own error.
        """
        ...


class WebApiOptions(ABC):
    """Options of a kind: a frozen dataclass of these and its own config keys."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    url: str
    interval: timedelta
    backfill: timedelta
    max_pages: int

    @property
    @abstractmethod
    def overlap(self) -> timedelta:
        """How far behind the newest known paper to read again."""

    @property
    @abstractmethod
    def limits(self) -> Mapping[str, float]:
        """Official hosts, with the least seconds between two requests to each."""

    @property
    @abstractmethod
    def searched(self) -> str:
        """Query and filters: a change begins with a first pass."""

    @abstractmethod
    def request(self, window: "Window", cursor: str) -> "ApiRequest":
        """Return the request for the page at *cursor*, which is empty for the first."""

    @abstractmethod
    def reader(self, window: "Window") -> "ReadPage":
        """Return the parser of the pages of a pass over *window*."""

    @property
    def interval_s(self) -> float:
        """Seconds between requests, at least the minimum on the official host."""
        return official_interval_s(self.url, self.interval, self.limits)

    @property
    def is_official(self) -> bool:
        """True on the official host, where the minimum waits apply."""
        return _host(self.url) in self.limits

    def check_shared_keys(self) -> None:
        """
        Check the keys that all kinds have.

        Raises:
            ValueError: One of them is out of range.
        """
        if not is_web_url(self.url):
            raise ValueError("url must be an http or https address")
        if self.max_pages < 1:
            raise ValueError(f"max_pages must be at least 1, not {self.max_pages}")
        check_interval(self.interval)
        check_span("backfill", self.backfill)
        check_span("overlap", self.overlap)

    def fetch(
        self,
        name: str,
        client: Client,
        memory: Mapping[str, str],
        now: datetime,
        *,
        parse: Parse,
    ) -> AsyncIterator[Page]:
        """Make one pass; see `Options.fetch`."""
        return WebPass(
            options=self, name=name, client=client, memory=memory, now=now, parse=parse
        ).pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebMemory:
    """Memory of earlier passes."""

    query: str
    """Fingerprint of the current URL and query."""
    mark: datetime | None = None
    """Date of the newest record of the last complete pass, even of another query."""
    floor: datetime | None = None
    """Oldest day that this query has read; set by its first complete pass."""
    since: datetime | None = None
    """Oldest paper to report of a first pass that was interrupted."""
    had_records: bool = False
    """True if this query has ever had records."""
    doubts: int = 0
    """Number of latest passes in a row that lacked records."""

    @classmethod
    def read(cls, memory: Mapping[str, str], query: str) -> "WebMemory":
        """Read *memory*, ignoring what belongs to another query."""
        is_same = memory.get("query") == query
        pending, _, since = memory.get("pending", "").partition(" ")
        doubted, _, doubts = memory.get("doubts", "").partition(" ")
        return cls(
            query=query,
            mark=_time(memory.get("mark")),
            floor=_time(memory.get("floor")) if is_same else None,
            since=_time(since) if pending == query else None,
            had_records=is_same and "had" in memory,
            doubts=int(doubts) if doubted == query and doubts in _COUNTS else 0,
        )

    def window(self, options: WebApiOptions, now: datetime) -> Window:
        """
        Return the window of the next pass.

        A first pass reads as far back as the overlap of later ones, which would otherwise report
        older papers as new. After a change of the query it reports papers back to the old mark.
        """
        if self.floor is not None and self.mark is not None:
            start = max(min(self.mark, now) - options.overlap, self.floor)
            return Window(floor=_midnight(start), since=self.floor, until=now)
        since = self.since or _midnight(min(now - options.backfill, self.mark or now))
        floor = min(since, _midnight(now - options.overlap))
        return Window(floor=floor, since=since, until=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Failed request, and how often it is worth repeating."""

    error: SourceError
    """Reported if the pass ends here."""
    attempts: int = 1
    retry_after_s: float = 0.0


def failure(name: str, url: str, received: Response | NetError, now: datetime) -> Failure | None:
    """Return the failure in what was *received*, if the status is another than 200."""
    if isinstance(received, NetError):
        error = from_net_error(name, received, now)
        if not isinstance(received, Unreachable):
            return Failure(error=error)
        return Failure(error=error, attempts=MAX_ATTEMPTS if received.arrived else OFFLINE_ATTEMPTS)
    if received.status == 200:
        return None
    message = message_in(received.body)
    error = from_status(name, url, received, now, advice=_ADVICE, message=message)
    if not is_retryable(received.status):
        return Failure(error=error)
    pause_s = parse_retry_after(received.headers.get("retry-after"), now) or 0.0
    return Failure(error=error, attempts=MAX_ATTEMPTS, retry_after_s=pause_s)


def wait_s(failed: Failure, *, attempts: int, unit_s: float, jitter: float) -> float | None:
    """
    Return the seconds until the next attempt, or None to give up for now.

    Full jitter below a bound that grows each time, but no less than Retry-After.

    Args:
        failed: The latest failure.
        attempts: Requests made for this page so far.
        unit_s: The shortest wait: 0 repeats at once, for a mirror or test server.
        jitter: Uniform in [0, 1).
    """
    bound_s = min(MAX_WAIT_S, unit_s * GROWTH**attempts)
    pause_s = max(unit_s, jitter * bound_s, failed.retry_after_s)
    return None if attempts >= failed.attempts or pause_s > MAX_WAIT_S else pause_s


@dataclass(slots=True, kw_only=True)
class WebPass:
    """One pass; the later fields record its progress."""

    options: WebApiOptions
    name: str
    client: Client
    memory: Mapping[str, str]
    now: datetime
    parse: Parse
    known: WebMemory = field(init=False)
    window: Window = field(init=False)
    read: ReadPage = field(init=False)
    newest: datetime | None = None
    total: int | None = None
    keys: set[str] = field(default_factory=set)
    done: int = 0
    passed_over: int = 0
    """Records that were ignored or skipped."""
    skipped: int = 0
    useless_pages: int = 0
    notes: list[str] = field(default_factory=list)
    limit: str | None = None
    """Why the pass ends before the last page."""

    def __post_init__(self) -> None:
        query = fingerprint(f"{self.options.url}\n{self.options.searched}")
        self.known = WebMemory.read(self.memory, query)
        self.window = self.known.window(self.options, self.now)
        self.read = self.options.reader(self.window)

    async def pages(self) -> AsyncIterator[Page]:
        """Yield each page; the caller stores it before the next is requested."""
        cursor = ""
        for number in count(1):
            request = self.options.request(self.window, cursor)
            page = await self._get(request, request.cursor or cursor)
            papers = self._new_papers(page)
            following = self._following(number, page)
            if following is None:
                yield self._last_page(papers)
                return
            if papers:
                yield self._page(papers)
            cursor = following

    async def _get(self, request: ApiRequest, cursor: str) -> ApiPage:
        """Return the page for *request*, which is repeated if that may help."""
        url = shown_url(request.url)
        for attempts in count(1):
            received = await self._send(request)
            failed = failure(self.name, url, received, self.client.clock())
            if failed is None and isinstance(received, Response):
                found = await self._parsed(received, url, cursor)
                if isinstance(found, ApiPage):
                    return found
                failed = found
            if failed is not None:
                await self._wait_or_raise(failed, attempts)
        raise AssertionError("wait_s gives up after some attempts")

    async def _send(self, request: ApiRequest) -> Response | NetError:
        interval_s = self.options.interval_s
        try:
            return await self.client.get(
                request.url,
                params=request.params,
                headers=request.headers,
                interval_s=interval_s,
                hold_s=TOTAL_S if interval_s else 0.0,  # one connection at a time
                max_bytes=MAX_BYTES,
                total_s=TOTAL_S,
                read_s=TOTAL_S,
                same_site=True,
            )
        except NetError as error:
            return error

    async def _parsed(self, received: Response, url: str, cursor: str) -> ApiPage | Failure:
        try:
            return await self.parse(self.read, received.body, cursor)
        except BadAnswer as error:
            cause = unreadable(self.name, f"{url}: {error}", self.client.clock())
            return Failure(error=cause, attempts=UNREADABLE_ATTEMPTS)
        except ParserStopped as error:
            raise ParserStopped(f"{self.name}: {url}: {error}") from error

    async def _wait_or_raise(self, failed: Failure, attempts: int) -> None:
        unit_s = self.options.interval_s
        if self.options.is_official:
            unit_s = max(unit_s, FIRST_WAIT_S)
        jitter = self.client.jitter()
        pause_s = wait_s(failed, attempts=attempts, unit_s=unit_s, jitter=jitter)
        if pause_s is None:
            raise failed.error
        facts = {"source": self.name, "error": str(failed.error), "wait_s": round(pause_s, 1)}
        level = logging.WARNING if isinstance(failed.error, SourceLate) else logging.INFO
        log.log(level, "request repeated", extra=facts)
        await self.client.sleep(pause_s)

    def _new_papers(self, page: ApiPage) -> tuple[FetchedPaper, ...]:
        """Return the papers first seen in this pass, marking the backlog of a first one."""
        new = {each.key: each for each in page.records if each.key not in self.keys}
        passed_over = page.ignored + page.skipped
        has_more = bool(new or passed_over or not (page.records or self.keys))
        self.useless_pages = 0 if has_more else self.useless_pages + 1
        self.keys.update(new)
        self.done += len(new)
        self.passed_over += passed_over
        self.skipped += page.skipped
        self.total = page.total if page.total is not None else self.total
        if page.note:
            self.notes.append(page.note)
        # A date in the future must not move the mark past papers still to come.
        dates = [min(each.at, self.now) for each in new.values() if each.at is not None]
        self.newest = max([*dates, *([self.newest] if self.newest else [])], default=None)
        return tuple(map(self._paper, new.values()))

    def _paper(self, record: Record) -> FetchedPaper:
        is_first = self.known.floor is None
        is_old = record.at is not None and record.at < self.window.since
        return replace(record.paper, backlog=True) if is_first and is_old else record.paper

    def _following(self, number: int, page: ApiPage) -> str | None:
        """Return the next cursor, or None at the end or a limit."""
        if page.cursor is None:
            return None
        if self.useless_pages >= MAX_USELESS_PAGES:
            self.limit = "the server repeats its pages; papers may be missing"
        elif number >= self.options.max_pages:
            self.limit = (
                f"stopped at max_pages: {number}; papers are missing; raise it or narrow the query"
            )
        return None if self.limit else page.cursor

    def _page(self, papers: tuple[FetchedPaper, ...]) -> Page:
        memory = dict(self.memory)
        if self.known.floor is None:
            memory["pending"] = f"{self.known.query} {self.window.since.isoformat()}"
        return Page(papers=papers, memory=memory, total=self.total, done=self.done)

    def _last_page(self, papers: tuple[FetchedPaper, ...]) -> Page:
        """Return the last page; the mark moves unless records may be missing."""
        page = self._page(papers)
        gap = self.limit or self._gap()
        notes = [*filter(None, [gap]), *self.notes[:3], *filter(None, [self._remark()])]
        note = "; ".join(dict.fromkeys(notes)) or None
        doubts = self.known.doubts + 1 if gap and not self.limit else 0
        if self.limit or 0 < doubts < MAX_DOUBTS:
            return replace(page, memory={**page.memory, "doubts": self._doubts(doubts)}, note=note)
        return replace(page, memory=self._memory_after(doubts), complete=True, note=note)

    def _doubts(self, doubts: int) -> str:
        return f"{self.known.query} {min(doubts, MAX_DOUBTS)}"

    def _gap(self) -> str | None:
        """Return why records may be missing although the server says that this was all."""
        found = self.done + self.passed_over
        if self.total is not None and found < self.total:
            return f"received {found} of {self.total} records; the others are read again"
        if not found and self.known.had_records:
            return "no results, although there were some before"
        return None

    def _remark(self) -> str | None:
        if self.skipped:
            return f"unreadable records skipped: {self.skipped}"
        has_any = self.done or self.passed_over or self.known.had_records
        return None if has_any else "the query has no results"

    def _memory_after(self, doubts: int) -> Mapping[str, str]:
        """Return the memory of a complete pass; *doubts* stay until a pass is whole."""
        is_first = self.known.floor is None
        marks = [self.newest, None if is_first else self.known.mark]
        mark = max(filter(None, marks), default=self.window.since)
        had = {"had": "yes"} if self.done or self.known.had_records else {}
        return {
            "query": self.known.query,
            "mark": min(mark, self.now).isoformat(),
            "floor": min(self.window.floor, self.known.floor or self.window.floor).isoformat(),
            "doubts": self._doubts(doubts),
            **had,
        }


def official_interval_s(url: str, configured: timedelta, limits: Mapping[str, float]) -> float:
    """Return *configured* in seconds, raised to the minimum of an official host in *limits*."""
    return max(configured.total_seconds(), limits.get(_host(url), 0.0))


def under(url: str, path: str) -> str:
    """Return *url* with *path* added to its path; a query stays behind it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower().rstrip(".")


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
