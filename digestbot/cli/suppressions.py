"""``digestbot suppressions``: the addresses that get nothing any more, by hand and as CSV."""

from pathlib import Path

import click

from digestbot import suppressions
from digestbot.addresses import check_address
from digestbot.cli.app import App, local, read_text, table, write_text
from digestbot.errors import DigestbotError
from digestbot.model import Suppression


@click.group(
    "suppressions",
    short_help="Addresses that must not be written to any more.",
    invoke_without_command=True,
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """
    Addresses that get nothing any more, from any digest; without a command, list them.

    They unsubscribed, complained, do not exist, or were put here by you.
    """
    if ctx.invoked_subcommand is None:
        ctx.exit(ctx.invoke(list_suppressions))


@command.command("list")
@click.pass_obj
def list_suppressions(app: App) -> int:
    """All of them, with the reason and since when."""
    config = app.config()
    with app.store(config, read_only=True) as store:
        found = store.subscriptions.suppressions()
    rows = [(s.address, local(s.created_at, config), s.reason) for s in found]
    app.show(
        [_facts(s) for s in found],
        lambda: table(("ADDRESS", "SINCE", "REASON"), rows) if rows else "nobody is suppressed",
    )
    return 0


def _facts(s: Suppression) -> dict[str, object]:
    return {"address": s.address, "reason": s.reason, "since": s.created_at}


@command.command("add")
@click.argument("emails", nargs=-1, required=True)
@click.option("--reason", default=suppressions.BY_HAND, show_default=True, help="In your words.")
@click.pass_obj
def add(app: App, emails: tuple[str, ...], reason: str) -> int:
    """Never write to these mail addresses again."""
    config = app.config()
    with app.store(config) as store:
        added = suppressions.add(store, emails, reason=reason, now=app.clock())
    app.show({"added": added}, lambda: f"{added} suppressed, {len(emails) - added} were before")
    return 0


@command.command("remove")
@click.argument("emails", nargs=-1, required=True)
@click.pass_obj
def remove(app: App, emails: tuple[str, ...]) -> int:
    """
    Allow these mail addresses again, because their owners asked for it.

    What they unsubscribed from stays so; 'digestbot subscribers add' subscribes them anew.
    """
    addresses = [check_address(email) for email in emails]
    config = app.config()
    with app.store(config) as store:
        kept = [address for address in addresses if not store.subscriptions.unsuppress(address)]
    removed = len(addresses) - len(kept)
    app.show({"removed": removed}, lambda: f"{removed} allowed again")
    if kept:
        raise DigestbotError(f"not suppressed: {', '.join(kept)}")
    return 0


@command.command("import")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
@click.pass_obj
def import_suppressions(app: App, file: Path) -> int:
    """Suppress all rows of a CSV (columns: email, reason, since); - reads standard input."""
    config = app.config()
    text = read_text(file)
    with app.store(config) as store:
        done = suppressions.import_csv(store, text, now=app.clock())
    facts = {"added": done.added, "known": done.known, "problems": list(done.problems)}
    app.show(facts, lambda: f"{done.added} added, {done.known} known before")
    for problem in done.problems:
        click.echo(f"{file}: {problem}", err=True)
    return 1 if done.problems else 0


@command.command("export")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.pass_obj
def export(app: App, out: Path | None) -> int:
    """All of them as a CSV that import reads."""
    config = app.config()
    with app.store(config, read_only=True) as store:
        found = store.subscriptions.suppressions()
    if app.as_json:
        app.show([_facts(s) for s in found], lambda: None)
    elif out is not None:
        write_text(out, suppressions.export_csv(found))
        app.say(f"{len(found)} written to {out}")
    else:
        click.echo(suppressions.export_csv(found), nl=False)
    return 0
