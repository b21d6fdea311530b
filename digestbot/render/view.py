"""
What of an edition is shown, and in which words: the same for mail, Slack and Markdown.

All text here is clean and bounded, but not escaped: that is the last step of each form. Begin at
`show`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
from digestbot.render import sanitize
from digestbot.render.context import RenderContext
from digestbot.render.language import Language
from digestbot.render.sanitize import Span, clip, pieces
from digestbot.text import emphases

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
"""
Asked of all who use arXiv's data (arXiv help, "About the arXiv APIs", brand guidelines): in these
words, so it is not translated.
"""


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
    title: tuple[Span, ...]
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
    authors: tuple[Span, ...]
    """Whole names; those that the filter asked for are hits and come first."""
    more_authors: int
    """Authors that are not named."""
    categories: tuple[str, ...]
    date: str | None
    comment: str | None
    journal: str | None
    why: tuple[str, ...]
    changes: str | None
    """Of an updated paper: ``v2: comment now: accepted at …; title was: …``."""
    abstract: tuple[Span, ...]


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
    """``61 announced, 7 matched, complete as of Mon 23 Nov, 08:30 CET``."""
    categories: tuple[str, ...]
    """``cs.DC 61/7``: announced and matched."""
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
    zone, words = context.timezone, context.words
    sources = tuple(_source(coverage, context) for coverage in edition.coverage)
    ordered = by_section(edition.papers)
    abstract = ABSTRACTS[context.theme] if cut.abstract is None else cut.abstract
    papers = len(ordered) if cut.papers is None else cut.papers
    lines = len(ordered) if cut.lines is None else cut.lines
    next_at = context.next_edition_at
    return ShownEdition(
        title=title_of(edition),
        number=edition.number,
        date=words.date(edition.created_at, zone),
        short_date=words.day(edition.created_at, zone),
        count=count_in_words(edition, words),
        sections=tuple(_sections(ordered, papers, lines, abstract, context)),
        unshown=max(0, len(ordered) - lines),
        omitted=edition.omitted,
        totals=_totals(edition, words),
        sources=sources[:SOURCES],
        more_sources=max(0, len(sources) - SOURCES),
        missing=_missing(sources, words),
        covers=_covers(edition, context),
        next_edition=words.gettext(
            "The next edition is due %(moment)s.", moment=words.moment(next_at, zone)
        )
        if next_at
        else None,
        why=clip(context.filter_in_words, REASON) if context.filter_in_words else None,
        acknowledgement=ACKNOWLEDGEMENT if _has_arxiv(edition) else None,
        unsubscribe=_unsubscribe(context.unsubscribe),
        home=sanitize.url(context.public_url),
        web=sanitize.url(context.edition_url or context.public_url),
        attached=bool(context.attach),
    )


def by_section(papers: Iterable[EditionPaper]) -> tuple[EditionPaper, ...]:
    """*papers* as they are shown: the new ones, then the updated ones, each best first."""
    return tuple(sorted(papers, key=lambda entry: entry.type in REPLACEMENTS))


def show_paper(
    entry: EditionPaper, context: RenderContext, *, number: int, abstract: int
) -> ShownPaper:
    """One paper, the *number*-th shown, with the first *abstract* characters of its abstract."""
    paper, words = entry.paper, context.words
    # What a change tells of is not said twice.
    told = {change.field for change in changes(entry)}
    untitled = words.gettext("(no title)")
    authors, more = _authors(paper.authors, entry.matches)
    when = paper.updated or paper.published
    apart = emphases(paper.title_raw, paper.title, one_line=True)
    title = pieces(paper.title, _spans(entry.matches, "title"), TITLE, apart)
    return ShownPaper(
        number=number,
        title=title or (Span(untitled),),
        title_text=clip(paper.title, TITLE) or untitled,
        url=sanitize.url(paper.url),
        pdf_url=sanitize.url(paper.pdf_url),
        doi=clip(paper.doi, REMARK) if paper.doi else None,
        doi_url=sanitize.doi_url(paper.doi),
        identifier=_identifier(entry),
        badge=_badge(entry, words),
        kind=_kind(entry.type),
        authors=authors,
        more_authors=more,
        categories=_categories(paper.categories, words),
        date=words.day_of_year(when, context.timezone) if when else None,
        comment=_remark(paper.comment) if "comment" not in told else None,
        journal=_remark(paper.journal_ref) if "journal_ref" not in told else None,
        why=_why(entry.matches, words),
        changes=_changes(entry, words),
        abstract=_abstract(entry, abstract),
    )


def _abstract(entry: EditionPaper, length: int) -> tuple[Span, ...]:
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


def count_in_words(edition: Edition, words: Language) -> str:
    """``7 new papers``, ``5 new and 2 updated papers`` or ``top 30 of 47 papers``."""
    shown = len(edition.papers)
    if edition.omitted:
        return words.ngettext(
            "top %(shown)s of %(number)s paper",
            "top %(shown)s of %(number)s papers",
            shown + edition.omitted,
            shown=words.number(shown),
        )
    updated = sum(entry.type in REPLACEMENTS for entry in edition.papers)
    fresh = shown - updated
    if fresh and updated:
        return words.ngettext(
            "%(new)s new and %(number)s updated papers",
            "%(new)s new and %(number)s updated papers",
            updated,
            new=words.number(fresh),
        )
    if updated:
        return words.ngettext("%(number)s updated paper", "%(number)s updated papers", updated)
    if fresh:
        return words.ngettext("%(number)s new paper", "%(number)s new papers", fresh)
    return words.gettext("no new papers")


def names(paper: ShownPaper, words: Language, number: int = AUTHORS) -> str:
    """The authors on one line, those of interest not cut: ``Ana Pérez, Ion Stoica and 14 more``."""
    return "".join(piece.text for piece in people(paper, words, number))


def people(paper: ShownPaper, words: Language, number: int = AUTHORS) -> tuple[Span, ...]:
    """`names` in pieces, those of interest hits."""
    cut = len(paper.authors) > number
    ordered = sorted(paper.authors, key=lambda each: not each.hit) if cut else paper.authors
    more = paper.more_authors + max(0, len(paper.authors) - number)
    # What the language puts before and behind the names; a NUL is in none of them.
    before, _, behind = words.names(["\0"], more).partition("\0")
    listed = [Span(before)]
    for author in ordered[:number]:
        listed += [author, Span(", ")]
    return tuple(piece for piece in (*listed[:-1], Span(behind)) if piece.text)


def words_of(context: RenderContext) -> Mapping[str, object]:
    """What every template may say: messages, plurals and lists in the digest's language."""
    words = context.words
    return {
        "language": words.tag,
        "_": words.gettext,
        "gettext": words.gettext,
        "ngettext": words.ngettext,
        "names": lambda paper, number=AUTHORS: names(paper, words, number),
        "people_of": lambda paper, number=AUTHORS: people(paper, words, number),
        "more_sources": lambda number: more_sources(number, words),
        "beyond_limit": lambda number: beyond_limit(number, words),
    }


