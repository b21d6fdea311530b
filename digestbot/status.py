"""Gather the state of sources, digests and deliveries, and list what needs attention."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.model import Delivery, DeliveryState, Destination
from digestbot.store import DigestState, SourceState, Store
from digestbot.syncing import next_due_at, removed_digests, start_seq

IN_PROGRESS = (DeliveryState.SENDING, DeliveryState.DATA_DONE)
FAILED = (
    DeliveryState.RETRYING,
    DeliveryState.DEAD,
    DeliveryState.UNKNOWN,
    DeliveryState.QUARANTINED,
)
REPORTED = (*FAILED, DeliveryState.HELD)
SHOWN_FAILURES = 10
SHOWN_ERRORS = 3
"""Number of distinct errors shown for each state, newest first."""
OVERDUE = timedelta(days=2)
"""A digest overdue for longer means that no job is running; even a daily one runs sooner."""


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
    problems: tuple[str, ...]
    """One line for each thing that needs attention."""


def gather(store: Store, config: Config, now: datetime) -> Status:
    """Read the status at *now* from the store."""
    sources = tuple(store.sources.state(name) for name in config.sources)
    digests = tuple(_digest(store, config, name, now) for name in config.digests)
    failures = store.outbox.list(states=REPORTED, limit=SHOWN_FAILURES)
    return Status(
        now=now,
        papers=store.papers.count(),
        sources=sources,
        digests=digests,
        removed=tuple(removed_digests(config, store.digests.states())),
        deliveries=store.outbox.counts(),
        failures=failures,
        problems=(
            *_problems(sources, digests, store.outbox.counts(), failures, now),
            *_pause_problems(store, config, now),
            *_mailbox_problems(store, config),
        ),
    )


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


def _problems(
    sources: tuple[SourceState, ...],
    digests: tuple[DigestStatus, ...],
    deliveries: Mapping[DeliveryState, int],
    failures: tuple[Delivery, ...],
    now: datetime,
) -> list[str]:
    lines = [
        f"source {s.name}: {s.status}: {_source_problem(s)}"
        for s in sources
        if s.status not in ("ok", "empty", "never")
    ]
    lines += [
        f"digest {d.name}: {d.state.last_error}" for d in digests if d.state and d.state.last_error
    ]
    lines += [
        f"digest {d.name}: overdue by {(now - d.next_due_at).days} days; is a cron job or "
        "'digestbot serve' running?"
        for d in digests
        if d.next_due_at is not None and now - d.next_due_at > OVERDUE
    ]
    lines += [f"digest {d.name}: no recipients" for d in digests if not d.subscribers]
    for state in FAILED:
        if number := deliveries[state]:
            lines += _failed(state, number, failures)
    if held := deliveries[DeliveryState.HELD]:
        lines.append(
            f"{_count_deliveries(held)} held: 'digestbot deliveries list --state held' shows why; "
            "send with 'deliveries release' or drop with 'deliveries cancel --held'"
        )
    if count := sum(deliveries[state] for state in IN_PROGRESS):
        lines.append(
            f"{_count_deliveries(count)} in progress; if no worker is running, the next run takes "
            "over after 2 minutes"
        )
    return lines
