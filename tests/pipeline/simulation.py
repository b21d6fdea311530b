"""A bot in simulated time: papers appear, ticks come, machines sleep, and nobody waits."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

from digestbot.config import Config, load_config
from digestbot.model import Delivery, DeliveryState, Edition, FetchedPaper
from digestbot.pipeline import EditionMade, deliver, make_editions
from digestbot.pipeline.due_sources import sources_of_tick
from digestbot.pipeline.fetching import fingerprint
from digestbot.render import Templates, load_templates
from digestbot.status import gather
from digestbot.store import PassStatus, Store, from_line, to_line
from digestbot.syncing import sync_config

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(kw_only=True)
class Simulation:
    """One store, the config in *folder*, and the papers that each source will publish."""

    store: Store
    folder: Path
    papers: dict[str, list[tuple[datetime, FetchedPaper]]]
    down: set[str] = field(default_factory=set)
    """Sources that refuse every request."""
    delivers: bool = False
    """True to send deliveries to the servers of the config."""
    asked: Counter[str] = field(default_factory=Counter)
    templates: Templates = field(default_factory=load_templates)
    _read: Counter[str] = field(default_factory=Counter)
    _is_reloaded: bool = False

    def configure(self, text: str) -> None:
        (self.folder / "config.yaml").write_text(text)
        self.config: Config = load_config(self.folder / "config.yaml", {})
        self._is_reloaded = True

    def move_to(self, store: Store) -> None:
        """Continue on another machine, by the ledger; its sources serve all their papers again."""
        lines = [to_line(*row) for row in self.store.ledger.export_rows()]
        assert store.ledger.import_rows(map(from_line, lines)) == len(lines) - 1
        self.store = store
        self._read.clear()

    def tick(self, now: datetime, *, forced: Collection[str] = ()) -> tuple[EditionMade, ...]:
        """Do what a tick of ``serve`` does, or ``run --now`` for the *forced* digests."""
        sync_config(self.store, self.config, now)
        names = sources_of_tick(self.store, self.config, now)
        if forced:
            names = tuple(self.config.sources)
        for name in names:
            self._fetch(name, now)
        made = make_editions(
            self.store,
            self.config,
            self.templates,
            now=now,
            names=forced or None,
            force=bool(forced),
        )
        assert [one.error for one in made if one.error] == []
        if self.delivers:
            self._deliver(now)
        return made

    def _deliver(self, now: datetime) -> None:
        if self._is_reloaded:
            self.store.pauses.lift(only_operator=True)
            self._is_reloaded = False
        asyncio.run(deliver(self.store, self.config, clock=lambda: now, random=Random(1)))

    def unsent(self) -> tuple[Delivery, ...]:
        """List the deliveries that have not been sent."""
        others = tuple(state for state in DeliveryState if state is not DeliveryState.SENT)
        return self.store.outbox.list(states=others)

    def _fetch(self, name: str, now: datetime) -> None:
        self.asked[name] += 1
        asked = fingerprint(self.config.sources[name])
        number = self.store.sources.begin_pass(name, now, asked=asked)
        is_down = name in self.down
        known = self.papers.get(name, [])
        new = [] if is_down else [p for at, p in known[self._read[name] :] if at <= now]
        self._read[name] += len(new)
        self.store.papers.ingest(name, new, {}, now)
        self.store.sources.end_pass(
            number,
            status=PassStatus.LATE if is_down else PassStatus.OK if new else PassStatus.EMPTY,
            pages=1,
            entries=len(new),
            new=len(new),
            error="answered 503" if is_down else None,
            note=None,
            next_try_at=now + 30 * MINUTE if is_down else None,
            now=now,
        )

    def problems(self, now: datetime) -> tuple[str, ...]:
        return gather(self.store, self.config, now).problems

    def editions(self, digest: str) -> list[Edition]:
        """Return all editions, oldest first."""
        last = self.store.digests.state(digest).editions
        found = [self.store.editions.get(digest, number) for number in range(1, last + 1)]
        return [edition for edition in found if edition is not None]


def moments(begin: datetime, end: datetime, every: timedelta) -> Iterator[datetime]:
    while begin < end:
        yield begin
        begin += every


def shown(editions: list[Edition]) -> Counter[str]:
    """Count how often each paper is shown or listed."""
    return Counter(e.paper.id for edition in editions for e in (*edition.papers, *edition.more))


def check_windows(editions: list[Edition]) -> None:
    """Check that the windows join without gap or overlap, and end when they were read."""
    assert editions[0].covers_from is None
    for before, after in pairwise(editions):
        assert after.covers_from == before.covers_to
        assert after.covers_to == after.created_at
