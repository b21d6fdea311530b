"""``digestbot subscribers``: list, add, remove, import and export subscribers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from digestbot import subscriptions
from digestbot.cli.app import (
    App,
    columns_text,
    count,
    local,
    open_text,
    print_document,
    table,
    write_text,
)
from digestbot.config import find_digest
from digestbot.errors import DigestbotError
from digestbot.model import DestinationKind, Subscription, SubscriptionState
from digestbot.syncing import sync_config


@click.group(
    "subscribers",
    short_help="List subscribers; add, remove, import or export them.",
    invoke_without_command=True,
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List subscribers (the default); add, remove, import or export them."""
    if ctx.invoked_subcommand is None:
        ctx.exit(ctx.invoke(list_subscribers, digest=None, include_ended=False))


@command.command("list", short_help="List the subscribers of a digest.")
@click.argument("digest", required=False)
@click.option("--all", "include_ended", is_flag=True, help="Include ended subscriptions.")
@click.pass_obj
def list_subscribers(app: App, digest: str | None, include_ended: bool) -> int:
    """List the subscribers of DIGEST, or of all digests."""
    config = app.config()
    if digest:
        find_digest(config, digest)
    states = None if include_ended else (SubscriptionState.PENDING, SubscriptionState.CONFIRMED)
    with app.store(config, read_only=True) as store:
        found = subscriptions.listed(store, config, app.clock(), digest=digest, states=states)
    rows = [
        (s.digest, s.destination, s.state, s.origin, local(s.created_at, config), s.name)
        for s in found
    ]
    app.show(
        [_facts(s) for s in found],
        lambda: (
            table(("DIGEST", "TO", "STATE", "ORIGIN", "SINCE", "NAME"), rows)
            if rows
            else "no subscribers yet"
        ),
    )
    return 0


def _facts(s: Subscription) -> dict[str, object]:
    return {
        "digest": s.digest,
        "kind": s.destination.kind,
        "address": s.destination.address,
        "name": s.name,
        "state": s.state,
        "origin": s.origin,
        "since": s.created_at,
    }


@command.command("add", short_help="Subscribe email addresses to a digest.")
@click.argument("digest")
@click.argument("emails", nargs=-1, required=True)
@click.option("--name", default="", help="Name of the subscriber.")
@click.option("--lift", is_flag=True, help="Lift a suppression, at the subscriber's request.")
@click.pass_obj
def add(app: App, digest: str, emails: tuple[str, ...], name: str, lift: bool) -> int:
    """Subscribe addresses directly, without a confirmation email."""
    config = app.config()
    find_digest(config, digest)
    checked = [subscriptions.email(address).address for address in emails]
    with app.store(config) as store:
        added = []
        for address in checked:
            if lift:
                store.subscriptions.unsuppress(address)
            added.append(subscriptions.add(store, digest, address, name=name, now=app.clock()))
        sync_config(store, config, app.clock())
    app.show([_facts(s) for s in added], lambda: f"{len(added)} subscribed to {digest}")
    return 0


@command.command("remove", short_help="Unsubscribe an email address.")
@click.argument("email")
@click.option("--digest", help="Unsubscribe from this digest only.")
@click.pass_obj
def remove(app: App, email: str, digest: str | None) -> int:
    """Unsubscribe EMAIL from all digests and suppress it, or from one digest with --digest."""
    config = app.config()
    if digest:
        find_digest(config, digest)
    destination = subscriptions.email(email)
    with app.store(config) as store:
        sync_config(store, config, app.clock())
        ended = store.subscriptions.remove(digest, destination, app.clock())
        if digest is None:
            store.subscriptions.suppress(destination.address, "unsubscribed", app.clock())
    if not ended and digest is not None:
        raise DigestbotError(f"{destination.address} is not subscribed to {digest}")
    app.show({"unsubscribed": ended}, lambda: _removed(ended, digest))
    return 0


def _removed(ended: int, digest: str | None) -> str:
    summary = f"unsubscribed from {count(ended, 'digest')}"
    return summary if digest else f"{summary}; the address is now suppressed"


@command.command("import", short_help="Subscribe all rows of a CSV file.")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
@click.option("--digest", help="Digest for files without a digest column.")
@click.pass_obj
def import_subscribers(app: App, file: Path, digest: str | None) -> int:
    """
    Subscribe all rows of a CSV file (columns: email, digest, name); - reads standard input.

    Rows are committed in batches. An import that was interrupted can be repeated: rows that were
    imported stay unchanged.
    """
    config = app.config()
    if digest:
        find_digest(config, digest)
    with open_text(file) as stream:
        rows = subscriptions.open_csv(stream, digest=digest)
        with app.store(config) as store, _progress(app, rows.length) as progress:
            done = subscriptions.import_csv(
                store,
                rows,
                digests=frozenset(config.digests),
                digest=digest,
                now=app.clock(),
                progress=progress,
            )
            sync_config(store, config, app.clock())
    app.show(_import_facts(done), lambda: _imported(done))
    for problem in done.problems:
        click.echo(f"{file}: {problem}", err=True)
    return 1 if done.problems else 0


@contextmanager
def _progress(app: App, rows: int) -> Iterator[Callable[[int], None]]:
    """Show a bar, on a terminal only."""
    if not app.wants_progress():
        yield lambda done: None
        return
    from rich.progress import Progress

    with Progress(transient=True, console=app.console()) as bars:
        task = bars.add_task("rows", total=rows)
        yield lambda done: bars.update(task, completed=done)


def _import_facts(done: subscriptions.Imported) -> dict[str, object]:
    return {
        "columns": {"used": list(done.used), "ignored": list(done.ignored)},
        "added": done.added,
        "known": done.known,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "invalid": len(done.problems),
        "problems": list(done.problems),
    }


def _imported(done: subscriptions.Imported) -> str:
    counts = [f"{done.added} added", f"{done.unchanged} already subscribed"]
    counts += [f"{done.changed} changed"] if done.changed else []
    counts += [f"{len(done.problems)} left out"] if done.problems else []
    return f"{columns_text(done.used, done.ignored)}\n{', '.join(counts)}"


@command.command("export", short_help="Export email subscribers as CSV.")
@click.argument("digest", required=False)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Output file.  [default: standard output]",
)
@click.pass_obj
def export(app: App, digest: str | None, out: Path | None) -> int:
    """Export email subscribers of DIGEST, or of all digests, as CSV for 'subscribers import'."""
    config = app.config()
    if digest:
        find_digest(config, digest)
    with app.store(config, read_only=True) as store:
        confirmed = (SubscriptionState.CONFIRMED,)
        found = subscriptions.listed(
            store, config, app.clock(), digest=digest, states=confirmed, kind=DestinationKind.EMAIL
        )
    if app.as_json:
        app.show([_facts(s) for s in found], lambda: None)
    elif out is not None:
        write_text(out, subscriptions.export_csv(found))
        app.say(f"{count(len(found), 'subscriber')} written to {out}")
    else:
        print_document(subscriptions.export_csv(found))
    return 0
