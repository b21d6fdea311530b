"""The second stage: what the log holds beyond a digest's cursor becomes its next edition."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digestbot.config import Config, DigestConfig, find_digest
from digestbot.editions import Selection, cover, select
from digestbot.errors import DigestbotError, StoreError
from digestbot.model import (
    REPLACEMENTS,
    Announcement,
    Edition,
    EditionPaper,
    Origin,
    SourceCoverage,
)
from digestbot.pipeline.addressing import message_domain, render_context
from digestbot.pipeline.candidates import Candidates, read_log
from digestbot.pipeline.messages import frozen_bodies
from digestbot.render import Templates
from digestbot.sending_limits import SendingLimits, flood
from digestbot.store import DigestState, SourceState, Store

log = logging.getLogger(__name__)

FIRST_EDITION_REACH = timedelta(days=7)
"""How far back the first edition of a digest looks in a log that was there before the digest."""
SILENT = frozenset({"never", "running", "late", "refused", "broken"})
"""States of a source that say nothing of what there is: an edition without papers would be a guess
that there are none, so the digest waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionMade:
    """What became of one digest in one cycle."""

    digest: str
    edition: str | None = None
    """``systems/12``; None if none was made."""
    papers: int = 0
    omitted: int = 0
    deliveries: int = 0
    held: str | None = None
    """Why its deliveries wait for a person; None if they do not."""
    note: str | None = None
    """Why there is no edition, if that is not for want of a match."""
    error: str | None = None


def make_editions(
    store: Store,
    config: Config,
    templates: Templates,
    *,
    now: datetime,
    names: Collection[str] | None = None,
    force: bool = False,
) -> tuple[EditionMade, ...]:
    """
    The editions that are due at *now* among the named digests, or all; with *force* all of them.

    A digest that fails keeps its cursor: its next edition has everything.

    Raises:
        UsageError: A name that is no digest of the config.
    """
    chosen = [config.digests[name] for name in _known(config, names)]
    states = registered(store, chosen, now)
    due = [digest for digest in chosen if force or is_due(states[digest.name], now)]
    readings = _readings(store, due, states)
    return tuple(
        _fenced(store, config, templates, digest, readings.get(digest.name), now, force)
        for digest in due
    )


def _readings(
    store: Store, digests: Sequence[DigestConfig], states: Mapping[str, DigestState]
) -> Mapping[str, Candidates]:
    """What the digests read, all together; if that fails none, so that each reads for itself."""
    try:
        return read_log(store, [(digest, states[digest.name].cursor) for digest in digests])
    except StoreError:
        raise
    except Exception:
        log.exception("the log could not be read for all digests together")
        return {}


def _known(config: Config, names: Collection[str] | None) -> tuple[str, ...]:
    if names is None:
        return tuple(config.digests)
    for name in names:
        find_digest(config, name)
    return tuple(dict.fromkeys(names))


def registered(
    store: Store, digests: Collection[DigestConfig], now: datetime
) -> Mapping[str, DigestState]:
    """
    The digests' states, made on first sight and kept in step with schedules and destinations.

    A new digest is due at once, as if the bot had slept through its last slot, and starts a week
    back in the log: its first edition is never empty for no reason and never the whole archive.
    """
    known = {state.name: state for state in store.digests.states()}
    changed = store.subscriptions.out_of_step({one.name: one.destinations for one in digests})
    return {
        digest.name: state
        if (state := known.get(digest.name))
        and digest.name not in changed
        and _is_in_step(state, digest, now)
        else _register(store, digest, now)
        for digest in digests
    }


def _is_in_step(state: DigestState, digest: DigestConfig, now: datetime) -> bool:
    """Whether the digest is known by its schedule, and not put off beyond the next slot of it."""
    if state.fingerprint != _fingerprint(digest):
        return False
    return state.next_due_at is None or state.next_due_at <= digest.schedule.next_after(now)


