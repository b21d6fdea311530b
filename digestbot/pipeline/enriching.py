"""
After the first stage: complete new papers of feeds before digests match them.

Only sources that were just fetched are looked up, so a run with nothing due makes no request. The
services are asked in turn for what is still missing; each group of papers is stored in one
transaction with the note of the look-up. A service that fails is left alone for the rest of the
run, and papers that were not answered stay queued. Nothing here announces a paper or fails a run.
Begin at `enrich`.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from digestbot.config import Config
from digestbot.errors import StoreError
from digestbot.net import Client, user_agent
from digestbot.pipeline.fetching import StorePacer, enriched_sources
from digestbot.sources.enrichment import Filling, gaps_of, next_try
from digestbot.sources.lookup_pass import Failure, LookupPass, Query
from digestbot.sources.lookups import lookups
from digestbot.sources.parser_pool import ParserPool
from digestbot.store import Completion, Incomplete, ServiceState, Store

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
MAX_PAPERS = 400
"""Papers that one run looks up; the rest follows in later runs."""
GROUP = 40
"""Papers stored together: as many as fit into one request."""
SERVICES = 3
"""A service that hangs costs this part of the deadline."""
RETRY_FAILED = timedelta(hours=1)
"""When papers are looked up again after a service failed."""


class EnrichProgress(Protocol):
    """Callback after each group of papers."""

    def __call__(self, *, done: int, total: int, completed: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Enriched:
    """Outcome of one run."""

    papers: int = 0
    """Papers that were due."""
    completed: int = 0
    """Of these, papers that gained a field."""
    waiting: int = 0
    """Of these, papers that were not looked up: the deadline came, or a service failed."""
    errors: tuple[str, ...] = ()
    """One line per failed service; the papers of the run are announced all the same."""


def _no_progress(*, done: int, total: int, completed: int) -> None:
    """Ignore progress."""


async def enrich(
    store: Store,
    config: Config,
    names: Collection[str],
    *,
    clock: Clock,
    progress: EnrichProgress = _no_progress,
) -> Enriched:
    """
    Look up the queued papers of the sources *names*, within the deadline of the config.

    Papers of sources without enrichment stay queued and cause no request.
    """
    allowed = enriched_sources(config, names)
    if not allowed:
        return Enriched()
    find = store.papers.incomplete
    due = await asyncio.to_thread(find, tuple(allowed), clock(), limit=MAX_PAPERS)
    if not due:
        return Enriched()
    run = _Run(store=store, config=config, allowed=allowed, clock=clock, progress=progress, due=due)
    try:
        done = await run.run()
    except StoreError:
        raise
    except Exception as error:
        log.exception("enrichment failed unexpectedly")
        text = f"{type(error).__name__}: {error}"
        return Enriched(papers=len(due), waiting=len(due), errors=(text,))
    facts = {"due": done.papers, "completed": done.completed, "waiting": done.waiting}
    log.info("papers completed", extra=facts)
    for line in done.errors:
        log.warning("enrichment service failed", extra={"error": line})
    return done


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run; the later fields record its progress."""

    store: Store
    config: Config
    allowed: Mapping[str, frozenset[str]]
    clock: Clock
    progress: EnrichProgress
    due: Sequence[Incomplete]
    deadline: float = 0.0
    """On the clock of the event loop."""
    is_over: bool = False
    completed: int = 0
    looked_up: int = 0
    resting: dict[str, Failure] = field(default_factory=dict)

    async def run(self) -> Enriched:
        limit_s = self.config.enrichment.deadline.total_seconds()
        self.deadline = asyncio.get_running_loop().time() + limit_s
        self.resting = await self._resting()
        pacer = StorePacer(self.store, self.clock)
        client = Client(user_agent=user_agent(self.config.contact), pacer=pacer, clock=self.clock)
        async with client, ParserPool(workers=1) as pool:
            services = LookupPass(
                lookups=lookups(self.config.enrichment, self.config.contact),
                client=client,
                parse=pool,
                limit_s=limit_s / SERVICES,
                failures=dict(self.resting),
            )
            for start in range(0, len(self.due), GROUP):
                await self._complete(services, self.due[start : start + GROUP])
                done = min(start + GROUP, len(self.due))
                self.progress(done=done, total=len(self.due), completed=self.completed)
        await self._record(services)
        return Enriched(
            papers=len(self.due),
            completed=self.completed,
            waiting=len(self.due) - self.looked_up,
            errors=tuple(failure.error for failure in services.failures.values()),
        )

    async def _resting(self) -> dict[str, Failure]:
        """Return the services that wanted rest in an earlier run."""
        states = await asyncio.to_thread(self.store.enrichments.services)
        return {
            state.name: Failure(
                error=f"{state.last_error}; it rests until {state.rests_until:%H:%M} UTC",
                is_late=False,
                rests_until=state.rests_until,
            )
            for state in states
            if state.rests_until is not None and state.rests_until > self.clock()
        }

    async def _complete(self, services: LookupPass, due: Sequence[Incomplete]) -> None:
        """Look up some papers and store what was found in one transaction."""
        gaps = [(each, gaps_of(each.paper)) for each in due]
        queries = [
            (each, Query(filling=Filling(gaps=gap), services=self.allowed[each.source]))
            for each, gap in gaps
            if gap is not None
        ]
        await self._look_up(services, [query for _, query in queries])
        completions = [_done(each) for each, gap in gaps if gap is None]
        completions += [
            completion for each, query in queries if (completion := self._completion(each, query))
        ]
        self.looked_up += sum(each.is_answered for each in completions)
        if completions:
            complete = self.store.papers.complete
            self.completed += await asyncio.to_thread(complete, completions, self.clock())

    async def _look_up(self, services: LookupPass, queries: Sequence[Query]) -> None:
        if self.is_over:
            return
        try:
            async with asyncio.timeout_at(self.deadline):
                await services.look_up(queries)
        except TimeoutError:
            self.is_over = True

    def _completion(self, due: Incomplete, query: Query) -> Completion | None:
        """Return what to store for a paper; None to leave it due."""
        filling, now = query.filling, self.clock()
        retry_for = self.config.enrichment.retry_for
        is_answered = query.is_answered and not query.is_late and not self.is_over
        next_at: datetime | None = None
        if filling.missing and is_answered:
            next_at = next_try(due.tries + 1, due.queued_at, now, retry_for)
        elif filling.missing and now <= due.queued_at + retry_for:
            if not query.is_late and not query.is_answered:
                return None
            next_at = now if self.is_over else now + RETRY_FAILED
        return Completion(
            paper_id=due.paper.id,
            version=due.paper.version,
            found=filling.found,
            origins=filling.origins,
            next_at=next_at,
            is_answered=is_answered or not filling.missing,
        )

    async def _record(self, services: LookupPass) -> None:
        """Store the state of the services that were asked."""
        outcomes: dict[str, Failure | None] = dict.fromkeys(services.answered)
        outcomes |= services.failures
        asked = {name: outcomes[name] for name in outcomes if name not in self.resting}
        if asked:
            states = [
                ServiceState(
                    name=name,
                    last_ok_at=None if failure else self.clock(),
                    failed_at=self.clock() if failure else None,
                    last_error=failure.error if failure else None,
                    rests_until=failure.rests_until if failure else None,
                )
                for name, failure in asked.items()
            ]
            await asyncio.to_thread(self.store.enrichments.record_services, states)


def _done(due: Incomplete) -> Completion:
    """Return the completion of a paper that lacks nothing by now."""
    paper = due.paper
    return Completion(paper_id=paper.id, version=paper.version, next_at=None, is_answered=True)
