"""
arXiv's daily feeds (rss.arxiv.org), RSS 2.0 and Atom: one batch, each paper with its announce type.

Read with lxml and as plain text: a parser for feeds takes descriptions for HTML and makes ``if xw``
of ``if x<y then z>w``. Pure: bytes in, values out.
"""

import logging
import re
from typing import Any

from digestbot.errors import BadAnswer, InvalidPaperId
from digestbot.ids import PaperId, arxiv_pdf_url, arxiv_url, parse_paper_id
from digestbot.model import AnnounceType, Author, FetchedPaper
from digestbot.sources.arxiv_atom import ARXIV, ATOM
from digestbot.sources.markup import child_text, one_line, own_text, parse_xml, split_names

log = logging.getLogger(__name__)

DC = "{http://purl.org/dc/elements/1.1/}"
_DESCRIPTION = re.compile(
    r"\s*arXiv:(?P<id>\S+)\s+Announce Type:\s*(?P<type>[a-z-]+)\s*(?:Abstract:\s?)?(?P<text>.*)",
    re.DOTALL,
)
_MARK = re.compile(rb"announce_type\s*>|arXiv:\S+\s+Announce Type:")
_TYPES = {kind.value: kind for kind in AnnounceType}


def is_announcement(body: bytes) -> bool:
    """Whether *body* is one of arXiv's daily feeds, and not the empty one of a weekend."""
    return _MARK.search(body) is not None


def parse_announcements(body: bytes) -> tuple[FetchedPaper, ...]:
    """
    The papers of a daily feed in its order: new, cross, replace, replace-cross.

    The feed knows when a batch was announced, not when a paper was submitted: no dates.

    Raises:
        BadAnswer: No well-formed XML.
    """
    root = parse_xml(body)
    items = [*root.iter("item"), *root.iter(f"{ATOM}entry")]
    return tuple(paper for item in items if (paper := _readable(item)) is not None)


def _readable(item: Any) -> FetchedPaper | None:
    try:
        return _paper(item)
    except InvalidPaperId as error:
        log.warning("left out an item that cannot be read", extra={"cause": str(error)})
        return None


def _paper(item: Any) -> FetchedPaper:
    description = _first(item, "description", f"{ATOM}summary") or ""
    said = _DESCRIPTION.fullmatch(description)
    paper = _paper_id(item, said)
    version = paper.version or 1
    title = _first(item, "title", f"{ATOM}title")
    if not title:
        raise InvalidPaperId(f"{paper.id} has no title")
    categories = _categories(item)
    return FetchedPaper(
        id=paper.id,
        version=version,
        type=_type(item, said, version),
        title=title,
        abstract=said["text"] if said else description,
        authors=tuple(Author(name=name) for name in _authors(item)),
        categories=categories,
        # Not marked; in arXiv's records the primary category is the first.
        primary_category=next(iter(categories), None),
        journal_ref=one_line(child_text(item, f"{ARXIV}journal_reference")),
        doi=one_line(child_text(item, f"{ARXIV}DOI")),
        url=arxiv_url(paper.id, version),
        pdf_url=arxiv_pdf_url(paper.id, version),
    )


def _paper_id(item: Any, said: re.Match[str] | None) -> PaperId:
    """From the guid, which has the version, or from the description; the link has none."""
    guid = _first(item, "guid", f"{ATOM}id") or (said["id"] if said else "")
    paper = parse_paper_id(guid)
    if not paper.id.startswith("arxiv:"):
        raise InvalidPaperId(f'"{guid[:60]}" is no paper of arXiv')
    return paper


def _type(item: Any, said: re.Match[str] | None, version: int) -> AnnounceType:
    told = one_line(child_text(item, f"{ARXIV}announce_type")) or (said["type"] if said else "")
    return _TYPES.get(told, AnnounceType.NEW if version == 1 else AnnounceType.REPLACE)


def _categories(item: Any) -> tuple[str, ...]:
    terms = [own_text(element).strip() for element in item.findall("category")]
    terms += [element.get("term") or "" for element in item.findall(f"{ATOM}category")]
    return tuple(dict.fromkeys(filter(None, terms)))


def _authors(item: Any) -> list[str]:
    """Names from the one ``dc:creator``."""
    return split_names(" ".join((_first(item, f"{DC}creator") or "").split()))


def _first(item: Any, *tags: str) -> str | None:
    return next((text for tag in tags if (text := child_text(item, tag)) is not None), None)


def error_in(body: bytes) -> str | None:
    """The title of the empty feed that answers a wrong address: "Feed error for query: …"."""
    try:
        root = parse_xml(body)
    except BadAnswer:
        return None
    titles = (own_text(title) for tag in ("title", f"{ATOM}title") for title in root.iter(tag))
    return next((one_line(title) for title in titles if title.startswith("Feed error")), None)
