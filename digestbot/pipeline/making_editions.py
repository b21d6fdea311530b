"""Second stage: turn what the log holds beyond a digest's cursor into its next edition."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from digestbot.awaiting import Awaited, awaited_by, with_notice
from digestbot.batches import in_window, recent_batches
from digestbot.config import Config, DigestConfig, find_digest
from digestbot.editions import Selection, add_coverage, cover, is_known, select
from digestbot.errors import DigestbotError, StoreError
from digestbot.model import (
    FRESH,
    REPLACEMENTS,
    Announcement,
    AnnounceType,
    Batch,
    Edition,
    EditionPaper,
    Offered,
    SourceCoverage,
)
from digestbot.pipeline.candidates import Candidates, read_log
from digestbot.pipeline.messages import freeze, message_domain, needed_forms, render_context
from digestbot.render import Templates
from digestbot.render.view import catch_up_title
from digestbot.sending_limits import SendingLimits, flood
from digestbot.store import DigestState, Skipped, SourceState, Store
from digestbot.syncing import is_due, start_seq

log = logging.getLogger(__name__)

INCONCLUSIVE = frozenset({"never", "running", "late", "refused", "broken"})
"""Source states that leave open what was announced: an empty edition would claim that nothing was,
so the digest stays due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionMade:
    """Outcome of one digest in one cycle."""

    digest: str
    edition: str | None = None
    """``systems/12``; None if none was made."""
    papers: int = 0
    """Papers in full."""
    omitted: int = 0
    """Papers beyond the limit: listed by title, or waiting."""
    waiting: int = 0
    """Of these, papers that wait for the next edition."""
    deliveries: int = 0
    held: str | None = None
    """Why the deliveries wait for the operator; None if they are queued."""
    note: str | None = None
    """Reason for the lack of an edition, other than that nothing matched."""
    error: str | None = None


def make_editions(
    store: Store,
    config: Config,
    templates: Templates,
    *,
    now: datetime,
    names: Collection[str] | None = None,
    force: bool = False,
    missed_since: datetime | None = None,
) -> tuple[EditionMade, ...]:
    """
    Make the editions of the named digests, or of all, that are due at *now*.

    With *force*, make them all. With *missed_since*, make them all as catch-up editions, with the
    papers announced since then that match now and that no edition has had. The digests must be in
    the store: call `syncing.sync_config` first. A digest that fails keeps its cursor, so its next
    edition has everything.

    Raises:
        UsageError: One of *names* is not a digest of the config.
    """
    chosen = [config.digests[name] for name in _known(config, names)]
    states = {state.name: state for state in store.digests.states()}
    force = force or missed_since is not None
    due = [digest for digest in chosen if force or is_due(digest, states[digest.name], now)]
    awaited = awaited_by(store, config, due, now)
    waiting = {} if force else {name: w for name, w in awaited.items() if now < w.until}
    ready = [digest for digest in due if digest.name not in waiting]
    candidates = _read_together(store, ready, states)
    cycle = _Cycle(
        store=store,
        config=config,
        templates=templates,
        batches=_batches_together(store, config, ready, states, now),
        now=now,
        force=force,
        missed_since=missed_since,
    )
    return tuple(
        _waits(digest, waiting[digest.name], config)
        if digest.name in waiting
        else cycle.make(digest, candidates.get(digest.name), awaited.get(digest.name))
        for digest in due
    )


def _waits(digest: DigestConfig, awaited: Awaited, config: Config) -> EditionMade:
    note = f"not due yet, {awaited.in_words(config.timezone)}"
    return EditionMade(digest=digest.name, note=note)


def _read_together(
    store: Store, digests: Sequence[DigestConfig], states: Mapping[str, DigestState]
) -> Mapping[str, Candidates]:
    """Read the log once for all digests; empty on failure."""
    try:
        return read_log(store, [(digest, states[digest.name].cursor) for digest in digests])
    except StoreError:
        raise
    except Exception:
        log.exception("reading the log for all digests failed")
        return {}


