"""``digestbot fetch``: one pass over the sources."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from digestbot.cli.app import App, local, table
from digestbot.config import Config
from digestbot.pipeline import Fetched, FetchProgress, fetch


@click.command("fetch", short_help="Fetch new papers now.")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.pass_obj
def command(app: App, sources: tuple[str, ...]) -> int:
    """
    Fetch now from the named sources, or all; sends nothing.

    A pass goes back until it meets what the last complete one knew, with an overlap. What came is
    stored page by page; a source that fails keeps what it gave and is tried again.
    """
    config = app.config()
    names = sources or tuple(config.sources)
    with app.store(config) as store, fetch_progress(app, names) as progress:
        fetched = asyncio.run(fetch(store, config, names, clock=app.clock, progress=progress))
    app.show(list(map(facts_of, fetched)), lambda: fetch_table(fetched, config))
    report_failures(app, fetched)
    return 0 if all(result.is_complete for result in fetched) else 1


def facts_of(result: Fetched) -> dict[str, object]:
    """A pass as JSON shows it."""
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
    """One line a source."""
    rows = [(f.source, f.status, f.entries, f.new, local(f.retry_at, config)) for f in fetched]
    return table(("SOURCE", "STATUS", "PAPERS", "NEW", "AGAIN AT"), rows)


def report_failures(app: App, fetched: tuple[Fetched, ...]) -> None:
    """What went wrong, on stderr, a line each."""
    for result in fetched:
        if result.problem:
            click.echo(result.problem, err=True)


@contextmanager
def fetch_progress(app: App, names: Iterable[str]) -> "Iterator[FetchProgress]":
    """
    A line a source on a terminal, nothing in a pipe; how much will come nobody knows before.

    From the beginning: a server may take minutes for its first answer.
    """
    if not app.wants_progress():
        yield lambda source, *, done, total, new: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn

    words = "{task.description}: {task.completed:.0f} papers read, {task.fields[new]} new"
    with Progress(
        SpinnerColumn(), TextColumn(words), transient=True, console=app.console()
    ) as lines:
        tasks = {name: lines.add_task(name, total=None, new=0) for name in names}

        def progress(source: str, *, done: int, total: int | None, new: int) -> None:
            lines.update(tasks[source], completed=done, new=new)

        yield progress
