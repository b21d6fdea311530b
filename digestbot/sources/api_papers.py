"""
Make papers from the facts that web APIs state: identity, plain text, type, links.

All kinds share these rules, so that one work has one id wherever it comes from. Begin at
`paper_from`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from digestbot.ids import arxiv_pdf_url, arxiv_url
from digestbot.model import NOTICES, AnnounceType, Author, FetchedPaper
from digestbot.sources.dates import Moment, parse_date
from digestbot.sources.document_types import document_type
from digestbot.sources.feed_items import MAX_ABSTRACT, MAX_AUTHORS, MAX_TITLE, bounded, link_url
from digestbot.sources.identity import Names, canonical_url, dois_in, identify
from digestbot.sources.markup import one_line, plain_html

MAX_NAME = 300
"""Characters of an author's name or affiliation that are kept."""
MAX_PLACE = 5_000
"""Characters of an affiliation that are read."""
MAX_AFFILIATIONS = 20
_HEADING = re.compile(
    r"^(?:abstract|summary)(?:[.:]?\s*(?:\n|$)|[.:]\s+|(?-i:(?=[A-Z])))", re.IGNORECASE
)
_ABBREVIATION = re.compile(r"(?:\b[A-Z]|\.\w{0,4}|\b(?:etc|al|vs|Inc|Ltd|Co|sp|spp|Jr|Sr))\.$")
_EMAIL = re.compile(r"(?:electronic address: ?)?[^\s@]{1,64}@[^\s@]{1,255}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Statements of an API about one work, as served."""

    guid: str
    """Web page of the record at its service, or another name that never changes."""
    title: str
    """With its markup, like `abstract`."""
    abstract: str = ""
    authors: tuple[Author, ...] = ()
    identifiers: tuple[str, ...] = ()
    """DOIs, and arXiv ids after ``arxiv:``, of this work and its other versions; its own first."""
    pages: tuple[str, ...] = ()
    """Web pages of its records at other services, which are about this work only."""
    links: tuple[str, ...] = ()
    """Other web pages, the best first; several works may share one."""
    published: Moment | None = None
    updated: Moment | None = None
    version: int | None = None
    journal: str = ""
    comment: str = ""
    categories: tuple[str, ...] = ()
    pdf: str = ""
    types: tuple[str, ...] = ()
    """Kind of work in the service's words, such as ``retraction``."""
    about: str = ""
    """DOI of the work that a notice is about."""


def paper_from(facts: Facts) -> FetchedPaper | None:
    """Return the paper that *facts* describe, if it has a title."""
    title = plain_title(facts.title)
    if not title:
        return None
    published = facts.published
    names = Names(
        guid=facts.guid,
        identifiers=facts.identifiers,
        title=title,
        authors=tuple(author.name for author in facts.authors),
        day=published.at.date().isoformat() if published else "",
    )
    # One by one: an API's identifiers are its own, while feeds give one DOI to all items.
    identity = identify([names], facts.guid)[0]
    paper, doi = identity.paper, identity.doi
    version = facts.version or paper.version or 1
    is_arxiv = paper.id.startswith("arxiv:")
    type_ = document_type(title, facts.types)
    updated = facts.updated or published
    own = arxiv_url(paper.id) if is_arxiv else f"https://doi.org/{doi}" if doi else ""
    return FetchedPaper(
        id=paper.id,
        version=version,
        type=AnnounceType.NEW if version == 1 else AnnounceType.REPLACE,
        title=title,
        abstract=plain_abstract(facts.abstract),
        authors=facts.authors[:MAX_AUTHORS],
        categories=tuple(dict.fromkeys(filter(None, map(one_text, facts.categories)))),
        published=published.at if published else None,
        published_is_date=published is not None and published.is_date,
        updated=updated.at if updated else None,
        updated_is_date=updated is not None and updated.is_date,
        comment=one_text(facts.comment) or None,
        journal_ref=one_text(facts.journal) or None,
        doi=doi,
        url=own or next(filter(None, map(link_url, (*facts.links, facts.guid))), ""),
        pdf_url=arxiv_pdf_url(paper.id) if is_arxiv else link_url(facts.pdf),
        aliases=tuple(dict.fromkeys([*identity.aliases, *_urls(facts.pages)])),
        document_type=type_,
        about=_subject(facts.about, doi) if type_ in NOTICES else None,
    )


def _urls(pages: Iterable[str]) -> Iterator[str]:
    return (f"url:{name}" for name in map(canonical_url, pages) if name)


def _subject(about: str, doi: str | None) -> str | None:
    found = sorted(dois_in(about) - {(doi or "").lower()})
    return f"doi:{found[0]}" if len(found) == 1 else None


def plain_title(text: str) -> str:
    """
    Return the plain title on one line.

    PubMed's full stop at the end is dropped, and the brackets around a translated title.
    """
    title = one_text(text, MAX_TITLE)
    if title.startswith("[") and title.rstrip(".").endswith("]") and title.count("[") == 1:
        title = title.rstrip(".")[1:-1].strip()
    if title.endswith(".") and not _ABBREVIATION.search(title[-12:]):
        return title[:-1].rstrip()
    return title


def plain_abstract(text: str) -> str:
    """Return the abstract as lines of plain text; a heading "Abstract" is dropped."""
    return bounded(_HEADING.sub("", plain_html(text)).strip(), MAX_ABSTRACT)


def one_text(text: str, length: int = MAX_TITLE) -> str:
    """Return *text* as plain text on one line."""
    return bounded(one_line(plain_html(text)) or "", length)


def author(name: str, affiliations: Iterable[str] = ()) -> Author | None:
    """Return the author, if there is a name. Email addresses are dropped."""
    shown = one_text(name, MAX_NAME)
    plain = (one_text(each[:MAX_PLACE], MAX_PLACE) for each in affiliations)
    places = (bounded(_EMAIL.sub("", each).strip(" ;,"), MAX_NAME) for each in plain)
    kept = tuple(dict.fromkeys(filter(None, places)))[:MAX_AFFILIATIONS]
    return Author(name=shown, affiliations=kept) if shown else None


def authors(found: Iterable[Author | None]) -> tuple[Author, ...]:
    """Return the authors among *found*, in order."""
    return tuple(each for each in found if each is not None)[:MAX_AUTHORS]


def day_of(year: str, month: str = "", day: str = "") -> Moment | None:
    """Return the day, if all its parts are present and possible: a month is too vague."""
    if not (year.isdigit() and month and day.isdigit()):
        return None
    if month.isdigit():
        return parse_date(f"{year}-{month:0>2}-{day:0>2}")
    return parse_date(f"{day} {month} {year}")
