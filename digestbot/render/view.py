"""
The content of an edition as readers see it.

It is shared by mail, Slack, Markdown and Atom. All text here is clean and bounded but not yet
escaped: escaping is the last step of each form. Begin at `show`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from digestbot.batch_words import first_of, statements
from digestbot.model import (
    FRESH,
    NOTICES,
    AnnounceType,
    Author,
    Batch,
    BatchState,
    DocumentType,
    Edition,
    EditionPaper,
    Match,
    Paper,
    SourceCoverage,
    Theme,
)
from digestbot.render import sanitize
from digestbot.render.context import RenderContext
from digestbot.render.language import Language, language
from digestbot.render.sanitize import Span, clip, sentence_end, spans
from digestbot.text import emphases

ABSTRACTS: Mapping[Theme, int] = {Theme.DEFAULT: 700, Theme.COMPACT: 0, Theme.FULL: 2500}
"""
Characters of an abstract: 700 are six or seven lines of a mail, short enough to skim; 2,500 cover
all that arXiv accepts (1,920) and nearly all that other sources do.
"""
AUTHORS = 6
"""Authors shown; if there are more, those that the filter matched come first."""
SOURCES = 20
TITLE = 300
NAME = 80
TERMS = 8
CATEGORIES = 8
STATEMENT = 400
REMARK = 200
REASON = 300
COMMON_FIELDS = frozenset({"category", "primary", "type", "source", "published", "updated"})
"""Fields that nearly every paper of a digest matches, so that they say little about one."""
SELF_EXPLANATORY = frozenset({"title", "abstract", "exact", "author"})
"""Conditions whose field name is omitted before the term."""

ACKNOWLEDGEMENT = (
    "Thank you to arXiv for use of its open access interoperability. This product was not reviewed "
    "or approved by, nor does it necessarily express or reflect the policies or opinions of, arXiv."
)
"""
Required of all users of arXiv's data (arXiv help, "About the arXiv APIs", brand guidelines) in
exactly this wording, and therefore not translated.
"""
THANKS = ACKNOWLEDGEMENT.partition(" This ")[0]
"""Its first sentence, for the short footer of plain text; the HTML part has all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between an updated paper and its previous version."""

    field: str
    """``title``, ``comment``, ``journal_ref`` or ``doi``, as in JSON."""
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPaper:
    """One paper, ready for escaping and layout."""

    number: int
    """Position in the edition as shown, from 1."""
    title: tuple[Span, ...]
    title_text: str
    url: str | None
    """None if the source's link is missing or unsafe."""
    pdf_url: str | None
    doi: str | None
    doi_url: str | None
    identifier: str | None
    """``arXiv:2611.01234v1``; None for papers from other sources."""
    badge: str
    """``new``, ``cross-list``, ``updated v2``."""
    kind: str
    """``new``, ``cross`` or ``update``; decides the badge's colour."""
    authors: tuple[Span, ...]
    """One span per name; names that the filter matched are hits and come first."""
    more_authors: int
    """Number of authors beyond `authors`."""
    categories: tuple[str, ...]
    date: str | None
    comment: str | None
    journal: str | None
    why: tuple[str, ...]
    """Matched terms; one that only the hidden part of the abstract has says so."""
    terms: tuple[str, ...]
    """Matched terms alone."""
    changes: str | None
    """For an updated paper: ``v2: new comment: accepted at …; previous title: …``."""
    abstract: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Papers under one heading: the first in full (*papers*), the rest in one line (*lines*)."""

    title: str | None
    papers: tuple[ShownPaper, ...]
    lines: tuple[ShownPaper, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSource:
    """Coverage of one source, as one line."""

    name: str
    summary: str
    """``61 announced, 7 matched, complete as of Mon 23 Nov, 08:30 CET``."""
    categories: tuple[str, ...]
    """Announced and matched per category: ``cs.DC 61/7``."""
    missing: str | None
    """Why papers of this source may be missing; None if it is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How much of an edition to show; the rest is counted."""

    abstract: int | None = None
    """Characters of each abstract; by default the theme's."""
    papers: int | None = None
    """Papers in full; by default all."""
    lines: int | None = None
    """Papers in full or in one line; by default all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEdition:
    """One edition, ready for escaping and layout."""

    title: str
    number: int
    date: str
    """``Monday, 23 November 2026``, in the digest's time zone."""
    short_date: str
    """``23 Nov``."""
    count: str
    """``5 new and 2 updated papers``."""
    short_count: str
    """``7 papers``: all that the edition shows, in full or in one line."""
    sections: tuple[Section, ...]
    unshown: int
    """Papers of this edition left out to limit the size of the mail."""
    omitted: int
    """Papers that matched beyond the digest's limit: listed, or waiting for the next edition."""
    limit: int
    """Papers in full; if papers are omitted, the digest's limit."""
    more: tuple[ShownPaper, ...]
    """Papers beyond the limit, one line each; in a mail, `mail_layout` adds them."""
    listed: int
    """Number of papers beyond the limit that are listed."""
    waiting: int
    """Number of papers beyond the limit that wait for the next edition."""
    window: str
    """Period and totals in a few words."""
    totals: str
    sources: tuple[ShownSource, ...]
    more_sources: int
    missing: tuple[str, ...]
    """One line for each source from which papers may be missing."""
    batches: tuple[str, ...]
    """At most three lines on arXiv's announcements in the window, with the confirming channels."""
    covers: str
    next_edition: str | None
    why: str | None
    acknowledgement: str | None
    thanks: str | None
    """The first sentence of the acknowledgement."""
    unsubscribe: str | None
    home: str | None
    web: str | None
    """Web page with the full edition, if there is one."""
    list_name: str
    """Name of the attached list of all papers."""
    attach_list: bool
    """True if the papers beyond the limit are named in the attached list only."""


