"""``digestbot fetch``: fetch from the sources now."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from digestbot.cli.app import App, local, table
from digestbot.config import Config
from digestbot.pipeline import (
    Enriched,
    EnrichProgress,
    Fetched,
    FetchProgress,
    enrich,
    fetch,
)


@click.command("fetch", short_help="Fetch new papers now.")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.pass_obj
def command(app: App, sources: tuple[str, ...]) -> int:
    """
    Fetch new papers from each SOURCE (default: all sources); sends nothing.

    Each fetch reaches back to the last complete one, with an overlap. Papers are stored page by
    page: if a source fails, its papers so far are kept and it is retried later.
    """
    config = app.config()
    names = sources or tuple(config.sources)
    with app.store(config) as store:
        with fetch_progress(app, names) as progress:
            fetched = asyncio.run(fetch(store, config, names, clock=app.clock, progress=progress))
        with enrich_progress(app) as progress_of_papers:
            work = enrich(store, config, names, clock=app.clock, progress=progress_of_papers)
            enriched = asyncio.run(work)
    app.report(list(map(facts_of, fetched)), lambda: fetch_table(fetched, config))
    report_failures(app, fetched)
    report_enrichment(enriched)
    return 0 if all(result.is_complete for result in fetched) else 1


def facts_of(result: Fetched) -> dict[str, object]:
    """Return the JSON form of *result*."""
    return {
        "source": result.source,
        "status": result.status,
        "pages": result.pages,
        "papers": result.entries,
        "new": result.new,
        "note": result.note,
        "error": result.error,
        "retry_at": result.retry_at,
    }


def fetch_table(fetched: tuple[Fetched, ...], config: Config) -> str:
    """Format one line per source."""
    rows = [(f.source, f.status, f.entries, f.new, local(f.retry_at, config)) for f in fetched]
    return table(("SOURCE", "STATUS", "PAPERS", "NEW", "RETRY AT"), rows)


def report_failures(app: App, fetched: tuple[Fetched, ...]) -> None:
    """Print one line on stderr per failed source."""
    for result in fetched:
        if result.problem:
            click.echo(result.problem, err=True)


def report_enrichment(enriched: Enriched) -> None:
    """Print one line on stderr per service that failed; the run is complete all the same."""
    for error in enriched.errors:
        click.echo(f"enrichment: {error}; papers are announced as they are", err=True)


@contextmanager
def enrich_progress(app: App) -> "Iterator[EnrichProgress]":
    """Show how many papers were looked up, on a terminal only."""
    if not app.wants_progress():
        yield lambda *, done, total, completed: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = "details: {task.completed:.0f} papers looked up, {task.fields[found]} completed"
    with Progress(
        SpinnerColumn(), TextColumn(columns), transient=True, console=app.console()
    ) as lines:
        task = lines.add_task("enrichment", total=None, found=0)
        yield lambda *, done, total, completed: lines.update(
            task, completed=done, total=total, found=completed
        )


@contextmanager
def fetch_progress(app: App, names: Iterable[str]) -> "Iterator[FetchProgress]":
    """
    Show one progress line per source, on a terminal only.

    Lines appear at once, as the first answer may take minutes. Sources report no
    reliable total, so lines replace a bar.
    """
    if not app.wants_progress():
        yield lambda source, *, done, total, new: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = "{task.description}: {task.completed:.0f} papers read, {task.fields[new]} new"
    with Progress(
        SpinnerColumn(), TextColumn(columns), transient=True, console=app.console()
    ) as lines:
        tasks = {name: lines.add_task(name, total=None, new=0) for name in names}

        def progress(source: str, *, done: int, total: int | None, new: int) -> None:
            lines.update(tasks[source], completed=done, new=new)

        yield progress
