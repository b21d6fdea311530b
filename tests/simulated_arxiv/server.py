"""
The three channels on loopback, one HTTP server each, in simulated time.

``with SimulatedArxiv(world, clock) as arxiv:`` gives the addresses and records every request.
"""

import gzip
import threading
from collections.abc import Awaitable, Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

from digestbot.model import Channel
from tests.servers.arxiv import FakePaper, Fault, answer
from tests.servers.web import Reply, Request, WebServer
from tests.simulated_arxiv import feeds, oai
from tests.simulated_arxiv.faults import ResponseFault
from tests.simulated_arxiv.model import State, World

LATENCY_S = 0.7
"""Simulated time of an ordinary response."""
TIMEOUT_S = 183.0
"""Simulated time until a 503."""
CACHED = timedelta(hours=1)
"""How long the edge caches a list that reaches to now."""
CACHED_LONG = timedelta(hours=12)
Sleep = Callable[[float], Awaitable[None]]


class SimulatedClock:
    """Clock that only `advance` moves; any thread may read it."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        with self._lock:
            self._now += timedelta(seconds=seconds)

    def advance_to(self, moment: datetime) -> None:
        """Move the clock to *moment* unless it is later already."""
        with self._lock:
            self._now = max(self._now, moment)

    async def sleep(self, seconds: float) -> None:
        """Wait: the time passes at once."""
        self.advance(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Request that arrived, and when."""

    at: datetime
    channel: Channel
    path: str
    query: tuple[tuple[str, str], ...]
    status: int
    """Status of the response; 0 for a reset."""


class SimulatedArxiv:
    """
    Server for ``with``.

    Args:
        world: The papers.
        clock: Read at each request, and advanced by the time that a response takes.
        down: Channels that answer nothing but 503.
    """

    def __init__(
        self, world: World, clock: SimulatedClock, *, down: Collection[Channel] = ()
    ) -> None:
        self.world = world
        self.requests: list[Asked] = []
        """All requests, in order of arrival."""
        self._clock = clock
        self._down = frozenset(down)
        self._left = {failure: failure.count for failure in world.faults.responses}
        self._lists: dict[str, tuple[datetime, Reply]] = {}
        """OAI-PMH lists cached by the edge: since when, and the response."""
        self._lock = threading.Lock()
        self._channels = {channel: WebServer(partial(self._serve, channel)) for channel in Channel}
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """The query API."""
        return f"{self._channels[Channel.API].url}/api/query"

    @property
    def rss_url(self) -> str:
        """The daily feeds, without the path."""
        return self._channels[Channel.RSS].url

    @property
    def oai_url(self) -> str:
        """The base URL of OAI-PMH."""
        return f"{self._channels[Channel.OAI].url}/oai"

    def __enter__(self) -> Self:
        for server in self._channels.values():
            self._stack.enter_context(server)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _serve(self, channel: Channel, request: Request) -> Reply:
        with self._lock:
            now = self._clock()
            failure = self._next_failure(channel, request, now)
            reply = self._reply(channel, request, now, failure)
            self.requests.append(
                Asked(
                    at=now,
                    channel=channel,
                    path=request.path,
                    query=tuple(request.query.items()),
                    status=0 if reply.reset else reply.status,
                )
            )
            self._clock.advance(TIMEOUT_S if reply.status == 503 else LATENCY_S)
            return reply

    def _next_failure(
        self, channel: Channel, request: Request, now: datetime
    ) -> ResponseFault | None:
        if channel in self._down:
            return ResponseFault.S503
        for failure, left in self._left.items():
            is_due = failure.channel is channel and failure.day == now.date() and left > 0
            if is_due and (failure.fault is not _BAD_TOKEN or "resumptionToken" in request.query):
                self._left[failure] -= 1
                return failure.fault
        return None

    def _reply(
        self, channel: Channel, request: Request, now: datetime, fault: ResponseFault | None
    ) -> Reply:
        if fault in _STATUSES:
            return _STATUSES[fault]
        match channel:
            case Channel.API:
                papers = [_listed(state) for state in self.world.states(channel, now)]
                return answer(papers, request, _OF_API[fault] if fault else None)
            case Channel.RSS:
                return _with_fault(self._feed(request, now, fault), fault)
            case Channel.OAI:
                return _with_fault(self._oai(request, now, fault), fault)

    def _feed(self, request: Request, now: datetime, fault: ResponseFault | None) -> Reply:
        _, form, spec, *_ = [*request.path.split("/"), "", ""]
        if form not in ("rss", "atom"):
            return Reply(status=404, body=b"Not found")
        url = f"http://rss.arxiv.org{request.path}"
        try:
            found = feeds.entries(self.world, spec, now)
        except feeds.BadSpecError:
            return _xml(feeds.error(spec, now, url=url), request, status=400)
        if fault in (ResponseFault.EMPTY, ResponseFault.EMPTY_INSIDE):
            found = []
        write = feeds.rss if form == "rss" else feeds.atom
        return _xml(write(spec, found, now, url=url), request)

    def _oai(self, request: Request, now: datetime, fault: ResponseFault | None) -> Reply:
        if request.path != "/oai":
            return Reply(status=404, body=b"Not found")
        query = request.query
        if fault is _BAD_TOKEN:
            body = oai.error_element("badResumptionToken", "the token is invalid")
            return _xml(oai.envelope(body, query, now, url=_OAI), request)
        if fault is ResponseFault.EMPTY:
            body = oai.error_element("noRecordsMatch", "no records match")
            return _xml(oai.envelope(body, query, now, url=_OAI), request)
        lasts = CACHED_LONG if fault is ResponseFault.CACHED else CACHED
        key = str(sorted(query.items()))
        if key in self._lists and "resumptionToken" not in query:
            since, reply = self._lists[key]
            if now - since < lasts:
                return reply
        states = self.world.states(Channel.OAI, now)
        reply = _xml(oai.respond(states, query, now, url=_OAI), request)
        self._lists[key] = (now, reply)
        return reply