def _fingerprint(digest: DigestConfig) -> str:
    return f"{digest.schedule_text} ({digest.schedule.zone.key})"


def _register(store: Store, digest: DigestConfig, now: datetime) -> DigestState:
    next_slot = digest.schedule.next_after(now)
    state = store.digests.register(
        digest.name,
        origin=Origin.CONFIG,
        fingerprint=_fingerprint(digest),
        cursor=store.papers.first_seq_since(now - FIRST_EDITION_REACH),
        next_due_at=now,
        rescheduled_to=next_slot,
        now=now,
    )
    store.subscriptions.sync_config(digest.name, digest.destinations, now)
    if state.next_due_at is None or state.next_due_at <= next_slot:
        return state
    # Later than the next slot: written while the clock ran ahead. A slot that had its edition is
    # not made again.
    store.digests.set_next_due(digest.name, next_slot)
    return replace(state, next_due_at=next_slot)


def is_due(state: DigestState, now: datetime) -> bool:
    """Whether the digest's next edition is to be made at *now*, or was to be before."""
    return state.next_due_at is not None and state.next_due_at <= now


def _fenced(
    store: Store,
    config: Config,
    templates: Templates,
    digest: DigestConfig,
    reading: Candidates | None,
    now: datetime,
    force: bool,
) -> EditionMade:
    """One digest; whatever happens to it stays with it."""
    try:
        made = _make(store, config, templates, digest, reading, now, force)
    except StoreError:
        raise
    except DigestbotError as error:
        made = EditionMade(digest=digest.name, error=str(error))
    except Exception as error:
        log.exception("a digest failed in a way nobody foresaw", extra={"digest": digest.name})
        made = EditionMade(digest=digest.name, error=f"{type(error).__name__}: a bug, see the log")
    store.digests.set_error(digest.name, made.error)
    return made


def _make(
    store: Store,
    config: Config,
    templates: Templates,
    digest: DigestConfig,
    reading: Candidates | None,
    now: datetime,
    force: bool,
) -> EditionMade:
    state = store.digests.state(digest.name)
    slot = _slot(digest, now, force)
    if reading is None or reading.from_seq != state.cursor:  # another process was here meanwhile
        reading = read_log(store, [(digest, state.cursor)])[digest.name]
    edition, selection = _composed(store, digest, state, reading, now, slot)
    next_due_at = digest.schedule.next_after(now)
    if not edition.papers and all(c.status in SILENT for c in edition.coverage):
        return EditionMade(digest=digest.name, note="its sources do not answer; it stays due")
    if not edition.papers and digest.when_empty == "skip":
        store.editions.advance(digest.name, edition.from_seq, edition.to_seq, next_due_at)
        return EditionMade(digest=digest.name)
    context = render_context(config, templates, digest, next_edition_at=next_due_at)
    bodies = frozen_bodies(config, edition, context, digest.exports)
    confirmed = store.subscriptions.confirmed(digest.name)
    flood_check = _FloodCheck(config.sending_limits)
    edition_id = store.editions.record(
        digest.name,
        edition,
        selection.omitted,
        bodies,
        [(subscription.destination, subscription.id) for subscription in confirmed],
        next_due_at,
        now,
        message_domain=message_domain(config),
        expires_at=now + digest.expires,
        flood_check=flood_check,
    )
    if edition_id is None:
        # Another process was first, and its edition is as good as ours; or the slot had its edition
        # before the schedule was changed. Without a new time it would be tried at every tick.
        store.digests.set_next_due(digest.name, next_due_at)
        return EditionMade(digest=digest.name, note="another process made it just now")
    log.info("edition made", extra={"edition": edition.name, "papers": len(edition.papers)})
    return EditionMade(
        digest=digest.name,
        edition=edition.name,
        papers=len(edition.papers),
        omitted=edition.omitted,
        deliveries=len(confirmed),
        held=flood_check.reason,
    )


