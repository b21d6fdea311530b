"""The service on the simulated clock: months of ticks in seconds, editions into a folder."""

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from digestbot.config import load_config
from digestbot.render import load_templates
from digestbot.scheduler import Service
from digestbot.store import Store
from tests.simulated_arxiv.server import Asked, SimulatedArxiv, SimulatedClock

MINUTE = timedelta(minutes=1)
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


@dataclass(kw_only=True)
class SimulatedBot:
    """``serve`` with the config in *folder*, on the clock of *arxiv*."""

    arxiv: SimulatedArxiv
    clock: SimulatedClock
    store: Store
    folder: Path
    seed: int = 1

    def run(self, until: datetime) -> None:
        """Tick until the clock is at *until*: every half hour in the morning, else less often."""
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
            await service.cycle()
            if self.store.outbox.count_due("folder", now):
                await service.deliver()
            self.clock.advance_to(now + (30 if now.hour in MORNING else 180) * MINUTE)

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


def shortest_gap_s(requests: Sequence[Asked]) -> float:
    """Return the shortest time between two requests, over all channels."""
    times = [request.at for request in requests]
    return min((after - before).total_seconds() for before, after in pairwise(times))
