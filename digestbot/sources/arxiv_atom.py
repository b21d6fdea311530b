"""
Parser for arXiv's query API: Atom with elements of arXiv and OpenSearch.

Pure: bytes in, values out. Fields are found by name, since their order changed in 2025.
"""

import logging
import re
from collections.abc import Mapping, Sequence
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
_NAME = f"{ATOM}name"
_AFFILIATION = f"{ARXIV}affiliation"
_ABS_PAGE = re.compile(r"https?://arxiv\.org/abs/(?=[a-z0-9.-]+(?:/[0-9]+)?(?:v[0-9]+)?$)")
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
    error = _error_in(root, entries) if _ERROR_ID.encode() in body else None
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
    parts = _parts(entry)
    paper = _paper_id(_first(parts, f"{ATOM}id") or "")
    version = paper.version or 1
    title = _first(parts, f"{ATOM}title")
    if title is None:
        raise BadAnswer(f"{paper.id} has no title")
    abstract = _first(parts, f"{ATOM}summary") or ""
    comment = _arxiv_text(parts, "comment")
    published = read_time(_first(parts, f"{ATOM}published"))
    categories = tuple(filter(None, (c.get("term") for c in parts.get(f"{ATOM}category", ()))))
    return FetchedPaper(
        id=paper.id,
        version=version,
        type=AnnounceType.NEW if version == 1 else AnnounceType.REPLACE,
        title=title,
        abstract=abstract,
        authors=tuple(filter(None, map(_author, parts.get(f"{ATOM}author", ())))),
        categories=categories,
        primary_category=_primary(parts) or next(iter(categories), None),
        published=published,
        updated=read_time(_first(parts, f"{ATOM}updated")) or published,
        comment=comment,
        journal_ref=_arxiv_text(parts, "journal_ref"),
        doi=first_doi(_arxiv_text(parts, "doi")),
        url=arxiv_url(paper.id, version),
        pdf_url=arxiv_pdf_url(paper.id, version),
        document_type=arxiv_document_type(title, comment, abstract),
    )


Parts = Mapping[str, Sequence[Any]]
"""Tag → children of an entry with this tag, found in one pass."""


def _parts(entry: Any) -> Parts:
    found: dict[str, list[Any]] = {}
    for child in entry:
        tag = child.tag
        if tag in found:
            found[tag].append(child)
        else:
            found[tag] = [child]
    return found


def _first(parts: Parts, tag: str) -> str | None:
    """Return the text of the first child *tag*, as served."""
    elements = parts.get(tag)
    return own_text(elements[0]) if elements else None


def _paper_id(text: str) -> PaperId:
    page = _ABS_PAGE.match(text)  # the usual form, without the cost of parsing a URL
    paper = parse_paper_id(text[page.end() :] if page else text)
    if not paper.id.startswith("arxiv:"):
        raise InvalidPaperId(f'"{text[:60]}" is not an arXiv id')
    return paper


def _author(element: Any) -> Author | None:
    name: str | None = None
    places: list[str] = []
    for child in element:
        tag = child.tag
        if tag == _AFFILIATION:
            if place := one_line(own_text(child)):
                places.append(place)
        elif tag == _NAME and name is None:
            name = one_line(own_text(child))
    if name is None or not (name[0].isalpha() or any(map(str.isalpha, name))):
        return None  # arXiv turns "X Collaboration: A. Bee" into three authors
    return Author(name=name, affiliations=tuple(places))


def _primary(parts: Parts) -> str | None:
    elements = parts.get(f"{ARXIV}primary_category")
    return elements[0].get("term") or None if elements else None


def _arxiv_text(parts: Parts, name: str) -> str | None:
    """Return the stripped text of an element of arXiv's own namespace."""
    return (_first(parts, f"{ARXIV}{name}") or "").strip() or None


def read_time(text: str | None) -> datetime | None:
    """Parse an RFC 3339 time into UTC. Return None for missing or invalid text."""
    try:
        moment = datetime.fromisoformat((text or "").strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
