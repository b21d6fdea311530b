"""``digestbot backtest``: what a filter would have matched in the past."""

from pathlib import Path

import click

from digestbot.backtest import Backtest, backtest
from digestbot.cli.app import App, count, table
from digestbot.config import find_digest, load_config
from digestbot.config.schema import parse_duration
from digestbot.errors import MissingExtra, UsageError
from digestbot.filters import Filter
from digestbot.model import Announcement

SHOWN = 20
"""Number of papers printed in each list; JSON has them all."""
BAR = 40
"""Width of the longest bar, in columns."""


@click.command("backtest", short_help="Show what a filter would have matched.")
@click.argument("digest")
@click.option(
    "--since",
    default="90d",
    show_default=True,
    metavar="SPAN",
    help="How far to look back: 90d, 36h, 2w.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw papers per day to a .png or .svg file.",
)
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Compare with this digest in another config.",
)
@click.pass_obj
def command(app: App, digest: str, since: str, plot: Path | None, against: Path | None) -> int:
    """
    Show the papers per day that DIGEST would have matched, based on the papers in the store. Papers
    from a source's first fetch count for the day they came out.

    For each term, also lists the papers it matched and those that only it matched, highest first,
    and then the terms that never matched.
    """
    reach = parse_duration(since)
    if reach is None:
        raise UsageError(f'--since "{since}" is not a time span; use 90d, 36h or 2w')
    config = app.config()
    wanted = find_digest(config, digest)
    other = None if against is None else _filter_of(app, against, digest)
    now = app.clock()
    with app.store(config, read_only=True) as store:
        found = backtest(store, config, wanted, since=now - reach, now=now, against=other)
    if plot is not None:
        _plot(found, wanted.title, plot)
    app.show(_facts(digest, found, other), lambda: _as_text(digest, found, other))
    if plot is not None:
        app.say(f"plot written to {plot}")
    return 0


def _filter_of(app: App, path: Path, digest: str) -> Filter:
    return find_digest(load_config(path, app.environ), digest).filter


def _facts(digest: str, found: Backtest, other: Filter | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "digest": digest,
        "considered": found.considered,
        "matched": found.matched,
        "a_day": round(found.a_day, 3),
        "days": [{"day": day.isoformat(), "papers": papers} for day, papers in found.days],
        "terms": [{"term": t.term, "hits": t.hits, "alone": t.alone} for t in found.terms],
        "never": list(found.never),
    }
    if other is not None:
        facts["gained"] = [_paper(row) for row in found.gained]
        facts["lost"] = [_paper(row) for row in found.lost]
    return facts


def _paper(row: Announcement) -> dict[str, object]:
    return {"id": row.paper.id, "version": row.paper.version, "title": row.paper.title}


def _as_text(digest: str, found: Backtest, other: Filter | None) -> str:
    head = (
        f"{digest}: {found.matched} of {count(found.considered, 'paper')} matched in "
        f"{count(len(found.days), 'day')}, {found.a_day:.1f} per day"
    )
    parts = [head, _bars(found), _terms(found)]
    if other is not None:
        parts += [_list("+", "gained", found.gained), _list("-", "lost", found.lost)]
    return "\n\n".join(part for part in parts if part)


def _bars(found: Backtest) -> str:
    most = max((papers for _, papers in found.days), default=0)
    if not most:
        return ""
    return "\n".join(
        f"{day:%a %Y-%m-%d} {papers:>4} {'█' * round(BAR * papers / most)}".rstrip()
        for day, papers in found.days
    )


def _terms(found: Backtest) -> str:
    if not found.terms:
        return ""
    rows = [(t.alone, t.hits, t.term) for t in found.terms if t.hits]
    lines = [table(("ALONE", "HITS", "TERM"), rows)] if rows else []
    if found.never:
        lines.append(f"never matched: {', '.join(found.never)}")
    return "\n".join(lines)


def _list(sign: str, verb: str, rows: tuple[Announcement, ...]) -> str:
    lines = [f"{verb}: {len(rows)}"]
    lines += [f"{sign} {row.paper.id}  {row.paper.title}" for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"  and {len(rows) - SHOWN} more; use --json to list them")
    return "\n".join(lines)


def _plot(found: Backtest, title: str, path: Path) -> None:
    """
    Draw papers per day as bars, in the format of the file's extension.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: The extension is not .png or .svg, or the file cannot be written.
    """
    if path.suffix not in (".png", ".svg"):
        raise UsageError(f"--plot {path}: the file name must end in .png or .svg")
    try:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise MissingExtra("--plot", "plot") from None
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.add_subplot()
    days = [float(date2num(day)) for day, _ in found.days]
    axes.bar(days, [papers for _, papers in found.days], color="#8b2635")
    if days:
        axes.set_xlim(min(days[0] - 0.6, days[-1] - 6.6), days[-1] + 0.6)  # at least a week
    axes.set_title(f"{title}: {found.a_day:.1f} papers per day", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_locator(locator := AutoDateLocator())
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    try:
        figure.savefig(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