def _sections(
    ordered: Sequence[EditionPaper],
    papers: int,
    lines: int,
    abstract: int,
    context: RenderContext,
) -> Iterable[Section]:
    shown = [
        show_paper(entry, context, number=number, abstract=abstract if number <= papers else 0)
        for number, entry in enumerate(ordered[:lines], start=1)
    ]
    fresh = [paper for paper in shown if paper.kind != "update"]
    updated = [paper for paper in shown if paper.kind == "update"]
    # A heading tells two parts from each other; one part alone is told by the count on top.
    for title, part in zip(section_titles(context.words), (fresh, updated), strict=True):
        if part:
            yield Section(
                title=title if fresh and updated else None,
                papers=tuple(paper for paper in part if paper.number <= papers),
                lines=tuple(paper for paper in part if paper.number > papers),
            )


def section_titles(words: Language) -> tuple[str, str]:
    """The headings of the new and of the updated papers."""
    return words.gettext("New papers"), words.gettext("Updated papers")


def _spans(matches: Iterable[Match], field: str) -> list[tuple[int, int]]:
    return [(match.start, match.end) for match in matches if match.field == field]


def _authors(authors: Sequence[Author], matches: Iterable[Match]) -> tuple[tuple[Span, ...], int]:
    hits = [match for match in matches if match.field == "author"]
    asked_for = {author for match in hits for author in authors if _is_of(match, author)}
    # With few authors the order of the paper tells more.
    reorder = asked_for and len(authors) > AUTHORS
    shown = sorted(authors, key=lambda author: author not in asked_for) if reorder else authors
    named = (Span(clip(a.name, NAME), hit=a in asked_for) for a in shown[:AUTHORS])
    return tuple(piece for piece in named if piece.text), max(0, len(authors) - AUTHORS)


