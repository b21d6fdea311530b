"""
Sync of the config into the store: digests, schedules, and subscriptions from ``deliver:``.

`sync_config` is the one step that writes what the config says; `run` and `serve` take it before
anything else. What only reads asks `next_due_at` and `start_seq`, which say what the next sync will
write, so that a digest new to the store looks the same before and after.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from digestbot.config import Config, DigestConfig
from digestbot.model import DeliveryState, Origin
from digestbot.store import DigestState, Store, Transition

log = logging.getLogger(__name__)

FIRST_EDITION_REACH = timedelta(days=7)
"""How far back in the log a digest starts when it is new, or when it returns to the config."""
WAITING = frozenset({DeliveryState.QUEUED, DeliveryState.RETRYING, DeliveryState.HELD})
"""Deliveries that the removal of their digest cancels; those under way end as usual."""
BATCH = 500
"""Deliveries cancelled in one transaction."""
REMOVED_REASON = "its digest was removed from the config"


def sync_config(store: Store, config: Config, now: datetime) -> None:
    """
    Register the digests of the config and end those removed from it.

    A new digest is due at once, as if the bot had slept through its last slot, and starts a week
    back in the log, so that its first edition is neither empty nor the whole archive. A removed
    digest keeps its editions; its subscriptions end and its waiting deliveries are cancelled. A
    digest put back gets the subscribers back that it lost by its removal, and resumes at its next
    slot. Two queries when nothing has changed; any number of processes may sync at once.
    """
    states = {state.name: state for state in store.digests.states()}
    named = {digest.name: digest.destinations for digest in config.digests.values()}
    changed = store.subscriptions.out_of_step(named)
    for digest in config.digests.values():
        state = states.get(digest.name)
        if state is None or digest.name in changed or not _is_current(digest, state, now):
            _register(store, digest, state, now)
    for state in removed_digests(config, states.values()):
        if not state.is_removed:
            _remove(store, state.name, now)


def removed_digests(config: Config, states: Iterable[DigestState]) -> list[DigestState]:
    """List the digests that have left the config."""
    return [
        state
        for state in states
        if state.origin is Origin.CONFIG and state.name not in config.digests
    ]


def next_due_at(digest: DigestConfig, state: DigestState | None, now: datetime) -> datetime | None:
    """
    Return when *digest* is due after the next sync.

    A due time beyond the next slot was written while the clock ran ahead; the slot counts.
    """
    if state is None:
        return now
    if state.fingerprint != _fingerprint(digest):
        return _rescheduled_to(digest, state, now)
    next_slot = digest.schedule.next_after(now)
    return None if state.next_due_at is None else min(state.next_due_at, next_slot)


def is_due(digest: DigestConfig, state: DigestState | None, now: datetime) -> bool:
    """Return True if the next edition is due at *now* or overdue."""
    due_at = next_due_at(digest, state, now)
    return due_at is not None and due_at <= now


def start_seq(store: Store, state: DigestState | None, now: datetime) -> int:
    """Return the cursor of a digest after the next sync."""
    if state is not None and not state.is_removed:
        return state.cursor
    recent = store.papers.first_seq_since(now - FIRST_EDITION_REACH)
    return recent if state is None else max(state.cursor, recent)


def _is_current(digest: DigestConfig, state: DigestState, now: datetime) -> bool:
    """Return True if the store is up to date."""
    return state.fingerprint == _fingerprint(digest) and state.next_due_at == next_due_at(
        digest, state, now
    )


def _fingerprint(digest: DigestConfig) -> str:
    return f"{digest.schedule_text} ({digest.schedule.zone.key})"


def _rescheduled_to(digest: DigestConfig, state: DigestState | None, now: datetime) -> datetime:
    """Return when a new schedule is due: at once in an open window without an edition."""
    slot = digest.schedule.latest_slot(now)
    is_open = slot is not None and slot.closes_at is not None and now < slot.closes_at
    last = state.last_edition_at if state else None
    if slot is not None and is_open and (last is None or last < slot.at):
        return slot.at
    return digest.schedule.next_after(now)


def _register(store: Store, digest: DigestConfig, state: DigestState | None, now: datetime) -> None:
    if state is not None and state.is_removed:
        store.digests.skip_to(digest.name, start_seq(store, state, now))
        store.subscriptions.restore_digest(digest.name, now)
        log.info("digest put back", extra={"digest": digest.name})
    store.subscriptions.sync_config(digest.name, digest.destinations, now)
    registered = store.digests.register(
        digest.name,
        origin=Origin.CONFIG,
        fingerprint=_fingerprint(digest),
        cursor=start_seq(store, state, now),
        next_due_at=now,
        rescheduled_to=_rescheduled_to(digest, state, now),
        now=now,
    )
    due_at = next_due_at(digest, registered, now)
    if registered.next_due_at != due_at:
        # A slot that already has its edition gets no second one.
        store.digests.set_next_due(digest.name, due_at)


def _remove(store: Store, name: str, now: datetime) -> None:
    """End the subscriptions and the queue; safe to repeat after a crash."""
    ended = store.subscriptions.end_digest(name, now)
    cancelled = 0
    while waiting := store.outbox.list(states=WAITING, digest=name, limit=BATCH):
        cancelled += sum(
            store.outbox.apply(
                [
                    Transition(d.id, DeliveryState.CANCELLED, None, error=REMOVED_REASON)
                    for d in waiting
                ]
            )
        )
    store.digests.remove(name)
    # The operator should see this even if it was meant: a slip of the editor looks the same.
    facts = {"digest": name, "subscriptions_ended": ended, "deliveries_cancelled": cancelled}
    log.warning("digest removed from the config", extra=facts)
