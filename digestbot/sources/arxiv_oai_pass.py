"""
One pass over arXiv's OAI-PMH service: every record of some sets that changed since a day.

Reads the sets one after the other, page by page, and yields each page once accepted. The day from
which the next pass reads moves only when all sets are complete; until then the memory holds where
to continue. Begin at `OaiPass.pages`; `decide` accepts an answer, and `arxiv_oai_news` tells news
from edits.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import count, pairwise

from digestbot import taxonomy
from digestbot.arxiv_calendar import Calendar, oai_at
from digestbot.errors import BadAnswer, SourceRefused
from digestbot.model import BatchOutcome, Channel, ChannelCheck, FetchedPaper
from digestbot.net import Client, NetError, Response, is_arxiv, shown_url
from digestbot.sources.arxiv_oai import OaiAnswer, OaiRecord, parse
from digestbot.sources.arxiv_oai_news import DAY, LOOK_BACK, AnnouncedIds, NewsRule, Order
from digestbot.sources.arxiv_retry import (
    Attempt,
    GiveUp,
    Retry,
    after_failure,
    check_is_xml,
    retry_or_give_up,
)
from digestbot.sources.memory import fingerprint
from digestbot.sources.protocols import Page
from digestbot.sources.retry import MESSAGE_MAX, REFUSED_PAUSE, late

log = logging.getLogger(__name__)

URL = "https://oaipmh.arxiv.org/oai"
MAX_BYTES = 64 * 1024 * 1024
"""Size limit of a page; one of 3,500 records has about 9 MB."""
MAX_RESTARTS = 5
"""Lists begun again in one pass, because their tokens expired."""
BUSY_WAIT_S = 30.0
"""Shortest wait after a 503 of arXiv, whose Retry-After may be 0."""
STALE = timedelta(hours=2)
"""Age of an answer that a cache served too long; arXiv's own keeps lists for an hour."""
MANY_CATEGORIES = 4
"""Maximum categories of one archive that are requested one by one."""
LOADING = timedelta(hours=1)
"""Time for the service to load an announcement."""
LOGGED_WAIT_S = 5.0
"""Waits from here on are logged as warnings, since someone may be watching the terminal."""


# Sets


def sets_of(categories: Iterable[str]) -> tuple[str, ...]:
    """
    Return the sets that have all papers of *categories*, such as ``cs:cs:DC``.

    Both codes of an alias are requested. Many categories of one archive become its set. Archives
    without new papers since the 1990s have no sets.
    """
    by_archive: dict[str, set[str]] = {}
    for code in wanted_codes(categories):
        archive, _, name = code.partition(".")
        known = taxonomy.category(code)
        if known is not None and not known.subsumed:
            group = "physics" if known.group == "Physics" else archive
            by_archive.setdefault(f"{group}:{archive}", set()).add(name)
    return tuple(
        sorted(s for archive, names in by_archive.items() for s in _sets_in(archive, names))
    )


def _sets_in(archive: str, names: set[str]) -> list[str]:
    if "" in names or len(names) > MANY_CATEGORIES:
        return [archive]
    return [f"{archive}:{name}" for name in names]


def wanted_codes(categories: Iterable[str]) -> frozenset[str]:
    """Return the codes that papers of *categories* may have."""
    return frozenset[str]().union(*map(taxonomy.expand, categories))


# Answers


@dataclass(frozen=True, slots=True, kw_only=True)
class OaiRequest:
    """Request for one page of a list."""

    name: str
    """The source, for messages."""
    url: str
    """As it may be shown."""
    token: str | None = None
    """None for the first page."""
    is_arxiv: bool = True
    interval_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """The answer is plausible."""

    answer: OaiAnswer
    stale: str | None = None
    """Why it may lack the newest records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Request the list again, from its last known day: the token has expired."""

    reason: str


