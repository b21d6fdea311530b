"""``digestbot backtest``: what a filter would have brought."""

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
"""Papers of each list that are printed; JSON has them all."""
BAR = 40
"""Columns of the longest bar."""


@click.command("backtest", short_help="Show what a filter would have brought.")
@click.argument("digest")
@click.option("--since", default="90d", show_default=True, metavar="SPAN")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="A .png or .svg.")
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Another config with this digest: what the edit wins and loses.",
)
@click.pass_obj
def command(app: App, digest: str, since: str, plot: Path | None, against: Path | None) -> int:
    """
    Show the papers a day that DIGEST would have brought, over what the store has.

    Also what each term adds alone, the noisiest first, and the terms that never hit.
    """
    reach = parse_duration(since)
    if reach is None:
        raise UsageError(f"--since {since!r} is no span of time; write 90d, 36h or 2w")
    config = app.config()
    wanted = find_digest(config, digest)
    other = None if against is None else _filter_of(app, against, digest)
    now = app.clock()
    with app.store(config, read_only=True) as store:
        found = backtest(store, config, wanted, since=now - reach, now=now, against=other)
    if plot is not None:
        _plot(found, wanted.title, plot)
    app.show(_facts(digest, found, other), lambda: _words(digest, found, other))
    if plot is not None:
        app.say(f"drawn to {plot}")
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


def _words(digest: str, found: Backtest, other: Filter | None) -> str:
    head = (
        f"{digest}: {count(found.matched, 'paper')} of {found.considered} in "
        f"{count(len(found.days), 'day')}, {found.a_day:.1f} a day"
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
        lines.append(f"never hit: {', '.join(found.never)}")
    return "\n".join(lines)


def _list(sign: str, verb: str, rows: tuple[Announcement, ...]) -> str:
    lines = [f"{verb}: {len(rows)}"]
    lines += [f"{sign} {row.paper.id}  {row.paper.title}" for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"  and {len(rows) - SHOWN} more; --json has them")
    return "\n".join(lines)


def _plot(found: Backtest, title: str, path: Path) -> None:
    """
    Papers a day as bars, in the form that the file's name says.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: Not .png or .svg, or the file cannot be written.
    """
    if path.suffix not in (".png", ".svg"):
        raise UsageError(f"--plot {path}: name a .png or an .svg")
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
        axes.set_xlim(min(days[0] - 0.6, days[-1] - 6.6), days[-1] + 0.6)  # a week at least
    axes.set_title(f"{title}: {found.a_day:.1f} papers a day", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_locator(locator := AutoDateLocator())
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    try:
        figure.savefig(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
