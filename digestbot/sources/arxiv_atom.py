"""
Parser for arXiv's query API: Atom with elements of arXiv and OpenSearch.

Pure: bytes in, values out. Fields are found by name, since their order changed in 2025.
"""

import logging
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from digestbot.errors import BadAnswer, InvalidPaperId
from digestbot.ids import PaperId, arxiv_pdf_url, arxiv_url, parse_paper_id
from digestbot.model import AnnounceType, Author, FetchedPaper
from digestbot.sources.document_types import arxiv_document_type
from digestbot.sources.identity import first_doi
from digestbot.sources.markup import child_text, one_line, own_text, parse_xml

log = logging.getLogger(__name__)

ATOM = "{http://www.w3.org/2005/Atom}"
ARXIV = "{http://arxiv.org/schemas/atom}"
OPENSEARCH = "{http://a9.com/-/spec/opensearch/"
"""Followed by 1.0/ in old manuals and by 1.1/ in responses."""
_ERROR_ID = "/api/errors"
_NUMBER = re.compile(r"\s*[0-9]{1,9}\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivFeed:
    """One response of the query API."""

    total: int | None
    """``totalResults``; None if absent."""
    start: int | None
    per_page: int | None
    """``itemsPerPage``: echoes the request; the number of entries may differ."""
    title: str
    """The query as arXiv understood it: ``arXiv Query: search_query=…&id_list=…``."""
    error: str | None
    """Message of an error feed, whose one entry is called "Error"."""
    entries: tuple[FetchedPaper, ...] = field(repr=False)
    skipped: int = 0
    """Unreadable entries."""

    @property
    def count(self) -> int:
        """Entries on the page, unreadable ones included."""
        return len(self.entries) + self.skipped


def parse(body: bytes) -> ArxivFeed:
    """
    Parse *body*; the text of the papers stays as served.

    Raises:
        BadAnswer: The body is not well-formed XML, or not an Atom feed.
    """
    root = parse_xml(body)
    if root.tag != f"{ATOM}feed":
        raise BadAnswer("not an Atom feed; check the URL")
    entries = root.findall(f"{ATOM}entry")
    error = _error_in(root, entries)
    papers = () if error is not None else tuple(filter(None, map(_paper_or_none, entries)))
    return ArxivFeed(
        total=_number(root, "totalResults"),
        start=_number(root, "startIndex"),
        per_page=_number(root, "itemsPerPage"),
        title=one_line(child_text(root, f"{ATOM}title")) or "",
        error=error,
        entries=papers,
        skipped=0 if error is not None else len(entries) - len(papers),
    )


def _number(root: Any, name: str) -> int | None:
    for child in root:
        if child.tag.startswith(OPENSEARCH) and child.tag.endswith("}" + name):
            text = own_text(child)
            return int(text) if _NUMBER.fullmatch(text) else None
    return None


def _error_in(root: Any, entries: list[Any]) -> str | None:
    """Return the message of an error feed. Its ids contain ``/api/errors`` (API manual 3.4)."""
    for element in (root, *entries):
        if _ERROR_ID in (child_text(element, f"{ATOM}id") or ""):
            message = child_text(entries[0], f"{ATOM}summary") if entries else None
            return one_line(message) or "no message"
    return None


def _paper_or_none(entry: Any) -> FetchedPaper | None:
    """Parse *entry*; skip it if broken, so that the others survive."""
    try:
        return _paper(entry)
    except (InvalidPaperId, BadAnswer) as error:
        log.warning("unreadable entry skipped", extra={"error": error})
        return None


def _paper(entry: Any) -> FetchedPaper:
    paper = _paper_id(entry)
    version = paper.version or 1
    title = child_text(entry, f"{ATOM}title")
    if title is None:
        raise BadAnswer(f"{paper.id} has no title")
    abstract = child_text(entry, f"{ATOM}summary") or ""
    comment = _arxiv_text(entry, "comment")
    published = read_time(child_text(entry, f"{ATOM}published"))
    categories = tuple(filter(None, (c.get("term") for c in entry.findall(f"{ATOM}category"))))
    return FetchedPaper(
        id=paper.id,
        version=version,
        type=AnnounceType.NEW if version == 1 else AnnounceType.REPLACE,
        title=title,
        abstract=abstract,
        authors=tuple(filter(None, map(_author, entry.findall(f"{ATOM}author")))),
        categories=categories,
        primary_category=_primary(entry) or next(iter(categories), None),
        published=published,
        updated=read_time(child_text(entry, f"{ATOM}updated")) or published,
        comment=comment,
        journal_ref=_arxiv_text(entry, "journal_ref"),
        doi=first_doi(_arxiv_text(entry, "doi")),
        url=arxiv_url(paper.id, version),
        pdf_url=arxiv_pdf_url(paper.id, version),
        document_type=arxiv_document_type(title, comment, abstract),
    )


def _paper_id(entry: Any) -> PaperId:
    text = child_text(entry, f"{ATOM}id") or ""
    paper = parse_paper_id(text)
    if not paper.id.startswith("arxiv:"):
        raise InvalidPaperId(f'"{text[:60]}" is not an arXiv id')
    return paper


def _author(element: Any) -> Author | None:
    name = one_line(child_text(element, f"{ATOM}name"))
    if name is None or not any(map(str.isalpha, name)):
        return None  # arXiv turns "X Collaboration: A. Bee" into three authors
    places = (one_line(own_text(place)) for place in element.findall(f"{ARXIV}affiliation"))
    return Author(name=name, affiliations=tuple(filter(None, places)))


def _primary(entry: Any) -> str | None:
    element = entry.find(f"{ARXIV}primary_category")
    return None if element is None else element.get("term") or None


def _arxiv_text(entry: Any, name: str) -> str | None:
    """Return the stripped text of an element of arXiv's own namespace."""
    return (child_text(entry, f"{ARXIV}{name}") or "").strip() or None


def read_time(text: str | None) -> datetime | None:
    """Parse an RFC 3339 time into UTC. Return None for missing or invalid text."""
    try:
        moment = datetime.fromisoformat((text or "").strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
