"""The first stage: ask the sources, write papers and announcements into the store."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from digestbot.config import Config
from digestbot.errors import DigestbotError, SourceError, SourceRefused, StoreError, UsageError
from digestbot.net import Client, user_agent
from digestbot.sources import Options, Page
from digestbot.sources.parser_pool import Parse, ParserPool
from digestbot.store import Store

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
WORTH_A_WORD_S = 15.0
"""A wait that a person at a terminal should know of: the server asked for rest, or other processes
and sources ask it."""
LOOK_S = 1.0
"""Between two looks whether a server is free, at least."""
RETRY_BUG = timedelta(hours=1)
"""When a source is asked again after an error that nobody foresaw."""


class FetchProgress(Protocol):
    """Told after each page; *total* is what the source says there is, None if it does not say."""

    def __call__(self, source: str, *, done: int, total: int | None, new: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """How one pass over one source went."""

    source: str
    status: str
    """``ok``, ``empty``, ``partial``, ``late``, ``refused`` or ``broken``."""
    pages: int = 0
    entries: int = 0
    """Papers in the answers, known ones included."""
    new: int = 0
    """Announcements that were added to the log."""
    note: str | None = None
    error: str | None = None
    retry_at: datetime | None = None

    @property
    def is_well(self) -> bool:
        """All that the source should have given was stored."""
        return self.status in ("ok", "empty")

    @property
    def trouble(self) -> str | None:
        """What a person should hear of it, in one line with the source; None if all is well."""
        return None if self.is_well else self.error or f"{self.source}: {self.note}"


def fingerprint(options: Options) -> str:
    """What a source is asked with, for the store: if it changes, the last answer says nothing."""
    return hashlib.sha256(repr(options).encode()).hexdigest()[:16]


def _no_progress(source: str, *, done: int, total: int | None, new: int) -> None:
    """For callers that do not look."""


async def fetch(
    store: Store,
    config: Config,
    names: Collection[str] | None = None,
    *,
    clock: Clock,
    progress: FetchProgress = _no_progress,
) -> tuple[Fetched, ...]:
    """
    One pass over the named sources, or all, side by side; one that fails stops no other.

    Raises:
        UsageError: A name that is no source of the config.
    """
    chosen = tuple(config.sources) if names is None else tuple(dict.fromkeys(names))
    unknown = [name for name in chosen if name not in config.sources]
    if unknown:
        known = ", ".join(config.sources) or "none"
        raise UsageError(f"no source {unknown[0]!r} in the config; there are: {known}")
    agent = user_agent(config.contact)
    client = Client(user_agent=agent, pacer=StorePacer(store, clock), clock=clock)
    async with client, ParserPool() as pool:
        passes = (
            _Pass(store, name, config.sources[name], clock, progress, pool).run(client)
            for name in chosen
        )
        return tuple(await asyncio.gather(*passes))


class StorePacer:
    """Pacing over all processes that share a store: the clock of each group is a row in it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def take(self, group: str, interval_s: float, hold_s: float) -> None:
        waited_s = 0.0
        while True:
            wait_s = await asyncio.to_thread(
                self._store.sources.pace, group, interval_s, hold_s, self._clock()
            )
            if wait_s <= 0:
                return
            # Who holds it says that for as long as a request can last, and lets go much earlier.
            pause_s = min(wait_s, max(interval_s, LOOK_S))
            is_long = waited_s < WORTH_A_WORD_S <= waited_s + pause_s
            facts = {"server": group, "at_most_s": round(wait_s)}
            log.log(logging.WARNING if is_long else logging.DEBUG, "waiting our turn", extra=facts)
            await asyncio.sleep(pause_s)
            waited_s += pause_s

    async def release(self, group: str, interval_s: float) -> None:
        await asyncio.to_thread(self._store.sources.release_pace, group, interval_s, self._clock())


class _Pass:
    """One pass over one source, and its fence."""

    def __init__(
        self,
        store: Store,
        name: str,
        options: Options,
        clock: Clock,
        progress: FetchProgress,
        parse: Parse,
    ) -> None:
        self._store = store
        self._name = name
        self._options = options
        self._clock = clock
        self._progress = progress
        self._parse = parse
        self._pages = self._entries = self._new = 0

    async def run(self, client: Client) -> Fetched:
        pass_id = await asyncio.to_thread(
            self._store.sources.begin_pass,
            self._name,
            self._clock(),
            asked=fingerprint(self._options),
        )
        fetched = await self._fenced(client)
        await asyncio.to_thread(
            self._store.sources.end_pass,
            pass_id,
            status=fetched.status,
            pages=fetched.pages,
            entries=fetched.entries,
            new=fetched.new,
            error=fetched.error,
            note=fetched.note,
            next_try_at=fetched.retry_at,
            now=self._clock(),
        )
        facts = {"source": self._name, "status": fetched.status, "new": fetched.new}
        log.info("fetched", extra=facts)
        return fetched

    async def _fenced(self, client: Client) -> Fetched:
        """What came, or how it failed; pages that came before a failure are stored and stay so."""
        try:
            last = await self._take_pages(client)
        except SourceError as error:
            status = "refused" if isinstance(error, SourceRefused) else "late"
            return self._result(status, error=str(error), retry_at=error.retry_at)
        except StoreError:
            raise
        except DigestbotError as error:
            return self._result("broken", error=str(error), retry_at=self._clock() + RETRY_BUG)
        except Exception as error:
            log.exception("a source failed in a way nobody foresaw", extra={"source": self._name})
            text = f"{self._name}: {type(error).__name__}: a bug, see the log; others go on"
            return self._result("broken", error=text, retry_at=self._clock() + RETRY_BUG)
        if last is None or not last.complete:
            note = last.note if last else "the source gave no page"
            return self._result("partial", note=note)
        # A feed that has not changed gives no paper either, and has nothing to say of it.
        return self._result("empty" if last.note and not self._entries else "ok", note=last.note)

    async def _take_pages(self, client: Client) -> Page | None:
        memory = (await asyncio.to_thread(self._store.sources.state, self._name)).memory
        last = None
        now = self._clock()
        async for page in self._options.fetch(self._name, client, memory, now, parse=self._parse):
            last = page
            await self._ingest(page)
        return last

    async def _ingest(self, page: Page) -> None:
        ingested = await asyncio.to_thread(
            self._store.papers.ingest, self._name, page.papers, page.memory, self._clock()
        )
        self._pages += 1
        self._entries += len(page.papers)
        self._new += ingested.new
        self._progress(self._name, done=page.done, total=page.total, new=self._new)

    def _result(
        self,
        status: str,
        *,
        note: str | None = None,
        error: str | None = None,
        retry_at: datetime | None = None,
    ) -> Fetched:
        return Fetched(
            source=self._name,
            status=status,
            pages=self._pages,
            entries=self._entries,
            new=self._new,
            note=note,
            error=error,
            retry_at=retry_at,
        )
