"""
Parser for arXiv's OAI-PMH service: records in the formats arXivRaw, arXiv and oai_dc.

Pure: bytes in, values out. Only arXivRaw has the versions of a paper; arXiv has its authors one by
one. Elements are found by local name, since recorded answers differ in namespaces. Begin at
`parse`.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from digestbot.errors import BadAnswer, InvalidPaperId
from digestbot.ids import PaperId, arxiv_pdf_url, arxiv_url, parse_paper_id
from digestbot.model import AnnounceType, Author, DocumentType, FetchedPaper
from digestbot.sources.arxiv_atom import read_time
from digestbot.sources.author_lists import split_affiliated, split_authors
from digestbot.sources.dates import parse_date
from digestbot.sources.document_types import arxiv_document_type
from digestbot.sources.feed_items import MAX_ABSTRACT, MAX_AUTHORS, MAX_TITLE, bounded
from digestbot.sources.identity import first_doi
from digestbot.sources.markup import one_line, own_text, parse_xml

log = logging.getLogger(__name__)

_SOURCE_WITHDRAWN = "I"
"""``source_type`` of a withdrawn version, which is empty."""
_VERSION = re.compile(r"v([1-9][0-9]{0,3})")
_RFC_2822 = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{1,2}) ([A-Z][a-z]{2}) (19[5-9][0-9]|20[0-9]{2}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9,
    "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip
_COMMENT = "Comment: "
"""Start of the ``dc:description`` that holds the comment."""
_VERBS = frozenset({"ListRecords", "GetRecord"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OaiRecord:
    """One record: the newest version of a paper."""

    paper: FetchedPaper
    """Its `type` is by version only; its `version` is 1 if that of the record is missing."""
    version: int | None
    """Version that the record states, as only arXivRaw does; passes skip records without one."""
    datestamp: date
    """Day of the last change to the record, UTC; edits of metadata count."""
    sets: tuple[str, ...] = ()
    """Such as ``cs:cs:DC``."""
    first_submitted: datetime | None = None
    """Submission of version 1; only arXivRaw has the time of day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OaiAnswer:
    """One response to ``ListRecords`` or ``GetRecord``."""

    response_date: datetime | None
    error: tuple[str, str] | None = None
    """Code and message, such as ``noRecordsMatch``, the normal answer for an empty list."""
    token: str | None = None
    """``resumptionToken`` of the next page; None at the end of the list."""
    records: tuple[OaiRecord, ...] = field(default=(), repr=False)
    deleted: tuple[str, ...] = ()
    """Ids of records with status ``deleted``, which are headers only."""
    skipped: int = 0
    """Unreadable records."""

    @property
    def count(self) -> int:
        """Records on the page, deleted and unreadable ones included."""
        return len(self.records) + len(self.deleted) + self.skipped


def parse(body: bytes) -> OaiAnswer:
    """
    Parse *body*; the texts of the papers stay as served.

    Raises:
        BadAnswer: The body is not well-formed XML, or not an OAI-PMH response.
    """
    root = parse_xml(body)
    if _name(root) != "OAI-PMH":
        raise BadAnswer("the response is not OAI-PMH; check the URL")
    answer = OaiAnswer(response_date=None)
    for child in root:
        name = _name(child)
        if name == "responseDate":
            answer = replace(answer, response_date=read_time(own_text(child)))
        elif name == "error":
            code, message = child.get("code") or "unknown", one_line(own_text(child))
            answer = replace(answer, error=(code, message or "no message"))
        elif name in _VERBS:
            answer = _with_records(answer, child)
    return answer


def _name(element: Any) -> str:
    """Return the local name of the tag."""
    name: str = element.tag.rpartition("}")[2]
    return name


def _with_records(answer: OaiAnswer, verb: Any) -> OaiAnswer:
    records: list[OaiRecord] = []
    deleted: list[str] = []
    skipped = 0
    token: str | None = None
    for child in verb:
        if _name(child) == "resumptionToken":
            token = own_text(child).strip() or None
        elif _name(child) == "record":
            match _record_or_none(child):
                case OaiRecord() as record:
                    records.append(record)
                case str(paper_id):
                    deleted.append(paper_id)
                case None:
                    skipped += 1
    return replace(
        answer,
        token=token,
        records=(*answer.records, *records),
        deleted=(*answer.deleted, *deleted),
        skipped=answer.skipped + skipped,
    )


