"""
What of an edition is shown, and in which words: the same for mail, Slack and Markdown.

All text here is clean and bounded, but not escaped: that is the last step of each form. Begin at
`show`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from digestbot.model import (
    REPLACEMENTS,
    AnnounceType,
    Author,
    Edition,
    EditionPaper,
    Match,
    SourceCoverage,
    Theme,
)
from digestbot.render import safe
from digestbot.render.context import RenderContext
from digestbot.render.safe import Piece, clip, pieces
from digestbot.text import emphases, plain

ABSTRACTS: Mapping[Theme, int] = {Theme.DEFAULT: 700, Theme.COMPACT: 0, Theme.FULL: 2500}
"""
Characters of an abstract: 700 are read in passing, six or seven lines of a mail; 2,500 are all that
arXiv takes (1,920) and nearly all that others do.
"""
AUTHORS = 6
"""Names shown; with more authors, those of interest come first."""
SOURCES = 20
TITLE = 300
NAME = 80
TERMS = 8
CATEGORIES = 8
REMARK = 200
REASON = 300
CIRCUMSTANCES = frozenset({"category", "primary", "type", "source", "published", "updated"})
"""Fields that nearly every paper of a digest hits: they tell no paper from another."""
SPEAKING = frozenset({"title", "abstract", "exact", "author"})
"""Names of conditions that need not be said before what they look for."""

ACKNOWLEDGEMENT = (
    "Thank you to arXiv for use of its open access interoperability. This product was not reviewed "
    "or approved by, nor does it necessarily express or reflect the policies or opinions of, arXiv."
)
"""Asked of all who use arXiv's data (arXiv help, "About the arXiv APIs", brand guidelines)."""

# Not strftime: its names follow the locale of the process.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WHOLE_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_STATUS = {
    "partial": "answered in part",
    "late": "has not answered yet",
    "refused": "refuses to answer",
    "broken": "could not be read",
    "never": "has not been fetched yet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an updated paper says differently than the version before it."""

    field: str
    """As in JSON: ``title``, ``comment``, ``journal_ref`` or ``doi``."""
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPaper:
    """One paper, ready to be escaped and laid out."""

    number: int
    """Its place as shown, from 1."""
    title: tuple[Piece, ...]
    title_text: str
    url: str | None
    """None if what the source gave is no safe link."""
    pdf_url: str | None
    doi: str | None
    doi_url: str | None
    identifier: str | None
    """``arXiv:2611.01234v1``; None if the paper has no name of its own."""
    badge: str
    """``new``, ``cross-list``, ``updated v2``."""
    kind: str
    """``new``, ``cross`` or ``update``: the badge's colour."""
    authors: tuple[Piece, ...]
    """Whole names; those that the filter asked for are hits and come first."""
    more_authors: int
    """Authors that are not named."""
    categories: tuple[str, ...]
    date: str | None
    comment: str | None
    journal: str | None
    why: tuple[str, ...]
    abstract: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Papers under one heading; those that do not fit as *papers* are *lines*."""

    title: str | None
    papers: tuple[ShownPaper, ...]
    lines: tuple[ShownPaper, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSource:
    """One line of what an edition covers."""

    name: str
    words: str
    missing: str | None
    """What is not in this edition because of it; None if all is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How much of an edition is shown: what is left out is stated in numbers."""

    abstract: int | None = None
    """Characters of each abstract; as many as the theme shows if None."""
    papers: int | None = None
    """Papers in full; all if None."""
    lines: int | None = None
    """Papers in full and in one line together; all if None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEdition:
    """One issue, ready to be escaped and laid out."""

    title: str
    number: int
    date: str
    """``Monday, 23 November 2026``, in the digest's time zone."""
    short_date: str
    """``23 Nov``."""
    count: str
    """``5 new and 2 updated papers``."""
    preheader: str
    sections: tuple[Section, ...]
    unshown: int
    """Papers of this edition that were left out for the size of the mail."""
    omitted: int
    """Papers that matched and fell to the digest's limit."""
    totals: str
    sources: tuple[ShownSource, ...]
    more_sources: int
    missing: tuple[str, ...]
    """What this edition lacks, one sentence a source."""
    covers: str
    next_edition: str | None
    why: str | None
    acknowledgement: str | None
    unsubscribe: str | None
    home: str | None
    web: str | None
    """Where the whole edition can be read."""
    attached: bool
    """Whether all its papers are in an attached list."""


