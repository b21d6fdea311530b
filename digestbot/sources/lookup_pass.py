"""
One run of look-ups: ask each service in turn for what is still missing.

A request that one name spoils is split in halves. A service that fails is left alone for the rest
of the run: waiting would delay the edition. Begin at `LookupPass.look_up`.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digestbot.errors import BadAnswer
from digestbot.net import Client, NetError, Response, is_retryable, parse_retry_after, shown_url
from digestbot.sources.api_json import message_in
from digestbot.sources.enrichment import Answer, Filling
from digestbot.sources.lookups import Found, Lookup
from digestbot.sources.parser_pool import Parse, ParserStopped

MAX_REQUESTS = 60
"""Requests of one run to all services."""
MAX_STEPS = 4
"""Requests for one batch of names: PubMed needs two."""
MAX_SPLITS = 12
"""Requests that are split in one run: one bad name in 40 takes six."""
MAX_BYTES = 16 * 1024 * 1024
REFUSED_REST = timedelta(hours=6)
"""Rest of a service that refuses us."""
_BAD_NAME = frozenset({400, 404, 414, 422})
"""Statuses that one name in a request can cause."""


@dataclass(slots=True, kw_only=True)
class Query:
    """One paper to look up, and what the services said of it."""

    filling: Filling
    services: frozenset[str]
    """Services that may be asked."""
    is_answered: bool = False
    """True if a service has answered, whether it knows the paper or not."""
    is_late: bool = False
    """True if a service that may know the paper failed, or was not asked for lack of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a service is left alone."""

    error: str
    is_late: bool
    """True if it may answer soon; False if the operator has to change something."""
    rests_until: datetime | None = None


class _BadName(Exception):
    """The service refuses a request because of one of its names."""


@dataclass(slots=True, kw_only=True)
class LookupPass:
    """One run; the later fields record its progress."""

    lookups: Sequence[Lookup]
    client: Client
    parse: Parse
    limit_s: float
    """For one request, the wait for a free server included."""
    failures: dict[str, Failure] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    """Services with a readable answer."""
    requests: int = 0
    splits: int = 0

    async def look_up(self, queries: Sequence[Query]) -> None:
        """Ask the services about *queries*, which receive the answers."""
        for lookup in self.lookups:
            await self._ask(lookup, [each for each in queries if _may_know(lookup, each)])

    async def _ask(self, lookup: Lookup, queries: Sequence[Query]) -> None:
        names = [name for each in queries for name in each.filling.names]
        for batch in lookup.batches(names):
            asked = [each for each in queries if not set(batch).isdisjoint(each.filling.names)]
            for each in asked:
                each.is_late = True  # until the answer is here
            answers = await self._answers(lookup, batch)
            failure = self.failures.get(lookup.service)
            for each in asked:
                each.is_late = failure is not None and failure.is_late
                each.is_answered |= failure is None
                for answer in answers:
                    each.filling = each.filling.with_answer(lookup.service, answer)

    async def _answers(self, lookup: Lookup, batch: Sequence[str]) -> list[Answer]:
        """Return the answers for *batch*; a failure is recorded."""
        answers: list[Answer] = []
        queue = deque([tuple(batch)])
        while queue and lookup.service not in self.failures:
            names = queue.popleft()
            try:
                answers += await self._all_steps(lookup, names)
            except _BadName as error:
                self.splits += 1
                if self.splits > MAX_SPLITS:
                    self._fail(lookup, str(error), is_late=False)
                elif len(names) > 1:
                    middle = len(names) // 2
                    queue += [names[:middle], names[middle:]]
        return answers

    async def _all_steps(self, lookup: Lookup, names: Sequence[str]) -> list[Answer]:
        answers: list[Answer] = []
        cursor = ""
        for _ in range(MAX_STEPS):
            found = await self._step(lookup, names, cursor)
            answers += found.answers if found else ()
            if found is None or found.cursor is None:
                break
            cursor = found.cursor
        return answers

    async def _step(self, lookup: Lookup, names: Sequence[str], cursor: str) -> Found | None:
        """Make one request; return None if it failed."""
        if self.requests >= MAX_REQUESTS:
            self._fail(lookup, f"the limit of {MAX_REQUESTS} requests per run is reached")
            return None
        request = lookup.request(names, cursor)
        url = shown_url(request.url)
        self.requests += 1
        try:
            async with asyncio.timeout(self.limit_s):
                received = await self.client.get(
                    request.url,
                    params=request.params,
                    headers=request.headers,
                    interval_s=lookup.interval_s,
                    hold_s=self.limit_s if lookup.interval_s else 0.0,  # one connection at a time
                    max_bytes=MAX_BYTES,
                    total_s=self.limit_s,
                    same_site=True,
                )
            if received.status == 200:
                found = await self.parse(lookup.read, received.body, request.cursor or cursor)
                self.answered.add(lookup.service)
                return found
            self._fail_with_status(lookup, url, received)
        except TimeoutError:
            self._fail(lookup, f"{url}: no answer within {self.limit_s:g} s")
        except (NetError, BadAnswer, ParserStopped) as error:
            self._fail(lookup, f"{url}: {error}" if isinstance(error, BadAnswer) else str(error))
        return None

    def _fail_with_status(self, lookup: Lookup, url: str, received: Response) -> None:
        message = message_in(received.body)
        cause = f"{url} answered {received.status}" + (f': "{message}"' if message else "")
        if received.status in _BAD_NAME:
            raise _BadName(cause)
        is_late = is_retryable(received.status)
        now = self.client.clock()
        pause_s = parse_retry_after(received.headers.get("retry-after"), now) or 0.0
        rest = timedelta(seconds=pause_s) if is_late else REFUSED_REST
        self._fail(lookup, cause, is_late=is_late, rests_until=now + rest if rest else None)

    def _fail(
        self,
        lookup: Lookup,
        cause: str,
        *,
        is_late: bool = True,
        rests_until: datetime | None = None,
    ) -> None:
        error = f"{lookup.service}: {cause}"
        self.failures[lookup.service] = Failure(
            error=error, is_late=is_late, rests_until=rests_until
        )


def _may_know(lookup: Lookup, query: Query) -> bool:
    return bool(query.filling.missing) and lookup.service in query.services
