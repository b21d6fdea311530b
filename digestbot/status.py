"""Gather the state of sources, digests and deliveries, and list what needs attention."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from digestbot.awaiting import Awaited, waiting
from digestbot.batch_words import English, Statement, statements
from digestbot.batches import arxiv_sources, batches_of, latest
from digestbot.config import Config, DigestConfig
from digestbot.model import Delivery, DeliveryState, Destination
from digestbot.store import DigestState, ServiceState, SourceState, Store
from digestbot.syncing import is_due, next_due_at, removed_digests, start_seq

IN_PROGRESS = (DeliveryState.SENDING, DeliveryState.DATA_DONE)
FAILED = (
    DeliveryState.RETRYING,
    DeliveryState.DEAD,
    DeliveryState.UNKNOWN,
    DeliveryState.QUARANTINED,
)
REPORTED = (*FAILED, DeliveryState.HELD)
OK = ("ok", "empty", "never")
"""States of a source that need no attention."""
SHOWN_FAILURES = 10
SHOWN_ERRORS = 3
"""Number of distinct errors shown for each state, newest first."""
SHOWN_NAMES = 5
"""Names listed for a fault that several digests or sources share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestStatus:
    """Status of one configured digest."""

    name: str
    title: str
    schedule: str
    state: DigestState | None
    """None until its first run."""
    next_due_at: datetime | None
    subscribers: int
    waiting: int
    """Announcements after its cursor, before filtering."""
    awaited: Awaited | None = None
    """Batches that it waits for; None if it does not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Status of the whole bot at one moment."""

    now: datetime
    papers: int
    sources: tuple[SourceState, ...]
    digests: tuple[DigestStatus, ...]
    removed: tuple[DigestState, ...]
    """Digests that were removed from the config."""
    deliveries: Mapping[DeliveryState, int]
    failures: tuple[Delivery, ...]
    """The newest failed or held deliveries, at most ten."""
    faults: tuple[str, ...]
    """One line for each fault; equal faults share a line."""
    coverage: Mapping[str, tuple[Statement, ...]]
    """Lines about the latest batches of each arXiv source, usually one; see `batch_words`."""

    services: tuple[ServiceState, ...] = ()
    """Services that complete papers; a failure there delays no edition."""
    incomplete: Mapping[str, int] = field(default_factory=dict)
    """Source → papers that wait for these services."""

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each thing that needs attention."""
        return (*self.faults, *_in_progress(self.deliveries))


def gather(
    store: Store, config: Config, now: datetime, *, max_age: timedelta | None = None
) -> Status:
    """
    Read the status at *now* from the store.

    A source whose last complete fetch is older than *max_age* is a fault.
    """
    sources = tuple(store.sources.state(name) for name in config.sources)
    awaited = waiting(store, config, _due(store, config, now), now)
    digests = tuple(
        replace(_digest(store, config, name, now), awaited=awaited.get(name))
        for name in config.digests
    )
    failures = store.outbox.list(states=REPORTED, limit=SHOWN_FAILURES)
    coverage = _coverage(store, config, now)
    return Status(
        now=now,
        papers=store.papers.count(),
        sources=sources,
        digests=digests,
        removed=tuple(removed_digests(config, store.digests.states())),
        deliveries=store.outbox.counts(),
        failures=failures,
        faults=(
            *_source_problems(sources),
            *_coverage_problems(sources, coverage),
            *(_stale(sources, now, max_age) if max_age is not None else ()),
            *_digest_problems(digests),
            *_overdue(config, digests, now),
            *_delivery_problems(store.outbox.counts(), failures),
            *_pause_problems(store, config, now),
            *_mailbox_problems(store, config),
        ),
        coverage=coverage,
        services=store.enrichments.services(),
        incomplete=store.enrichments.waiting(),
    )


def _due(store: Store, config: Config, now: datetime) -> list[DigestConfig]:
    states = {state.name: state for state in store.digests.states()}
    digests = config.digests.values()
    return [digest for digest in digests if is_due(digest, states.get(digest.name), now)]


def _coverage(store: Store, config: Config, now: datetime) -> dict[str, tuple[Statement, ...]]:
    sources = arxiv_sources(config)
    since = min((each.calendar.latest_day(now) for each in sources.values()), default=now.date())
    found = latest(batches_of(store, sources, since, now))
    return {
        name: statements((b for b in found if b.source == name), English(), config.timezone)
        for name in sources
    }


def _coverage_problems(
    sources: Iterable[SourceState], coverage: Mapping[str, Sequence[Statement]]
) -> list[str]:
    """Report incomplete batches, unless the source is reported for its last pass."""
    fine = [source.name for source in sources if source.status in OK]
    lines = ((name, line) for name in fine for line in coverage.get(name, ()))
    return [f"source {name}: {line.text}" for name, line in lines if line.is_incomplete]


def _digest(store: Store, config: Config, name: str, now: datetime) -> DigestStatus:
    digest = config.digests[name]
    state = store.digests.find(name)
    cursor = start_seq(store, state, now)
    return DigestStatus(
        name=name,
        title=digest.title,
        schedule=digest.schedule_text,
        state=state,
        next_due_at=next_due_at(digest, state, now),
        subscribers=store.subscriptions.count_confirmed(name) or len(digest.destinations),
        waiting=store.papers.count_announcements(cursor, sources=frozenset(digest.sources)),
    )


def _stale(sources: Iterable[SourceState], now: datetime, max_age: timedelta) -> Iterator[str]:
    for source in sources:
        if source.last_ok_at is None:
            yield f"source {source.name}: no complete fetch yet"
        elif now - source.last_ok_at > max_age:
            last = f"{source.last_ok_at:%Y-%m-%d %H:%M} UTC"
            yield f"source {source.name}: last complete fetch at {last}, older than --max-age"


def _pause_problems(store: Store, config: Config, now: datetime) -> list[str]:
    """Describe the kinds of destination whose server refuses us."""
    lines = []
    for pause in store.pauses.list(now):
        until = f"{pause.until.astimezone(config.timezone):%Y-%m-%d %H:%M}"
        waiting = _count_deliveries(store.outbox.count_due(pause.kind, now))
        again = "'digestbot deliveries retry --all' tries now"
        lines.append(f"{pause.kind}: paused until {until}, {waiting} due: {pause.error}; {again}")
    return lines


def _mailbox_problems(store: Store, config: Config) -> tuple[str, ...]:
    error = config.bounces and store.bounces.mailbox(config.bounces.place).last_error
    return (f"bounces: {error}",) if error else ()


def _source_problem(source: SourceState) -> str:
    return (source.last_error or source.note or "incomplete").removeprefix(f"{source.name}: ")


def _count_deliveries(number: int) -> str:
    return "1 delivery" if number == 1 else f"{number} deliveries"


def _failed(state: DeliveryState, number: int, failures: tuple[Delivery, ...]) -> list[str]:
    """Count the deliveries in *state* and list their distinct errors."""
    errors = [f"{_label(f.destination)}: {f.last_error}" for f in failures if f.state is state]
    counted = _count_deliveries(number)
    subjects = (counted, *("also",) * (SHOWN_ERRORS - 1))
    shown = zip(subjects, dict.fromkeys(errors), strict=False)
    return [f"{subject} {state}, {error}" for subject, error in shown] or [f"{counted} {state}"]


def _label(destination: Destination) -> str:
    """Return the kind and the address: the operator has to know whom a failure concerns."""
    return f"{destination.kind} {destination.address}"


def _grouped(kind: str, faults: Iterable[tuple[str, str]]) -> list[str]:
    """Return one line for each distinct fault, given as (name, fault)."""
    names: dict[str, list[str]] = {}
    for name, fault in faults:
        names.setdefault(fault, []).append(name)
    return [f"{_named(kind, several)}: {fault}" for fault, several in names.items()]


def _named(kind: str, names: Sequence[str]) -> str:
    """Name what a fault concerns: ``digest a``, ``3 digests (a, b, c)``."""
    if len(names) == 1:
        return f"{kind} {names[0]}"
    rest = len(names) - SHOWN_NAMES
    shown = ", ".join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")
    return f"{len(names)} {kind}s ({shown})"


def _source_problems(sources: Iterable[SourceState]) -> list[str]:
    return _grouped(
        "source",
        ((s.name, f"{s.status}: {_source_problem(s)}") for s in sources if s.status not in OK),
    )


def _digest_problems(digests: Sequence[DigestStatus]) -> list[str]:
    failed = ((d.name, d.state.last_error) for d in digests if d.state and d.state.last_error)
    unread = ((d.name, "no recipients") for d in digests if not d.subscribers)
    return [*_grouped("digest", failed), *_grouped("digest", unread)]


def _overdue(config: Config, digests: Iterable[DigestStatus], now: datetime) -> list[str]:
    """Report the digests whose slot passed without an edition, in one line."""
    missed = {d.name: at for d in digests if (at := _missed_slot(config, d))}
    late = {name: at for name, at in missed.items() if now - at >= config.overdue}
    if not late:
        return []
    since = min(late.values()).astimezone(config.timezone)
    return [
        f"{_named('digest', list(late))}: overdue since {since:%Y-%m-%d %H:%M}; is a cron job or "
        "'digestbot serve' running?"
    ]


def _missed_slot(config: Config, digest: DigestStatus) -> datetime | None:
    """
    Return when the digest was due at the latest, if it has run before.

    While an edited schedule waits for the next run, the first of its slots after the old due time
    counts: a stopped service would otherwise never be overdue again.
    """
    if digest.state is None or digest.state.next_due_at is None:
        return None
    schedule = config.digests[digest.name].schedule
    due_at = digest.state.next_due_at
    missed = due_at if digest.next_due_at == due_at else schedule.next_after(due_at)
    slot = schedule.latest_slot(missed)
    return max(missed, slot.closes_at) if slot and slot.closes_at else missed


def _delivery_problems(
    deliveries: Mapping[DeliveryState, int], failures: tuple[Delivery, ...]
) -> list[str]:
    lines: list[str] = []
    for state in FAILED:
        if number := deliveries[state]:
            lines += _failed(state, number, failures)
    if held := deliveries[DeliveryState.HELD]:
        lines.append(
            f"{_count_deliveries(held)} held: 'digestbot deliveries list --state held' shows why; "
            "send with 'deliveries release' or drop with 'deliveries cancel --held'"
        )
    return lines


def _in_progress(deliveries: Mapping[DeliveryState, int]) -> list[str]:
    """Report deliveries under way: usual in a service, else a sign of a killed process."""
    count = sum(deliveries[state] for state in IN_PROGRESS)
    if not count:
        return []
    return [
        f"{_count_deliveries(count)} in progress; if no worker is running, the next run takes "
        "over after 2 minutes"
    ]