def show(edition: Edition, context: RenderContext, cut: Cut | None = None) -> ShownEdition:
    """Prepare *edition* for its readers, shortened to *cut*."""
    cut = cut or Cut()
    zone, lang = context.timezone, context.lang
    sources = tuple(_source(coverage, context) for coverage in edition.coverage)
    batches = statements(_batches(edition), lang, zone)
    ordered = by_section(edition.papers)
    abstract = ABSTRACTS[context.theme] if cut.abstract is None else cut.abstract
    papers = len(ordered) if cut.papers is None else cut.papers
    lines = len(ordered) if cut.lines is None else cut.lines
    more = edition.more if cut.lines is None else ()
    next_at = context.next_edition_at
    is_arxiv = _has_arxiv(edition)
    return ShownEdition(
        title=title_of(edition),
        number=edition.number,
        date=lang.date(edition.created_at, zone),
        short_date=lang.day(edition.created_at, zone),
        count=paper_count(edition, lang),
        short_count=short_count(edition, lang),
        sections=tuple(_sections(ordered, papers, lines, abstract, context)),
        unshown=max(0, len(ordered) - lines),
        omitted=edition.omitted,
        limit=len(edition.papers),
        more=tuple(show_lines(more, context, first=len(ordered) + 1)),
        listed=len(edition.more),
        waiting=edition.waiting,
        window=_window(edition, context),
        totals=_totals(edition, lang),
        sources=sources[:SOURCES],
        more_sources=max(0, len(sources) - SOURCES),
        missing=_missing(sources, lang),
        batches=tuple(clip(line, STATEMENT) for line in first_of(batches, lang)),
        covers=_covers(edition, context),
        next_edition=lang.gettext(
            "The next edition is due %(moment)s.", moment=lang.moment(next_at, zone)
        )
        if next_at
        else None,
        why=clip(context.filter_in_words, REASON) if context.filter_in_words else None,
        acknowledgement=ACKNOWLEDGEMENT if is_arxiv else None,
        thanks=THANKS if is_arxiv else None,
        unsubscribe=_unsubscribe(context.unsubscribe),
        home=sanitize.url(context.home_url),
        web=sanitize.url(context.edition_url),
        list_name=list_name(edition),
        attach_list=context.attach_list,
    )