_BAD_TOKEN = ResponseFault.BAD_TOKEN
_OAI = "http://oaipmh.arxiv.org/oai"


def _listed(state: State) -> FakePaper:
    """Return *state* as the query API lists it."""
    paper = state.paper
    return FakePaper(
        id=paper.id,
        version=state.version,
        title=paper.title,
        abstract=paper.abstract,
        authors=paper.authors,
        categories=state.categories,
        published=paper.submitted[0],
        updated=paper.submitted[state.version - 1],
        comment=state.comment,
        journal_ref=state.journal_ref,
    )


_STATUSES = {
    ResponseFault.HTML: Reply(
        headers={"Content-Type": "text/html; charset=utf-8"},
        body=b"<!DOCTYPE html><html><head><title>arXiv</title></head><body>Hi</body></html>",
    ),
    ResponseFault.S406: Reply(status=406, body=b"Not Acceptable"),
    ResponseFault.S429: Reply(status=429, body=b"Rate exceeded."),
    ResponseFault.S429_ODD: Reply(
        status=429, headers={"Retry-After": "a while"}, body=b"Rate exceeded."
    ),
    ResponseFault.S503: Reply(status=503, headers={"Retry-After": "0"}, body=b"first byte timeout"),
    ResponseFault.RESET: Reply(reset=True),
}
_OF_API = {
    ResponseFault.EMPTY: Fault.EMPTY,
    ResponseFault.EMPTY_INSIDE: Fault.EMPTY_INSIDE,
    ResponseFault.SHORT: Fault.SHORT,
    ResponseFault.RESET_INSIDE: Fault.RESET_INSIDE,
}


def _with_fault(reply: Reply, fault: ResponseFault | None) -> Reply:
    if fault is ResponseFault.RESET_INSIDE:
        return replace(reply, reset=True, body=reply.body[:-1])
    return reply


def _xml(text: str, request: Request, *, status: int = 200) -> Reply:
    headers = {"Content-Type": "text/xml; charset=utf-8"}
    body = text.encode()
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=1, mtime=0)
    return Reply(status=status, headers=headers, body=body)
