"""
``serve``: a few ticks of APScheduler, and the store says what is due.

The ticker knows nothing of digests: each tick asks the store what is due at this moment and calls
the stages. A laptop that slept a week finds everything due at its next tick; a tick that takes
longer than its interval is not started twice; after a crash nothing has to be restored.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from functools import partial
from random import Random

from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from digestbot.bounces import BouncesSettings
from digestbot.config import Config
from digestbot.errors import DigestbotError
from digestbot.pipeline import EditionMade, deliver, fetch, make_editions, read_bounces
from digestbot.pipeline.due_sources import sources_of_tick
from digestbot.render import Templates
from digestbot.store import Store

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
_Work = Callable[[], Coroutine[None, None, None]]
CYCLE_S = 30
"""Between two looks for sources and digests that are due."""
DELIVER_S = 10
"""Between two looks into the outbox."""
STOP_S = 7.0
"""What SIGTERM leaves a delivery under way; then it is cut, and its state says how far it was."""


class Service:
    """The ticks over one store and one config, which may be read anew between two of them."""

    def __init__(
        self,
        store: Store,
        load: Callable[[], tuple[Config, Templates]],
        *,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._load = load
        self._config, self._templates = load()
        self._clock = clock
        self._random = random
        self._stop = asyncio.Event()
        self._cycling = asyncio.Lock()
        self._delivering = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._passes: dict[str, asyncio.Task[None]] = {}
        """Of the sources that are being asked."""
        self._jobs: dict[_Work, Job] = {}
        self._failing: frozenset[tuple[str, str]] = frozenset()
        self._bounces_error: str | None = None

    def reload(self) -> None:
        """Take the config as it is now; one that does not hold changes nothing."""
        try:
            config, templates = self._load()
        except DigestbotError as error:
            log.error("the config was not reloaded: %s", error)
            return
        if config.store != self._config.store:
            log.error("the config was not reloaded: another store needs a restart")
            return
        self._config, self._templates = config, templates
        log.warning("the config was reloaded")
        self._tick_now(self.cycle)

    async def cycle(self) -> None:
        """
        Ask the sources that are due, then make the editions that are due.

        A pass over a busy arXiv can last an hour. It goes on by itself, and holds up only the
        digests that read it: the next ticks look after the others.
        """
        async with self._cycling:
            if self._stop.is_set():  # while this tick waited for the one before
                return
            now = self._clock()
            names = await asyncio.to_thread(sources_of_tick, self._store, self._config, now)
            for name in names:
                if name not in self._passes:
                    self._passes[name] = asyncio.create_task(_fenced(partial(self._ask, name))())
            if self._passes:
                await asyncio.wait(self._passes.values(), timeout=CYCLE_S)
            made = await asyncio.to_thread(self._make_editions, self._ready())
        self._tell_failures(made)
        if any(edition.deliveries for edition in made):
            self._tick_now(self.deliver)

    async def _ask(self, name: str) -> None:
        try:
            for fetched in await fetch(self._store, self._config, [name], clock=self._clock):
                if fetched.trouble:
                    log.warning("not all was fetched: %s", fetched.trouble)
        finally:
            del self._passes[name]

    def _ready(self) -> list[str]:
        """The digests with no source that is being asked."""
        digests = self._config.digests.values()
        return [digest.name for digest in digests if self._passes.keys().isdisjoint(digest.sources)]

    def _make_editions(self, names: list[str]) -> tuple[EditionMade, ...]:
        return make_editions(
            self._store, self._config, self._templates, now=self._clock(), names=names
        )

    def _tell_failures(self, made: Iterable[EditionMade]) -> None:
        """Each once: a digest that fails stays due and fails at the next tick, too."""
        for edition in made:
            if edition.held:
                log.warning("%s is held: %s", edition.edition, edition.held)
        failing = frozenset((edition.digest, edition.error) for edition in made if edition.error)
        for name, error in sorted(failing - self._failing):
            log.warning("no edition of %s: %s", name, error)
        self._failing = failing

    async def deliver(self) -> None:
        """Send what is due."""
        async with self._delivering:
            done = await deliver(
                self._store,
                self._config,
                clock=self._clock,
                random=self._random,
                stop=self._stop.is_set,
            )
        for error in done.errors:
            log.warning("not delivered: %s", error)
        if done.sent:
            log.info("delivered", extra={"sent": done.sent})

    async def look_for_bounces(self) -> None:
        """Read what has come back since the last look."""
        async with self._looking:
            done = await asyncio.to_thread(
                read_bounces, self._store, self._config, clock=self._clock
            )
        if done.error != self._bounces_error and done.error:
            log.warning("bounces: %s", done.error)
        self._bounces_error = done.error
        if done.kinds:
            log.info(
                "bounces read", extra={"mails": len(done.kinds), "suppressed": done.suppressed}
            )

    async def serve(self) -> bool:
        """
        Tick until SIGTERM or SIGINT; SIGHUP reads the config anew.

        Gives whether all that was under way has ended by itself; what has not is then cut.
        """
        self._listen_to_signals()
        # misfire_grace_time: its default of one second would drop a tick after every sleep.
        scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        bounces = self._config.bounces or BouncesSettings()
        ticks: tuple[tuple[_Work, float], ...] = (
            (self.cycle, CYCLE_S),
            (self.deliver, DELIVER_S),
            (self.look_for_bounces, bounces.interval.total_seconds()),
        )
        for work, every_s in ticks:
            self._jobs[work] = scheduler.add_job(
                _fenced(work), "interval", seconds=every_s, next_run_time=self._clock()
            )
        scheduler.start()
        log.warning("serving", extra={"digests": len(self._config.digests)})
        await self._stop.wait()
        scheduler.remove_all_jobs()
        self._jobs.clear()
        has_ended = await self._await_end()
        scheduler.shutdown(wait=False)
        log.warning("stopped", extra={} if has_ended else {"cut": "what did not end in time"})
        return has_ended

    async def _await_end(self) -> bool:
        try:
            async with asyncio.timeout(STOP_S), self._cycling, self._delivering, self._looking:
                if self._passes:
                    await asyncio.wait(self._passes.values())
                return True
        except TimeoutError:
            return False

    def _tick_now(self, work: _Work) -> None:
        """Not only when its time has come; nothing if `serve` does not run."""
        if work in self._jobs:
            self._jobs[work].modify(next_run_time=self._clock())

    def stop(self) -> None:
        """End `serve` as soon as what is under way has ended, or in a few seconds."""
        self._stop.set()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)


def _fenced(work: _Work) -> _Work:
    """*work* whose errors are logged and end only this tick: a locked database is tried again."""

    async def tick() -> None:
        try:
            await work()
        except asyncio.CancelledError:
            log.info("a tick was cut short by the end of the service")
        except DigestbotError as error:
            log.error("a tick failed, the next one tries again: %s", error)
        except Exception:
            log.exception("a tick failed in a way nobody foresaw")

    return tick