def _batches_together(
    store: Store,
    config: Config,
    digests: Sequence[DigestConfig],
    states: Mapping[str, DigestState],
    now: datetime,
) -> tuple[Batch, ...]:
    """Read arXiv's batches once for all digests; empty on failure."""
    begins = [begin for digest in digests if (begin := states[digest.name].covered_to)]
    names = {source for digest in digests for source in digest.sources}
    try:
        return recent_batches(store, config, names, min(begins, default=None), now)
    except StoreError:
        raise
    except Exception:
        log.exception("batches not read")
        return ()


def _known(config: Config, names: Collection[str] | None) -> tuple[str, ...]:
    if names is None:
        return tuple(config.digests)
    for name in names:
        find_digest(config, name)
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cycle:
    """What the editions made at one time share."""

    store: Store
    config: Config
    templates: Templates
    batches: Sequence[Batch]
    now: datetime
    force: bool
    missed_since: datetime | None

    def make(
        self, digest: DigestConfig, candidates: Candidates | None, awaited: Awaited | None
    ) -> EditionMade:
        """Make one edition; contain and record a failure."""
        try:
            made = self._make(digest, candidates, awaited)
        except StoreError:
            raise
        except DigestbotError as error:
            made = EditionMade(digest=digest.name, error=str(error))
        except Exception as error:
            log.exception("digest failed unexpectedly", extra={"digest": digest.name})
            text = f"{type(error).__name__}: a bug, see the log"
            made = EditionMade(digest=digest.name, error=text)
        self.store.digests.set_error(digest.name, made.error)
        return made

    def _make(
        self, digest: DigestConfig, candidates: Candidates | None, awaited: Awaited | None
    ) -> EditionMade:
        store, now, missed_since = self.store, self.now, self.missed_since
        state = store.digests.state(digest.name)
        slot = _slot(digest, now, self.force)
        from_seq = _first_seq(store, state, missed_since)
        if candidates is None or candidates.from_seq != from_seq:  # another process moved it
            candidates = read_log(store, [(digest, from_seq)])[digest.name]
        edition, selection = _compose(store, digest, state, candidates, self.batches, now, slot)
        coverage = tuple(with_notice(each, awaited) for each in edition.coverage)
        edition = replace(edition, coverage=coverage)
        if missed_since is not None:
            if not edition.papers:
                note = f"nothing missed since {missed_since:%F}"
                return EditionMade(digest=digest.name, note=note)
            edition = _as_catch_up(edition, state, digest, missed_since)
        if not edition.papers and all(each.status in INCONCLUSIVE for each in coverage):
            return EditionMade(digest=digest.name, note="its sources do not answer; it stays due")
        if not edition.papers and digest.when_empty == "skip":
            return self._skip(digest, edition)
        return self._record(digest, state, edition, selection)

    def _skip(self, digest: DigestConfig, edition: Edition) -> EditionMade:
        """Move on without an edition."""
        self.store.editions.advance(
            digest.name,
            edition.from_seq,
            edition.to_seq,
            digest.schedule.next_after(self.now),
            skipped=Skipped(considered=edition.considered, coverage=edition.coverage),
        )
        return EditionMade(digest=digest.name)

    def _record(
        self, digest: DigestConfig, state: DigestState, edition: Edition, selection: Selection
    ) -> EditionMade:
        """Render and store the edition with its deliveries."""
        store, config, now = self.store, self.config, self.now
        next_due_at = digest.schedule.next_after(now)
        context = render_context(config, self.templates, digest, next_edition_at=next_due_at)
        confirmed = store.subscriptions.confirmed(digest.name)
        needed = needed_forms(subscription.destination.kind for subscription in confirmed)
        flood_check = _FloodCheck(config.sending_limits)
        edition_id = store.editions.record(
            digest.name,
            edition,
            selection.waiting,
            freeze(config, edition, context, digest.exports, needed),
            [(subscription.destination, subscription.id) for subscription in confirmed],
            next_due_at,
            now,
            message_domain=message_domain(config),
            expires_at=now + digest.expires,
            flood_check=flood_check,
        )
        if edition_id is None:
            # Another process was first and its edition is as good as ours, or the slot had its
            # edition before the schedule changed. Without a new due time each tick would try again.
            store.digests.set_next_due(digest.name, next_due_at)
            return EditionMade(digest=digest.name, note=_why_not(store, state))
        log.info("edition made", extra={"edition": edition.name, "papers": len(edition.papers)})
        return EditionMade(
            digest=digest.name,
            edition=edition.name,
            papers=len(edition.papers),
            omitted=edition.omitted,
            waiting=edition.waiting,
            deliveries=len(confirmed),
            held=flood_check.reason,
        )


