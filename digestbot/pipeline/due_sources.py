"""
Choice of the sources to fetch now; only reads the store.

A digest that is due waits for its sources: each is fresh if it was asked since the digest's slot
began. A source that says when it has more is asked then, whatever is due. A server that refused us
rests for hours, whichever command comes, unless its options in the config have changed since or the
operator insists.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from digestbot.awaiting import waiting
from digestbot.config import Config, DigestConfig
from digestbot.pipeline.fetching import fingerprint
from digestbot.store import DigestState, PassStatus, SourceState, Store
from digestbot.syncing import is_due, next_due_at

POLL_INTERVAL = timedelta(hours=6)
"""Interval between passes over an idle source, whose digests are not due: arXiv changes once a day,
and a journal's feed must be read before its entries drop out of it."""
AWAITED_INTERVAL = timedelta(minutes=15)
"""Interval between passes over a source that a due digest waits for, unless it said when it has
more."""
MIN_INTERVAL = timedelta(minutes=5)
"""Minimum time between two passes for slots that follow closely: a source asked just before a slot
is fresh, and any number of digests ask a server twelve times an hour at most."""


def sources_of_tick(store: Store, config: Config, now: datetime) -> tuple[str, ...]:
    """List the sources to fetch at a tick of the service."""
    slots = _waited_for(store, config.digests.values(), now)
    for name in _awaited(store, config, now):
        slots[name] = max(slots[name], now - AWAITED_INTERVAL)
    return tuple(
        name
        for name in config.sources
        if _is_due(store, config, name, now, asked_since=slots.get(name))
    )


def sources_of_run(
    store: Store, config: Config, digests: Collection[DigestConfig], now: datetime, *, force: bool
) -> tuple[str, ...]:
    """
    List the sources that ``run`` fetches for *digests*.

    These are the sources that a due digest waits for, even if they failed a minute ago, except
    servers that refused us and sources that said when they have more. Of the others, those whose
    poll interval is over. With *force*, all of them.
    """
    names = dict.fromkeys(source for digest in digests for source in digest.sources)
    if force:
        return tuple(names)
    waited_for = _waited_for(store, digests, now)
    return tuple(
        name
        for name in names
        if (name in waited_for and not _has_said_when(store, config, name, now))
        or _is_due(store, config, name, now)
    )


def refusals(
    store: Store, config: Config, digests: Collection[DigestConfig], now: datetime
) -> dict[str, SourceState]:
    """Return the refusing sources that a due digest waits for."""
    states = {name: store.sources.state(name) for name in _waited_for(store, digests, now)}
    return {
        name: state
        for name, state in states.items()
        if state.status is PassStatus.REFUSED and _is_resting(state, config, now)
    }


def _waited_for(
    store: Store, digests: Iterable[DigestConfig], now: datetime
) -> dict[str, datetime]:
    """Return the sources of the digests that are due, in order, with the latest slot of each."""
    slots: dict[str, datetime] = {}
    for digest, state in _due(store, digests, now):
        begin = _slot_begin(digest, state, now)
        for source in digest.sources:
            slots[source] = max(begin, slots.get(source, begin))
    return slots


def _due(
    store: Store, digests: Iterable[DigestConfig], now: datetime
) -> list[tuple[DigestConfig, DigestState | None]]:
    states = {state.name: state for state in store.digests.states()}
    found = ((digest, states.get(digest.name)) for digest in digests)
    return [(digest, state) for digest, state in found if is_due(digest, state, now)]


def _awaited(store: Store, config: Config, now: datetime) -> set[str]:
    """Return the sources with a batch that a due digest still waits for."""
    digests = [digest for digest, _ in _due(store, config.digests.values(), now)]
    awaited = waiting(store, config, digests, now).values()
    return {batch.source for each in awaited for batch in each.unsettled}


def _slot_begin(digest: DigestConfig, state: DigestState | None, now: datetime) -> datetime:
    """Return when the slot that is due began; after a pause, the latest one."""
    latest = digest.schedule.latest_slot(now)
    begins = (next_due_at(digest, state, now), latest.at if latest else None)
    return max((begin for begin in begins if begin is not None), default=now)


def _is_due(
    store: Store,
    config: Config,
    name: str,
    now: datetime,
    *,
    asked_since: datetime | None = None,
) -> bool:
    """Return True if the source is to be asked, for a slot that began at *asked_since* if given."""
    state = store.sources.state(name)
    if _is_outdated(state, config, now):
        return True
    if state.next_try_at is not None:
        return state.next_try_at <= now
    if state.last_try_at is None or _was_interrupted(store, name):
        return True
    is_stale = asked_since is not None and state.last_try_at < asked_since
    return now - state.last_try_at >= (MIN_INTERVAL if is_stale else POLL_INTERVAL)


def _is_resting(state: SourceState, config: Config, now: datetime) -> bool:
    wants_rest = state.next_try_at is not None and state.next_try_at > now
    return wants_rest and not _is_outdated(state, config, now)


def _has_said_when(store: Store, config: Config, name: str, now: datetime) -> bool:
    """Return True if the source answered or refused, and its next pass has a time."""
    state = store.sources.state(name)
    failed = (PassStatus.LATE, PassStatus.BROKEN)
    return state.status not in failed and _is_resting(state, config, now)


def _is_outdated(state: SourceState, config: Config, now: datetime) -> bool:
    """
    Return True if the last pass is irrelevant to the next one.

    That is: there was none, the source's options have changed, or the clock was set back since.
    """
    return (
        state.last_try_at is None
        or state.last_try_at > now
        or state.asked != fingerprint(config.sources[state.name])
    )


def _was_interrupted(store: Store, name: str) -> bool:
    """Return True if the process stopped during the last pass, which then missed papers."""
    return any(last.status is PassStatus.RUNNING for last in store.sources.passes(name, limit=1))
