"""``digestbot suppressions``: list, add, remove, import and export suppressed addresses."""

from pathlib import Path

import click

from digestbot import suppressions
from digestbot.addresses import check_address
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
from digestbot.errors import DigestbotError
from digestbot.model import Suppression


@click.group(
    "suppressions",
    short_help="List suppressed addresses; add, remove, import or export them.",
    invoke_without_command=True,
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """
    List suppressed addresses (the default); add, remove, import or export them.

    A suppressed address gets no email from any digest: its owner unsubscribed or complained, it
    does not exist, or you added it.
    """
    if ctx.invoked_subcommand is None:
        ctx.exit(ctx.invoke(list_suppressions))


@command.command("list", short_help="List suppressed addresses.")
@click.pass_obj
def list_suppressions(app: App) -> int:
    """List suppressed addresses with reason and date."""
    config = app.config()
    with app.store(config, read_only=True) as store:
        found = store.subscriptions.suppressions()
    rows = [(s.address, local(s.created_at, config), s.reason) for s in found]
    app.show(
        [_facts(s) for s in found],
        lambda: table(("ADDRESS", "SINCE", "REASON"), rows) if rows else "no suppressed addresses",
    )
    return 0


def _facts(s: Suppression) -> dict[str, object]:
    return {"address": s.address, "reason": s.reason, "since": s.created_at}


@command.command("add", short_help="Suppress email addresses.")
@click.argument("emails", nargs=-1, required=True)
@click.option("--reason", default=suppressions.BY_HAND, show_default=True, help="Reason to record.")
@click.pass_obj
def add(app: App, emails: tuple[str, ...], reason: str) -> int:
    """Suppress email addresses: they get no more email."""
    config = app.config()
    with app.store(config) as store:
        added = suppressions.add(store, emails, reason=reason, now=app.clock())
    app.show(
        {"added": added}, lambda: f"{added} suppressed, {len(emails) - added} already suppressed"
    )
    return 0


@command.command("remove", short_help="Lift the suppression of addresses.")
@click.argument("emails", nargs=-1, required=True)
@click.pass_obj
def remove(app: App, emails: tuple[str, ...]) -> int:
    """
    Lift the suppression of email addresses, at their owners' request.

    Ended subscriptions stay ended; 'digestbot subscribers add' starts new ones.
    """
    addresses = [check_address(email) for email in emails]
    config = app.config()
    with app.store(config) as store:
        kept = [address for address in addresses if not store.subscriptions.unsuppress(address)]
    removed = len(addresses) - len(kept)
    app.show({"removed": removed}, lambda: f"{removed} no longer suppressed")
    if kept:
        raise DigestbotError(f"already not suppressed: {', '.join(kept)}")
    return 0


@command.command("import", short_help="Suppress all rows of a CSV file.")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
@click.pass_obj
def import_suppressions(app: App, file: Path) -> int:
    """Suppress all rows of a CSV file (columns: email, reason, since); - reads standard input."""
    config = app.config()
    with open_text(file) as stream:
        rows = suppressions.open_csv(stream)
        with app.store(config) as store:
            done = suppressions.import_csv(store, rows, now=app.clock())
    facts = {
        "columns": {"used": list(done.used), "ignored": list(done.ignored)},
        "added": done.added,
        "known": done.known,
        "problems": list(done.problems),
    }
    app.show(facts, lambda: _imported(done))
    for problem in done.problems:
        click.echo(f"{file}: {problem}", err=True)
    return 1 if done.problems else 0


def _imported(done: suppressions.Imported) -> str:
    counts = f"{done.added} added, {done.known} already suppressed"
    left_out = f", {len(done.problems)} left out" if done.problems else ""
    return f"{columns_text(done.used, done.ignored)}\n{counts}{left_out}"


@command.command("export", short_help="Export suppressed addresses as CSV.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Output file.  [default: standard output]",
)
@click.pass_obj
def export(app: App, out: Path | None) -> int:
    """Export suppressed addresses as CSV for 'suppressions import'."""
    config = app.config()
    with app.store(config, read_only=True) as store:
        found = store.subscriptions.suppressions()
    if app.as_json:
        app.show([_facts(s) for s in found], lambda: None)
    elif out is not None:
        write_text(out, suppressions.export_csv(found))
        app.say(f"{count(len(found), 'address', 'addresses')} written to {out}")
    else:
        print_document(suppressions.export_csv(found))
    return 0
