"""``digestbot run``: one cycle, for cron and CI."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import wraps
from random import Random
from typing import TYPE_CHECKING

import click

from digestbot.cli.app import App, count, local
from digestbot.cli.fetch import (
    enrich_progress,
    facts_of,
    fetch_progress,
    report_enrichment,
    report_failures,
)
from digestbot.config import Config, DigestConfig, find_digest
from digestbot.config.schema import parse_duration
from digestbot.errors import UsageError
from digestbot.model import Overflow
from digestbot.ping import Event, ping
from digestbot.pipeline import (
    Bounced,
    Delivered,
    DeliverProgress,
    EditionMade,
    Enriched,
    Fetched,
    deliver,
    enrich,
    fetch,
    make_editions,
    read_bounces,
)
from digestbot.pipeline.due_sources import refusals, sources_of_run
from digestbot.render import Templates, load_templates
from digestbot.stopping import StopSignals
from digestbot.syncing import sync_config

if TYPE_CHECKING:
    from digestbot.store import SourceState, Store


def _reported(run: Callable[..., int]) -> Callable[..., int]:
    """Load the config for *run*; report its begin and outcome to the monitor at ``ping_url``."""

    @wraps(run)
    def command(app: App, **options: object) -> int:
        config = app.config()
        url = config.ping_url
        if url is not None:
            asyncio.run(ping(url, Event.START))
        code = 1
        try:
            code = run(app, config, **options)
        finally:
            if url is not None:
                asyncio.run(ping(url, Event.FAIL if code else Event.SUCCESS))
        return code

    return command


@click.command("run", short_help="Fetch, make due editions and deliver.")
@click.argument("digests", nargs=-1, metavar="[DIGEST]...")
@click.option("--now", "force", is_flag=True, help="Make editions now, due or not.")
@click.option(
    "--patience",
    default="60s",
    show_default=True,
    metavar="TIME",
    help="Total time to wait for temporary server failures; 0s disables waiting.",
)
@click.option("--no-fetch", is_flag=True, help="Use only the papers already in the store.")
@click.option(
    "--missed-since",
    metavar="SPAN",
    help="Make catch-up editions, with the papers of this span (14d, 2w) that match now and were "
    "never sent.",
)
@click.pass_obj
@_reported
def command(
    app: App,
    config: Config,
    digests: tuple[str, ...],
    force: bool,
    patience: str,
    no_fetch: bool,
    missed_since: str | None,
) -> int:
    """
    Fetch, make the editions of each DIGEST that is due (default: all digests), deliver, and exit.

    For cron, systemd timers and scheduled CI workflows. Run it as often as you like: nothing is
    sent twice, and sources that no due digest needs are fetched at most every six hours. A new
    digest is due immediately; a missed run is caught up by the next one. A digest that waits for
    arXiv's announcement is made by the first run after it, or after the latest time.

    After an edit of a filter, --missed-since sends what the earlier filter left out, once.

    SIGTERM and Ctrl-C end it after the messages that a server is just accepting; the next run sends
    the rest. A second signal ends it at once.
    """
    patience_s = _patience_s(patience)
    since = None if missed_since is None else _catch_up_start(app, config, digests, missed_since)
    force = force or since is not None
    names = digests or None
    wanted = [find_digest(config, name) for name in names or config.digests]
    templates = load_templates(config.templates)
    stop = StopSignals()
    with app.sending_store(config) as store, stop.listening():
        sync_config(store, config, app.clock())
        store.pauses.lift(only_operator=True)
        store.papers.rebuild_words()
        fetched = () if no_fetch else _fetch(app, store, config, wanted, stop, force=force)
        enriched = _enrich(app, store, config, [each.source for each in fetched], stop)
        bounced = _read_bounces(app, store, config, stop)
        made = _make_editions(
            app, store, config, templates, stop, names=names, force=force, missed_since=since
        )
        delivered = _deliver(app, store, config, stop, patience_s)
        nothing_due = "" if made or stop() else _nothing_due(store, config, wanted)
    report_enrichment(enriched)
    app.report(
        _facts(fetched, enriched, bounced, made, delivered, stop),
        lambda: _as_text(config, fetched, bounced, made, delivered, nothing_due),
    )
    return _report(app, fetched, bounced, made, delivered, stop)


def _report(
    app: App,
    fetched: tuple[Fetched, ...],
    bounced: Bounced,
    made: tuple[EditionMade, ...],
    delivered: Delivered,
    stop: StopSignals,
) -> int:
    """Print failures and held deliveries to stderr; return the exit code."""
    report_failures(app, fetched)
    for line in (*(f"{m.digest}: {m.error}" for m in made if m.error), *delivered.errors):
        click.echo(line, err=True)
    held = [f"{m.edition}: held: {m.held}; 'digestbot deliveries release'" for m in made if m.held]
    for line in held:
        click.echo(line, err=True)
    if bounced.error:
        click.echo(f"bounces: {bounced.error}", err=True)
    if stop():
        click.echo(f"stopped by {stop.received}; the next run continues there", err=True)
    ok = (
        all(f.is_complete for f in fetched)
        and not any(m.error for m in made)
        and delivered.all_sent
        and not stop()
    )
    return 0 if ok and not bounced.error and not held else 1


def _patience_s(text: str) -> float:
    """
    Parse the value of --patience.

    Raises:
        UsageError: It is not a time span.
    """
    span = timedelta(0) if text == "0" else parse_duration(text)
    if span is None:
        raise UsageError(f'--patience "{text}" is not a time span; use 60s, 10m or 0s')
    return span.total_seconds()


def _catch_up_start(app: App, config: Config, digests: tuple[str, ...], text: str) -> datetime:
    """
    Return the time from which on to look for missed papers.

    Raises:
        UsageError: *text* is not a time span, or no digest is named.
    """
    span = parse_duration(text)
    if span is None:
        raise UsageError(f'--missed-since "{text}" is not a time span; use 14d, 36h or 2w')
    if not digests and len(config.digests) != 1:
        raise UsageError("--missed-since needs a digest: digestbot run systems --missed-since 14d")
    return app.clock() - span


def _fetch(
    app: App,
    store: "Store",
    config: Config,
    digests: list[DigestConfig],
    stop: StopSignals,
    *,
    force: bool,
) -> tuple[Fetched, ...]:
    """Fetch the sources this run needs; report again those still paused after a refusal."""
    now = app.clock()
    names = sources_of_run(store, config, digests, now, force=force)
    paused = {} if force else refusals(store, config, digests, now)
    with fetch_progress(app, names) as progress:
        work = fetch(store, config, names, clock=app.clock, progress=progress)
        fetched = stop.run(work, grace_s=0) or ()
    return (*fetched, *(_paused(state, config) for state in paused.values()))


def _enrich(
    app: App, store: "Store", config: Config, names: list[str], stop: StopSignals
) -> Enriched:
    """Complete the papers of the sources that were fetched."""
    if stop():
        return Enriched()
    with enrich_progress(app) as progress:
        work = enrich(store, config, names, clock=app.clock, progress=progress)
        return stop.run(work, grace_s=0) or Enriched()


def _read_bounces(app: App, store: "Store", config: Config, stop: StopSignals) -> Bounced:
    if stop():
        return Bounced()
    work = asyncio.to_thread(read_bounces, store, config, clock=app.clock)
    return stop.run(work) or Bounced()


def _make_editions(
    app: App,
    store: "Store",
    config: Config,
    templates: Templates,
    stop: StopSignals,
    *,
    names: tuple[str, ...] | None,
    force: bool,
    missed_since: datetime | None,
) -> tuple[EditionMade, ...]:
    if stop():
        return ()
    work = asyncio.to_thread(
        make_editions,
        store,
        config,
        templates,
        now=app.clock(),
        names=names,
        force=force,
        missed_since=missed_since,
    )
    return stop.run(work) or ()


def _deliver(
    app: App, store: "Store", config: Config, stop: StopSignals, patience_s: float
) -> Delivered:
    if stop():
        return Delivered()
    with _deliver_progress(app) as progress:
        work = deliver(
            store,
            config,
            clock=app.clock,
            random=Random(),
            progress=progress,
            stop=stop,
            patience_s=patience_s,
        )
        return stop.run(work) or Delivered()


@contextmanager
def _deliver_progress(app: App) -> "Iterator[DeliverProgress]":
    """Show a progress line, on a terminal only."""
    if not app.wants_progress():
        yield lambda *, done, waiting: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = "deliveries: {task.completed:.0f} done"
    with Progress(
        SpinnerColumn(), TextColumn(columns), transient=True, console=app.console()
    ) as lines:
        task = lines.add_task("deliveries", total=None)
        yield lambda *, done, waiting: lines.update(task, completed=done)


def _paused(state: "SourceState", config: Config) -> Fetched:
    until = local(state.next_try_at, config)
    advice = f"paused until {until}; use 'digestbot fetch' to try now"
    return Fetched(
        source=state.name,
        status=state.status,
        error=f"{state.last_error}; {advice}",
        retry_at=state.next_try_at,
    )


def _facts(
    fetched: tuple[Fetched, ...],
    enriched: Enriched,
    bounced: Bounced,
    made: tuple[EditionMade, ...],
    delivered: Delivered,
    stop: StopSignals,
) -> dict[str, object]:
    return {
        "stopped_by": stop.received,
        "fetched": list(map(facts_of, fetched)),
        "enrichment": {
            "papers": enriched.papers,
            "completed": enriched.completed,
            "waiting": enriched.waiting,
            "errors": list(enriched.errors),
        },
        "bounces": bounced.facts,
        "editions": [
            {
                "digest": m.digest,
                "edition": m.edition,
                "papers": m.papers,
                "omitted": m.omitted,
                "deliveries": m.deliveries,
                "held": m.held,
                "note": m.note,
                "error": m.error,
            }
            for m in made
        ],
        "deliveries": {
            "sent": delivered.sent,
            "retrying": delivered.retrying,
            "dead": delivered.dead,
            "unknown": delivered.unknown,
            "waiting": delivered.left,
            "errors": list(delivered.errors),
        },
    }


def _as_text(
    config: Config,
    fetched: tuple[Fetched, ...],
    bounced: Bounced,
    made: tuple[EditionMade, ...],
    delivered: Delivered,
    nothing_due: str,
) -> str:
    lines = [f"{f.source}: {f.status}, {count(f.entries, 'paper')}, {f.new} new" for f in fetched]
    if bounced.kinds:
        lines.append(f"bounces: {bounced.summary}")
    lines += [_edition_text(made_one, config) for made_one in made]
    if nothing_due:
        lines.append(nothing_due)
    if made or delivered.sent or not delivered.all_sent:
        lines.append(_delivered_text(delivered))
    return "\n".join(lines)


def _nothing_due(store: "Store", config: Config, digests: list[DigestConfig]) -> str:
    """Say which of *digests* is due next, and when."""
    states = [state for digest in digests if (state := store.digests.find(digest.name))]
    due = [(s.next_due_at, s.name) for s in states if s.next_due_at is not None]
    if not due:
        return "Nothing due. Use --now to send anyway."
    next_due_at, name = min(due)
    local_time = next_due_at.astimezone(config.timezone)
    when = f"{local_time:%a} {local_time.day} {local_time:%b %H:%M}"
    return f"Nothing due (next: {name}, {when}). Use --now to send anyway."


def _delivered_text(delivered: Delivered) -> str:
    counts = {
        "sent": delivered.sent,
        "to retry": delivered.retrying,
        "failed": delivered.dead,
        "unknown": delivered.unknown,
        "waiting": delivered.left,
    }
    return ", ".join(f"{n} {state}" for state, n in counts.items() if n or state == "sent")


def _edition_text(made: EditionMade, config: Config) -> str:
    if made.error:
        return f"{made.digest}: failed; its papers are kept for the next run"
    if made.edition is None:
        return f"{made.digest}: {made.note or 'no new matches'}"
    recipients = count(made.deliveries, "recipient")
    if not made.omitted:
        return f"{made.edition}: {count(made.papers, 'paper')} to {recipients}"
    return (
        f"{made.edition}: {count(made.papers + made.omitted - made.waiting, 'paper')} to "
        f"{recipients} ({_beyond_limit(made, config.digests[made.digest])})"
    )


def _beyond_limit(made: EditionMade, digest: DigestConfig) -> str:
    """Describe where the papers beyond the limit are."""
    listed = made.omitted - made.waiting
    where = "in the attached list" if digest.overflow is Overflow.ATTACH else "by title"
    parts = (
        f"limit {digest.limit}",
        f"{listed} more {where}" if listed else "",
        f"{made.waiting} wait for the next edition" if made.waiting else "",
    )
    return ", ".join(filter(None, parts))