@dataclass(slots=True)
class _FloodCheck:
    """Asked by the store in the midst of its transaction; remembers what it said."""

    settings: SendingLimits
    reason: str | None = None

    def __call__(self, today: int, days: Sequence[int]) -> str | None:
        self.reason = flood(self.settings, today, days)
        return self.reason


def _slot(digest: DigestConfig, now: datetime, force: bool) -> str:
    """
    The name of the moment that an edition answers; unique within its digest.

    By schedule it is the wall-clock time of the slot, so that an hour that a change of the clocks
    repeats is one slot; by hand it is the moment itself.
    """
    latest = None if force else digest.schedule.latest_slot(now)
    return latest.name if latest else f"by hand {now.isoformat()}"


def next_edition(
    store: Store,
    digest: DigestConfig,
    state: DigestState | None,
    *,
    now: datetime,
    slot: str = "preview",
    since: datetime | None = None,
    reading: Candidates | None = None,
) -> tuple[Edition, Selection]:
    """
    What the digest's next edition would be at *now*; reads the store and changes nothing.

    Args:
        state: None for a digest that has had no edition yet.
        since: Look at all that was announced since then, sent before or not, instead of what
            the cursor has not passed.
        reading: What `read_ahead` has read for it.
    """
    from_seq = _window_start(store, state, now, since)
    if reading is None or reading.from_seq != from_seq:
        reading = read_log(store, [(digest, from_seq)])[digest.name]
    return _composed(store, digest, state, reading, now, slot, again=since is not None)


def read_ahead(
    store: Store, digests: Iterable[DigestConfig], *, now: datetime
) -> Mapping[str, Candidates]:
    """What `next_edition` reads at *now* for each of the digests, out of one walk for all."""
    states = {state.name: state for state in store.digests.states()}
    starts = [(one, _window_start(store, states.get(one.name), now, None)) for one in digests]
    return read_log(store, starts)


def _composed(
    store: Store,
    digest: DigestConfig,
    state: DigestState | None,
    reading: Candidates,
    now: datetime,
    slot: str,
    again: bool = False,
) -> tuple[Edition, Selection]:
    """The edition of what the digest has read; with *again*, of what it had offered before too."""
    offered = frozenset[tuple[str, int]]()
    if state is not None and not again:
        keys = {(row.paper.id, row.paper.version) for row, _ in reading.candidates}
        offered = frozenset(store.editions.offered(digest.name, keys))
    selection = select(reading.candidates, limit=digest.limit, already=offered)
    edition = Edition(
        digest=digest.name,
        title=digest.title,
        number=(state.editions if state else 0) + 1,
        slot=slot,
        created_at=now,
        from_seq=reading.from_seq,
        to_seq=reading.to_seq,
        papers=_with_previous(store, selection.included),
        omitted=len(selection.omitted),
        considered=len({row.paper.id for row in reading.rows}),
        coverage=tuple(
            _coverage(store.sources.state(source), reading.rows, selection)
            for source in digest.sources
        ),
    )
    return edition, selection


def _window_start(
    store: Store, state: DigestState | None, now: datetime, since: datetime | None
) -> int:
    if since is not None:
        return store.papers.first_seq_since(since)
    if state is not None:
        return state.cursor
    return store.papers.first_seq_since(now - FIRST_EDITION_REACH)


def _coverage(
    state: SourceState, rows: Collection[Announcement], selection: Selection
) -> SourceCoverage:
    return cover(
        state.name,
        rows,
        selection,
        status=state.status,
        as_of=state.last_ok_at,
        note=state.note,
    )


def _with_previous(store: Store, entries: Iterable[EditionPaper]) -> tuple[EditionPaper, ...]:
    """*entries*, the replacements among them with the version before, to tell what changed."""
    updated = {e.paper.id: e.paper.version for e in entries if e.type in REPLACEMENTS}
    previous = store.papers.versions_before(updated)
    return tuple(replace(entry, previous=previous.get(entry.paper.id)) for entry in entries)
