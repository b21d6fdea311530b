"""
Conformance of web APIs: a simulated service per kind, on loopback, with a simulated clock.

A kind joins with one `Kind` in a module of `tests.servers`: its options, and how its service
answers a request from a list of `Work`. `test_conformance` lists the kinds and has the tests.
Begin at `Kind` and `Service`.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from digestbot.errors import DigestbotError
from digestbot.model import FetchedPaper
from digestbot.net import Client
from digestbot.sources import Options, Page
from digestbot.sources.parser_pool import in_thread
from digestbot.sources.web_api import ReadPage
from tests.servers.web import Reply, Request, WebServer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One paper of a simulated service."""

    number: int
    day: datetime
    """Midnight UTC of the day by which the service is searched."""
    title: str
    abstract: str = "We study the matter. The bound is tight."
    authors: tuple[tuple[str, str], ...] = (("Ada", "Xu"), ("Bo", "Li"))
    """Given and family names."""

    @property
    def doi(self) -> str:
        """``10.5555/work.7``."""
        return f"10.5555/work.{self.number}"


def make_works(count: int, *, days: int = 5, first: int = 1, until: datetime = NOW) -> list[Work]:
    """Return *count* works, oldest first, on the last *days* days until *until*."""
    midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        Work(
            number=first + index,
            day=midnight - (days - 1 - index * days // count) * DAY,
            title=f"Serverless Study {first + index}",
        )
        for index in range(count)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of source and its simulated service."""

    options: Callable[..., Options]
    """Called with ``url`` and further keys of the config."""
    answer: Callable[[Request, Sequence[Work]], Reply]
    """What the service answers from its works."""
    read: ReadPage
    """The parser of its pages."""
    error: Reply
    """The service's own error with status 200, or another body that is none of its pages."""
    required: Mapping[str, Any] = field(default_factory=dict)
    """Options that every config needs."""
    id_of: Callable[[Work], str] = lambda work: f"doi:{work.doi}"
    is_json: bool = True
    has_abstracts: bool = True
    empty: bytes | None = None
    """What other kinds refuse, and this one reads as a list without papers."""
    first: Mapping[str, Any] = field(
        default_factory=lambda: {"overlap": 30 * DAY, "backfill": 7 * DAY}
    )
    """Options of a first pass that reads further back than it reports."""
    old: timedelta = 20 * DAY
    """Age of a paper that such a pass reads and takes as backlog."""

    def make(self, url: str, **keys: Any) -> Options:
        """Return options for the service at *url*, without pauses unless *keys* say otherwise."""
        return self.options(**{"url": url, "interval": timedelta(0), **self.required, **keys})


def page_of(works: Sequence[Work], start: int, size: int) -> Sequence[Work]:
    """Return one page of *works*."""
    return works[start : start + size]


def between(works: Sequence[Work], first: str, last: str = "9999") -> list[Work]:
    """Return the works from the ISO date *first* to *last*, newest first."""
    found = [work for work in works if first <= work.day.date().isoformat() <= last]
    return sorted(found, key=lambda work: (work.day, work.number), reverse=True)


# Running


@dataclass(slots=True, kw_only=True)
class Clock:
    """Simulated time; it moves when someone sleeps."""

    now: datetime = NOW
    slept_s: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, wait_s: float) -> None:
        self.slept_s.append(wait_s)
        self.now += timedelta(seconds=wait_s)


@dataclass(slots=True, kw_only=True)
class SimulatedPacer:
    """Pacer on the simulated clock, as strict as the store's."""

    clock: Clock
    free_at: defaultdict[str, datetime] = field(default_factory=lambda: defaultdict(lambda: NOW))

    async def take(self, group: str, interval_s: float, hold_s: float) -> None:
        wait_s = (self.free_at[group] - self.clock.now).total_seconds()
        if wait_s > 0:
            await self.clock.sleep(wait_s)
        self.free_at[group] = self.clock.now + timedelta(seconds=max(interval_s, hold_s))

    async def release(self, group: str, interval_s: float) -> None:
        self.free_at[group] = self.clock.now + timedelta(seconds=interval_s)


