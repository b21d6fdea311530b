"""
Semantic Scholar as a source: papers of any field that match a search, by publication date.

The dates are those of publication, as Semantic Scholar understands them: the submission of an arXiv
paper, the online date of an article, and none for some. It indexes a paper days to weeks later, so
`overlap` is long; what enters later is missed, and so is a paper whose date it moves back later.
Words are searched in titles and abstracts, except abstracts that publishers withhold. Clients
without a key share one pool, so their requests are often refused as too many. Begin at
`SemanticScholarOptions`; `read_page` parses a response.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from digestbot.errors import BadAnswer
from digestbot.secret import Secret
from digestbot.sources.api_json import list_at, message_of, read_object, text_at, texts_at
from digestbot.sources.web_api import (
    ApiPage,
    ApiRequest,
    ReadPage,
    Record,
    WebApiOptions,
    Window,
)

if TYPE_CHECKING:
    pass

_LIMITS = {"api.semanticscholar.org": 1.0}
_SHARED_LIMITS = {"api.semanticscholar.org": 3.0}
"""For all clients that share the limit of 100 requests in five minutes."""
_FIELDS = (
    "title,abstract,authors,externalIds,publicationDate,year,venue,journal,url,openAccessPdf,"
    "publicationTypes,fieldsOfStudy"
)
_PDF_MARK = re.compile(r"^\[PDF\]\s+")
"""Beginning of titles that were taken from a list of search results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticScholarOptions(WebApiOptions):
    """Papers at Semantic Scholar that match a search."""

    query: str
    """Words of title or abstract: `"cold start" + (serverless | faas) -survey`."""
    venues: tuple[str, ...] = ()
    """Only papers of these venues, such as `Nature` or `OSDI`."""
    fields: tuple[str, ...] = ()
    """Only papers of these fields of study, such as `Computer Science`."""
    api_key: Secret | None = None
    """Your key, free at semanticscholar.org/product/api; otherwise expect "429"."""
    url: str = "https://api.semanticscholar.org/graph/v1/paper/search/bulk"
    """The bulk search; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers."""
    overlap: timedelta = timedelta(days=60)
    """How far behind the newest known paper to read again: papers are indexed weeks late."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests; for the official host at least 1s with a key, else 3s."""
    max_pages: int = 100
    """Limit of pages per pass; a page has up to 1,000 papers."""

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise ValueError('"query" is empty')
        self.check_shared_keys()

    @property
    def limits(self) -> Mapping[str, float]:
        """See `WebApiOptions.limits`."""
        return _LIMITS if self.api_key else _SHARED_LIMITS

    @property
    def searched(self) -> str:
        """Query, venues and fields."""
        return f"{self.query.strip()} {sorted(self.venues)} {sorted(self.fields)}"

    def request(self, window: Window, cursor: str) -> ApiRequest:
        """Return the request for the page at *cursor*, the token of the page before."""
        params = {
            "query": self.query.strip(),
            "publicationDateOrYear": f"{window.first_day}:",
            "fields": _FIELDS,
            "sort": "publicationDate:desc",
            "venue": ",".join(self.venues),
            "fieldsOfStudy": ",".join(self.fields),
            "token": cursor,
        }
        headers = {"x-api-key": self.api_key.reveal()} if self.api_key else {}
        given = {name: value for name, value in params.items() if value}
        return ApiRequest(url=self.url, params=given, headers=headers)

    def reader(self, window: Window) -> ReadPage:
        """See `WebApiOptions.reader`."""
        return read_page


def read_page(body: bytes, cursor: str, /) -> ApiPage:
    """
    Return the papers in a response of ``/paper/search/bulk``, ``/paper/search`` or ``/paper/ID``.

    The API calls its total approximate, so it is not taken for a count of what is missing.

    Raises:
        BadAnswer: It is something else.
    """
    data = read_object(body)
    found = [data] if "paperId" in data else _listed(data)
    records = [record for each in found if (record := _record(each)) is not None]
    if found and not any(text_at(each, "paperId") for each in found):
        raise BadAnswer('the response lists no papers with a "paperId"')
    return ApiPage(
        records=tuple(records),
        cursor=(text_at(data, "token") or None) if found else None,
        skipped=len(found) - len(records),
    )


def _listed(data: Mapping[str, Any]) -> list[Any]:
    """Return the papers of a search; an empty one often has a total only."""
    found = data.get("data")
    if isinstance(found, list):
        return found
    if found is None and text_at(data, "total") == "0":
        return []
    said = message_of(data) or 'no list "data"'
    raise BadAnswer(f'Semantic Scholar answered with an error: "{said}"')


def _record(entry: Any) -> Record | None:
    from digestbot.sources.api_papers import Facts, author, authors, paper_from
    from digestbot.sources.dates import parse_date

    key = text_at(entry, "paperId")
    published = parse_date(text_at(entry, "publicationDate"))
    doi, arxiv = text_at(entry, "externalIds", "DOI"), text_at(entry, "externalIds", "ArXiv")
    page = f"https://www.semanticscholar.org/paper/{key}"
    paper = paper_from(
        Facts(
            guid=page,
            title=_PDF_MARK.sub("", text_at(entry, "title")),
            abstract=text_at(entry, "abstract"),
            authors=authors(author(text_at(each, "name")) for each in list_at(entry, "authors")),
            identifiers=tuple(filter(None, (f"arxiv:{arxiv}" if arxiv else "", doi))),
            links=(page,),
            published=published,
            journal=text_at(entry, "journal", "name") or text_at(entry, "venue"),
            categories=tuple(texts_at(entry, "fieldsOfStudy")),
            pdf=text_at(entry, "openAccessPdf", "url"),
            types=tuple(texts_at(entry, "publicationTypes")),
        )
    )
    if paper is None or not key:
        return None
    return Record(key=key, paper=paper, at=published.at if published else None)
