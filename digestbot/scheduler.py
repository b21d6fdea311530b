"""
``serve``: a few ticks of APScheduler; the store says what is due.

The scheduler knows nothing of digests: each tick asks the store what is due now and calls the
stages. A laptop that slept for a week finds everything due at its next tick, a tick that outlasts
its interval does not start twice, and after a crash there is nothing to restore.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from functools import partial
from random import Random

from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from digestbot.bounces.settings import BouncesSettings
from digestbot.config import Config
from digestbot.daemon_threads import DaemonThreads
from digestbot.errors import DigestbotError, StoreReplaced
from digestbot.ping import Event, ping
from digestbot.pipeline import EditionMade, deliver, enrich, fetch, make_editions, read_bounces
from digestbot.pipeline.due_sources import sources_of_tick
from digestbot.pipeline.group_commit import Sleep
from digestbot.render import Templates
from digestbot.status import gather
from digestbot.stopping import CANCEL_S, GRACE_S, SIGNALS, THREADS, kill_on_next_signal
from digestbot.store import Store, current_process
from digestbot.syncing import sync_config

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
_Tick = Callable[[], Coroutine[None, None, None]]
CYCLE_S = 30
"""Interval between checks for sources and digests that are due."""
PING_EVERY = timedelta(minutes=5)
"""Interval between pings that report the same outcome."""
DELIVER_S = 10
"""Interval between checks of the outbox."""


class Service:
    """Scheduled work on one store and config; a reload replaces the config between ticks."""

    def __init__(
        self,
        store: Store,
        load: Callable[[], tuple[Config, Templates]],
        *,
        clock: Clock,
        random: Random,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._store = store
        self._load = load
        self._config, self._templates = load()
        self._synced: Config | None = None
        """The config last synced into the store."""
        self._clock = clock
        self._random = random
        self._sleep = sleep
        self._stop = asyncio.Event()
        self._cycling = asyncio.Lock()
        self._delivering = asyncio.Lock()
        self._reading_bounces = asyncio.Lock()
        self._passes: dict[str, asyncio.Task[None]] = {}
        """Passes under way, by source."""
        self._jobs: dict[_Tick, Job] = {}
        self._failing: frozenset[tuple[str, str]] = frozenset()
        self._bounces_error: str | None = None
        self._pinged: tuple[datetime, bool] | None = None
        """Time of the last ping, and True if it reported success."""
        self._fatal: StoreReplaced | None = None
        """Why the service must not go on."""

    def reload(self) -> None:
        """Read the config again; keep the current one on errors."""
        try:
            config, templates = self._load()
        except DigestbotError as error:
            log.error("config not reloaded", extra={"error": error})
            return
        if config.store != self._config.store:
            log.error("config not reloaded", extra={"error": "another store needs a restart"})
            return
        self._config, self._templates = config, templates
        log.info("config reloaded", extra={"digests": len(config.digests)})
        self._tick_now(self.cycle)

    async def cycle(self) -> None:
        """Run one cycle and report it to the monitor at ``ping_url``."""
        try:
            await self._cycle()
        except Exception:
            await self._ping(is_good=False)
            raise
        if self._config.ping_url and not self._stop.is_set():
            now = self._clock()
            status = await asyncio.to_thread(gather, self._store, self._config, now)
            await self._ping(is_good=not status.faults)

    async def _ping(self, *, is_good: bool) -> None:
        """Report a changed outcome at once, the same one every `PING_EVERY`."""
        now = self._clock()
        is_changed = self._pinged is None or self._pinged[1] is not is_good
        if not is_changed and self._pinged and now - self._pinged[0] < PING_EVERY:
            return
        self._pinged = (now, is_good)
        await ping(self._config.ping_url, Event.SUCCESS if is_good else Event.FAIL)

    async def _cycle(self) -> None:
        """
        Sync the config, fetch what is due, then make the editions that are due.

        A pass over a busy arXiv can take an hour. It continues in the background and delays only
        the digests that read it; the next ticks serve the others.
        """
        async with self._cycling:
            if self._stop.is_set():  # this tick waited for the one before
                return
            config = await self._sync()
            await asyncio.to_thread(self._store.processes.beat, current_process(), self._clock())
            await asyncio.to_thread(self._store.papers.rebuild_words)
            names = await asyncio.to_thread(sources_of_tick, self._store, config, self._clock())
            for name in names:
                if name not in self._passes:
                    fetching = _isolated(partial(self._fetch, name), self._end_with)
                    self._passes[name] = asyncio.create_task(fetching())
            if self._passes:
                await asyncio.wait(self._passes.values(), timeout=CYCLE_S)
            config = await self._sync()  # a reload may have come in the meantime
            made = await asyncio.to_thread(self._make_editions, config, self._ready(config))
        self._log_failures(made)
        if any(edition.deliveries for edition in made):
            self._tick_now(self.deliver)

    async def _sync(self) -> Config:
        """Sync the current config and return it; other processes change the same rows."""
        config = self._config
        await asyncio.to_thread(sync_config, self._store, config, self._clock())
        if config is not self._synced:  # the operator may have fixed what a pause waits for
            await asyncio.to_thread(self._store.pauses.lift, only_operator=True)
        self._synced = config
        return config

    async def _fetch(self, name: str) -> None:
        try:
            for fetched in await fetch(
                self._store, self._config, [name], clock=self._clock, sleep=self._sleep
            ):
                if fetched.problem:
                    log.warning("fetch incomplete", extra={"reason": fetched.problem})
            await enrich(self._store, self._config, [name], clock=self._clock)
        finally:
            del self._passes[name]

    def _ready(self, config: Config) -> list[str]:
        """List the digests whose sources are all idle."""
        digests = config.digests.values()
        return [digest.name for digest in digests if self._passes.keys().isdisjoint(digest.sources)]

    def _make_editions(self, config: Config, names: list[str]) -> tuple[EditionMade, ...]:
        return make_editions(self._store, config, self._templates, now=self._clock(), names=names)

    def _log_failures(self, made: Iterable[EditionMade]) -> None:
        """Log each failure once, although the digest fails at every tick."""
        for edition in made:
            if edition.held:
                facts = {"edition": edition.edition, "reason": edition.held}
                log.warning("deliveries held", extra=facts)
        failing = frozenset((edition.digest, edition.error) for edition in made if edition.error)
        for name, error in sorted(failing - self._failing):
            log.warning("edition failed", extra={"digest": name, "error": error})
        self._failing = failing

    async def deliver(self) -> None:
        """Send the deliveries that are due."""
        async with self._delivering:
            config = self._config
            if config is not self._synced:  # else a removed digest would still be sent
                config = await self._sync()
            done = await deliver(
                self._store,
                config,
                clock=self._clock,
                random=self._random,
                stop=self._stop.is_set,
            )
        for error in done.errors:
            log.warning("delivery failed", extra={"error": error})
        if done.sent:
            log.info("delivered", extra={"sent": done.sent})

    async def read_bounces(self) -> None:
        """Read new bounces; log an error of the mailbox once."""
        async with self._reading_bounces:
            done = await asyncio.to_thread(
                read_bounces, self._store, self._config, clock=self._clock
            )
        if done.error != self._bounces_error and done.error:
            log.warning("bounce mailbox failed", extra={"error": done.error})
        self._bounces_error = done.error
        if done.kinds:
            log.info(
                "bounces read", extra={"mails": len(done.kinds), "suppressed": done.suppressed}
            )

    async def serve(self) -> None:
        """
        Tick until SIGTERM or SIGINT; SIGHUP reloads the config.

        Work under way has `GRACE_S` to end by itself and is then cancelled; the state of each
        delivery says how far it was. Threads that wait for a server end with the process. A second
        signal ends the process at once.

        Raises:
            StoreReplaced: The store's file was deleted, moved or replaced; nothing was sent since.
        """
        asyncio.get_running_loop().set_default_executor(DaemonThreads(THREADS))
        self._listen_to_signals()
        # `_isolated` logs every error; the executor would add a traceback for a job that is
        # cancelled before its first step.
        logging.getLogger("apscheduler.executors").setLevel(logging.CRITICAL)
        # misfire_grace_time: its default of one second would drop a tick after every sleep.
        scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        bounces = self._config.bounces or BouncesSettings()
        ticks: tuple[tuple[_Tick, float], ...] = (
            (self.cycle, CYCLE_S),
            (self.deliver, DELIVER_S),
            (self.read_bounces, bounces.interval.total_seconds()),
        )
        await self._sync()
        for tick, every_s in ticks:
            self._jobs[tick] = scheduler.add_job(
                _isolated(tick, self._end_with),
                "interval",
                seconds=every_s,
                next_run_time=self._clock(),
            )
        scheduler.start()
        log.info("serving", extra={"digests": len(self._config.digests)})
        await self._stop.wait()
        scheduler.remove_all_jobs()
        self._jobs.clear()
        has_ended = await self._await_end()
        scheduler.shutdown(wait=False)
        await _cancel_all()
        log.info("stopped", extra={} if has_ended else {"cancelled": "work still under way"})
        if self._fatal is not None:
            raise self._fatal

    async def _await_end(self) -> bool:
        try:
            async with (
                asyncio.timeout(GRACE_S),
                self._cycling,
                self._delivering,
                self._reading_bounces,
            ):
                if self._passes:
                    await asyncio.wait(self._passes.values())
                return True
        except TimeoutError:
            return False

    def _end_with(self, error: StoreReplaced) -> None:
        self._fatal = error
        self.stop()

    def _tick_now(self, tick: _Tick) -> None:
        """Run *tick* now instead of at its next interval; only while serving."""
        if tick in self._jobs:
            self._jobs[tick].modify(next_run_time=self._clock())

    def stop(self) -> None:
        """End `serve` once the work under way has ended, or after `GRACE_S`."""
        self._stop.set()

    def _stop_on_signal(self) -> None:
        """Stop; a second signal ends the process at once."""
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
        kill_on_next_signal()
        self.stop()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop_on_signal)
        loop.add_signal_handler(signal.SIGHUP, self.reload)


async def _cancel_all() -> None:
    """Cancel every other task; again if its clean-up waits for a server."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for _ in range(2):
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=CANCEL_S)


def _isolated(work: _Tick, end_with: Callable[[StoreReplaced], None]) -> _Tick:
    """Return *work* with its errors logged and contained; *end_with* gets a fatal one."""

    async def tick() -> None:
        try:
            await work()
        except asyncio.CancelledError:
            log.info("tick cancelled")
        except StoreReplaced as error:
            end_with(error)
        except DigestbotError as error:
            log.error("tick failed, the next one retries", extra={"error": error})
        except Exception:
            log.exception("tick failed unexpectedly")

    return tick