def _why_not(store: Store, before: DigestState) -> str:
    """Say why the slot has an edition already."""
    after = store.digests.state(before.name)
    if (after.cursor, after.editions) != (before.cursor, before.editions):
        return "another process has just made it"
    return "this slot has its edition already"


def _first_seq(store: Store, state: DigestState, missed_since: datetime | None) -> int:
    """Return the start of the window: the cursor, or an earlier seq to catch up from."""
    if missed_since is None:
        return state.cursor
    return min(state.cursor, store.papers.first_seq_since(missed_since))


def _as_catch_up(
    edition: Edition, state: DigestState, digest: DigestConfig, missed_since: datetime
) -> Edition:
    """Label the edition, and let it follow the cursor like any other."""
    title = catch_up_title(edition.title or edition.digest, digest.language)
    begin = min(missed_since, edition.covers_from or missed_since)
    return replace(edition, title=title, from_seq=state.cursor, covers_from=begin)


@dataclass(slots=True)
class _FloodCheck:
    """Check that the store calls inside its transaction; keeps the answer."""

    settings: SendingLimits
    reason: str | None = None

    def __call__(self, today: int, days: Sequence[int]) -> str | None:
        self.reason = flood(self.settings, today, days)
        return self.reason


def _slot(digest: DigestConfig, now: datetime, force: bool) -> str:
    """
    Name the slot that an edition fills; unique within its digest.

    By schedule it is the slot's local time, by hand the moment itself.
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
    candidates: Candidates | None = None,
    batches: Sequence[Batch] = (),
) -> tuple[Edition, Selection]:
    """
    Compose the digest's next edition as of *now*, for display only.

    Args:
        state: None for a digest that the store does not have yet.
        since: Take everything announced since then, sent before or not, instead of what lies beyond
            the cursor.
        candidates: What `read_ahead` has read for the digest.
        batches: What `recent_batches` has read for its sources.
    """
    if since is None:
        from_seq = start_seq(store, state, now)
    else:
        from_seq = store.papers.first_seq_since(since)
    if candidates is None or candidates.from_seq != from_seq:
        candidates = read_log(store, [(digest, from_seq)])[digest.name]
    return _compose(store, digest, state, candidates, batches, now, slot, since)


def read_ahead(
    store: Store, digests: Iterable[DigestConfig], *, now: datetime
) -> Mapping[str, Candidates]:
    """Read the log once for the `next_edition` of each digest."""
    states = {state.name: state for state in store.digests.states()}
    starts = [(digest, start_seq(store, states.get(digest.name), now)) for digest in digests]
    return read_log(store, starts)


def _compose(
    store: Store,
    digest: DigestConfig,
    state: DigestState | None,
    candidates: Candidates,
    batches: Sequence[Batch],
    now: datetime,
    slot: str,
    since: datetime | None = None,
) -> tuple[Edition, Selection]:
    """Compose an edition; with *since*, include papers of earlier editions."""
    carried: tuple[EditionPaper, ...] = ()
    skipped: Skipped | None = None
    is_next = state is not None and since is None
    if state is not None and since is None:
        carried = store.editions.waiting(digest.name) if state.editions else ()
        since, skipped = state.covered_to, state.skipped
    had = _Had.read(store, digest.name if is_next else None, candidates, carried)
    carried = tuple(entry for entry in carried if not had.under_another_id(entry))
    selection = select(
        candidates.candidates,
        limit=digest.limit,
        already={row.seq for row, _ in candidates.candidates if had.has(row)},
        carried=carried,
        overflow=digest.overflow,
        works=had.labels,
    )
    shown = in_window(batches, since, now)
    coverage = tuple(
        _coverage(store.sources.state(source), candidates.rows, selection, shown)
        for source in digest.sources
    )
    edition = Edition(
        digest=digest.name,
        title=digest.title,
        number=(state.editions if state else 0) + 1,
        slot=slot,
        created_at=now,
        from_seq=candidates.from_seq,
        to_seq=candidates.to_seq,
        papers=_with_previous(store, selection.included),
        more=_with_previous(store, selection.listed),
        waiting=len(selection.waiting),
        carried=len(carried),
        covers_from=since,
        covers_to=_window_end(candidates, since, now),
        considered=len({row.paper.id for row in candidates.rows})
        + (skipped.considered if skipped else 0),
        coverage=add_coverage(skipped.coverage if skipped else (), coverage),
    )
    return edition, selection


@dataclass(frozen=True, slots=True, kw_only=True)
class _Had:
    """Entries that earlier editions of a digest had of the works in a window."""

    works: Mapping[str, frozenset[str]]
    """Paper id → all ids of its work."""
    offered: Mapping[str, Sequence[Offered]]
    """Paper id → its entries."""
    changed: frozenset[tuple[str, int]]
    """Versions with a row `notice` in the window."""

    @classmethod
    def read(
        cls,
        store: Store,
        digest: str | None,
        candidates: Candidates,
        carried: Sequence[EditionPaper],
    ) -> "_Had":
        """Read the entries for *digest*; None stands for a digest without editions."""
        ids = {row.paper.id for row, _ in candidates.candidates}
        works = store.works.of(ids | {entry.paper.id for entry in carried})
        members = {member for work in works.values() for member in work}
        offered: dict[str, list[Offered]] = {}
        for entry in store.editions.offered(digest, members) if digest and members else ():
            offered.setdefault(entry.paper_id, []).append(entry)
        rows = (row for row, _ in candidates.candidates if row.type is AnnounceType.NOTICE)
        changed = frozenset((row.paper.id, row.paper.version) for row in rows)
        return cls(works=works, offered=offered, changed=changed)

    @property
    def labels(self) -> dict[str, str]:
        """Map each paper that shares its work to the work's first id."""
        return {each: min(work) for each, work in self.works.items() if len(work) > 1}

    def has(self, row: Announcement) -> bool:
        offered = tuple(self._of(row.paper.id))
        if row.type in FRESH and (row.paper.id, row.paper.version) in self.changed:
            return bool(offered)  # the notice tells
        return is_known(row, offered)

    def under_another_id(self, waiting: EditionPaper) -> bool:
        """Return True if an edition had the work of *waiting* under an id joined since."""
        return any(entry.paper_id != waiting.paper.id for entry in self._of(waiting.paper.id))

    def _of(self, paper_id: str) -> Iterator[Offered]:
        return (entry for each in self.works[paper_id] for entry in self.offered.get(each, ()))


def _window_end(candidates: Candidates, begin: datetime | None, now: datetime) -> datetime:
    """Return the end of the window, after its begin and its rows even if clocks disagree."""
    last_seen = max((row.seen_at for row in candidates.rows), default=now)
    return max(now, last_seen, begin or now)


def _coverage(
    state: SourceState,
    rows: Collection[Announcement],
    selection: Selection,
    batches: Sequence[Batch],
) -> SourceCoverage:
    return cover(
        state.name,
        rows,
        selection,
        status=state.status,
        as_of=state.last_ok_at,
        note=state.note,
        batches=batches,
    )


def _with_previous(store: Store, entries: Iterable[EditionPaper]) -> tuple[EditionPaper, ...]:
    """Add the version before it to each replacement."""
    updated = {e.paper.id: e.paper.version for e in entries if e.type in REPLACEMENTS}
    previous = store.papers.versions_before(updated)
    return tuple(replace(entry, previous=previous.get(entry.paper.id)) for entry in entries)