def _is_of(match: Match, author: Author) -> bool:
    return bool(match.text) and author.name[match.start : match.end] == match.text


def _identifier(entry: EditionPaper) -> str | None:
    number = clip(entry.paper.id.removeprefix("arxiv:"), 60)
    return f"arXiv:{number}v{entry.paper.version}" if number != entry.paper.id else None


def _badge(entry: EditionPaper, words: Language) -> str:
    version = entry.paper.version
    match entry.type:
        case AnnounceType.NEW:
            return words.gettext("new")
        case AnnounceType.CROSS:
            return words.gettext("cross-list")
        case AnnounceType.REPLACE:
            return words.gettext("updated v%(version)s", version=version)
        case AnnounceType.REPLACE_CROSS:
            return words.gettext("updated v%(version)s, cross-list", version=version)


def _kind(announce_type: AnnounceType) -> str:
    if announce_type in REPLACEMENTS:
        return "update"
    return "cross" if announce_type is AnnounceType.CROSS else "new"


def _categories(categories: Sequence[str], words: Language) -> tuple[str, ...]:
    return _first(tuple(clip(category, NAME) for category in categories), CATEGORIES, words)


def _first(parts: Sequence[str], number: int, words: Language) -> tuple[str, ...]:
    """The first *number* of *parts*, and how many more there are."""
    rest = len(parts) - number
    if rest <= 0:
        return tuple(parts)
    more = words.ngettext("%(number)s more", "%(number)s more", rest)
    return (*parts[:number], more)


def _changes(entry: EditionPaper, words: Language) -> str | None:
    told = [_change(change, words) for change in changes(entry)]
    known = "; ".join(words_of for words_of in told if words_of)
    return f"v{entry.paper.version}: {known}" if known else None


def _change(change: Change, words: Language) -> str | None:
    before, after = _remark(change.before), _remark(change.after)
    if change.field == "title":
        return words.gettext("title was: %(text)s", text=before) if before else None
    if change.field == "comment" and not after:
        return words.gettext("comment was: %(text)s", text=before)
    now = {
        "comment": words.gettext("comment now: %(text)s", text=after),
        "journal_ref": words.gettext("journal now: %(text)s", text=after),
        "doi": words.gettext("DOI now: %(text)s", text=after),
    }
    return now[change.field] if after else None


def _remark(text: str | None) -> str | None:
    return (clip(text, REMARK) or None) if text else None


def _why(matches: Sequence[Match], words: Language) -> tuple[str, ...]:
    """What hit, each once: words, then people and remarks; category and such only if alone."""
    telling = sorted(
        (match for match in matches if match.field not in CIRCUMSTANCES),
        key=lambda match: match.field not in {"title", "abstract"},
    )
    terms = tuple(dict.fromkeys(_reason(match) for match in telling or matches))
    return _first(tuple(term for term in terms if term), TERMS, words)


def _reason(match: Match) -> str:
    """*match* as its reader sees it: without the name of a field that speaks for itself."""
    name, _, value = match.term.partition(": ")
    if name == "regex":
        return clip(match.text, NAME)
    return clip(value if name in SPEAKING and value else match.term, NAME)


