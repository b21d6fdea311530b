"""``digestbot preview``: show the next edition without sending it."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digestbot.batches import recent_batches
from digestbot.cli.app import App, print_form, write_text
from digestbot.cli.fetch import fetch_progress, report_failures
from digestbot.config import Config, DigestConfig, find_digest
from digestbot.config.schema import parse_duration
from digestbot.errors import DigestbotError, UsageError
from digestbot.model import Edition, Form
from digestbot.pipeline import fetch, next_edition
from digestbot.pipeline.messages import preview_message, render_context
from digestbot.render import load_templates, render
from digestbot.render.templates import packaged_folder
from digestbot.store import PassStatus, Store

if TYPE_CHECKING:
    from digestbot.cli.live_preview import LivePage

FORMS = ("html", "text", "slack", "eml", "json", "markdown", "bibtex", "ris", "atom")


@click.command("preview", short_help="Show the next edition without sending it.")
@click.argument("digest")
@click.option(
    "--since",
    metavar="SPAN",
    help="Show papers of this time span (7d, 36h, 2w), whether sent or not.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="Output format.  [default: text; html with --open, json with --json]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Output file.  [default: standard output]",
)
@click.option(
    "--open",
    "open_it",
    is_flag=True,
    help="Open the preview in a browser and reload it while you edit.",
)
@click.pass_obj
def command(
    app: App, digest: str, since: str | None, form: str | None, out: Path | None, open_it: bool
) -> int:
    """
    Show the next edition of DIGEST.

    Sends nothing and marks nothing as sent. Sources that were never fetched are fetched first.

    On a terminal, --open keeps running: the page in the browser reloads whenever the config or a
    template changes, until you press Ctrl-C.
    """
    config = app.config()
    wanted = find_digest(config, digest)
    chosen = Form(form or ("json" if app.as_json else "html" if open_it else "text"))
    reach = _reach(since)
    now = app.clock()
    complete = _fetch_unseen(app, config, wanted)
    with app.store(config, read_only=True) as store:
        since_at = now - reach if reach is not None else None
        edition = _edition(store, config, wanted, now, since_at)
    text = _rendered(config, wanted, edition, chosen, now)
    if not edition.papers:
        app.say(_why_empty(edition, since_at))
    if open_it and out is None and app.is_at_terminal:
        _stay(app, live_page(app, digest, chosen, reach))
        return 0 if complete else 1
    _put(text, chosen, wanted.name, out, open_it)
    return 0 if complete else 1


def _edition(
    store: Store, config: Config, digest: DigestConfig, now: datetime, since: datetime | None
) -> Edition:
    state = store.digests.find(digest.name)
    begin = since or (state.covered_to if state else None)
    batches = recent_batches(store, config, digest.sources, begin, now)
    edition, _ = next_edition(store, digest, state, now=now, since=since, batches=batches)
    return edition


def _reach(since: str | None) -> timedelta | None:
    reach = parse_duration(since)
    if since is not None and reach is None:
        raise UsageError(f'--since "{since}" is not a time span; use 7d, 36h or 2w')
    return reach


def _fetch_unseen(app: App, config: Config, digest: DigestConfig) -> bool:
    """Fetch the digest's new sources; return False if one failed."""
    with app.store(config, read_only=True) as store:
        states = [store.sources.state(name) for name in digest.sources]
    unseen = [s.name for s in states if s.last_ok_at is None and s.status is not PassStatus.PARTIAL]
    if not unseen:
        return True
    app.say(f"fetching {', '.join(unseen)} for the first time")
    with app.store(config) as store, fetch_progress(app, unseen) as progress:
        fetched = asyncio.run(fetch(store, config, unseen, clock=app.clock, progress=progress))
    report_failures(app, fetched)
    return all(result.is_complete for result in fetched)


def _rendered(
    config: Config, digest: DigestConfig, edition: Edition, form: Form, now: datetime
) -> str:
    templates = load_templates(config.templates)
    due = digest.schedule.next_after(now)
    context = render_context(config, templates, digest, next_edition_at=due)
    if form is Form.EML:
        return preview_message(config, edition, context)
    return render(edition, form, context)


def live_page(app: App, digest: str, form: Form, reach: timedelta | None) -> "LivePage":
    """Return a page that renders the next edition from the current config and templates."""
    from digestbot.cli.live_preview import LivePage

    def render_now() -> str:
        config, now = app.config(), app.clock()
        wanted = find_digest(config, digest)
        with app.store(config, read_only=True) as store:
            since = now - reach if reach is not None else None
            edition = _edition(store, config, wanted, now, since)
        return _rendered(config, wanted, edition, form, now)

    def watched() -> tuple[Path, ...]:
        # The config names the templates folder, but may be half-edited.
        try:
            own = app.config().templates
        except DigestbotError:
            own = None
        return (app.config_path(), packaged_folder(), *([own] if own else []))

    return LivePage(render_now, watched)


def _stay(app: App, page: "LivePage") -> None:
    with page:
        app.say(f"{page.url} reloads as you edit; press Ctrl-C to stop")
        click.launch(page.url)
        with suppress(KeyboardInterrupt):
            page.serve()


def _why_empty(edition: Edition, since: datetime | None) -> str:
    if edition.considered:
        return f"none of {edition.considered} papers match; 'digestbot explain' shows why"
    if since is None and edition.number == 1:
        return "no papers yet: the sources have announced none"
    if since is None:
        return "nothing new since the last edition; use --since 7d for older papers"
    return "no papers were announced in that time"


def _put(text: str, form: Form, name: str, out: Path | None, open_it: bool) -> None:
    if open_it and out is None:
        import tempfile

        suffix = {"text": "txt", "slack": "json", "markdown": "md", "bibtex": "bib", "atom": "xml"}
        folder = Path(tempfile.mkdtemp(prefix="digestbot-"))
        out = folder / f"{name}.{suffix.get(form, form)}"
    if out is None:
        print_form(text, form)
        return
    write_text(out, text)
    click.echo(str(out))
    if open_it:
        click.launch(str(out))
