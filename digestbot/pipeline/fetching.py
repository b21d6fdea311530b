"""First stage: fetch the sources; store their papers and announcements."""

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from digestbot.config import Config
from digestbot.errors import DigestbotError, SourceError, SourceRefused, StoreError, UsageError
from digestbot.net import AllowedHosts, Client, user_agent
from digestbot.pipeline.group_commit import GroupedWrites, Sleep
from digestbot.secret import Secret
from digestbot.sources import Options, Page
from digestbot.sources.enrichment import lacks_fields, services_for
from digestbot.sources.parser_pool import Parse, ParserPool
from digestbot.sources.web_options import WebOptions
from digestbot.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")
Clock = Callable[[], datetime]
LONG_WAIT_S = 15.0
"""Wait worth a warning at a terminal: the server asked for rest, or other processes use it."""
MIN_PAUSE_S = 1.0
"""Shortest pause between two checks whether a server is free."""
RETRY_BUG = timedelta(hours=1)
"""Delay before a source is fetched again after an unexpected error."""


class FetchProgress(Protocol):
    """Callback after each page; *total* is the source's own figure, if it has one."""

    def __call__(self, source: str, *, done: int, total: int | None, new: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Outcome of one pass over one source."""

    source: str
    status: str
    """``ok``, ``empty``, ``partial``, ``late``, ``refused`` or ``broken``."""
    pages: int = 0
    entries: int = 0
    """Papers in the answers, including known ones."""
    new: int = 0
    """Announcements added to the log."""
    note: str | None = None
    error: str | None = None
    retry_at: datetime | None = None

    @property
    def is_complete(self) -> bool:
        """True if all the source should have sent was stored."""
        return self.status in ("ok", "empty")

    @property
    def problem(self) -> str | None:
        """Problem in one line, with the source's name."""
        return None if self.is_complete else self.error or f"{self.source}: {self.note}"


def fingerprint(options: Options) -> str:
    """Return a hash of the options; a new one outdates the last answer."""
    secrets = [secret.reveal() for secret in _secrets(options)]
    return hashlib.sha256(repr((options, secrets)).encode()).hexdigest()[:16]


def _secrets(options: Options) -> Iterator[Secret]:
    """Yield the secrets in *options*: its repr hides them, but a new one is a change, too."""
    if isinstance(options, WebOptions):
        yield from (*options.headers.values(), *options.cookies.values())


def _no_progress(source: str, *, done: int, total: int | None, new: int) -> None:
    """Ignore progress."""


async def fetch(
    store: Store,
    config: Config,
    names: Collection[str] | None = None,
    *,
    clock: Clock,
    progress: FetchProgress = _no_progress,
    sleep: Sleep = asyncio.sleep,
) -> tuple[Fetched, ...]:
    """
    Make one pass over each named source, or over all, concurrently.

    A failure of one source stays in its own result.

    Raises:
        UsageError: One of *names* is not a source of the config.
    """
    chosen = tuple(config.sources) if names is None else tuple(dict.fromkeys(names))
    unknown = [name for name in chosen if name not in config.sources]
    if unknown:
        known = ", ".join(config.sources) or "none"
        raise UsageError(f'no source "{unknown[0]}" in the config; it has: {known}')
    agent = user_agent(config.contact)
    write = GroupedWrites(store)
    client = Client(
        user_agent=agent,
        allowed=AllowedHosts.parse(config.allowed_hosts),
        pacer=StorePacer(store, clock, write, sleep),
        clock=clock,
        sleep=sleep,
    )
    begun = await asyncio.to_thread(_begin_passes, store, config, chosen, clock())
    enriched = enriched_sources(config, chosen)
    async with client, ParserPool() as pool:
        passes = (
            _Pass(
                store,
                begin,
                config.sources[begin.name],
                clock,
                progress,
                pool,
                write,
                begin.name in enriched,
            ).run(client)
            for begin in begun
        )
        return tuple(await asyncio.gather(*passes))


def enriched_sources(config: Config, names: Collection[str]) -> dict[str, frozenset[str]]:
    """Return the services that may be asked about each source; sources without any are left out."""
    found = {
        name: services_for(config.sources[name], config.enrichment, default=config.enrich)
        for name in names
    }
    return {name: services for name, services in found.items() if services}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A pass that is recorded as running, and the source's memory before it."""

    name: str
    pass_id: int
    memory: Mapping[str, str]


def _begin_passes(
    store: Store, config: Config, names: Sequence[str], now: datetime
) -> tuple[_Begun, ...]:
    """Begin a pass over each source, all in one transaction."""
    asked = {name: fingerprint(config.sources[name]) for name in names}
    ids = store.sources.begin_passes(asked, now)
    memories = {state.name: state.memory for state in store.sources.states()}
    return tuple(_Begun(name=name, pass_id=ids[name], memory=memories[name]) for name in names)


class Write(Protocol):
    """Calls a method of the store, and returns once its transaction is committed."""

    async def __call__(self, act: Callable[[], T], /) -> T: ...


class StorePacer:
    """
    Pacer for all processes that share a store: each group of servers has a row in it.

    Tasks of this process wait in turn, so that only one asks the store for each group.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        write: Write = asyncio.to_thread,
        sleep: Sleep | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._write = write
        self._sleep = sleep or asyncio.sleep
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._leased: set[str] = set()

    async def take(self, group: str, interval_s: float, hold_s: float) -> None:
        async with self._turns[group]:
            if interval_s <= 0 and hold_s <= 0 and await self._is_free(group):
                return  # nothing to reserve, so nothing to write
            await self._lease(group, interval_s, hold_s)
            self._leased.add(group)

    async def _is_free(self, group: str) -> bool:
        return await asyncio.to_thread(self._store.sources.is_free, group, self._clock())

    async def _lease(self, group: str, interval_s: float, hold_s: float) -> None:
        waited_s = 0.0
        pace = self._store.sources.pace
        while (
            wait_s := await self._write(partial(pace, group, interval_s, hold_s, self._clock()))
        ) > 0:
            # A request reserves the server for as long as it may last, and mostly ends sooner.
            pause_s = min(wait_s, max(interval_s, MIN_PAUSE_S))
            is_long = waited_s < LONG_WAIT_S <= waited_s + pause_s
            facts = {"server": group, "at_most_s": round(wait_s)}
            level = logging.WARNING if is_long else logging.DEBUG
            log.log(level, "waiting for a free server", extra=facts)
            await self._sleep(pause_s)
            waited_s += pause_s

    async def release(self, group: str, interval_s: float) -> None:
        if interval_s <= 0 and group not in self._leased:
            return
        self._leased.discard(group)
        release = self._store.sources.release_pace
        await self._write(partial(release, group, interval_s, self._clock()))


class _Pass:
    """One pass over one source, isolated from the others."""

    def __init__(
        self,
        store: Store,
        begun: _Begun,
        options: Options,
        clock: Clock,
        progress: FetchProgress,
        parse: Parse,
        write: Write,
        is_enriched: bool,
    ) -> None:
        self._store = store
        self._begun = begun
        self._name = begun.name
        self._options = options
        self._clock = clock
        self._progress = progress
        self._parse = parse
        self._write = write
        self._is_enriched = is_enriched
        self._pages = self._entries = self._new = 0

    async def run(self, client: Client) -> Fetched:
        fetched = await self._fetch(client)
        await self._write(
            partial(
                self._store.sources.end_pass,
                self._begun.pass_id,
                status=fetched.status,
                pages=fetched.pages,
                entries=fetched.entries,
                new=fetched.new,
                error=fetched.error,
                note=fetched.note,
                next_try_at=fetched.retry_at,
                now=self._clock(),
            )
        )
        facts = {"source": self._name, "status": fetched.status, "new": fetched.new}
        log.info("source fetched", extra=facts)
        return fetched

    async def _fetch(self, client: Client) -> Fetched:
        """Fetch all pages; those that came before a failure stay stored."""
        try:
            last = await self._ingest_pages(client)
        except SourceError as error:
            status = "refused" if isinstance(error, SourceRefused) else "late"
            return self._result(status, error=str(error), retry_at=error.retry_at)
        except StoreError:
            raise
        except DigestbotError as error:
            return self._result("broken", error=str(error), retry_at=self._clock() + RETRY_BUG)
        except Exception as error:
            log.exception("source failed unexpectedly", extra={"source": self._name})
            text = f"{self._name}: {type(error).__name__}: a bug, see the log"
            return self._result("broken", error=text, retry_at=self._clock() + RETRY_BUG)
        if last is None or not last.complete:
            note = last.note if last else "the source sent no page"
            return self._result("partial", note=note, retry_at=last.next_try_at if last else None)
        # An unchanged feed has no papers either, but it comes without a note.
        status = "empty" if last.note and not self._entries else "ok"
        return self._result(status, note=last.note, retry_at=last.next_try_at)

    async def _ingest_pages(self, client: Client) -> Page | None:
        """Store page after page; return the last one."""
        memory = self._begun.memory
        last = None
        now = self._clock()
        async for page in self._options.fetch(self._name, client, memory, now, parse=self._parse):
            last = page
            new = await self._ingest(page)
            self._pages += 1
            self._entries += len(page.papers)
            self._new += new
            self._progress(self._name, done=page.done, total=page.total, new=self._new)
        return last

    async def _ingest(self, page: Page) -> int:
        """Store *page*; return the number of announcements, once they are committed."""
        is_unchanged = page.memory == self._begun.memory and not page.checks
        if not page.papers and is_unchanged and not self._pages:
            return 0  # the source is unchanged, and so is the store
        texts = await asyncio.to_thread(self._store.papers.plain_texts, page.papers)
        ingested = await self._write(
            partial(
                self._store.papers.ingest,
                self._name,
                page.papers,
                page.memory,
                self._clock(),
                channel=page.channel,
                checks=page.checks,
                texts=texts,
                lacks_fields=lacks_fields if self._is_enriched else None,
            )
        )
        return ingested.new

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
