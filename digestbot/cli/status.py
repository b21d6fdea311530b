"""``digestbot status``: show the state of sources, digests and deliveries."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import click

from digestbot.batch_words import Statement
from digestbot.cli.app import App, count, local, percent, table
from digestbot.config import Config
from digestbot.config.schema import parse_duration
from digestbot.errors import UsageError
from digestbot.model import Batch, Delivery
from digestbot.status import DigestStatus, Status, gather
from digestbot.store import SourceState

FIELDS = ("ABSTRACTS", "AUTHORS", "DOI", "DATES")
"""Shares of a source's recent papers that have them."""


@click.command("status", short_help="Show sources, digests, the queue and recent errors.")
@click.option(
    "--max-age",
    metavar="SPAN",
    help="Also exit with 1 if a source's last complete fetch is older, such as 26h.",
)
@click.pass_obj
def command(app: App, max_age: str | None) -> int:
    """
    Show sources, digests, the delivery queue, recent errors and the next runs.

    For each source, shows how many of its recent papers (up to 400) came with an
    abstract, authors, a DOI and a date: a filter can match only what a source serves.
    For each arXiv source, states how complete the latest announcement is; 'coverage'
    has the days before.

    JSON output: a digest that is due but waits for arXiv's announcement has "waits_until" and
    "waits_for", the batches that are not settled yet.

    Exits with 1 if anything needs attention.
    """
    oldest = _max_age(max_age)
    config = app.config()
    with app.store(config, read_only=True) as store:
        status = gather(store, config, app.clock(), max_age=oldest)
    app.show(_facts(status), lambda: _as_text(status, config))
    return 1 if status.problems else 0


def _max_age(text: str | None) -> timedelta | None:
    """
    Parse the value of --max-age.

    Raises:
        UsageError: It is not a time span.
    """
    span = parse_duration(text)
    if text is not None and span is None:
        raise UsageError(f'--max-age "{text}" is not a time span; use 26h or 2d')
    return span


def _facts(status: Status) -> dict[str, object]:
    return {
        "now": status.now,
        "papers": status.papers,
        "sources": [_source(each, status.coverage.get(each.name, ())) for each in status.sources],
        "digests": list(map(_digest, status.digests)),
        "removed": [{"name": state.name, "ended": state.is_removed} for state in status.removed],
        "deliveries": dict(status.deliveries),
        "failures": list(map(_failure, status.failures)),
        "enrichment": {
            "waiting": dict(status.incomplete),
            "services": [
                {
                    "name": each.name,
                    "last_ok_at": each.last_ok_at,
                    "failed_at": each.failed_at,
                    "error": each.last_error,
                }
                for each in status.services
            ],
        },
        "problems": list(status.problems),
    }


def _source(state: SourceState, coverage: Iterable[Statement]) -> dict[str, object]:
    return {
        "name": state.name,
        "status": state.status,
        "last_ok_at": state.last_ok_at,
        "last_try_at": state.last_try_at,
        "next_try_at": state.next_try_at,
        "note": state.note,
        "error": state.last_error,
        "fields": {"papers": state.fields.papers, **state.fields.shares()},
        "coverage": [line.text for line in coverage],
    }


def _digest(status: DigestStatus) -> dict[str, object]:
    awaited, state = status.awaited, status.state
    return {
        "name": status.name,
        "title": status.title,
        "schedule": status.schedule,
        "next_due_at": status.next_due_at,
        "waits_until": awaited.until if awaited else None,
        "waits_for": list(map(_batch, awaited.unsettled)) if awaited else [],
        "editions": state.editions if state else 0,
        "last_edition_at": state.last_edition_at if state else None,
        "subscribers": status.subscribers,
        "waiting": status.waiting,
        "error": state.last_error if state else None,
    }


def _failure(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "edition": delivery.edition_name,
        "kind": delivery.destination.kind,
        "address": delivery.destination.address,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_at": delivery.next_at,
        "error": delivery.last_error,
    }


def _batch(batch: Batch) -> dict[str, object]:
    return {
        "source": batch.source,
        "category": batch.category or None,
        "day": f"{batch.day}",
        "state": batch.state,
        "papers": batch.papers,
    }


def _as_text(status: Status, config: Config) -> str:
    parts = [_sources(status, config), _digests(status, config), _queue(status)]
    if status.problems:
        parts.append("\n".join(("Needs attention:", *(f"  {line}" for line in status.problems))))
    return "\n\n".join(parts)


def _sources(status: Status, config: Config) -> str:
    rows = [
        (
            s.name,
            s.status,
            local(s.last_ok_at, config),
            local(s.next_try_at, config),
            *map(percent, s.fields.shares().values()),
        )
        for s in status.sources
    ]
    columns = ("SOURCE", "STATUS", "LAST COMPLETE", "NEXT TRY", *FIELDS)
    return "\n".join((table(columns, rows), *_coverage(status), *_enrichment(status)))


def _enrichment(status: Status) -> Iterator[str]:
    if waiting := sum(status.incomplete.values()):
        yield f"enrichment: {count(waiting, 'paper')} still lack details"
    for service in status.services:
        if service.last_error:
            yield f"enrichment: {service.last_error}"


def _coverage(status: Status) -> Iterator[str]:
    for source, lines in status.coverage.items():
        yield from (f"{source}: {line.text}" for line in lines)


def _digests(status: Status, config: Config) -> str:
    rows = [
        (
            d.name,
            d.schedule,
            local(d.next_due_at, config),
            d.state.editions if d.state else 0,
            local(d.state.last_edition_at if d.state else None, config),
            d.subscribers,
            d.waiting,
        )
        for d in status.digests
    ]
    columns = ("DIGEST", "SCHEDULE", "NEXT", "EDITIONS", "LAST", "RECIPIENTS", "PENDING")
    waits = (
        f"{d.name}: {d.awaited.in_words(config.timezone)}" for d in status.digests if d.awaited
    )
    return "\n".join((table(columns, rows), *waits, *_removed(status)))


def _removed(status: Status) -> Iterator[str]:
    for state in status.removed:
        ended = "have ended" if state.is_removed else "end at the next run"
        yield f"{state.name}: removed from the config; its subscriptions {ended}"


def _queue(status: Status) -> str:
    counts = ", ".join(f"{n} {state}" for state, n in status.deliveries.items() if n)
    return f"{count(status.papers, 'paper')}; deliveries: {counts or 'none yet'}"