def _source(coverage: SourceCoverage, context: RenderContext) -> ShownSource:
    words = context.words
    note = clip(coverage.note, REMARK) if coverage.note else _status(coverage.status, words)
    counted = [words.ngettext("%(number)s announced", "%(number)s announced", coverage.announced)]
    if coverage.announced:
        counted.append(words.ngettext("%(number)s matched", "%(number)s matched", coverage.matched))
    if coverage.omitted:
        counted.append(
            words.ngettext("%(number)s left out", "%(number)s left out", coverage.omitted)
        )
    if coverage.as_of:
        moment = words.moment(coverage.as_of, context.timezone)
        counted.append(words.gettext("complete as of %(moment)s", moment=moment))
    categories = tuple(
        f"{clip(each.category, NAME)} {words.number(each.announced)}/{words.number(each.matched)}"
        for each in coverage.categories
    )
    return ShownSource(
        name=clip(coverage.source, NAME),
        words=", ".join(counted),
        categories=_first(categories, CATEGORIES, words),
        missing=note,
    )


def _status(status: str, words: Language) -> str | None:
    """What a source that stands so lacks; None if nothing."""
    match status:
        case "ok" | "empty":
            return None
        case "partial":
            return words.gettext("answered in part")
        case "late":
            return words.gettext("has not answered yet")
        case "refused":
            return words.gettext("refuses to answer")
        case "broken":
            return words.gettext("could not be read")
        case "never":
            return words.gettext("has not been fetched yet")
    return clip(status, REMARK)


def _missing(sources: Sequence[ShownSource], words: Language) -> tuple[str, ...]:
    lacking = [f"{source.name}: {source.missing}" for source in sources if source.missing]
    rest = len(lacking) - SOURCES
    return (*lacking[:SOURCES], more_sources(rest, words)) if rest > 0 else (*lacking,)


def more_sources(number: int, words: Language) -> str:
    """``and 3 more sources``."""
    return words.ngettext("and %(number)s more source", "and %(number)s more sources", number)


def beyond_limit(number: int, words: Language) -> str:
    """What is said of the papers that fell to the digest's limit."""
    return words.ngettext(
        "And %(number)s more matched, beyond the limit of this digest.",
        "And %(number)s more matched, beyond the limit of this digest.",
        number,
    )


def _totals(edition: Edition, words: Language) -> str:
    matched = words.number(len(edition.papers) + edition.omitted)
    if edition.omitted:
        return words.ngettext(
            "%(number)s paper considered, %(matched)s matched, %(omitted)s of them beyond the"
            " limit.",
            "%(number)s papers considered, %(matched)s matched, %(omitted)s of them beyond the"
            " limit.",
            edition.considered,
            matched=matched,
            omitted=words.number(edition.omitted),
        )
    return words.ngettext(
        "%(number)s paper considered, %(matched)s matched.",
        "%(number)s papers considered, %(matched)s matched.",
        edition.considered,
        matched=matched,
    )


def _covers(edition: Edition, context: RenderContext) -> str:
    zone, words = context.timezone, context.words
    facts = {
        "number": words.number(edition.number),
        "made": words.moment(edition.created_at, zone),
    }
    first = min((c.first_at for c in edition.coverage if c.first_at), default=None)
    last = max((c.last_at for c in edition.coverage if c.last_at), default=None)
    if first and last:
        begin, end = words.moment(first, zone), words.moment(last, zone)
        if begin == end:
            return words.gettext(
                "Edition %(number)s, made %(made)s, covers what was announced until %(last)s.",
                last=end,
                **facts,
            )
        return words.gettext(
            "Edition %(number)s, made %(made)s, covers what was announced from %(first)s to"
            " %(last)s.",
            first=begin,
            last=end,
            **facts,
        )
    if edition.number > 1:
        return words.gettext(
            "Edition %(number)s, made %(made)s, covers what was announced since the one before"
            " was due.",
            **facts,
        )
    return words.gettext(
        "Edition %(number)s, made %(made)s, covers what was announced until now.", **facts
    )


def _has_arxiv(edition: Edition) -> bool:
    from_arxiv = any(entry.paper.id.startswith("arxiv:") for entry in edition.papers)
    return from_arxiv or any("arxiv" in part.source.casefold() for part in edition.coverage)


def _unsubscribe(link: str | None) -> str | None:
    if (
        link
        and link.lower().startswith("mailto:")
        and sanitize.line(link) == link
        and " " not in link
    ):
        return link
    return sanitize.url(link)