def _batches(edition: Edition) -> Iterator[Batch]:
    return (batch for coverage in edition.coverage for batch in _named(coverage))


def _named(coverage: SourceCoverage) -> Iterator[Batch]:
    """Yield the batches of the source, their names cleaned for readers."""
    source = clip(coverage.source, NAME)
    for batch in coverage.batches:
        yield replace(batch, source=source, category=clip(batch.category, NAME))


def list_name(edition: Edition) -> str:
    """Return the name of the file that lists all papers of *edition*."""
    return f"{edition.digest}-{edition.number}.txt"


def show_lines(
    entries: Iterable[EditionPaper], context: RenderContext, *, first: int
) -> Iterator[ShownPaper]:
    """Prepare papers for one line each, numbered from *first*."""
    for number, entry in enumerate(entries, start=first):
        yield show_paper(entry, context, number=number, abstract=0)


def by_section(papers: Iterable[EditionPaper]) -> tuple[EditionPaper, ...]:
    """Sort *papers* as shown: new ones first, then updated ones, each group best first."""
    return tuple(sorted(papers, key=lambda entry: entry.type not in FRESH))


def show_paper(
    entry: EditionPaper, context: RenderContext, *, number: int, abstract: int
) -> ShownPaper:
    """Prepare paper *number* with the first *abstract* characters of its abstract."""
    paper, lang = entry.paper, context.lang
    # A changed comment or journal reference appears under changes only.
    changed = {change.field for change in changes(entry)}
    untitled = lang.gettext("(no title)")
    authors, more = _authors(paper.authors, entry.matches)
    emphasized = emphases(paper.title_raw, paper.title, one_line=True)
    title = spans(paper.title, _positions(entry.matches, "title"), TITLE, emphasized)
    is_known = entry.type is AnnounceType.PUBLISHED
    end = 0 if is_known else sentence_end(paper.abstract, abstract)
    return ShownPaper(
        number=number,
        title=title or (Span(untitled),),
        title_text=clip(paper.title, TITLE) or untitled,
        url=sanitize.url(paper.url),
        pdf_url=sanitize.url(paper.pdf_url),
        doi=clip(paper.doi, REMARK) if paper.doi else None,
        doi_url=sanitize.doi_url(paper.doi),
        identifier=_identifier(entry),
        badge=_badge(entry, lang),
        kind="update" if paper.document_type in NOTICES else _kind(entry.type),
        authors=authors,
        more_authors=more,
        categories=_categories(paper.categories, lang),
        date=_date(paper, context),
        comment=_remark(paper.comment) if "comment" not in changed else None,
        journal=_remark(paper.journal_ref) if "journal_ref" not in changed else None,
        why=_why(entry.matches, lang, end),
        terms=_first(tuple(_terms(entry.matches)), TERMS, lang),
        changes=_changes(entry, lang),
        abstract=_abstract(entry, end),
    )


def _date(paper: Paper, context: RenderContext) -> str | None:
    """Return the day of this version; one stated without a time is the same in every zone."""
    when = paper.updated or paper.published
    is_date = paper.updated_is_date if paper.updated else paper.published_is_date
    zone = UTC if is_date else context.timezone
    return context.lang.day_of_year(when, zone) if when else None


def _abstract(entry: EditionPaper, end: int) -> tuple[Span, ...]:
    if not end:
        return ()
    paper = entry.paper
    emphasized = emphases(paper.abstract_raw, paper.abstract)
    return spans(paper.abstract, _positions(entry.matches, "abstract"), end, emphasized)


def changes(entry: EditionPaper) -> tuple[Change, ...]:
    """Return what differs from the previous version, most telling first."""
    before, after = entry.previous, entry.paper
    if before is None:
        return ()
    compared = (
        Change(field="title", before=before.title, after=after.title),
        Change(field="comment", before=before.comment, after=after.comment),
        Change(field="journal_ref", before=before.journal_ref, after=after.journal_ref),
        Change(field="doi", before=before.doi, after=after.doi),
    )
    return tuple(change for change in compared if (change.before or "") != (change.after or ""))


