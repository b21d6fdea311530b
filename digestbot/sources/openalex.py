"""
OpenAlex as a source: works that match a filter or a search, by their day of publication.

A work enters OpenAlex days to weeks after that day, so `overlap` is long; what enters later, or is
given the first of January for want of a day, is missed. With ``dates: created``, for which OpenAlex
asks for a paid plan, works are found by the day they entered instead, and none is missed. Some
abstracts are missing or hold boilerplate. An API key is free, and needed for more than a few
requests a day. Begin at `OpenalexOptions`; `read_page` parses a response.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from digestbot.secret import Secret
from digestbot.sources.api_json import (
    list_at,
    member,
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

Dates = Literal["publication", "created"]

_LIMITS = {"api.openalex.org": 0.2}
PER_PAGE = 100
_SELECTED = (
    "id", "doi", "ids", "title", "publication_date", "created_date", "type", "is_retracted",
    "is_paratext", "authorships", "primary_location", "locations", "best_oa_location",
    "abstract_inverted_index", "primary_topic", "biblio",
)  # fmt: skip
_NOT_PAPERS = frozenset({"dataset", "grant", "libguides", "peer-review", "supplementary-materials"})
MAX_WORDS = 20_000
"""Words of an abstract; OpenAlex has whole papers in the place of some."""
MAX_LOCATIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenalexOptions(WebApiOptions):
    """Works at OpenAlex that match a filter or a search."""

    filter: str | None = None
    """OpenAlex's filter, such as `primary_location.source.id:S137773608`."""
    search: str | None = None
    """Words to search in titles, abstracts and full texts; with `filter`, both apply."""
    api_key: Secret | None = None
    """Your key, free at openalex.org/settings/api."""
    dates: Dates = "publication"
    """Find works by day of `publication`, or by the day they were `created` at OpenAlex (paid)."""
    url: str = "https://api.openalex.org/works"
    """The API; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers."""
    overlap: timedelta = timedelta(days=60)
    """How far behind the newest known paper to read again: works are indexed weeks late."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests; at least 0.2s for OpenAlex's own host."""
    max_pages: int = 500
    """Limit of pages per pass; a page has 100 papers."""

    def __post_init__(self) -> None:
        if not (self.filter or "").strip() and not (self.search or "").strip():
            raise ValueError('set "filter" or "search"')
        self.check_shared_keys()

    @property
    def limits(self) -> Mapping[str, float]:
        """See `WebApiOptions.limits`."""
        return _LIMITS

    @property
    def searched(self) -> str:
        """Filter, search and kind of dates."""
        return f"{self.filter} {self.search} {self.dates}"

    def request(self, window: Window, cursor: str) -> ApiRequest:
        """Return the request for the page at *cursor*."""
        since = f"from_{self.dates}_date:{window.first_day}"
        params = {
            "filter": ",".join(filter(None, [(self.filter or "").strip(" ,"), since])),
            "select": ",".join(_SELECTED),
            "per-page": str(PER_PAGE),
            "cursor": cursor or "*",
        }
        if self.search:
            params["search"] = self.search.strip()
        if self.dates == "publication":
            params["sort"] = "publication_date:desc"
        if self.api_key:
            params["api_key"] = self.api_key.reveal()
        return ApiRequest(url=self.url, params=params)

    def reader(self, window: Window) -> ReadPage:
        """See `WebApiOptions.reader`."""
        return partial(read_page, dates=self.dates)


def read_page(body: bytes, cursor: str, /, *, dates: Dates = "publication") -> ApiPage:
    """
    Return the works in a response of ``/works``.

    Raises:
        BadAnswer: It is something else.
    """
    data = read_object(body)
    found = [data] if "authorships" in data else required_list(data, "results")
    wanted = [each for each in found if text_at(each, "type") not in _NOT_PAPERS]
    records = [record for each in wanted if (record := _record(each, dates)) is not None]
    return ApiPage(
        records=tuple(records),
        cursor=(text_at(data, "meta", "next_cursor") or None) if found else None,
        total=number_at(data, "meta", "count"),
        ignored=len(found) - len(wanted),
        skipped=len(wanted) - len(records),
    )


def _record(work: Any, dates: Dates) -> Record | None:
    from digestbot.sources.dates import parse_date

    id_, paper = text_at(work, "id"), read_work(work)
    if paper is None or not id_:
        return None
    day = parse_date(text_at(work, f"{dates}_date")[:10])
    return Record(key=id_, paper=paper, at=day.at if day else None)


def read_work(work: Any) -> "FetchedPaper | None":
    """Return the paper that one *work* describes, if it has a title."""
    from digestbot.sources.api_papers import Facts, authors, paper_from
    from digestbot.sources.dates import parse_date

    pages = [text_at(each, "landing_page_url") for each in _locations(work)]
    names = [page for page in pages if "//doi.org/" in page or "//arxiv.org/" in page]
    flags = (("is_retracted", "retraction"), ("is_paratext", "front matter"))
    types = [name for flag, name in flags if member(work, flag) is True]
    return paper_from(
        Facts(
            guid=text_at(work, "id"),
            title=text_at(work, "title") or text_at(work, "display_name"),
            abstract=abstract_of(member(work, "abstract_inverted_index")),
            authors=authors(map(_author, list_at(work, "authorships"))),
            identifiers=(text_at(work, "doi"), *names),
            pages=(text_at(work, "ids", "pmid"),),
            links=tuple(pages),
            published=parse_date(text_at(work, "publication_date")),
            journal=_citation(work),
            categories=(text_at(work, "primary_topic", "display_name"),),
            pdf=text_at(work, "best_oa_location", "pdf_url"),
            types=(*types, text_at(work, "type")),
        )
    )


def abstract_of(index: Any) -> str:
    """Return the abstract from OpenAlex's inverted index, word → positions."""
    if not isinstance(index, dict):
        return ""
    places = (
        (int(place), word)
        for word, positions in list(index.items())[:MAX_WORDS]
        for place in (positions[:MAX_WORDS] if isinstance(positions, list) else ())
        if isinstance(place, str) and place.isascii() and place.isdigit() and len(place) < 7
    )
    words = [word for _, word in sorted(places)][:MAX_WORDS]
    return text_at({"text": " ".join(words)}, "text")


def _locations(work: Any) -> Iterator[Any]:
    yield member(work, "primary_location")
    yield from list_at(work, "locations")[:MAX_LOCATIONS]


def _author(authorship: Any) -> "Author | None":
    from digestbot.sources.api_papers import author

    name = text_at(authorship, "raw_author_name") or text_at(authorship, "author", "display_name")
    return author(name, texts_at(authorship, "raw_affiliation_strings"))


def _citation(work: Any) -> str:
    volume, issue = text_at(work, "biblio", "volume"), text_at(work, "biblio", "issue")
    journal = text_at(work, "primary_location", "source", "display_name")
    number = f"{volume}({issue})" if volume and issue else volume
    return ", ".join(filter(None, [journal, number, text_at(work, "biblio", "first_page")]))
