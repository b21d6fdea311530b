"""
Which sources are to be asked at a moment, and which are better left alone. Reads and decides only.

A source is waited for if a digest that reads it is due. arXiv changes once a day and wants to be
asked no more often (API manual 3.3.1.1); a server that refused us rests for hours, whoever calls,
unless its part of the config has changed meanwhile or a person insists.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from digestbot.config import Config, DigestConfig
from digestbot.pipeline.fetching import fingerprint
from digestbot.pipeline.making_editions import is_due, registered
from digestbot.store import PassStatus, SourceState, Store

POLL = timedelta(hours=6)
"""Between two passes over a source that nobody is waiting for: arXiv changes once a day, and a
journal's feed must be read before its entries fall out of it."""
FRESH = timedelta(hours=1)
"""A digest that is due gets its sources asked first by the service if they were not within this
time."""


def sources_of_tick(store: Store, config: Config, now: datetime) -> tuple[str, ...]:
    """What the service, which looks every half minute, is to ask at *now*."""
    waiting = _waited_for(store, config.digests.values(), now)
    return tuple(
        name
        for name in config.sources
        if _is_due(store, config, name, now, every=FRESH if name in waiting else POLL)
    )


def sources_of_run(
    store: Store, config: Config, digests: Collection[DigestConfig], now: datetime, *, force: bool
) -> tuple[str, ...]:
    """
    What one call of ``run`` for *digests* is to ask at *now*.

    All that one of them waits for, even if it failed to answer a minute ago, but not the servers
    that refused us; of the others those that are due by themselves. With *force* simply all.
    """
    names = dict.fromkeys(source for digest in digests for source in digest.sources)
    if force:
        return tuple(names)
    waiting = _waited_for(store, digests, now)
    closed = refusals(store, config, digests, now)
    return tuple(
        name
        for name in names
        if name not in closed and (name in waiting or _is_due(store, config, name, now, every=POLL))
    )


def refusals(
    store: Store, config: Config, digests: Collection[DigestConfig], now: datetime
) -> dict[str, SourceState]:
    """The sources that a due digest waits for and that refused us not long enough ago."""
    states = {name: store.sources.state(name) for name in _waited_for(store, digests, now)}
    return {
        name: state
        for name, state in states.items()
        if state.status is PassStatus.REFUSED and _rests(state, config, now)
    }


def _waited_for(store: Store, digests: Collection[DigestConfig], now: datetime) -> dict[str, None]:
    """The sources of the digests that are due, in their order."""
    states = registered(store, digests, now)
    due = [digest for digest in digests if is_due(states[digest.name], now)]
    return dict.fromkeys(source for digest in due for source in digest.sources)


def _is_due(store: Store, config: Config, name: str, now: datetime, *, every: timedelta) -> bool:
    state = store.sources.state(name)
    if _is_another(state, config, now):
        return True
    if state.next_try_at is not None:
        return state.next_try_at <= now
    return (
        _was_cut_off(store, name) or state.last_try_at is None or now - state.last_try_at >= every
    )


def _rests(state: SourceState, config: Config, now: datetime) -> bool:
    wants_rest = state.next_try_at is not None and state.next_try_at > now
    return wants_rest and not _is_another(state, config, now)


def _is_another(state: SourceState, config: Config, now: datetime) -> bool:
    """Whether the last pass says nothing of the next: there is none, its options were others, or
    the clock was set back since."""
    return (
        state.last_try_at is None
        or state.last_try_at > now
        or state.asked != fingerprint(config.sources[state.name])
    )


def _was_cut_off(store: Store, name: str) -> bool:
    """Whether the last pass has no end: the process was stopped, and what it missed is news."""
    return any(last.status is PassStatus.RUNNING for last in store.sources.passes(name, limit=1))
