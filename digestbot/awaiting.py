"""
Batches that a digest awaits before its edition is made, if its schedule waits for announcements.

A slot awaits, of each arXiv source of its digest, the newest announcement that OAI-PMH should have
before the slot closes; an earlier slot that closed later has awaited it already. Only reads the
store. Begin at `awaited_by`.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from digestbot.arxiv_calendar import Calendar, day_in_words, latest_oai_day, oai_at
from digestbot.batches import ArxivSource, arxiv_sources, batches_of
from digestbot.config import Config, DigestConfig
from digestbot.errors import StoreError
from digestbot.model import Batch, BatchState, SourceCoverage
from digestbot.schedule import Schedule, Slot
from digestbot.store import Store

log = logging.getLogger(__name__)

_Key = tuple[str, date]
"""A source, and the day of an announcement."""
SHORTLY_BEFORE = timedelta(microseconds=1)
_IN_WORDS = {
    BatchState.ANNOUNCED: "not verified",
    BatchState.NOT_YET: "not announced yet",
    BatchState.STALE: "still showing an earlier day",
    BatchState.PARTIAL: "incomplete",
    BatchState.DOWN: "not available",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """Batches that a due digest awaits, as of one moment."""

    until: datetime
    """Latest time of the edition, in UTC."""
    unsettled: tuple[Batch, ...]
    """Batches that may still change; at least one."""

    def in_words(self, zone: ZoneInfo) -> str:
        """Say what the digest waits for, and until when."""
        days = " and ".join(dict.fromkeys(day_in_words(batch.day) for batch in self.unsettled))
        return (
            f"waiting for arXiv's announcement of {days} until {self.until.astimezone(zone):%H:%M}"
        )

    def notice(self, source: str) -> str | None:
        """
        Describe for readers what is missing of *source*, if anything.

        A query without papers of the day is normal: few queries match something every day.
        """
        categories: dict[tuple[date, str], list[str]] = defaultdict(list)
        for batch in self.unsettled:
            is_quiet = not batch.category and batch.state is BatchState.NOT_YET
            if batch.source == source and not is_quiet:
                categories[batch.day, _IN_WORDS[batch.state]].append(batch.category)
        found = [
            f"{day_in_words(day)} {words}{' in ' * any(names)}{', '.join(names)}"
            for (day, words), names in categories.items()
        ]
        return "; ".join(found) or None


def awaited_by(
    store: Store, config: Config, digests: Iterable[DigestConfig], now: datetime
) -> dict[str, Awaited]:
    """
    Map each of *digests* that is due and awaits something to what it awaits.

    If the batches cannot be read, no digest waits for them.
    """
    try:
        return _awaited_by(store, config, digests, now)
    except StoreError:
        raise
    except Exception:
        log.exception("batches not read")
        return {}


def waiting(
    store: Store, config: Config, digests: Iterable[DigestConfig], now: datetime
) -> dict[str, Awaited]:
    """Return those of `awaited_by` whose latest time is still ahead."""
    awaited = awaited_by(store, config, digests, now)
    return {name: each for name, each in awaited.items() if now < each.until}


def _awaited_by(
    store: Store, config: Config, digests: Iterable[DigestConfig], now: datetime
) -> dict[str, Awaited]:
    sources = arxiv_sources(config)
    wanted = _wanted(digests, {name: each.calendar for name, each in sources.items()}, now)
    keys = {key for _, keys in wanted.values() for key in keys}
    unsettled = _unsettled(store, sources, keys, now)
    return {
        name: Awaited(until=until, unsettled=batches)
        for name, (until, keys) in wanted.items()
        if (batches := tuple(batch for key in keys for batch in unsettled[key]))
    }


def _wanted(
    digests: Iterable[DigestConfig], calendars: Mapping[str, Calendar], now: datetime
) -> dict[str, tuple[datetime, tuple[_Key, ...]]]:
    """Return until when each digest waits, and for which days of which sources."""
    slot_of = cache(lambda schedule: schedule.latest_slot(now))
    day_of = cache(awaited_day)  # thousands of digests share a few schedules
    found: dict[str, tuple[datetime, tuple[_Key, ...]]] = {}
    for digest in digests:
        slot = slot_of(digest.schedule)
        if slot is None or slot.closes_at is None:
            continue
        names = [name for name in digest.sources if name in calendars]
        days = [(name, day_of(digest.schedule, slot, calendars[name])) for name in names]
        found[digest.name] = slot.closes_at, tuple((name, day) for name, day in days if day)
    return found


def _unsettled(
    store: Store, sources: Mapping[str, ArxivSource], keys: Collection[_Key], now: datetime
) -> dict[_Key, tuple[Batch, ...]]:
    """Read the batches of *keys*; return those that may still change."""
    if not keys:
        return {}
    found: dict[str, list[Batch]] = defaultdict(list)
    read = {name: sources[name] for name, _ in keys}
    for batch in batches_of(store, read, min(day for _, day in keys), now):
        found[batch.source].append(batch)
    return {
        (name, day): unsettled_of(name, day, found[name], sources[name].categories)
        for name, day in keys
    }


def awaited_day(schedule: Schedule, slot: Slot, calendar: Calendar) -> date | None:
    """Return the day that *slot* of *schedule* awaits; None if an earlier slot awaited it."""
    if slot.closes_at is None:
        return None
    day = latest_oai_day(slot.closes_at, calendar)
    before = schedule.latest_slot(slot.at - SHORTLY_BEFORE)
    was_awaited = before and before.closes_at and oai_at(day) <= before.closes_at
    return None if was_awaited else day


def unsettled_of(
    source: str, day: date, batches: Sequence[Batch], categories: Collection[str]
) -> tuple[Batch, ...]:
    """
    Return the batches of *day* that are worth waiting for, given those of *source* from then on.

    A source that was first read later has none. If nothing is known of the day, they are those of
    the source's *categories*, or of its query.
    """
    if batches and min(batch.day for batch in batches) > day:
        return ()
    there = [batch for batch in batches if batch.day == day]
    unknown = (
        Batch(source=source, category=category, day=day, state=BatchState.NOT_YET, papers=0)
        for category in categories or ("",)
    )
    return tuple(batch for batch in there or unknown if not is_settled(batch))


def is_settled(batch: Batch) -> bool:
    """Return True if *batch* is final: two channels agree, or the only one has it."""
    if batch.state in (BatchState.WEEKEND, BatchState.HOLIDAY):
        return True
    has_one_channel = len(batch.answers) < 2
    return batch.is_verified or (batch.state is BatchState.ANNOUNCED and has_one_channel)


def with_notice(coverage: SourceCoverage, awaited: Awaited | None) -> SourceCoverage:
    """Note in *coverage* what is missing of the awaited batches."""
    notice = awaited.notice(coverage.source) if awaited else None
    if notice is None:
        return coverage
    return replace(coverage, note="; ".join(filter(None, [notice, coverage.note])))