def show(edition: Edition, context: RenderContext, cut: Cut | None = None) -> ShownEdition:
    """*edition* in words, with as much of each paper as *cut* allows (all, if None)."""
    cut = cut or Cut()
    zone = context.timezone
    made = edition.created_at.astimezone(zone)
    sources = tuple(_source(coverage, zone) for coverage in edition.coverage)
    ordered = by_section(edition.papers)
    abstract = ABSTRACTS[context.theme] if cut.abstract is None else cut.abstract
    papers = len(ordered) if cut.papers is None else cut.papers
    lines = len(ordered) if cut.lines is None else cut.lines
    next_at = context.next_edition_at
    return ShownEdition(
        title=title_of(edition),
        number=edition.number,
        date=f"{_DAYS[made.weekday()]}, {made.day} {_WHOLE_MONTHS[made.month - 1]} {made.year}",
        short_date=short_date(edition.created_at, zone),
        count=count_in_words(edition),
        preheader=_preheader(edition),
        sections=tuple(_sections(ordered, papers, lines, abstract, zone)),
        unshown=max(0, len(ordered) - lines),
        omitted=edition.omitted,
        totals=_totals(edition),
        sources=sources[:SOURCES],
        more_sources=max(0, len(sources) - SOURCES),
        missing=_missing(sources),
        covers=_covers(edition, zone),
        next_edition=f"The next edition is due {moment(next_at, zone)}." if next_at else None,
        why=clip(context.filter_in_words, REASON) if context.filter_in_words else None,
        acknowledgement=ACKNOWLEDGEMENT if _has_arxiv(edition) else None,
        unsubscribe=_unsubscribe(context.unsubscribe),
        home=safe.url(context.public_url),
        web=safe.url(context.edition_url or context.public_url),
        attached=bool(context.attach),
    )


def by_section(papers: Iterable[EditionPaper]) -> tuple[EditionPaper, ...]:
    """*papers* as they are shown: the new ones, then the updated ones, each best first."""
    return tuple(sorted(papers, key=lambda entry: entry.type in REPLACEMENTS))


def show_paper(entry: EditionPaper, zone: ZoneInfo, *, number: int, abstract: int) -> ShownPaper:
    """One paper, the *number*-th shown, with the first *abstract* characters of its abstract."""
    paper = entry.paper
    authors, more = _authors(paper.authors, entry.matches)
    when = paper.updated or paper.published
    apart = emphases(paper.title_raw, paper.title, one_line=True)
    title = pieces(paper.title, _spans(entry.matches, "title"), TITLE, apart)
    return ShownPaper(
        number=number,
        title=title or (Piece("(no title)"),),
        title_text=clip(paper.title, TITLE) or "(no title)",
        url=safe.url(paper.url),
        pdf_url=safe.url(paper.pdf_url),
        doi=clip(paper.doi, REMARK) if paper.doi else None,
        doi_url=safe.doi_url(paper.doi),
        identifier=_identifier(entry),
        badge=_badge(entry),
        kind=_kind(entry.type),
        authors=authors,
        more_authors=more,
        categories=_categories(paper.categories),
        date=f"{short_date(when, zone)} {when.astimezone(zone).year}" if when else None,
        comment=_remark(paper.comment),
        journal=_remark(paper.journal_ref),
        why=_why(entry.matches),
        abstract=_abstract(entry, abstract),
    )


def _abstract(entry: EditionPaper, length: int) -> tuple[Piece, ...]:
    if not length:
        return ()
    paper = entry.paper
    apart = emphases(paper.abstract_raw, paper.abstract)
    return pieces(paper.abstract, _spans(entry.matches, "abstract"), length, apart)