def catch_up_title(title: str, code: str) -> str:
    """Label the title of a digest in the language *code* for an edition of missed papers."""
    lang = language(code)
    return lang.gettext("%(title)s (catch-up)", title=title)


def title_of(edition: Edition) -> str:
    """Return the digest's title, or else its name."""
    return clip(edition.title, 100) or clip(edition.digest, 100)


def paper_count(edition: Edition, lang: Language) -> str:
    """Count the papers: ``5 new and 2 updated papers``, ``top 30 of 47 papers``."""
    shown = len(edition.papers)
    if edition.omitted:
        return lang.ngettext(
            "top %(shown)s of %(number)s paper",
            "top %(shown)s of %(number)s papers",
            shown + edition.omitted,
            shown=lang.number(shown),
        )
    updated = sum(entry.type not in FRESH for entry in edition.papers)
    fresh = shown - updated
    if fresh and updated:
        return lang.ngettext(
            "%(new)s new and %(number)s updated papers",
            "%(new)s new and %(number)s updated papers",
            updated,
            new=lang.number(fresh),
        )
    if updated:
        return lang.ngettext("%(number)s updated paper", "%(number)s updated papers", updated)
    if fresh:
        return lang.ngettext("%(number)s new paper", "%(number)s new papers", fresh)
    return lang.gettext("no new papers")


def short_count(edition: Edition, lang: Language) -> str:
    """Count all papers of the edition: ``8 papers``, short enough for the start of a subject."""
    number = len(edition.papers) + len(edition.more)
    if not number:
        return lang.gettext("no new papers")
    return lang.ngettext("%(number)s paper", "%(number)s papers", number)


def names(paper: ShownPaper, lang: Language, number: int = AUTHORS) -> str:
    """List the authors, matched ones first if cut: ``Ana Pérez, Ion Stoica and 14 more``."""
    return "".join(span.text for span in name_spans(paper, lang, number))


def name_spans(paper: ShownPaper, lang: Language, number: int = AUTHORS) -> tuple[Span, ...]:
    """Return `names` as spans, with matched authors as hits."""
    cut = len(paper.authors) > number
    ordered = sorted(paper.authors, key=lambda author: not author.hit) if cut else paper.authors
    more = paper.more_authors + max(0, len(paper.authors) - number)
    # The translation may put text on both sides of the names; no name contains NUL.
    before, _, after = lang.names(["\0"], more).partition("\0")
    listed = [Span(before)]
    for author in ordered[:number]:
        listed += [author, Span(", ")]
    return tuple(span for span in (*listed[:-1], Span(after)) if span.text)