@dataclass(slots=True, kw_only=True)
class Service:
    """The simulated service of *kind*, for ``with``; it counts requests and can be made to fail."""

    kind: Kind
    works: list[Work]
    clock: Clock = field(default_factory=Clock)
    faults: dict[int, Reply | Callable[[Reply], Reply]] = field(default_factory=dict)
    """Number of the request, from 1 → the reply instead, or a change of the true one."""
    always: Reply | Callable[[Reply], Reply] | None = None
    """The reply to every request, or a change of the true one."""
    asked_at: list[datetime] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    """Set by the first request."""
    web: WebServer = field(init=False)

    def __post_init__(self) -> None:
        self.web = WebServer(self._answer)

    def __enter__(self) -> "Service":
        self.web.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.web.__exit__(*error)

    def _answer(self, request: Request) -> Reply:
        self.asked_at.append(self.clock.now)
        self.asked.set()
        fault = self.faults.get(len(self.asked_at), self.always)
        if isinstance(fault, Reply):
            return fault
        reply = self.kind.answer(request, self.works)
        return fault(reply) if fault else reply

    def options(self, **keys: Any) -> Options:
        """Return options for this service."""
        return self.kind.make(self.web.url, **keys)

    def run(self, memory: Mapping[str, str] | None = None, **keys: Any) -> "Pass":
        """Make one pass; ``pages=2`` kills it after two pages."""
        return asyncio.run(self.go(memory or {}, **keys))

    async def go(
        self, memory: Mapping[str, str], *, pages: int | None = None, **keys: Any
    ) -> "Pass":
        """Make one pass; see `run`."""
        found: list[Page] = []
        error: DigestbotError | None = None
        client = Client(
            user_agent="test",
            clock=self.clock,
            sleep=self.clock.sleep,
            jitter=lambda: 0.5,
            pacer=SimulatedPacer(clock=self.clock),
        )
        options = self.options(**keys)
        async with client:
            try:
                async for page in options.fetch(
                    "source", client, dict(memory), self.clock.now, parse=in_thread
                ):
                    found.append(page)
                    if len(found) == pages:
                        break
            except DigestbotError as raised:
                error = raised
        return Pass(pages=tuple(found), error=error, before=dict(memory))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Outcome of a pass."""

    pages: tuple[Page, ...]
    error: DigestbotError | None
    before: Mapping[str, str]

    @property
    def papers(self) -> list[FetchedPaper]:
        """All papers, in order."""
        return [paper for page in self.pages for paper in page.papers]

    @property
    def ids(self) -> set[str]:
        """Their ids."""
        return {paper.id for paper in self.papers}

    @property
    def memory(self) -> Mapping[str, str]:
        """What is stored after the pass."""
        return self.pages[-1].memory if self.pages else self.before

    @property
    def is_complete(self) -> bool:
        """True if the last page says so."""
        return self.error is None and bool(self.pages) and self.pages[-1].complete


# Damage


def damaged(value: Any) -> Iterator[Any]:
    """Yield copies of the JSON *value*, each with one member of another type, or without it."""
    for wrong in (None, True, -1, "x", [], {}, [None], {"a": 1}, "9" * 400):
        yield from _replaced(value, wrong)


def _replaced(value: Any, wrong: Any) -> Iterator[Any]:
    yield wrong
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {name: each for name, each in value.items() if name != key}
            yield from ({**value, key: each} for each in _replaced(inner, wrong))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:1]):
            rest = value[index + 1 :]
            yield from ([each, *rest] for each in _replaced(inner, wrong))


def hostile(work: Work) -> Work:
    """Return *work* with texts that attack terminals, mails and parsers."""
    return replace(
        work,
        title=f"<script>alert(1)</script><i>E. coli</i> & a<b \x1b[31m {work.number}\x00 <!here>",
        abstract="<p>One</p><p>x &amp;lt; y</p>" + "<sub>" * 200 + "\x07",
        authors=(("A\x00da\n", "<b>Xu</b>"), ("", ""), ("N" * 5000, "M" * 5000)),
    )