def decide(
    received: Response | NetError,
    request: OaiRequest,
    *,
    attempts: int,
    now: datetime,
    jitter: float,
) -> Accept | Restart | Retry | GiveUp:
    """Decide what to do with the outcome of a request; see `arxiv_retry.decide`."""
    attempt = Attempt(request=request, number=attempts, now=now, jitter=jitter)
    if isinstance(received, NetError):
        return after_failure(received, attempt)
    if received.status != 200:
        return _with_rest(after_failure(received, attempt), received, request)
    try:
        check_is_xml(received)
        answer = parse(received.body)
    except BadAnswer as error:
        return retry_or_give_up(f"{request.url}: {error}", attempt)
    if answer.error is not None:
        return _after_error(answer, answer.error, request, attempt)
    if request.token is not None and answer.token == request.token:
        return Restart(reason="the resumption token does not advance")
    if not answer.count:
        return retry_or_give_up(f"{request.url}: a list without records", attempt)
    return Accept(answer=answer, stale=_stale(answer, now))


def _with_rest(decision: Retry | GiveUp, response: Response, request: OaiRequest) -> Retry | GiveUp:
    if isinstance(decision, GiveUp) or response.status != 503 or not request.is_arxiv:
        return decision
    return replace(decision, wait_s=max(decision.wait_s, BUSY_WAIT_S))


def _after_error(
    answer: OaiAnswer, error: tuple[str, str], request: OaiRequest, attempt: Attempt
) -> Accept | Restart | GiveUp:
    code, message = error
    if code == "badResumptionToken" or (code == "noRecordsMatch" and request.token is not None):
        return Restart(reason=f"{code}: {message[:MESSAGE_MAX]}")
    if code == "noRecordsMatch":
        return Accept(answer=answer, stale=_stale(answer, attempt.now))
    cause = f'{request.name}: {request.url} answered {code[:40]}: "{message[:MESSAGE_MAX]}"'
    retry_at = attempt.now + REFUSED_PAUSE
    return GiveUp(error=SourceRefused(f"{cause}; check the URL", retry_at=retry_at))


def _stale(answer: OaiAnswer, now: datetime) -> str | None:
    made_at = answer.response_date
    if made_at is None or now - made_at <= STALE:
        return None
    return f"an answer of {made_at:%Y-%m-%d %H:%M} UTC, from a cache; newer records are missing"


# Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Place in a pass: the list of one set, from a day on."""

    set_number: int
    """From 0."""
    day: date
    """``from``: all records of the set before it have been stored."""
    token: str | None = None

    def after(self, answer: OaiAnswer) -> "Cursor":
        """Return the place of the next page of the same list."""
        stamps = [record.datestamp for record in answer.records]
        is_sorted = all(before <= after for before, after in pairwise([self.day, *stamps]))
        day = stamps[-1] if stamps and is_sorted else self.day
        return replace(self, day=day, token=answer.token)


@dataclass(frozen=True, slots=True, kw_only=True)
class OaiMemory:
    """Memory of earlier passes, under keys that begin with ``oai_``."""

    query: str
    """Fingerprint of URL and sets."""
    from_day: date | None = None
    """Day on which the last complete pass began; the next one overlaps by a day."""
    floor: date | None = None
    """Day since which these sets have been read continuously."""
    first_id: Order | None = None
    """Least id that may have been announced since the floor; see `NewsRule.first_id`."""
    begun: date | None = None
    """Day on which the interrupted pass began."""
    cursor: Cursor | None = None
    """Where to continue it."""
    since: date | None = None
    """Day from which papers of other sets were still to be reported."""

    @classmethod
    def read(cls, memory: Mapping[str, str], query: str) -> "OaiMemory":
        """Read *memory*; of another query, keep only how far it came."""
        from_day, floor = _day(memory.get("oai_from")), _day(memory.get("oai_floor"))
        if memory.get("oai_query") != query:
            return cls(query=query, since=from_day - DAY if from_day else floor)
        begun, cursor = _resumed(memory.get("oai_resume", ""))
        return cls(
            query=query,
            from_day=from_day,
            floor=floor,
            first_id=_order(memory.get("oai_first_id")),
            begun=begun,
            cursor=cursor,
        )

    def written(self) -> dict[str, str]:
        """Return the memory as entries."""
        cursor = self.cursor
        place = (self.begun, cursor.set_number, cursor.day, cursor.token or "") if cursor else ()
        first_id = "-".join(map(str, self.first_id)) if self.first_id else None
        entries = {
            "oai_query": self.query,
            "oai_from": self.from_day and f"{self.from_day}",
            "oai_floor": self.floor and f"{self.floor}",
            "oai_first_id": first_id,
            "oai_resume": " ".join(map(str, place)),
        }
        return {key: value for key, value in entries.items() if value}


