"""
Europe PMC as a source: papers and preprints that match a query, by the day they were first indexed.

Europe PMC indexes PubMed a day late, preprints of many servers within days, and agricultural and
patent records. The date shown is that of first publication, which may be the date of an issue to
come. A record is missed if the search finds it later than `overlap` after its day, such as after a
correction of its metadata. No limit is documented; we keep one request per second. Begin at
`EuropepmcOptions`; `read_page` parses a response.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from digestbot.sources.api_json import (
    list_at,
    number_at,
    read_object,
    required_list,
    text_at,
    texts_at,
)
from digestbot.sources.web_api import (
    ApiPage,
    ApiRequest,
    ReadPage,
    Record,
    WebApiOptions,
    Window,
)

if TYPE_CHECKING:
    from digestbot.model import Author, FetchedPaper

_LIMITS = {"www.ebi.ac.uk": 1.0}
PAGE_SIZE = 200
_PREPRINT_LINKS = ("preprint of", "preprint in")
_ABOUT = ("erratum for", "retraction of", "expression of concern for", "update of")
_RETRACTED = ("retraction in", "expression of concern in")


@dataclass(frozen=True, slots=True, kw_only=True)
class EuropepmcOptions(WebApiOptions):
    """Papers and preprints at Europe PMC that match a query."""

    query: str
    """Query in Europe PMC's syntax, such as `TITLE:organoid AND SRC:PPR`."""
    url: str = "https://www.ebi.ac.uk/europepmc/webservices/rest/search"
    """The API; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers."""
    overlap: timedelta = timedelta(days=7)
    """How far behind the newest known paper to read again: some are listed late."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests; at least 1s for Europe PMC's own host."""
    max_pages: int = 500
    """Limit of pages per pass; a page has 200 papers."""

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise ValueError('"query" is empty')
        self.check_shared_keys()

    @property
    def limits(self) -> Mapping[str, float]:
        """See `WebApiOptions.limits`."""
        return _LIMITS

    @property
    def searched(self) -> str:
        """The query."""
        return self.query.strip()

    def request(self, window: Window, cursor: str) -> ApiRequest:
        """Return the request for the page at *cursor*."""
        days = f"FIRST_IDATE:[{window.first_day} TO {window.last_day}]"
        return ApiRequest(
            url=self.url,
            params={
                "query": f"({self.query.strip()}) AND ({days})",
                "format": "json",
                "resultType": "core",
                "synonym": "false",
                "pageSize": str(PAGE_SIZE),
                "cursorMark": cursor or "*",
            },
        )

    def reader(self, window: Window) -> ReadPage:
        """See `WebApiOptions.reader`."""
        return read_page


def read_page(body: bytes, cursor: str, /) -> ApiPage:
    """
    Return the records in a response of ``/search``, with results of type core or lite.

    The last page has the cursor of its request, or none.

    Raises:
        BadAnswer: It is something else.
    """
    data = read_object(body)
    found = required_list(data, "resultList", "result")
    records = [record for each in found if (record := _record(each)) is not None]
    following = text_at(data, "nextCursorMark")
    return ApiPage(
        records=tuple(records),
        cursor=following if found and following and following != cursor else None,
        total=number_at(data, "hitCount"),
        skipped=len(found) - len(records),
    )


def _record(result: Any) -> Record | None:
    from digestbot.sources.dates import parse_date

    paper, key = read_result(result), f"{text_at(result, 'source')}/{text_at(result, 'id')}"
    if paper is None or len(key) < 3:
        return None
    day = parse_date(text_at(result, "firstIndexDate"))
    return Record(key=key, paper=paper, at=day.at if day else None)


def read_result(result: Any) -> "FetchedPaper | None":
    """Return the paper that one *result* describes, if it has a title."""
    from digestbot.sources.api_papers import Facts, paper_from
    from digestbot.sources.dates import parse_date

    days = ("electronicPublicationDate", "firstPublicationDate")
    published = (parse_date(text_at(result, name)) for name in days)
    comments = list(_comments(result))
    about = [doi for kind, doi in comments if kind in _ABOUT]
    states = [kind.removesuffix(" in") for kind, _ in comments if kind in _RETRACTED]
    return paper_from(
        Facts(
            guid=_page(result),
            title=text_at(result, "title"),
            abstract=text_at(result, "abstractText"),
            authors=_authors(result),
            identifiers=(
                text_at(result, "doi"),
                *(doi for kind, doi in comments if kind in _PREPRINT_LINKS),
            ),
            published=next(filter(None, published), None),
            journal=_citation(result),
            categories=tuple(texts_at(result, "keywordList", "keyword")),
            types=(*states, *_types(result)),
            about=" ".join(about),
        )
    )


def _page(result: Any) -> str:
    """Return the web page of *result*: PubMed's, so that its record there is the same paper."""
    if pmid := number_at(result, "pmid"):
        return f"https://pubmed.ncbi.nlm.nih.gov/{pmid}"
    return f"https://europepmc.org/article/{text_at(result, 'source')}/{text_at(result, 'id')}"


def _authors(result: Any) -> "tuple[Author, ...]":
    from digestbot.sources.api_papers import author, authors
    from digestbot.sources.author_lists import split_authors

    listed = authors(map(_author, list_at(result, "authorList", "author")))
    if listed:
        return listed
    names = text_at(result, "authorString").removesuffix(".")
    return authors(map(author, split_authors(names, is_one=False)))


def _author(person: Any) -> "Author | None":
    from digestbot.sources.api_papers import author

    first, last = text_at(person, "firstName"), text_at(person, "lastName")
    whole = text_at(person, "fullName") or text_at(person, "collectiveName")
    details = list_at(person, "authorAffiliationDetailsList", "authorAffiliation")
    places = (text_at(each, "affiliation") for each in details)
    return author(f"{first} {last}" if first and last else whole, places)


def _citation(result: Any) -> str:
    journal = text_at(result, "journalInfo", "journal", "title") or text_at(result, "journalTitle")
    server = text_at(result, "bookOrReportDetails", "publisher")
    volume = text_at(result, "journalInfo", "volume") or text_at(result, "journalVolume")
    issue = text_at(result, "journalInfo", "issue") or text_at(result, "issue")
    number = f"{volume}({issue})" if volume and issue else volume
    name = (journal or server).partition(" : official")[0]
    return ", ".join(filter(None, [name, number, text_at(result, "pageInfo")]))


def _types(result: Any) -> Iterator[str]:
    yield from texts_at(result, "pubTypeList", "pubType")
    yield from text_at(result, "pubType").split("; ")


def _comments(result: Any) -> Iterator[tuple[str, str]]:
    """Yield how other records relate to this one, with the DOI in their reference."""
    from digestbot.sources.identity import first_doi

    for each in list_at(result, "commentCorrectionList", "commentCorrection")[:50]:
        yield text_at(each, "type").lower(), first_doi(text_at(each, "reference")) or ""
