"""
DBLP as a source: publications of a venue or an author in computer science, without abstracts.

DBLP states the year of a publication and no day, nor when it was indexed, mostly weeks to months
after it appeared. So each pass reads the whole list, of a venue for three years from the last one,
and a paper is news when it is first seen there. What the first pass finds is backlog, unless
`backfill` reaches to the beginning of its year. Volumes indexed two years late are missed, and so
are an author's publications under other names. Begin at `DblpOptions`; `read_page` parses a
response, and `read_xml` its other form.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from digestbot.errors import BadAnswer
from digestbot.sources.api_json import (
    list_at,
    member,
    message_of,
    number_at,
    read_object,
    text_at,
    texts_at,
)
from digestbot.sources.feed_kind import shown
from digestbot.sources.web_api import (
    ApiPage,
    ApiRequest,
    ReadPage,
    Record,
    WebApiOptions,
    Window,
)

if TYPE_CHECKING:
    from digestbot.model import Author

_LIMITS = {"dblp.org": 2.0, "dblp.uni-trier.de": 2.0, "dblp.dagstuhl.de": 2.0}
PER_PAGE = 1_000
"""The API's own limit."""
_NOT_PAPERS = frozenset({
    "editorship", "data and artifacts", "reference works", "proceedings", "www", "person", "data",
})  # fmt: skip
"""Types of other records, in the search and in files of records."""
_NUMBER_END = re.compile(r"(?<=[0-9])\.$")
"""DBLP's full stop after a number; that after words is dropped from the titles of all APIs."""
_HOMONYM = re.compile(r" [0-9]{4}$")
"""Number that tells people of one name apart: "Xiaopeng Zhang 0009"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DblpOptions(WebApiOptions):
    """Publications that DBLP lists for a venue or an author."""

    venue: str | None = None
    """The venue as DBLP abbreviates it, such as `OSDI` or `Commun. ACM`; or `author`."""
    author: str | None = None
    """The author as DBLP writes the name, with its number if it has one: `Wei Wang 0010`."""
    url: str = "https://dblp.org/search/publ/api"
    """The search; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers; each counts as of the first day of its year."""
    interval: timedelta = timedelta(seconds=2)
    """Time between requests; at least 2s for DBLP's own hosts."""
    max_pages: int = 50
    """Limit of pages per pass; a page has 1,000 papers."""

    def __post_init__(self) -> None:
        if bool((self.venue or "").strip()) == bool((self.author or "").strip()):
            raise ValueError('set either "venue" or "author"')
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
        """Query of the search: ``venue:Commun._ACM:``, a whole name with underscores."""
        facet = "venue" if self.venue else "author"
        name = "_".join((self.venue or self.author or "").replace(":", " ").split())
        return f"{facet}:{name}:"

    def years(self, now: datetime) -> tuple[int, ...]:
        """Return the years to read one after another; empty for all at once."""
        return (now.year - 1, now.year, now.year + 1) if self.venue else ()

    def request(self, window: Window, cursor: str) -> ApiRequest:
        """Return the request for the year and the first publication in *cursor*."""
        place = _Place.read(cursor, self.years(window.until))
        year = f" year:{place.year}:" if place.year else ""
        params = {"q": self.searched + year, "format": "json", "h": str(PER_PAGE), "c": "0"}
        return ApiRequest(url=self.url, params=params | {"f": str(place.start)})

    def reader(self, window: Window) -> ReadPage:
        """See `WebApiOptions.reader`."""
        return partial(read_page, years=self.years(window.until))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Place in the lists of several years; as a cursor ``2026 1000 431``."""

    year: int
    """0 for one list of all years."""
    start: int = 0
    earlier: int = 0
    """Publications of the years before."""

    @classmethod
    def read(cls, cursor: str, years: tuple[int, ...]) -> "_Place":
        if not cursor:
            return cls(year=years[0] if years else 0)
        year, start, earlier = map(int, cursor.split())
        return cls(year=year, start=start, earlier=earlier)

    def following(self, count: int, total: int, years: tuple[int, ...]) -> str | None:
        """Return the cursor after *count* of *total* publications of this year."""
        start = self.start + count
        if count and start < total:
            return f"{self.year} {start} {self.earlier}"
        later = [year for year in years if year > self.year]
        return f"{later[0]} 0 {self.earlier + total}" if later else None


def read_page(body: bytes, cursor: str, /, *, years: tuple[int, ...] = ()) -> ApiPage:
    """
    Return the publications in a response of ``/search/publ/api`` in JSON.

    Args:
        body: The response.
        cursor: Year and number of its first publication; see `_Place`.
        years: Years that the pass reads.

    Raises:
        BadAnswer: It is something else.
    """
    data = read_object(body)
    hits = member(data, "result", "hits")
    total = number_at(hits, "@total")
    status = text_at(data, "result", "status", "@code")
    if not isinstance(hits, dict) or total is None or status not in ("", "200"):
        said = shown(text_at(data, "result", "status", "text")) or message_of(data) or "no hits"
        raise BadAnswer(f'DBLP answered with an error: "{said}"')
    place = _Place.read(cursor, years)
    found = list_at(hits, "hit")  # absent without results
    page = _page([member(each, "info") for each in found])
    return ApiPage(
        records=page.records,
        cursor=place.following(len(found), total, years),
        total=place.earlier + total,
        ignored=page.ignored,
        skipped=page.skipped,
    )


def read_xml(body: bytes, cursor: str, /) -> ApiPage:
    """
    Return the publications in a response in XML, or in a file of records (``dblp.xml``).

    Raises:
        BadAnswer: It is something else.
    """
    from digestbot.sources.feed_text import decode, without_prolog
    from digestbot.sources.markup import parse_xml

    root = parse_xml(without_prolog(decode(body)).encode("utf-8", "replace"))
    if root.tag == "result":
        return _page([_info(each) for each in root.iter("info")])
    if root.tag in ("dblp", "dblpperson"):
        return _page([_info(each) for each in root.iter() if each.get("key")])
    raise BadAnswer("the response lists no DBLP publications; check the URL")


def _page(found: list[Any]) -> ApiPage:
    wanted = [each for each in found if text_at(each, "type").lower() not in _NOT_PAPERS]
    records = [record for each in wanted if (record := _record(each)) is not None]
    ignored = len(found) - len(wanted)
    return ApiPage(records=tuple(records), ignored=ignored, skipped=len(wanted) - len(records))


def _record(info: Any) -> Record | None:
    from digestbot.sources.api_papers import Facts, paper_from

    key, doi = text_at(info, "key"), text_at(info, "doi")
    links = [link for link in texts_at(info, "ee") if link.startswith("http")]
    page = f"https://dblp.org/rec/{key}"
    year = number_at(info, "year")
    paper = paper_from(
        Facts(
            guid=page,
            title=_NUMBER_END.sub("", text_at(info, "title")),
            authors=_authors(info),
            identifiers=tuple(filter(None, (doi, *links))),
            links=(*links, page),
            journal=_reference(info),
        )
    )
    if paper is None or not key:
        return None
    is_year = year is not None and 1900 <= year <= 2200
    return Record(
        key=key, paper=paper, at=datetime(year or 1, 1, 1, tzinfo=UTC) if is_year else None
    )


def _authors(info: Any) -> "tuple[Author, ...]":
    """Return the authors; one alone is an object, or a text, instead of a list."""
    from digestbot.sources.api_papers import author, authors

    found = member(info, "authors", "author")
    listed = found if isinstance(found, list) else [found]
    names = (each if isinstance(each, str) else text_at(each, "text") for each in listed)
    return authors(author(_HOMONYM.sub("", name.strip())) for name in names)


def _reference(info: Any) -> str:
    """Return venue, volume, year and pages: ``Neural Process. Lett. 57(3), 2025, 43``."""
    venue, volume = text_at(info, "venue"), text_at(info, "volume")
    number = text_at(info, "number")
    issue = f"{volume}({number})" if volume and number else volume
    place = " ".join(filter(None, (venue, issue)))
    return ", ".join(filter(None, (place, text_at(info, "year"), text_at(info, "pages"))))


def _info(element: Any) -> Mapping[str, Any]:
    """Return the record in XML as the JSON form has it."""
    texts = {child.tag: _text(child) for child in element}
    people = [_text(child) for child in element.iter("author")]
    venue = texts.get("venue") or texts.get("journal") or texts.get("booktitle") or ""
    links = [_text(child) for child in element.iter("ee")]
    given = {"key": element.get("key") or "", "type": "" if element.tag == "info" else element.tag}
    known = {name: text for name, text in texts.items() if name not in ("authors", "author")}
    return {**given, **known, "venue": venue, "ee": links, "authors": {"author": people}}


def _text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())