def _resumed(text: str) -> tuple[date | None, Cursor | None]:
    """Parse ``begun set day token``: start and place of an interrupted pass."""
    parts = text.split(maxsplit=3)
    if len(parts) < 3 or not parts[1].isdigit():
        return None, None
    begun, day = _day(parts[0]), _day(parts[2])
    if begun is None or day is None:
        return None, None
    token = parts[3].strip() if len(parts) == 4 else None
    return begun, Cursor(set_number=int(parts[1]), day=day, token=token)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _order(text: str | None) -> Order | None:
    parts = (text or "").split("-")
    if len(parts) != 3 or not all(map(str.isdigit, parts)):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])


# The pass


@dataclass(slots=True, kw_only=True)
class OaiPass:
    """One pass over the sets of some categories; the later fields record its progress."""

    name: str
    categories: Sequence[str]
    client: Client
    memory: Mapping[str, str]
    """All of the source's memory; keys of other channels stay as they are."""
    now: datetime
    calendar: Calendar
    url: str = URL
    backfill: timedelta = timedelta(days=7)
    interval_s: float = 3.0
    max_pages: int = 500
    sets: tuple[str, ...] = ()
    known: OaiMemory = field(init=False)
    rule: NewsRule = field(init=False)
    ids: AnnouncedIds = field(default_factory=AnnouncedIds)
    gaps: list[str] = field(default_factory=list)
    skipped: int = 0
    restarts: int = 0
    done: int = 0
    days: set[date] = field(default_factory=set)
    """Days with news."""
    is_resumed: bool = False

    def __post_init__(self) -> None:
        self.sets = sets_of(self.categories)
        query = fingerprint(f"{self.url}\n{' '.join(self.sets)}")
        known = OaiMemory.read(self.memory, query)
        today = self.now.date()
        floor = known.floor or min((self.now - self.backfill).date(), known.since or today)
        self.is_resumed = known.cursor is not None and known.cursor.set_number < len(self.sets)
        begun = known.begun if self.is_resumed and known.begun else today
        self.known = replace(known, floor=floor, begun=begun)
        self.rule = NewsRule(
            wanted=wanted_codes(self.categories), floor=floor, calendar=self.calendar
        )

    async def pages(self) -> AsyncIterator[Page]:
        """Yield each page; the caller stores it before the next is requested."""
        resumed = self.known.cursor if self.is_resumed else None
        cursor = resumed or self._start_of(0)
        for number in count(1):
            accepted = await self._read(cursor)
            if isinstance(accepted, Restart):
                cursor = self._restarted(cursor, accepted)
                continue
            papers = self._papers(accepted.answer)
            following = self._following(cursor, accepted)
            if following is None:
                yield self._last_page(papers)
                return
            cursor = following
            self.known = replace(self.known, cursor=cursor)
            if number >= self.max_pages:
                note = f"stopped at max_pages: {number}; the next fetch continues from here"
                yield replace(self._page(papers), note=self._note(note))
                return
            yield self._page(papers)

    def _start_of(self, set_number: int) -> Cursor:
        known, floor = self.known.from_day, self.rule.floor
        return Cursor(set_number=set_number, day=known - DAY if known else floor - LOOK_BACK)

    async def _read(self, cursor: Cursor) -> Accept | Restart:
        """Request the page at *cursor*, repeatedly if `decide` says so."""
        request = self._request(cursor)
        for attempts in count(1):
            received = await self._send(cursor)
            decision = await asyncio.to_thread(
                decide,
                received,
                request,
                attempts=attempts,
                now=self.client.clock(),
                jitter=self.client.jitter(),
            )
            match decision:
                case Accept() | Restart():
                    return decision
                case GiveUp(error=error):
                    raise error
                case Retry(wait_s=wait_s, reason=reason):
                    facts = {"source": self.name, "error": reason, "wait_s": round(wait_s, 1)}
                    level = logging.WARNING if wait_s >= LOGGED_WAIT_S else logging.INFO
                    log.log(level, "request repeated", extra=facts)
                    await self.client.sleep(wait_s)
        raise AssertionError("decide gives up after MAX_ATTEMPTS")

    def _request(self, cursor: Cursor) -> OaiRequest:
        return OaiRequest(
            name=self.name,
            url=shown_url(self.url),
            token=cursor.token,
            is_arxiv=is_arxiv(self.url),
            interval_s=self.interval_s,
        )

    async def _send(self, cursor: Cursor) -> Response | NetError:
        try:
            return await self.client.get(
                self.url,
                params=self._params(cursor),
                interval_s=self.interval_s,
                max_bytes=MAX_BYTES,
                same_site=True,
            )
        except NetError as error:
            return error

    def _params(self, cursor: Cursor) -> dict[str, str]:
        """Return the arguments; a resumption token excludes all others (OAI-PMH 2.0, 3.5)."""
        if cursor.token is not None:
            return {"verb": "ListRecords", "resumptionToken": cursor.token}
        return {
            "verb": "ListRecords",
            "metadataPrefix": "arXivRaw",
            "set": self.sets[cursor.set_number],
            "from": cursor.day.isoformat(),
        }

    def _restarted(self, cursor: Cursor, restart: Restart) -> Cursor:
        """Return the start of the list from its last known day."""
        self.restarts += 1
        log.info("list requested again", extra={"source": self.name, "error": restart.reason})
        if self.restarts > MAX_RESTARTS:
            cause = f"{shown_url(self.url)} answered {restart.reason} ({self.restarts} times)"
            raise late(self.name, cause, self.client.clock())
        return replace(cursor, token=None)

    def _papers(self, answer: OaiAnswer) -> tuple[FetchedPaper, ...]:
        """Return the papers in the wanted categories, with their types and days."""
        records = [record for record in answer.records if record.version is not None]
        self.skipped += answer.skipped + len(answer.records) - len(records)
        first_id = self.rule.first_id(records, self.known.first_id)
        self.known = replace(self.known, first_id=first_id)
        for day, order in self.rule.sure(records):
            self.ids.add(day, order)
        papers = tuple(
            self.rule.apply(record, first_id=first_id, ids=self.ids)
            for record in records
            if self._is_wanted(record)
        )
        self.done += len(papers)
        self.days.update(paper.announced_on for paper in papers if paper.announced_on)
        return papers

    def _is_wanted(self, record: OaiRecord) -> bool:
        return not self.rule.wanted.isdisjoint(record.paper.categories)

    def _following(self, cursor: Cursor, accepted: Accept) -> Cursor | None:
        """Return the place of the next page; None after the last."""
        if accepted.stale is not None:
            self.gaps.append(accepted.stale)
        if accepted.answer.token is not None:
            return cursor.after(accepted.answer)
        number = cursor.set_number + 1
        return self._start_of(number) if number < len(self.sets) else None

    def _page(self, papers: tuple[FetchedPaper, ...]) -> Page:
        others = {key: text for key, text in self.memory.items() if not key.startswith("oai_")}
        memory = others | self.known.written()
        return Page(papers=papers, memory=memory, done=self.done, channel=Channel.OAI)

    def _last_page(self, papers: tuple[FetchedPaper, ...]) -> Page:
        """Return the last page; the next pass reads from today on, unless records are missing."""
        is_complete = not self.gaps
        checks = self._checks() if is_complete and not self.is_resumed else ()
        from_day = self.known.begun if is_complete else self.known.from_day
        self.known = replace(self.known, from_day=from_day, cursor=None)
        page = self._page(papers)
        return replace(page, complete=is_complete, note=self._note(), checks=checks)

    def _checks(self) -> tuple[ChannelCheck, ...]:
        """Return what the service had of each day that this pass read, from its first day on."""
        first = max(self._start_of(0).day, self.rule.floor)
        span = (first + DAY * n for n in range((self.now.date() - first).days + 1))
        return tuple(
            ChannelCheck(
                channel=Channel.OAI,
                announced_on=day,
                outcome=BatchOutcome.COMPLETE if day in self.days else BatchOutcome.EMPTY,
                at=self.now,
            )
            for day in span
            if self.calendar.has_announcement(day) and oai_at(day) + LOADING <= self.now
        )

    def _note(self, limit: str | None = None) -> str | None:
        notes = [*dict.fromkeys(self.gaps[:3]), *filter(None, [limit])]
        if self.skipped:
            notes.append(f"unreadable records skipped: {self.skipped}")
        return "; ".join(notes) or None
