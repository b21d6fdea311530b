"""
Parser for arXiv's daily feeds (rss.arxiv.org), RSS 2.0 and Atom: batches with announce types.

It reads descriptions as plain text with lxml; a feed parser takes them for HTML and turns
``if x<y then z>w`` into ``if xw``. Pure: bytes in, values out.
"""

import logging
import re
from typing import Any

from digestbot.errors import BadAnswer, InvalidPaperId
from digestbot.ids import PaperId, arxiv_pdf_url, arxiv_url, parse_paper_id
from digestbot.model import FRESH, REPLACEMENTS, AnnounceType, Author, FetchedPaper
from digestbot.sources.arxiv_atom import ARXIV, ATOM
from digestbot.sources.author_lists import split_authors
from digestbot.sources.document_types import arxiv_document_type
from digestbot.sources.feed_items import MAX_ABSTRACT, MAX_AUTHORS, MAX_TITLE, bounded
from digestbot.sources.identity import first_doi
from digestbot.sources.markup import child_text, one_line, own_text, parse_xml

log = logging.getLogger(__name__)

DC = "{http://purl.org/dc/elements/1.1/}"
_DESCRIPTION = re.compile(
    r"\s*arXiv:(?P<id>\S+)\s+Announce Type:\s*(?P<type>[a-z-]+)\s*(?:Abstract:\s?)?(?P<text>.*)",
    re.DOTALL,
)
_MARK = re.compile(rb"announce_type\s{0,20}>|arXiv:\S{1,40}\s{1,20}Announce Type:")
_TYPES = {kind.value: kind for kind in FRESH | REPLACEMENTS}


def is_announcement(body: bytes) -> bool:
    """Return True if *body* is a daily feed of arXiv with papers. On weekends it has none."""
    return _MARK.search(body) is not None


def parse_announcements(body: bytes) -> tuple[FetchedPaper, ...]:
    """
    Return the papers of a daily feed in its order: new, cross, replace, replace-cross.

    They have no dates: the feed says when the batch was announced, not when papers were submitted.

    Raises:
        BadAnswer: The body is not well-formed XML.
    """
    root = parse_xml(body)
    items = [*root.iter("item"), *root.iter(f"{ATOM}entry")]
    return tuple(paper for item in items if (paper := _paper_or_none(item)) is not None)


def _paper_or_none(item: Any) -> FetchedPaper | None:
    try:
        return _paper(item)
    except InvalidPaperId as error:
        log.warning("unreadable item skipped", extra={"error": error})
        return None


def _paper(item: Any) -> FetchedPaper:
    description = _first(item, "description", f"{ATOM}summary") or ""
    stated = _DESCRIPTION.fullmatch(description)
    paper = _paper_id(item, stated)
    version = paper.version or 1
    title = _first(item, "title", f"{ATOM}title")
    if not title:
        raise InvalidPaperId(f"{paper.id} has no title")
    categories = _categories(item)
    abstract = stated["text"] if stated else description
    return FetchedPaper(
        id=paper.id,
        version=version,
        type=_type(item, stated, version),
        # Any server can send this form.
        title=bounded(title, MAX_TITLE),
        abstract=bounded(abstract, MAX_ABSTRACT),
        authors=tuple(Author(name=name) for name in _authors(item)[:MAX_AUTHORS]),
        categories=categories,
        # Unmarked in the feed; the first category of arXiv's records is the primary one.
        primary_category=next(iter(categories), None),
        journal_ref=one_line(child_text(item, f"{ARXIV}journal_reference")),
        doi=first_doi(child_text(item, f"{ARXIV}DOI")),
        url=arxiv_url(paper.id, version),
        pdf_url=arxiv_pdf_url(paper.id, version),
        document_type=arxiv_document_type(title, None, abstract),
    )


def _paper_id(item: Any, stated: re.Match[str] | None) -> PaperId:
    """Parse the id from the guid or the description. The link lacks the version."""
    guid = _first(item, "guid", f"{ATOM}id") or (stated["id"] if stated else "")
    paper = parse_paper_id(guid)
    if not paper.id.startswith("arxiv:"):
        raise InvalidPaperId(f'"{guid[:60]}" is not an arXiv id')
    return paper


def _type(item: Any, stated: re.Match[str] | None, version: int) -> AnnounceType:
    name = one_line(child_text(item, f"{ARXIV}announce_type")) or (stated["type"] if stated else "")
    return _TYPES.get(name, AnnounceType.NEW if version == 1 else AnnounceType.REPLACE)


def _categories(item: Any) -> tuple[str, ...]:
    terms = [own_text(element).strip() for element in item.findall("category")]
    terms += [element.get("term") or "" for element in item.findall(f"{ATOM}category")]
    return tuple(dict.fromkeys(filter(None, terms)))


def _authors(item: Any) -> list[str]:
    """Return the names in ``dc:creator``, which lists them all."""
    return split_authors(_first(item, f"{DC}creator") or "", is_natural=True)


def _first(item: Any, *tags: str) -> str | None:
    return next((text for tag in tags if (text := child_text(item, tag)) is not None), None)


def error_in(body: bytes) -> str | None:
    """Return the title of the error feed for a wrong URL: "Feed error for query: …"."""
    try:
        root = parse_xml(body)
    except BadAnswer:
        return None
    titles = (own_text(title) for tag in ("title", f"{ATOM}title") for title in root.iter(tag))
    return next((one_line(title) for title in titles if title.startswith("Feed error")), None)