def template_globals(context: RenderContext) -> Mapping[str, object]:
    """Return the functions available to every template, in the digest's language."""
    lang = context.lang
    return {
        "language": lang.tag,
        "_": lang.gettext,
        "gettext": lang.gettext,
        "ngettext": lang.ngettext,
        "names": lambda paper, number=AUTHORS: names(paper, lang, number),
        "name_spans": lambda paper, number=AUTHORS: name_spans(paper, lang, number),
        "more_sources": lambda number: more_sources(number, lang),
        "over_limit": lambda number, limit: over_limit(number, limit, lang),
        "waiting_papers": lambda number, limit: waiting_papers(number, limit, lang),
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
    # Headings separate two groups; for a single one, the count at the top is enough.
    for title, part in zip(section_titles(context.lang), (fresh, updated), strict=True):
        if part:
            yield Section(
                title=title if fresh and updated else None,
                papers=tuple(paper for paper in part if paper.number <= papers),
                lines=tuple(paper for paper in part if paper.number > papers),
            )


def section_titles(lang: Language) -> tuple[str, str]:
    """Return the headings of the new and of the updated papers."""
    return lang.gettext("New papers"), lang.gettext("Updated papers")


def _positions(matches: Iterable[Match], field: str) -> list[tuple[int, int]]:
    return [(match.start, match.end) for match in matches if match.field == field]


def _authors(authors: Sequence[Author], matches: Iterable[Match]) -> tuple[tuple[Span, ...], int]:
    hits = [match for match in matches if match.field == "author"]
    matched = {author for match in hits for author in authors if _is_of(match, author)}
    # A short list keeps its order, which carries meaning.
    reorder = matched and len(authors) > AUTHORS
    shown = sorted(authors, key=lambda author: author not in matched) if reorder else authors
    named = (Span(clip(a.name, NAME), hit=a in matched) for a in shown[:AUTHORS])
    return tuple(span for span in named if span.text), max(0, len(authors) - AUTHORS)


def _is_of(match: Match, author: Author) -> bool:
    return bool(match.text) and author.name[match.start : match.end] == match.text


def _identifier(entry: EditionPaper) -> str | None:
    number = clip(entry.paper.id.removeprefix("arxiv:"), 60)
    return f"arXiv:{number}v{entry.paper.version}" if number != entry.paper.id else None


def _badge(entry: EditionPaper, lang: Language) -> str:
    """Return the announce type; a document that is not a paper is named instead of "new"."""
    document = _document(entry.paper.document_type, lang)
    if document and (entry.type is AnnounceType.NEW or entry.paper.document_type in NOTICES):
        return document
    return ", ".join(filter(None, (_announced(entry, lang), document)))


def _document(document_type: DocumentType, lang: Language) -> str:
    match document_type:
        case DocumentType.PAPER:
            return ""
        case DocumentType.EDITORIAL:
            return lang.gettext("editorial")
        case DocumentType.CORRECTION:
            return lang.gettext("correction")
        case DocumentType.RETRACTION:
            return lang.gettext("retracted")
        case DocumentType.WITHDRAWAL:
            return lang.gettext("withdrawn")
        case DocumentType.CONCERN:
            return lang.gettext("expression of concern")
        case DocumentType.FRONT_MATTER:
            return lang.gettext("front matter")
        case DocumentType.NEWS:
            return lang.gettext("news")


def _announced(entry: EditionPaper, lang: Language) -> str:
    version = entry.paper.version
    match entry.type:
        case AnnounceType.NEW:
            return lang.gettext("new")
        case AnnounceType.CROSS:
            return lang.gettext("cross-list")
        case AnnounceType.REPLACE | AnnounceType.NOTICE:
            return lang.gettext("updated v%(version)s", version=version)
        case AnnounceType.REPLACE_CROSS:
            return lang.gettext("updated v%(version)s, cross-list", version=version)
        case AnnounceType.PUBLISHED:
            return lang.gettext("now published")


def _kind(announce_type: AnnounceType) -> str:
    if announce_type not in FRESH:
        return "update"
    return "cross" if announce_type is AnnounceType.CROSS else "new"


def _categories(categories: Sequence[str], lang: Language) -> tuple[str, ...]:
    return _first(tuple(clip(category, NAME) for category in categories), CATEGORIES, lang)


def _first(parts: Sequence[str], number: int, lang: Language) -> tuple[str, ...]:
    """Return the first *number* of *parts*, then a count of the rest."""
    rest = len(parts) - number
    if rest <= 0:
        return tuple(parts)
    more = lang.ngettext("%(number)s more", "%(number)s more", rest)
    return (*parts[:number], more)


def _changes(entry: EditionPaper, lang: Language) -> str | None:
    described = [_change(change, lang) for change in changes(entry)]
    shown = "; ".join(text for text in described if text)
    return f"v{entry.paper.version}: {shown}" if shown else None


def _change(change: Change, lang: Language) -> str | None:
    before, after = _remark(change.before), _remark(change.after)
    if change.field == "title":
        return lang.gettext("previous title: %(text)s", text=before) if before else None
    if change.field == "comment" and not after:
        return lang.gettext("comment removed: %(text)s", text=before)
    described = {
        "comment": lang.gettext("new comment: %(text)s", text=after),
        "journal_ref": lang.gettext("new journal reference: %(text)s", text=after),
        "doi": lang.gettext("new DOI: %(text)s", text=after),
    }
    return described[change.field] if after else None


def _remark(text: str | None) -> str | None:
    return (clip(text, REMARK) or None) if text else None


def _why(matches: Sequence[Match], lang: Language, end: int) -> tuple[str, ...]:
    """
    List matched terms; mark those that the reader cannot see.

    That is, those only in the abstract after its first *end* characters.
    """
    terms = _terms(matches)
    seen = {_term(match) for match in matches if match.field != "abstract" or match.end <= end}
    shown = [term if term in seen else _hidden(term, end, lang) for term in terms]
    return _first(tuple(shown), TERMS, lang)


def _hidden(term: str, end: int, lang: Language) -> str:
    if end:
        return lang.gettext("%(term)s (later in the abstract)", term=term)
    return lang.gettext("%(term)s (in the abstract)", term=term)


def _terms(matches: Sequence[Match]) -> list[str]:
    """List matched terms, words first; common fields only if nothing else matched."""
    telling = sorted(
        (match for match in matches if match.field not in COMMON_FIELDS),
        key=lambda match: match.field not in {"title", "abstract"},
    )
    return [term for term in dict.fromkeys(map(_term, telling or matches)) if term]


def _term(match: Match) -> str:
    """Return the term of *match*, omitting self-explanatory field names."""
    name, _, value = match.term.partition(": ")
    if name == "regex":
        return clip(match.text, NAME)
    return clip(value if name in SELF_EXPLANATORY and value else match.term, NAME)


def _source(coverage: SourceCoverage, context: RenderContext) -> ShownSource:
    lang = context.lang
    note = None if _is_verified(coverage) else _note(coverage, context)
    counted = [lang.ngettext("%(number)s announced", "%(number)s announced", coverage.announced)]
    if coverage.announced:
        counted.append(lang.ngettext("%(number)s matched", "%(number)s matched", coverage.matched))
    if coverage.omitted:
        counted.append(
            lang.ngettext(
                "%(number)s over the limit", "%(number)s over the limit", coverage.omitted
            )
        )
    if coverage.as_of:
        moment = lang.moment(coverage.as_of, context.timezone)
        counted.append(lang.gettext("complete as of %(moment)s", moment=moment))
    categories = tuple(
        f"{clip(c.category, NAME)} {lang.number(c.announced)}/{lang.number(c.matched)}"
        for c in coverage.categories
    )
    return ShownSource(
        name=clip(coverage.source, NAME),
        summary=", ".join(counted),
        categories=_first(categories, CATEGORIES, lang),
        missing=note,
    )


def _is_verified(coverage: SourceCoverage) -> bool:
    """Return True if two channels agree on all batches, whatever the others answer."""
    announced = [batch for batch in coverage.batches if batch.state is not BatchState.HOLIDAY]
    return bool(announced) and all(batch.is_verified for batch in announced)


def _note(coverage: SourceCoverage, context: RenderContext) -> str | None:
    """Say why papers of the source may be missing; None if it is complete."""
    if coverage.note:
        return clip(coverage.note, REMARK)
    lines = statements(_named(coverage), context.lang, context.timezone)
    incomplete = next((line.text for line in lines if line.is_incomplete), None)
    return _status(coverage.status, context.lang) or (incomplete and clip(incomplete, STATEMENT))


def _status(status: str, lang: Language) -> str | None:
    """Describe the problem behind *status*; None if there is none."""
    match status:
        case "ok" | "empty":
            return None
        case "partial":
            return lang.gettext("responded only in part")
        case "late":
            return lang.gettext("has not responded yet")
        case "refused":
            return lang.gettext("refused the request")
        case "broken":
            return lang.gettext("could not be read")
        case "never":
            return lang.gettext("has not been fetched yet")
    return clip(status, REMARK)


def _missing(sources: Sequence[ShownSource], lang: Language) -> tuple[str, ...]:
    lacking = [f"{source.name}: {source.missing}" for source in sources if source.missing]
    rest = len(lacking) - SOURCES
    return (*lacking[:SOURCES], more_sources(rest, lang)) if rest > 0 else (*lacking,)


def more_sources(number: int, lang: Language) -> str:
    """Return ``and 3 more sources``."""
    return lang.ngettext("and %(number)s more source", "and %(number)s more sources", number)


def over_limit(number: int, limit: int, lang: Language) -> str:
    """Introduce the papers beyond the digest's limit."""
    return lang.ngettext(
        "%(number)s more paper, beyond this digest's limit of %(limit)s:",
        "%(number)s more papers, beyond this digest's limit of %(limit)s:",
        number,
        limit=lang.number(limit),
    )


def waiting_papers(number: int, limit: int, lang: Language) -> str:
    """Describe the papers beyond the limit that wait for the next edition."""
    return lang.ngettext(
        "%(number)s more paper, beyond this digest's limit of %(limit)s, waits for the next"
        " edition.",
        "%(number)s more papers, beyond this digest's limit of %(limit)s, wait for the next"
        " edition.",
        number,
        limit=lang.number(limit),
    )


def _totals(edition: Edition, lang: Language) -> str:
    counted = _checked(edition, lang)
    if not edition.carried:
        return counted
    waited = lang.ngettext(
        "%(number)s paper had waited for this edition.",
        "%(number)s papers had waited for this edition.",
        edition.carried,
    )
    return f"{counted} {waited}"


def _matched(edition: Edition) -> int:
    """Count the papers that matched in the edition's own window."""
    return len(edition.papers) + edition.omitted - edition.carried


def _checked(edition: Edition, lang: Language) -> str:
    matched = lang.number(_matched(edition))
    if edition.omitted:
        return lang.ngettext(
            "%(number)s paper checked, %(matched)s matched, %(omitted)s of them over the limit.",
            "%(number)s papers checked, %(matched)s matched, %(omitted)s of them over the limit.",
            edition.considered,
            matched=matched,
            omitted=lang.number(edition.omitted),
        )
    return lang.ngettext(
        "%(number)s paper checked, %(matched)s matched.",
        "%(number)s papers checked, %(matched)s matched.",
        edition.considered,
        matched=matched,
    )


def _covers(edition: Edition, context: RenderContext) -> str:
    zone, lang = context.timezone, context.lang
    number, end = lang.number(edition.number), lang.moment(edition.covers_to, zone)
    if edition.covers_from is None:
        return lang.gettext(
            "Edition %(number)s covers papers announced up to %(last)s.", number=number, last=end
        )
    return lang.gettext(
        "Edition %(number)s covers papers announced from %(first)s to %(last)s.",
        number=number,
        first=lang.moment(edition.covers_from, zone),
        last=end,
    )


def _window(edition: Edition, context: RenderContext) -> str:
    """Describe the edition's window and totals on one line of 72 columns."""
    zone, lang = context.timezone, context.lang
    facts = {
        "last": lang.moment(edition.covers_to, zone),
        "checked": lang.number(edition.considered),
        "matched": lang.number(_matched(edition)),
    }
    begin = edition.covers_from
    if begin is None:
        return lang.gettext("Up to %(last)s: %(checked)s checked, %(matched)s matched", **facts)
    same_zone = begin.astimezone(zone).tzname() == edition.covers_to.astimezone(zone).tzname()
    first = lang.moment(begin, zone, with_zone=not same_zone)
    return lang.gettext(
        "%(first)s to %(last)s: %(checked)s checked, %(matched)s matched", first=first, **facts
    )


def _has_arxiv(edition: Edition) -> bool:
    entries = (*edition.papers, *edition.more)
    from_arxiv = any(entry.paper.id.startswith("arxiv:") for entry in entries)
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
