"""
OpenReview as a source: the papers of one venue, by its id in API 2.

A venue's list holds what it accepted; submissions under review, rejected and withdrawn ones have
separate ids, such as ``ICLR.cc/2027/Conference/Submission``. The date of a paper is when it was
published at OpenReview, else when it was submitted, which may be months before it enters the list.
So each pass reads the whole list, and a paper is news when it is first seen there; a venue that
only the older API 1 has is missed. OpenReview may deny access to clients without a login (403).
Begin at `OpenreviewOptions`; `read_page` parses a response.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from digestbot.sources.api_json import (
    member,
    number_at,
    read_object,
    required_list,
    text_at,
    texts_at,
)
from digestbot.sources.dates import Moment
from digestbot.sources.web_api import (
    ApiPage,
    ApiRequest,
    ReadPage,
    Record,
    WebApiOptions,
    Window,
    under,
)

if TYPE_CHECKING:
    pass

SITE = "https://openreview.net"
PER_PAGE = 1_000
"""The API's own limit."""
_LIMITS = {"api2.openreview.net": 1.0, "api.openreview.net": 1.0}
_MILLISECONDS = re.compile(r"[0-9]{10,13}")
_DATES = ("pdate", "odate", "cdate", "tcdate")
"""Published, made public, created, and created in this system; the first that exists counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenreviewOptions(WebApiOptions):
    """Papers of one venue at OpenReview."""

    venue: str
    """The venue's id, as in the URL of its page: `ICLR.cc/2026/Conference`, `TMLR`."""
    url: str = "https://api2.openreview.net"
    """API 2; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests; at least 1s for OpenReview's own hosts."""
    max_pages: int = 50
    """Limit of pages per pass; a page has 1,000 papers."""

    def __post_init__(self) -> None:
        if not self.venue.strip():
            raise ValueError('"venue" is empty')
        self.check_shared_keys()

    @property
    def overlap(self) -> timedelta:
        """Zero: each pass reads the whole list."""
        return timedelta(0)

    @property
    def limits(self) -> Mapping[str, float]:
        """See `WebApiOptions.limits`."""
        return _LIMITS

    @property
    def searched(self) -> str:
        """The venue."""
        return self.venue.strip()

    def request(self, window: Window, cursor: str) -> ApiRequest:
        """Return the request for the notes from number *cursor* on."""
        params = {
            "content.venueid": self.venue.strip(),
            "limit": str(PER_PAGE),
            "offset": cursor or "0",
            "sort": "cdate:asc",  # new papers at the end move no others to another page
        }
        return ApiRequest(url=under(self.url, "notes"), params=params)

    def reader(self, window: Window) -> ReadPage:
        """See `WebApiOptions.reader`."""
        return partial(read_page, venue=self.venue.strip())


def read_page(body: bytes, cursor: str, /, *, venue: str = "") -> ApiPage:
    """
    Return the papers in a response of ``/notes``; reviews and comments are left out.

    Args:
        body: The response.
        cursor: Number of its first note.
        venue: Leave out papers of other venues, should the server send any; empty for none.

    Raises:
        BadAnswer: It is something else.
    """
    data = read_object(body)
    found = required_list(data, "notes")
    wanted = [each for each in found if _is_paper(each, venue)]
    records = [record for each in wanted if (record := _record(each)) is not None]
    following = int(cursor or 0) + len(found)
    total = number_at(data, "count")
    is_last = not found or (total is not None and following >= total)
    return ApiPage(
        records=tuple(records),
        cursor=None if is_last else str(following),
        total=total,
        ignored=len(found) - len(wanted),
        skipped=len(wanted) - len(records),
    )


def _is_paper(note: Any, venue: str) -> bool:
    """Return False for replies in the forum of a paper, and for papers of another venue."""
    is_reply = text_at(note, "forum") not in ("", text_at(note, "id"))
    its_venue = text_at(note, "content", "venueid", "value")
    return not is_reply and not (venue and its_venue and its_venue != venue)


def _record(note: Any) -> Record | None:
    from digestbot.sources.api_papers import Facts, author, authors, paper_from

    key, content = text_at(note, "id"), member(note, "content")
    at = next(filter(None, (_moment(text_at(note, name)) for name in _DATES)), None)
    page = f"{SITE}/forum?id={key}"
    title, elsewhere = text_at(content, "title", "value"), text_at(content, "html", "value")
    venue = text_at(content, "venue", "value")
    paper = paper_from(
        Facts(
            guid=page,
            title=title,
            abstract=text_at(content, "abstract", "value"),
            authors=authors(map(author, _names(content))),
            identifiers=(*texts_at(note, "externalIds"), elsewhere),
            links=(page, elsewhere),
            published=_published(at),
            journal=venue if venue != title else "",  # some imported records repeat the title
            categories=tuple(texts_at(content, "keywords", "value")),
            pdf=_pdf(key, text_at(content, "pdf", "value")),
        )
    )
    return Record(key=key, paper=paper, at=at) if paper is not None and key else None


def _names(content: Any) -> Iterator[str]:
    """Yield the authors' names, which are texts or objects."""
    found = member(content, "authors", "value")
    for each in found if isinstance(found, list) else [found]:
        yield each if isinstance(each, str) else text_at(each, "fullname")


def _moment(milliseconds: str) -> datetime | None:
    if not _MILLISECONDS.fullmatch(milliseconds):
        return None
    return datetime.fromtimestamp(int(milliseconds) // 1000, UTC)


def _published(at: datetime | None) -> Moment | None:
    """
    Return the date for readers, unless it is the first of a month at midnight.

    Records imported from DBLP and ORCID have it in the place of an unknown day.
    """
    if at is None:
        return None
    is_midnight = at.time() == at.min.time()
    return None if is_midnight and at.day == 1 else Moment(at, is_date=is_midnight)


def _pdf(key: str, path: str) -> str:
    """Return the PDF's URL: OpenReview writes a relative one for its files."""
    return f"{SITE}/pdf?id={key}" if path.startswith("/") else path
