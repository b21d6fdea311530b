"""``digestbot editions``: list and show past editions."""

import re

import click

from digestbot.cli.app import App, check_known, local, print_form, table
from digestbot.errors import DigestbotError, UsageError
from digestbot.model import Form


@click.group("editions", short_help="List or show past editions.", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List past editions (the default), or show one."""
    if ctx.invoked_subcommand is None:
        ctx.exit(ctx.invoke(list_editions, digest=None, limit=20))


@command.command("list", short_help="List editions, newest first.")
@click.argument("digest", required=False)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Number of editions to show.",
)
@click.pass_obj
def list_editions(app: App, digest: str | None, limit: int) -> int:
    """List editions of DIGEST, or of all digests, newest first."""
    config = app.config()
    with app.store(config, read_only=True) as store:
        check_known(store, config, digest)
        editions = store.editions.list(digest, limit=limit)
    facts = [
        {
            "edition": e.name,
            "title": e.title,
            "slot": e.slot,
            "created_at": e.created_at,
            "papers": e.papers,
            "omitted": e.omitted,
        }
        for e in editions
    ]
    rows = [(e.name, local(e.created_at, config), e.papers, e.omitted, e.title) for e in editions]
    app.show(
        facts,
        lambda: (
            table(("EDITION", "CREATED", "PAPERS", "OMITTED", "TITLE"), rows)
            if rows
            else "no editions yet"
        ),
    )
    return 0


@command.command("show", short_help="Show an edition as it was sent.")
@click.argument("edition")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "html", "json", "slack", "subject")),
    help="Output format.  [default: text; json with --json]",
)
@click.pass_obj
def show_edition(app: App, edition: str, form: str | None) -> int:
    """Show EDITION, such as systems/12, as it was sent."""
    from digestbot.pipeline.messages import text_of

    config = app.config()
    digest, _, number = edition.rpartition("/")
    if not digest or not re.fullmatch("[0-9]{1,9}", number):
        raise UsageError(f'"{edition}" is not an edition; use DIGEST/NUMBER, such as systems/12')
    chosen = Form(form or ("json" if app.as_json else "text"))
    with app.store(config, read_only=True) as store:
        found = store.editions.get(digest, int(number))
        body = store.editions.rendition(found.id, chosen) if found and found.id else None
    if body is None:
        raise DigestbotError(f"no edition {edition}; 'digestbot editions list' shows all of them")
    text = text_of(body)
    print_form(text, chosen)
    return 0
