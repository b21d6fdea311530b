"""``digestbot run``: one cycle for cron and CI."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

import click

from digestbot.cli.app import App, count, local
from digestbot.cli.fetch import facts_of, fetch_progress, report_failures
from digestbot.config import Config, DigestConfig, find_digest
from digestbot.pipeline import (
    Bounced,
    Delivered,
    DeliverProgress,
    EditionMade,
    Fetched,
    deliver,
    fetch,
    make_editions,
    read_bounces,
)
from digestbot.pipeline.due_sources import refusals, sources_of_run
from digestbot.render import load_templates
from digestbot.syncing import sync_config

if TYPE_CHECKING:
    from digestbot.store import SourceState, Store


@click.command("run", short_help="One cycle: fetch, make editions, deliver.")
@click.argument("digests", nargs=-1, metavar="[DIGEST]...")
@click.option("--now", "force", is_flag=True, help="Make editions even if none is due.")
@click.option("--no-fetch", is_flag=True, help="Work with what the store has.")
@click.pass_obj
def command(app: App, digests: tuple[str, ...], force: bool, no_fetch: bool) -> int:
    """
    One cycle, then exit: fetch, make the editions that are due, deliver.

    Made for cron, systemd timers and scheduled CI workflows. Run it as often as you like: what was
    sent is never sent again, and a source that no digest waits for is asked every six hours only.
    A digest that is new is due at once.
    """
    config = app.config()
    names = digests or None
    wanted = [find_digest(config, name) for name in names or config.digests]
    templates = load_templates(config.templates)
    with app.store(config) as store:
        sync_config(store, config, app.clock())
        fetched = () if no_fetch else _fetch(app, store, config, wanted, force=force)
        bounced = read_bounces(store, config, clock=app.clock)
        made = make_editions(store, config, templates, now=app.clock(), names=names, force=force)
        with _deliver_progress(app) as progress:
            delivered = asyncio.run(
                deliver(store, config, clock=app.clock, random=Random(), progress=progress)
            )
    app.show(
        _facts(fetched, bounced, made, delivered),
        lambda: _words(fetched, bounced, made, delivered),
    )
    report_failures(app, fetched)
    for line in (*(f"{m.digest}: {m.error}" for m in made if m.error), *delivered.errors):
        click.echo(line, err=True)
    held = [f"{m.edition}: held: {m.held}; 'digestbot deliveries release'" for m in made if m.held]
    for line in held:
        click.echo(line, err=True)
    if bounced.error:
        click.echo(f"bounces: {bounced.error}", err=True)
    well = (
        all(f.is_complete for f in fetched)
        and not any(m.error for m in made)
        and delivered.all_sent
    )
    return 0 if well and not bounced.error and not held else 1


def _fetch(
    app: App, store: "Store", config: Config, digests: list[DigestConfig], *, force: bool
) -> tuple[Fetched, ...]:
    """A pass over what is to be asked now; what still rests after a refusal is told of again."""
    now = app.clock()
    names = sources_of_run(store, config, digests, now, force=force)
    closed = {} if force else refusals(store, config, digests, now)
    with fetch_progress(app, names) as progress:
        fetched = asyncio.run(fetch(store, config, names, clock=app.clock, progress=progress))
    return (*fetched, *(_not_asked(state, config) for state in closed.values()))


@contextmanager
def _deliver_progress(app: App) -> "Iterator[DeliverProgress]":
    """A line on a terminal, nothing in a pipe."""
    if not app.wants_progress():
        yield lambda *, done, waiting: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn

    words = "deliveries: {task.completed:.0f} done"
    with Progress(
        SpinnerColumn(), TextColumn(words), transient=True, console=app.console()
    ) as lines:
        task = lines.add_task("deliveries", total=None)
        yield lambda *, done, waiting: lines.update(task, completed=done)


def _not_asked(state: "SourceState", config: Config) -> Fetched:
    until = local(state.next_try_at, config)
    advice = f"not asked again before {until}, 'digestbot fetch' does all the same"
    return Fetched(
        source=state.name,
        status=state.status,
        error=f"{state.last_error}; {advice}",
        retry_at=state.next_try_at,
    )


def _facts(
    fetched: tuple[Fetched, ...],
    bounced: Bounced,
    made: tuple[EditionMade, ...],
    delivered: Delivered,
) -> dict[str, object]:
    return {
        "fetched": list(map(facts_of, fetched)),
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
            "errors": list(delivered.errors),
        },
    }


def _words(
    fetched: tuple[Fetched, ...],
    bounced: Bounced,
    made: tuple[EditionMade, ...],
    delivered: Delivered,
) -> str:
    lines = [f"{f.source}: {f.status}, {f.entries} papers, {f.new} new" for f in fetched]
    if bounced.kinds:
        lines.append(f"returned: {bounced.summary}")
    lines += [_edition_in_words(m) for m in made]
    if not made:
        lines.append("no digest is due; --now makes an edition anyway")
    lines.append(_delivered_in_words(delivered))
    return "\n".join(lines)


def _delivered_in_words(delivered: Delivered) -> str:
    counts = {
        "sent": delivered.sent,
        "to be tried again": delivered.retrying,
        "given up": delivered.dead,
        "in doubt": delivered.unknown,
    }
    return ", ".join(f"{n} {words}" for words, n in counts.items() if n or words == "sent")


def _edition_in_words(made: EditionMade) -> str:
    if made.error:
        return f"{made.digest}: failed, its papers wait for the next cycle"
    if made.edition is None:
        return f"{made.digest}: {made.note or 'nothing new matches'}"
    more = f" (and {made.omitted} beyond its limit)" if made.omitted else ""
    papers, places = count(made.papers, "paper"), count(made.deliveries, "destination")
    return f"{made.edition}: {papers}{more} to {places}"
