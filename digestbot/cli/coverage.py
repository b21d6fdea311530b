"""``digestbot coverage``: which of arXiv's batches were announced and verified."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from shutil import get_terminal_size

import click

from digestbot.arxiv_calendar import feed_day
from digestbot.batch_words import English, statements
from digestbot.batches import arxiv_sources, batches_of
from digestbot.cli.app import App, print_document, write_text
from digestbot.config import Config
from digestbot.config.schema import parse_duration
from digestbot.errors import UsageError
from digestbot.model import Batch, BatchState
from digestbot.store import Store

NONE = "the config has no arXiv source; only arXiv announces its papers in batches"
UNREAD = "no announcements yet; 'digestbot fetch' reads the sources"
DAY_WIDTH = 12
CELL_WIDTH = 9
COUNTS = "41/7 announced/matched by any digest"

SYMBOLS = {
    BatchState.ANNOUNCED: ("○", "announced, unverified", "green"),
    BatchState.PARTIAL: ("◐", "partial", "yellow"),
    BatchState.STALE: ("~", "stale", "yellow"),
    BatchState.DOWN: ("×", "source down", "red"),
    BatchState.NOT_YET: ("…", "not yet", None),
    BatchState.WEEKEND: ("–", "weekend", None),
    BatchState.HOLIDAY: ("–", "holiday", None),
}
"""Symbol, words and colour of each state."""
VERIFIED = ("●", "verified by two channels", "green")


@click.command("coverage", short_help="Show which of arXiv's batches are verified.")
@click.option(
    "--since",
    default="30d",
    show_default=True,
    metavar="SPAN",
    help="How far to look back: 30d, 2w.",
)
@click.option("--source", metavar="NAME", help="Show this source only.")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Draw the days as an SVG file; - for standard output.",
)
@click.pass_obj
def command(app: App, since: str, source: str | None, svg: Path | None) -> int:
    """
    Show what arXiv announced on each day in each category, whether it is complete, and
    how many of the papers any digest matched.

    A batch is verified if two of arXiv's channels (the daily feed, OAI-PMH, the query API) have
    served every paper that any of them served. Reads the store only.

    Exits with 1 if a batch is partial or stale, or if no channel answered.
    """
    reach = parse_duration(since)
    if reach is None:
        raise UsageError(f'--since "{since}" is not a time span; use 30d or 2w')
    config = app.config()
    if not arxiv_sources(config) and source is None:
        if svg is not None:
            raise UsageError(NONE)
        app.show([], lambda: NONE)
        return 0
    with app.store(config, read_only=True) as store:
        batches = _batches(store, config, source, reach, app.clock())
    if svg is None:
        app.show([_facts(batch) for batch in batches], lambda: _as_text(batches, config))
    else:
        _draw(app, batches, config, svg)
    return int(any(batch.is_incomplete for batch in batches))


def _batches(
    store: Store, config: Config, source: str | None, reach: timedelta, now: datetime
) -> tuple[Batch, ...]:
    sources = arxiv_sources(config)
    if source is not None and source not in sources:
        known = ", ".join(sources) or "none"
        raise UsageError(
            f'--source "{source}" is not an arXiv source of the config; it has {known}'
        )
    wanted = sources if source is None else {source: sources[source]}
    return batches_of(store, wanted, feed_day(now - reach), now, count_matched=True)


def _draw(app: App, batches: Sequence[Batch], config: Config, path: Path) -> None:
    from digestbot.render.coverage_svg import coverage_svg

    picture = coverage_svg(batches, English(), config.timezone)
    if str(path) == "-":
        print_document(picture)
        return
    write_text(path, picture)
    app.say(f"coverage written to {path}")


def _facts(batch: Batch) -> dict[str, object]:
    return {
        "source": batch.source,
        "category": batch.category or None,
        "day": batch.day.isoformat(),
        "state": batch.state,
        "papers": batch.papers,
        "matched": batch.matched,
        "verified_at": batch.verified_at,
        "verified_by": list(batch.verified_by),
        "unverified": list(batch.unverified),
        "missing": {channel.value: number for channel, number in batch.missing.items()},
        "misplaced": batch.misplaced,
        "asked_again_at": batch.asked_again_at,
        "channels": [
            {
                "channel": answer.channel,
                "outcome": answer.outcome,
                "at": answer.at,
                "lacks": answer.lacks,
                "detail": answer.detail,
            }
            for answer in batch.answers
        ],
    }


def _as_text(batches: Sequence[Batch], config: Config) -> str:
    if not batches:
        return UNREAD
    tables = [
        _table(name, list(of_source), get_terminal_size().columns)
        for name, of_source in groupby(batches, key=lambda batch: batch.source)
    ]
    return "\n\n".join(part for part in (*tables, _legend(batches), _gaps(batches, config)) if part)


def _table(name: str, batches: Sequence[Batch], width: int) -> str:
    """Return the days of one source as rows and its categories as columns, in parts that fit."""
    found = {(batch.day, batch.category): batch for batch in batches}
    days = list(dict.fromkeys(batch.day for batch in batches))
    lines = [name]
    for part in _parts(list(dict.fromkeys(batch.category for batch in batches)), width):
        lines.append(_row("DAY", [each or "QUERY" for each in part], part))
        for day in days:
            cells = _cells([found[day, category] for category in part])
            lines.append(_row(f"{day:%a} {day.day:>2} {day:%b}", cells, part))
    return "\n".join(lines)


def _parts(categories: Sequence[str], width: int) -> Iterator[list[str]]:
    """Divide *categories* into parts whose columns fit into *width*."""
    part: list[str] = []
    left = width - DAY_WIDTH
    for category in categories:
        if part and left < _width(category):
            yield part
            part, left = [], width - DAY_WIDTH
        part.append(category)
        left -= _width(category)
    yield part


def _width(category: str) -> int:
    return max(CELL_WIDTH, len(category)) + 2


def _row(head: str, cells: Sequence[str], categories: Sequence[str]) -> str:
    """Align the cells by what they show, colours aside."""
    row = head.ljust(DAY_WIDTH)
    for cell, category in zip(cells, categories, strict=False):
        row += cell + " " * (_width(category) - len(click.unstyle(cell)))
    return row.rstrip()


def _cells(batches: Sequence[Batch]) -> list[str]:
    """Return a symbol and the number of papers of each batch, or the name of a day off."""
    states = {batch.state for batch in batches}
    if len(states) == 1 and states <= {BatchState.WEEKEND, BatchState.HOLIDAY}:
        return [batches[0].state.value]
    return [_cell(batch) for batch in batches]


def _cell(batch: Batch) -> str:
    symbol, _, colour = _symbol(batch)
    is_counted = batch.papers or batch.state is BatchState.ANNOUNCED
    shown = f"{symbol} {batch.papers}/{batch.matched or 0}" if is_counted else symbol
    return click.style(shown, fg=colour) if colour else shown


def _symbol(batch: Batch) -> tuple[str, str, str | None]:
    return VERIFIED if batch.is_verified else SYMBOLS[batch.state]


def _legend(batches: Sequence[Batch]) -> str:
    """Explain the symbols in the table."""
    days_off = (BatchState.WEEKEND, BatchState.HOLIDAY)
    used = {_symbol(batch) for batch in batches if batch.state not in days_off}
    shown = [s for s in (VERIFIED, *SYMBOLS.values()) if s in used]
    return "  ".join((*(f"{symbol} {words}" for symbol, words, _ in shown), COUNTS))


def _gaps(batches: Sequence[Batch], config: Config) -> str:
    """Describe the batches that may be incomplete."""
    found = statements(batches, English(), config.timezone)
    lines = [f"  {line.text}" for line in found if line.is_incomplete]
    return "\n".join(("Needs attention:", *lines)) if lines else ""