def _record_or_none(element: Any) -> OaiRecord | str | None:
    """Parse a record; return the id of a deleted one. For broken ones return None."""
    try:
        return _record(_children(element))
    except (InvalidPaperId, BadAnswer) as error:
        log.warning("unreadable record skipped", extra={"error": error})
        return None


def _children(element: Any) -> dict[str, Any]:
    """Return local name → element; the first of a name counts."""
    found: dict[str, Any] = {}
    for child in element:
        found.setdefault(_name(child), child)
    return found


def _text(parts: dict[str, Any], name: str) -> str:
    """Return the text of the element *name* as served, or an empty one."""
    element = parts.get(name)
    if element is None:
        return ""
    return own_text(element) if len(element) else element.text or ""


def _record(parts: dict[str, Any]) -> OaiRecord | str:
    header = parts.get("header")
    if header is None:
        raise BadAnswer("a record has no header")
    head = _children(header)
    paper = _paper_id(_text(head, "identifier"))
    if header.get("status") == "deleted":
        return paper.id
    datestamp = _date(_text(head, "datestamp"))
    metadata = next(iter(parts["metadata"]), None) if "metadata" in parts else None
    if datestamp is None or metadata is None:
        raise BadAnswer(f"the record of {paper.id} has no datestamp or no metadata")
    return _from_metadata(
        paper,
        metadata,
        datestamp=datestamp,
        sets=tuple(own_text(each).strip() for each in header if _name(each) == "setSpec"),
    )


def _paper_id(text: str) -> PaperId:
    paper = parse_paper_id(text.removeprefix("oai:arXiv.org:"))
    if not paper.id.startswith("arxiv:"):
        raise InvalidPaperId(f'"{text[:60]}" is not an arXiv id')
    return paper


def _from_metadata(
    paper: PaperId, metadata: Any, *, datestamp: date, sets: tuple[str, ...]
) -> OaiRecord:
    read = _FORMATS.get(_name(metadata))
    if read is None:
        raise BadAnswer(f"the record of {paper.id} is in the format {_name(metadata)[:40]}")
    fetched = read(paper, metadata)
    return OaiRecord(
        paper=fetched,
        version=fetched.version if read is _from_raw else None,
        datestamp=datestamp,
        sets=sets,
        first_submitted=fetched.published,
    )


def _from_raw(paper: PaperId, metadata: Any) -> FetchedPaper:
    versions = _versions(metadata)
    if not versions:
        raise BadAnswer(f"the record of {paper.id} lists no versions")
    return _with_versions(_paper(paper, max(versions), _children(metadata)), versions)


def _from_arxiv(paper: PaperId, metadata: Any) -> FetchedPaper:
    parts = _children(metadata)
    return _with_days(_paper(paper, 1, parts), _text(parts, "created"), _text(parts, "updated"))


def _from_dublin_core(paper: PaperId, metadata: Any) -> FetchedPaper:
    """Read Dublin Core, whose elements repeat: the comment is a description, the DOI an id."""
    texts = [(_name(each), own_text(each)) for each in metadata]
    first = _children(metadata)
    comments = (text for name, text in texts if name == "description" and text.startswith(_COMMENT))
    dois = (text for name, text in texts if name == "identifier" and text.startswith("doi:"))
    days = [text for name, text in texts if name == "date"] or [""]
    authors = (
        Author(name=name)
        for tag, text in texts
        if tag == "creator"
        for name in split_authors(text, is_one=True)
    )
    fetched = replace(
        _paper(paper, 1, first | {"abstract": first.get("description")}),
        authors=tuple(authors)[:MAX_AUTHORS],
        comment=next((text.removeprefix(_COMMENT).strip() for text in comments), None),
        doi=first_doi(next(dois, None)),
    )
    return _with_days(fetched, days[0], days[-1])


