"""The service on the simulated clock: months of ticks in seconds, editions into a folder."""

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from digestbot.batches import arxiv_sources, batches_of
from digestbot.config import Config, load_config
from digestbot.model import BatchState
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
    """Statement of the bot that two channels confirm the whole batch of a day."""

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
    """Each batch that the bot called verified, once."""

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
                self._note_claims(config, self.clock())
            if self.store.outbox.count_due("folder", now):
                await service.deliver()
            self.clock.advance_to(now + (20 if now.hour in MORNING else 60) * MINUTE)

    def _has_work(self, config: Config, now: datetime) -> bool:
        """Return True unless a tick would find nothing due; most ticks do, and cost 10 ms."""
        states = self.store.digests.states()
        is_due = any(state.next_due_at and state.next_due_at <= now for state in states)
        return not states or is_due or bool(sources_of_tick(self.store, config, now))

    def _note_claims(self, config: Config, now: datetime) -> None:
        claimed = {claim.day for claim in self.claims}
        verified = verified_days(self.store, config, now.date() - RECENT, now)
        for each in sorted(verified - claimed):
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


def verified_days(store: Store, config: Config, since: date, now: datetime) -> frozenset[date]:
    """Return the days of which digestbot says that it has every paper, by two channels."""
    is_verified: dict[date, bool] = {}
    for batch in batches_of(store, arxiv_sources(config), since, now):
        is_whole = batch.state is BatchState.ANNOUNCED and len(batch.verified_by) > 1
        is_verified[batch.day] = is_whole and is_verified.get(batch.day, True)
    return frozenset(day for day, is_whole in is_verified.items() if is_whole)


def shortest_gap_s(requests: Sequence[Asked]) -> float:
    """Return the shortest time between two requests, over all channels."""
    times = [request.at for request in requests]
    return min((after - before).total_seconds() for before, after in pairwise(times))
