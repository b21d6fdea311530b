"""Run passes over a source with a client that records its waits instead of sleeping."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from digestbot.errors import SourceError
from digestbot.model import FetchedPaper
from digestbot.net import Client
from digestbot.sources import Options, Page
from digestbot.sources.parser_pool import in_thread

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Outcome of one pass over a source."""

    pages: tuple[Page, ...]
    waits_s: tuple[float, ...]
    error: SourceError | None

    @property
    def papers(self) -> list[FetchedPaper]:
        """All papers, in order."""
        return [paper for page in self.pages for paper in page.papers]

    @property
    def names(self) -> list[str]:
        """Their ids with versions."""
        return [f"{paper.id}v{paper.version}" for paper in self.papers]

    @property
    def memory(self) -> Mapping[str, str]:
        """Memory of the last page."""
        return self.pages[-1].memory


@dataclass(frozen=True, kw_only=True)
class _Sleeper:
    waits_s: list[float] = field(default_factory=list)

    async def sleep(self, wait_s: float) -> None:
        self.waits_s.append(wait_s)


def run_pass(
    options: Options,
    memory: Mapping[str, str] | None = None,
    *,
    now: datetime = NOW,
    pages: int | None = None,
) -> Pass:
    """Run one pass of *options*; stop after *pages* if given, as if killed."""
    sleeper = _Sleeper()
    found: list[Page] = []

    async def go() -> None:
        client = Client(
            user_agent="test", clock=lambda: now, sleep=sleeper.sleep, jitter=lambda: 0.5
        )
        async with client:
            async for page in options.fetch(
                "source", client, dict(memory or {}), now, parse=in_thread
            ):
                found.append(page)
                if len(found) == pages:
                    return

    error = None
    try:
        asyncio.run(go())
    except SourceError as raised:
        error = raised
    return Pass(pages=tuple(found), waits_s=tuple(sleeper.waits_s), error=error)