_FORMATS: dict[str, Callable[[PaperId, Any], FetchedPaper]] = {
    "arXivRaw": _from_raw,
    "arXiv": _from_arxiv,
    "dc": _from_dublin_core,
}
"""Name of the element in ``metadata`` → its reader."""


def _paper(paper: PaperId, version: int, parts: dict[str, Any]) -> FetchedPaper:
    """Return the paper; its dates are left to the caller."""
    if "title" not in parts:
        raise BadAnswer(f"the record of {paper.id} has no title")
    title, abstract = _text(parts, "title"), _text(parts, "abstract")
    if not title.strip():
        raise BadAnswer(f"the record of {paper.id} has an empty title")
    comment = _text(parts, "comments").strip() or None
    categories = tuple(dict.fromkeys(_text(parts, "categories").split()))
    return FetchedPaper(
        id=paper.id,
        version=version,
        type=AnnounceType.NEW if version == 1 else AnnounceType.REPLACE,
        title=bounded(title, MAX_TITLE),
        abstract=bounded(abstract, MAX_ABSTRACT),
        authors=_authors(parts.get("authors"))[:MAX_AUTHORS],
        categories=categories,
        primary_category=next(iter(categories), None),
        comment=comment,
        journal_ref=_text(parts, "journal-ref").strip() or None,
        doi=first_doi(_text(parts, "doi")),
        url=arxiv_url(paper.id, version),
        pdf_url=arxiv_pdf_url(paper.id, version),
        document_type=arxiv_document_type(title, comment, abstract),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """One entry of the version history."""

    submitted: datetime | None
    is_withdrawn: bool


def _versions(metadata: Any) -> dict[int, _Version]:
    found: dict[int, _Version] = {}
    for element in metadata:
        number = _VERSION.fullmatch(element.get("version") or "")
        if number is None or _name(element) != "version":
            continue
        parts = _children(element)
        found[int(number[1])] = _Version(
            submitted=_time(_text(parts, "date")),
            is_withdrawn=_SOURCE_WITHDRAWN in _text(parts, "source_type"),
        )
    return found


def _date(text: str) -> date | None:
    moment = parse_date(text) if len(text) != len("2026-09-24") else None
    try:
        return moment.at.date() if moment else date.fromisoformat(text)
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    """Parse ``Mon, 12 Jun 2017 17:57:34 GMT``, arXiv's form of every date; others take longer."""
    usual = _RFC_2822.fullmatch(text)
    month = _MONTHS.get(usual[2]) if usual else None
    if usual is None or month is None:
        moment = parse_date(text)
        return moment.at if moment else None
    day, year, hour, minute, second = map(int, usual.group(1, 3, 4, 5, 6))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _with_versions(paper: FetchedPaper, versions: dict[int, _Version]) -> FetchedPaper:
    latest = versions[paper.version]
    first = versions.get(1)
    return replace(
        paper,
        published=first.submitted if first else None,
        updated=latest.submitted,
        document_type=DocumentType.WITHDRAWAL if latest.is_withdrawn else paper.document_type,
    )


def _with_days(paper: FetchedPaper, created: str, updated: str) -> FetchedPaper:
    """Add the days of the first and the last version; *updated* is empty if they are the same."""
    first = parse_date(created)
    last = parse_date(updated) or first
    return replace(
        paper,
        published=first.at if first else None,
        published_is_date=first is not None,
        updated=last.at if last else None,
        updated_is_date=last is not None,
    )


def _authors(element: Any) -> tuple[Author, ...]:
    """Return the authors of either format: one free text, or one element each."""
    if element is None:
        return ()
    if len(element):
        return tuple(filter(None, map(_author, element)))
    names = split_affiliated(element.text or "")
    return tuple(Author(name=name, affiliations=places) for name, places in names)


def _author(element: Any) -> Author | None:
    parts = _children(element)
    order = (_text(parts, name) for name in ("forenames", "keyname", "suffix"))
    name = one_line(" ".join(order))
    if name is None or not any(map(str.isalpha, name)):
        return None  # the colon of "X Collaboration: A. Bee" is served as another author
    places = (one_line(own_text(each)) for each in element if _name(each) == "affiliation")
    return Author(name=name, affiliations=tuple(filter(None, places)))
