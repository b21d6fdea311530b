"""
Coverage as a picture: a row for each category, a column for each day, a cell for each batch.

Shape and sign tell the states apart for everyone, and every cell has its sentence as a tooltip.
Begin at `coverage_svg`.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from digestbot.batch_words import Words, statements
from digestbot.model import Batch, BatchState
from digestbot.render.sanitize import clip

CELL: Final = 30
GAP: Final = 4
MARGIN: Final = 24
HEAD: Final = 104
"""Height of the title and the days above the first row, in pixels."""
LETTER: Final = 7.4
"""Maximum width of a letter in a category, in pixels."""
NAME: Final = 30
LEGEND_WIDTH: Final = 910

KINDS: Final = {
    "verified": "verified by two channels",
    "announced": "announced, unverified",
    "partial": "partial",
    "stale": "stale",
    "down": "source down",
    "soon": "not yet",
    "off": "weekend or holiday",
}
"""Kind of cell → legend."""
_KIND_OF: Final = {
    BatchState.ANNOUNCED: "announced",
    BatchState.PARTIAL: "partial",
    BatchState.STALE: "stale",
    BatchState.DOWN: "down",
    BatchState.NOT_YET: "soon",
    BatchState.WEEKEND: "off",
    BatchState.HOLIDAY: "off",
}

_STYLE: Final = """\
svg{--paper:#ffffff;--ink:#1c2430;--mute:#667085;--line:#d8dde5;--ok:#1a7f4b;--ok-ink:#ffffff;\
--warn:#f6c453;--warn-ink:#3d2c00;--bad:#b42318;--bad-ink:#ffffff;--off:#d5dbe4}
@media (prefers-color-scheme:dark){svg{--paper:#12161c;--ink:#e8ecf2;--mute:#98a2b3;--line:#38414e;\
--ok:#2e9e66;--ok-ink:#06140c;--warn:#d9a62e;--warn-ink:#1d1500;--bad:#f0655a;--bad-ink:#210503;\
--off:#38414e}}
text{font:12px ui-sans-serif,system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;fill:var(--ink)}
.page{fill:var(--paper)}.head{font-size:18px;font-weight:650}.mute{fill:var(--mute)}
.name,.source{font-size:13px}.source{font-weight:650}.mid{text-anchor:middle}.end{text-anchor:end}
.n{font-size:11.5px;font-weight:600;text-anchor:middle;font-variant-numeric:tabular-nums}
.verified rect{fill:var(--ok)}.verified .n{fill:var(--ok-ink)}
.announced rect{fill:none;stroke:var(--ok);stroke-width:2}
.partial rect,.stale rect{fill:var(--warn)}.partial .n,.stale .n{fill:var(--warn-ink)}
.partial path{fill:var(--warn-ink)}
.down rect{fill:var(--bad)}.down .n{fill:var(--bad-ink)}
.soon rect{fill:none;stroke:var(--mute);stroke-width:1.5;stroke-dasharray:3 3}
.soon .n{fill:var(--mute)}.sign{font-size:16px}
.off rect{fill:var(--off)}.week{stroke:var(--line)}
"""


def coverage_svg(batches: Sequence[Batch], lang: Words, zone: ZoneInfo) -> str:
    """Draw *batches* as an SVG page in light and dark colours, with the times in *zone*."""
    days = sorted({batch.day for batch in batches})
    rows = list(dict.fromkeys((batch.source, batch.category) for batch in batches))
    left = MARGIN + 16 + int(LETTER * max((len(_name(row)) for row in rows), default=0))
    width = max(left + len(days) * (CELL + GAP) + MARGIN, LEGEND_WIDTH)
    places = _places(rows)
    foot = HEAD + _height(rows)
    height = foot + 76
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t d" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<title id="t">{escape(_title(days))}</title>',
        f'<desc id="d">{escape(_summary(batches))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="head" x="{MARGIN}" y="{MARGIN + 14}">{escape(_title(days))}</text>',
        f'<text class="mute" x="{MARGIN}" y="{MARGIN + 34}">{escape(_summary(batches))}</text>',
        *_columns(days, left, foot),
        *_labels(rows, places),
        *(
            _cell(batch, left + (batch.day - days[0]).days * (CELL + GAP), top, lang, zone)
            for batch in batches
            for top in [places[batch.source, batch.category]]
        ),
        *_legend(foot + 32),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _title(days: Sequence[date]) -> str:
    if not days:
        return "arXiv coverage"
    first, last = days[0], days[-1]
    return f"arXiv coverage, {first.day} {first:%b} to {last.day} {last:%b %Y}"


def _summary(batches: Sequence[Batch]) -> str:
    """Count the batches; the sentence is the picture's description."""
    kinds = [_kind(batch) for batch in batches]
    told = [(kind, kinds.count(kind)) for kind in KINDS if kind != "off"]
    counted = ", ".join(f"{number} {KINDS[kind]}" for kind, number in told if number)
    papers = sum(batch.papers for batch in batches)
    return f"{papers:,} announcements by category; batches: {counted or 'none'}"


def _kind(batch: Batch) -> str:
    return "verified" if batch.is_verified else _KIND_OF[batch.state]


def _name(row: tuple[str, str]) -> str:
    return clip(row[1] or "query", NAME)


def _places(rows: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the top of each row; the name of each source takes one, too."""
    places, top, source = {}, HEAD, None
    for row in rows:
        if row[0] != source:
            source, top = row[0], top + CELL
        places[row] = top
        top += CELL + GAP
    return places


def _height(rows: Sequence[tuple[str, str]]) -> int:
    return len(rows) * (CELL + GAP) + len({source for source, _ in rows}) * CELL


def _labels(rows: Sequence[tuple[str, str]], places: dict[tuple[str, str], int]) -> Iterator[str]:
    shown = set()
    for row in rows:
        top = places[row]
        if row[0] not in shown:
            shown.add(row[0])
            name = escape(clip(row[0], 2 * NAME))
            yield f'<text class="source" x="{MARGIN}" y="{top - 9}">{name}</text>'
        name = escape(_name(row))
        yield f'<text class="name" x="{MARGIN}" y="{top + CELL // 2 + 4}">{name}</text>'


def _columns(days: Sequence[date], left: int, foot: int) -> Iterator[str]:
    """Yield the days above the cells, the month where it begins, and a line before each Monday."""
    for number, day in enumerate(days):
        x = left + (day - days[0]).days * (CELL + GAP)
        middle = x + CELL / 2
        if number == 0 or day.day == 1:
            yield f'<text class="mute" x="{x}" y="{HEAD - 22}">{day:%b}</text>'
        yield f'<text class="mute mid" x="{middle}" y="{HEAD - 6}">{day:%a}</text>'
        yield f'<text class="mid" x="{middle}" y="{HEAD + 10}">{day.day}</text>'
        if day.weekday() == 0 and number:
            line = x - GAP / 2
            yield f'<path class="week" d="M{line} {HEAD - 16}V{foot}"/>'


def _cell(batch: Batch, x: int, y: int, lang: Words, zone: ZoneInfo) -> str:
    lines = statements([batch], lang, zone)
    name = batch.category or batch.source
    told = lines[0].text if lines else f"{name}: {batch.day:%a} {batch.day.day} {batch.day:%b}"
    kind = _kind(batch)
    shapes = _shapes(kind, x, y, _short(batch.papers))
    matched = f"; {batch.matched:,} matched" if batch.matched else ""
    return f'<g class="{kind}"><title>{escape(clip(told, 300))}{matched}</title>{shapes}</g>'


def _short(number: int) -> str:
    """Return *number* in at most four characters; an empty text for 0."""
    if number >= 1000:
        return f"{number / 1000:.1f}k" if number < 9950 else f"{number / 1000:.0f}k"
    return str(number) if number else ""


def _shapes(kind: str, x: float, y: float, papers: str) -> str:
    """Draw one cell: a square with the number of papers, or a sign in its place."""
    sign = {"down": "×", "soon": "…", "stale": "~"}.get(kind)
    if kind == "off":
        middle, size = CELL / 2 - 4, 8
        return f'<rect x="{x + middle}" y="{y + middle}" width="{size}" height="{size}" rx="4"/>'
    inset = 1 if kind in ("announced", "soon") else 0
    side = CELL - 2 * inset
    square = f'<rect x="{x + inset}" y="{y + inset}" width="{side}" height="{side}" rx="6"/>'
    corner = f"M{x + CELL - 9} {y + CELL}L{x + CELL} {y + CELL - 9}V{y + CELL}Z"
    mark = f'<path d="{corner}"/>' if kind == "partial" else ""
    place = f'x="{x + CELL / 2}" y="{y + CELL / 2 + 4}"'
    style = "n sign" if sign and not papers else "n"
    return f'{square}<text class="{style}" {place}>{papers or sign or 0}</text>{mark}'


def _legend(top: int) -> Iterator[str]:
    x = MARGIN
    for kind, words in KINDS.items():
        shapes = _shapes(kind, 0, 0, "n" if kind in ("verified", "announced", "partial") else "")
        yield f'<g class="{kind}" transform="translate({x} {top}) scale(.6)">{shapes}</g>'
        yield f'<text class="mute" x="{x + 24}" y="{top + 13}">{words}</text>'
        x += 24 + int(len(words) * 6.3) + 18