def changes(entry: EditionPaper) -> tuple[Change, ...]:
    """What differs from the version before, most telling first; nothing if that is not known."""
    previous = entry.previous
    if previous is None:
        return ()
    compared = (
        Change(field=field, before=getattr(previous, field), after=getattr(entry.paper, field))
        for field in ("title", "comment", "journal_ref", "doi")
    )
    return tuple(change for change in compared if (change.before or "") != (change.after or ""))


def title_of(edition: Edition) -> str:
    """The digest's title, or its name if it has none."""
    return clip(edition.title, 100) or clip(edition.digest, 100)


def count_in_words(edition: Edition) -> str:
    """``7 new papers``, ``5 new and 2 updated papers`` or ``top 30 of 47 papers``."""
    shown = len(edition.papers)
    if edition.omitted:
        return f"top {shown} of {plural(shown + edition.omitted, 'paper')}"
    updated = sum(entry.type in REPLACEMENTS for entry in edition.papers)
    fresh = shown - updated
    if fresh and updated:
        return f"{fresh} new and {updated} updated papers"
    if updated:
        return plural(updated, "updated paper")
    return plural(fresh, "new paper") if fresh else "no new papers"


def plural(number: int, noun: str) -> str:
    """``1 paper``, ``2 papers``, ``1,200 papers``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def short_date(when: datetime, zone: ZoneInfo) -> str:
    """``23 Nov``, in *zone*."""
    local = when.astimezone(zone)
    return f"{local.day} {_MONTHS[local.month - 1]}"


def moment(when: datetime, zone: ZoneInfo) -> str:
    """``Tue 24 Nov, 09:00 CET``, in *zone*."""
    local = when.astimezone(zone)
    day = _DAYS[local.weekday()][:3]
    return f"{day} {short_date(when, zone)}, {local:%H:%M} {local.tzname()}"


def names(paper: ShownPaper, number: int = AUTHORS) -> str:
    """The authors on one line, those of interest not cut: ``Ana Pérez, Ion Stoica and 14 more``."""
    cut = len(paper.authors) > number
    ordered = sorted(paper.authors, key=lambda each: not each.hit) if cut else paper.authors
    shown = [author.text for author in ordered[:number]]
    more = paper.more_authors + max(0, len(paper.authors) - number)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _sections(
    ordered: Sequence[EditionPaper], papers: int, lines: int, abstract: int, zone: ZoneInfo
) -> Iterable[Section]:
    shown = [
        show_paper(entry, zone, number=number, abstract=abstract if number <= papers else 0)
        for number, entry in enumerate(ordered[:lines], start=1)
    ]
    fresh = [paper for paper in shown if paper.kind != "update"]
    updated = [paper for paper in shown if paper.kind == "update"]
    # A heading tells two parts from each other; one part alone is told by the count on top.
    for title, part in (("New papers", fresh), ("Updated papers", updated)):
        if part:
            yield Section(
                title=title if fresh and updated else None,
                papers=tuple(paper for paper in part if paper.number <= papers),
                lines=tuple(paper for paper in part if paper.number > papers),
            )


def _spans(matches: Iterable[Match], field: str) -> list[tuple[int, int]]:
    return [(match.start, match.end) for match in matches if match.field == field]


def _authors(authors: Sequence[Author], matches: Iterable[Match]) -> tuple[tuple[Piece, ...], int]:
    hits = [match for match in matches if match.field == "author"]
    asked_for = {author for match in hits for author in authors if _is_of(match, author)}
    # With few authors the order of the paper tells more.
    reorder = asked_for and len(authors) > AUTHORS
    shown = sorted(authors, key=lambda author: author not in asked_for) if reorder else authors
    named = (Piece(clip(a.name, NAME), hit=a in asked_for) for a in shown[:AUTHORS])
    return tuple(piece for piece in named if piece.text), max(0, len(authors) - AUTHORS)


def _is_of(match: Match, author: Author) -> bool:
    return bool(match.text) and author.name[match.start : match.end] == match.text


def _identifier(entry: EditionPaper) -> str | None:
    number = clip(entry.paper.id.removeprefix("arxiv:"), 60)
    return f"arXiv:{number}v{entry.paper.version}" if number != entry.paper.id else None


def _badge(entry: EditionPaper) -> str:
    words = {
        AnnounceType.NEW: "new",
        AnnounceType.CROSS: "cross-list",
        AnnounceType.REPLACE: f"updated v{entry.paper.version}",
        AnnounceType.REPLACE_CROSS: f"updated v{entry.paper.version}, cross-list",
    }
    return words[entry.type]


def _kind(announce_type: AnnounceType) -> str:
    if announce_type in REPLACEMENTS:
        return "update"
    return "cross" if announce_type is AnnounceType.CROSS else "new"


def _categories(categories: Sequence[str]) -> tuple[str, ...]:
    shown = tuple(clip(category, NAME) for category in categories[:CATEGORIES])
    rest = len(categories) - CATEGORIES
    return (*shown, f"{rest} more") if rest > 0 else shown


def _remark(text: str | None) -> str | None:
    return (clip(plain(text, one_line=True), REMARK) or None) if text else None


def _why(matches: Sequence[Match]) -> tuple[str, ...]:
    """What hit, each once: words, then people and remarks; category and such only if alone."""
    telling = sorted(
        (match for match in matches if match.field not in CIRCUMSTANCES),
        key=lambda match: match.field not in {"title", "abstract"},
    )
    terms = tuple(dict.fromkeys(_reason(match) for match in telling or matches))
    terms = tuple(term for term in terms if term)
    rest = len(terms) - TERMS
    return (*terms[:TERMS], f"{rest} more") if rest > 0 else terms


def _reason(match: Match) -> str:
    """*match* as its reader sees it: without the name of a field that speaks for itself."""
    name, _, value = match.term.partition(": ")
    if name == "regex":
        return clip(match.text, NAME)
    return clip(value if name in SPEAKING and value else match.term, NAME)


def _source(coverage: SourceCoverage, zone: ZoneInfo) -> ShownSource:
    name = clip(coverage.source, NAME)
    note = clip(coverage.note, REMARK) if coverage.note else _STATUS.get(coverage.status)
    if note is None and coverage.status not in {"ok", "empty"}:
        note = clip(coverage.status, REMARK)
    as_of = f", complete as of {moment(coverage.as_of, zone)}" if coverage.as_of else ""
    return ShownSource(
        name=name,
        words=f"{coverage.announced:,} announced{as_of}",
        missing=note,
    )


def _missing(sources: Sequence[ShownSource]) -> tuple[str, ...]:
    lacking = [f"{source.name}: {source.missing}" for source in sources if source.missing]
    rest = len(lacking) - SOURCES
    return (*lacking[:SOURCES], f"and {plural(rest, 'more source')}") if rest > 0 else (*lacking,)


def _totals(edition: Edition) -> str:
    matched = len(edition.papers) + edition.omitted
    words = f"{plural(edition.considered, 'paper')} considered, {matched:,} matched"
    over = f", {edition.omitted:,} of them beyond the limit" if edition.omitted else ""
    return f"{words}{over}."


def _covers(edition: Edition, zone: ZoneInfo) -> str:
    since = "since the one before was due" if edition.number > 1 else "until now"
    return (
        f"Edition {edition.number}, made {moment(edition.created_at, zone)}, "
        f"covers what was announced {since}."
    )


def _has_arxiv(edition: Edition) -> bool:
    from_arxiv = any(entry.paper.id.startswith("arxiv:") for entry in edition.papers)
    return from_arxiv or any("arxiv" in part.source.casefold() for part in edition.coverage)


def _preheader(edition: Edition) -> str:
    titles = "; ".join(clip(entry.paper.title, 90) for entry in by_section(edition.papers)[:3])
    return clip(titles, 140) or _totals(edition)


def _unsubscribe(link: str | None) -> str | None:
    if link and link.lower().startswith("mailto:") and safe.line(link) == link and " " not in link:
        return link
    return safe.url(link)
