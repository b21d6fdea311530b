"""The facts of `status`: what each source, digest and the queue stand at, and what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from digestbot.config import Config
from digestbot.deliver import REGISTRY
from digestbot.model import Delivery, DeliveryState, Destination
from digestbot.store import DigestState, SourceState, Store
from digestbot.syncing import next_due_at, removed_digests, start_seq

UNDER_WAY = (DeliveryState.SENDING, DeliveryState.DATA_DONE)
FAILED = (
    DeliveryState.RETRYING,
    DeliveryState.DEAD,
    DeliveryState.UNKNOWN,
    DeliveryState.QUARANTINED,
)
TOLD = (*FAILED, DeliveryState.HELD)
SHOWN_FAILURES = 10
SHOWN_ERRORS = 3
"""Of each state, the newest ones that differ."""
OVERDUE = timedelta(days=2)
"""A digest that is due for longer is one that nobody makes: even a daily job comes round sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestStatus:
    """One digest of the config."""

    name: str
    title: str
    schedule: str
    state: DigestState | None
    """None until its first cycle."""
    next_due_at: datetime | None
    subscribers: int
    waiting: int
    """Announcements beyond its cursor, before the filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything at one moment."""

    now: datetime
    papers: int
    sources: tuple[SourceState, ...]
    digests: tuple[DigestStatus, ...]
    removed: tuple[DigestState, ...]
    """Digests that are no longer in the config."""
    deliveries: Mapping[DeliveryState, int]
    failures: tuple[Delivery, ...]
    """The newest deliveries that are not well, at most ten."""
    problems: tuple[str, ...]
    """Everything that a person should look at, a line each; empty if all is well."""


def gather(store: Store, config: Config, now: datetime) -> Status:
    """The status at *now*; reads only."""
    sources = tuple(store.sources.state(name) for name in config.sources)
    digests = tuple(_digest(store, config, name, now) for name in config.digests)
    failures = store.outbox.list(states=TOLD, limit=SHOWN_FAILURES)
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


def _mailbox_problems(store: Store, config: Config) -> tuple[str, ...]:
    error = config.bounces and store.bounces.mailbox(config.bounces.place).last_error
    return (f"bounces: {error}",) if error else ()


def _words(source: SourceState) -> str:
    """What is wrong with it, without its name."""
    return (source.last_error or source.note or "incomplete").removeprefix(f"{source.name}: ")


def _deliveries(number: int) -> str:
    return "1 delivery" if number == 1 else f"{number} deliveries"


def _failed(state: DeliveryState, number: int, failures: tuple[Delivery, ...]) -> list[str]:
    """How many are in *state*, and the newest errors: a dead channel must not hide another one."""
    errors = [f"{_place(f.destination)}: {f.last_error}" for f in failures if f.state is state]
    counted = _deliveries(number)
    subjects = (counted, *("also",) * (SHOWN_ERRORS - 1))
    told = zip(subjects, dict.fromkeys(errors), strict=False)
    return [f"{subject} {state}, {error}" for subject, error in told] or [f"{counted} {state}"]


def _place(destination: Destination) -> str:
    """Its kind, and its name if that is neither a person's nor a secret."""
    kind = REGISTRY.get(destination.kind)
    if kind is not None and kind.shows_address:
        return f"{destination.kind} {destination.address}"
    return destination.kind


def _problems(
    sources: tuple[SourceState, ...],
    digests: tuple[DigestStatus, ...],
    deliveries: Mapping[DeliveryState, int],
    failures: tuple[Delivery, ...],
    now: datetime,
) -> list[str]:
    lines = [
        f"source {s.name}: {s.status}: {_words(s)}"
        for s in sources
        if s.status not in ("ok", "empty", "never")
    ]
    lines += [
        f"digest {d.name}: {d.state.last_error}" for d in digests if d.state and d.state.last_error
    ]
    lines += [
        f"digest {d.name}: overdue for {(now - d.next_due_at).days} days; does a cron job or "
        "'digestbot serve' run?"
        for d in digests
        if d.next_due_at is not None and now - d.next_due_at > OVERDUE
    ]
    lines += [f"digest {d.name}: nobody gets it" for d in digests if not d.subscribers]
    for state in FAILED:
        if number := deliveries[state]:
            lines += _failed(state, number, failures)
    if held := deliveries[DeliveryState.HELD]:
        lines.append(
            f"{held} deliveries held: 'digestbot deliveries list --state held' tells why, "
            "'deliveries release' sends them, 'deliveries cancel' drops them"
        )
    if count := sum(deliveries[state] for state in UNDER_WAY):
        lines.append(f"{count} deliveries on their way; if no run is alive, taken up in 2 minutes")
    return lines
