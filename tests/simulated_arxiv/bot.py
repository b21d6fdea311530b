"""The service on the simulated clock: months of ticks in seconds, editions into a folder."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from digestbot.config import Config, load_config
from digestbot.model import AnnounceType, BatchOutcome, Channel
from digestbot.pipeline.due_sources import sources_of_tick
from digestbot.render import load_templates
from digestbot.scheduler import Service
from digestbot.store import Store
from tests.simulated_arxiv.server import Asked, SimulatedArxiv, SimulatedClock

MINUTE = timedelta(minutes=1)
RECENT = timedelta(days=4)
"""Age of a batch that is still repaired."""
MORNING = range(3, 9)
"""Hours, UTC, with frequent ticks: the channels get the new batch, and digests are due."""


@contextmanager
def arxiv_on_loopback() -> Iterator[None]:
    """Treat loopback as arXiv: one pace for its servers, at arXiv's minimum, and its waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("digestbot.net.urls.ARXIV", "127.0.0.1")
        # Each pass opens a client, whose certificates take 60 ms to load; none is needed here.
        patch.setattr("httpx.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Paper in a delivered edition."""

    id: str
    version: int
    type: str
    edition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Statement of the bot that it has the whole batch of a day."""

    day: date
    at: datetime
    ids: frozenset[str]
    """All papers that it has by then."""


@dataclass(kw_only=True)
class SimulatedBot:
    """``serve`` with the config in *folder*, on the clock of *arxiv*."""

    arxiv: SimulatedArxiv
    clock: SimulatedClock
    store: Store
    folder: Path
    seed: int = 1
    claims: list[Claim] = field(default_factory=list)
    """Each batch that the bot called complete, once."""

    def run(self, until: datetime) -> None:
        """Tick until the clock is at *until*: every 20 minutes in the morning, else every hour."""
        with arxiv_on_loopback():
            before = random.getstate()
            random.seed(self.seed)  # the client's jitter
            try:
                asyncio.run(self._run(until))
            finally:
                random.setstate(before)

    async def _run(self, until: datetime) -> None:
        config, templates = load_config(self.folder / "config.yaml", {}), load_templates(None)
        service = Service(
            self.store,
            lambda: (config, templates),
            clock=self.clock,
            random=random.Random(self.seed),
            sleep=self.clock.sleep,
        )
        while (now := self.clock()) < until:
            if self._has_work(config, now):
                await service.cycle()
                self._note_claims(self.clock())
            if self.store.outbox.count_due("folder", now):
                await service.deliver()
            self.clock.advance_to(now + (20 if now.hour in MORNING else 60) * MINUTE)

    def _has_work(self, config: Config, now: datetime) -> bool:
        """Return True unless a tick would find nothing due; most ticks do, and cost 10 ms."""
        states = self.store.digests.states()
        is_due = any(state.next_due_at and state.next_due_at <= now for state in states)
        return not states or is_due or bool(sources_of_tick(self.store, config, now))

    def _note_claims(self, now: datetime) -> None:
        day = now.date()
        claimed = {claim.day for claim in self.claims}
        for each in complete_days(self.store, day - RECENT) - claimed:
            rows = self.store.batches.papers(now - timedelta(days=400))
            ids = frozenset(row.paper_id.removeprefix("arxiv:") for row in rows)
            self.claims.append(Claim(day=each, at=now, ids=ids))

    def editions(self, out: str = "out") -> list[dict[str, Any]]:
        """Return the delivered editions of one folder, oldest first."""
        paths = sorted((self.folder / out).glob("*.json"))
        return [json.loads(path.read_text()) for path in paths]

    def delivered(self, out: str = "out") -> list[Delivered]:
        """List the papers of the delivered editions, in order."""
        return [
            Delivered(
                id=paper["id"].removeprefix("arxiv:"),
                version=paper["version"],
                type=paper["type"],
                edition=edition["edition"],
            )
            for edition in self.editions(out)
            for paper in edition["papers"]
        ]


def complete_days(store: Store, since: date) -> frozenset[date]:
    """
    Return the days that the bot calls complete: two channels served the same papers.

    The channels' own outcomes are not enough, since one that lacks a paper cannot know it.
    """
    served: defaultdict[date, set[Channel]] = defaultdict(set)
    for _, check in store.batches.checks(since):
        if check.outcome in (BatchOutcome.COMPLETE, BatchOutcome.EMPTY):
            served[check.announced_on].add(check.channel)
    for row in store.batches.papers(datetime(since.year, since.month, since.day, tzinfo=UTC)):
        day = row.announced_on
        if day is not None and row.type in (AnnounceType.NEW, AnnounceType.CROSS):
            served[day] &= row.channels
    return frozenset(day for day, channels in served.items() if len(channels) > 1)


def shortest_gap_s(requests: Sequence[Asked]) -> float:
    """Return the shortest time between two requests, over all channels."""
    times = [request.at for request in requests]
    return min((after - before).total_seconds() for before, after in pairwise(times))
