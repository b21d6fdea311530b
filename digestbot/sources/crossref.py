"""
Crossref as a source: works of journals by ISSN, or of a query, by the day their DOI was registered.

That day comes at or shortly before publication online; the date shown is that of publication, if
its day is stated. Publishers deposit what they like: most records lack an abstract, some a title or
authors. A work is missed if its DOI becomes searchable later than `overlap` after its registration.
Of the limits in the headers of each response, one request per second keeps well clear. Begin at
`CrossrefOptions`; `read_page` parses a response.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

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
    from digestbot.sources.dates import Moment

_LIMITS = {"api.crossref.org": 1.0}
ROWS = 200
_SELECTED = (
    "DOI", "title", "author", "container-title", "issued", "published-online", "published-print",
    "posted", "created", "abstract", "type", "relation", "update-to",
    "updated-by", "link", "subject", "volume",
    "issue", "page",
)  # fmt: skip
"""Fields of a response; without the references it is a tenth of the size."""
_NOT_PAPERS = frozenset({
    "component", "dataset", "database", "grant", "journal", "journal-issue", "journal-volume",
    "peer-review", "proceedings", "proceedings-series", "book-series", "book-set", "report-series",
    "standard-series",
})  # fmt: skip
"""Types of other things that have DOIs, such as a figure or a whole issue."""
_SAME_WORK = ("is-preprint-of", "has-preprint", "is-version-of", "has-version", "is-identical-to")
_GRAVE = ("retraction", "withdrawal", "expression of concern")
_ISSN = re.compile(r"\d{4}-\d{3}[\dX]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossrefOptions(WebApiOptions):
    """Works of journals, or of a query, at Crossref."""

    issn: tuple[str, ...] = ()
    """ISSNs of journals, such as `2167-8359`; with `query`, both apply."""
    query: str | None = None
    """Words to search in titles, authors and journals; alternative to `issn`."""
    types: tuple[str, ...] = ()
    """Crossref's types, such as `journal-article` or `posted-content`; all papers by default."""
    url: str = "https://api.crossref.org/v1/works"
    """The API; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers."""
    overlap: timedelta = timedelta(days=7)
    """How far behind the newest known paper to read again: some are indexed late."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests; at least 1s for Crossref's own host."""
    max_pages: int = 500
    """Limit of pages per pass; a page has 200 papers."""

    def __post_init__(self) -> None:
        if not self.issn and self.query is None:
            raise ValueError('set "issn" or "query"')
        if self.query is not None and not self.query.strip():
            raise ValueError('"query" is empty')
        for issn in self.issn:
            if not _ISSN.fullmatch(issn.upper()):
                raise ValueError(f'"{issn[:40]}" is not an ISSN; write one like 2167-8359')
            if not _is_checked(issn.upper()):
                raise ValueError(f'"{issn}" is not an ISSN: its check digit is wrong; check it')
        for name in self.types:
            if not re.fullmatch(r"[a-z-]{3,30}", name):
                raise ValueError(f'Crossref has no type "{name[:40]}"; try journal-article')
        self.check_shared_keys()

    @property
    def limits(self) -> Mapping[str, float]:
        """See `WebApiOptions.limits`."""
        return _LIMITS

    @property
    def searched(self) -> str:
        """Journals, query and types."""
        return f"{sorted(self.issn)} {self.query} {sorted(self.types)}"

    def request(self, window: Window, cursor: str) -> ApiRequest:
        """Return the request for the page at *cursor*, newest first."""
        filters = [f"from-created-date:{window.first_day}"]
        filters += [f"issn:{issn.upper()}" for issn in self.issn]
        filters += [f"type:{name}" for name in self.types]
        params = {
            "filter": ",".join(filters),
            "select": ",".join(_SELECTED),
            "sort": "created",
            "order": "desc",
            "rows": str(ROWS),
            "cursor": cursor or "*",
        }
        query = {"query": self.query.strip()} if self.query else {}
        return ApiRequest(url=self.url, params=params | query)

    def reader(self, window: Window) -> ReadPage:
        """See `WebApiOptions.reader`."""
        return read_page


def read_page(body: bytes, cursor: str, /) -> ApiPage:
    """
    Return the works in a response of ``/works``. The page after the last one is empty.

    Raises:
        BadAnswer: It is something else.
    """
    data = read_object(body)
    one = member(data, "message", "DOI")
    found = [data["message"]] if one else required_list(data, "message", "items")
    wanted = [each for each in found if text_at(each, "type") not in _NOT_PAPERS]
    records = [record for each in wanted if (record := _record(each)) is not None]
    return ApiPage(
        records=tuple(records),
        cursor=(text_at(data, "message", "next-cursor") or None) if found else None,
        total=number_at(data, "message", "total-results"),
        ignored=len(found) - len(wanted),
        skipped=len(wanted) - len(records),
    )


def _is_checked(issn: str) -> bool:
    """Return True if the last character of *issn* is its check digit (ISO 3297)."""
    digits = [10 if char == "X" else int(char) for char in issn.replace("-", "")]
    return sum(digit * (8 - place) for place, digit in enumerate(digits)) % 11 == 0


def _record(work: Any) -> Record | None:
    from digestbot.sources.dates import parse_date

    doi = text_at(work, "DOI")
    paper = read_work(work)
    if paper is None or not doi.startswith("10."):
        return None
    created = parse_date(text_at(work, "created", "date-time"))
    return Record(key=doi.lower(), paper=paper, at=created.at if created else None)


def read_work(work: Any) -> "FetchedPaper | None":
    """Return the paper that one *work* describes, if it has a title."""
    from digestbot.sources.api_papers import Facts, authors, paper_from

    doi = text_at(work, "DOI")
    notices = [_update(each) for each in list_at(work, "update-to")]
    # A retracted paper keeps its DOI; corrections do not change what it is.
    notices += [name for each in list_at(work, "updated-by") if (name := _update(each)) in _GRAVE]
    return paper_from(
        Facts(
            guid=f"https://doi.org/{doi}",
            title=text_at(work, "title"),
            abstract=" ".join(text_at(work, "abstract").split()),
            authors=authors(map(_author, list_at(work, "author"))),
            identifiers=(doi, *_same_works(work)),
            published=_published(work),
            journal=_citation(work),
            categories=tuple(texts_at(work, "subject")),
            pdf=next(_pdfs(work), ""),
            types=(*notices, text_at(work, "type")),
            about=" ".join(text_at(each, "DOI") for each in list_at(work, "update-to")),
        )
    )


def _update(each: Any) -> str:
    return text_at(each, "type").lower().replace("_", " ")


def _author(person: Any) -> "Author | None":
    from digestbot.sources.api_papers import author

    parts = (text_at(person, name) for name in ("given", "family", "suffix"))
    places = (text_at(each, "name") for each in list_at(person, "affiliation"))
    return author(" ".join(filter(None, parts)) or text_at(person, "name"), places)


def _published(work: Any) -> "Moment | None":
    """Return the first stated day of publication, else the day of registration."""
    from digestbot.sources.api_papers import day_of
    from digestbot.sources.dates import Moment, parse_date

    for name in ("posted", "published-online", "issued", "published-print"):
        parts = [text_at({"x": each}, "x") for each in _parts(work, name)]
        if len(parts) == 3 and (day := day_of(*parts)):
            return day
    created = parse_date(text_at(work, "created", "date-time"))
    return None if created is None else Moment(created.at)


def _parts(work: Any, name: str) -> list[Any]:
    """Return year, month and day, or fewer: ``[[2009, 9]]``, ``[[null]]``."""
    dates = list_at(work, name, "date-parts")
    return dates[0] if dates and isinstance(dates[0], list) else []


def _citation(work: Any) -> str:
    volume, issue, page = (text_at(work, name) for name in ("volume", "issue", "page"))
    number = f"{volume}({issue})" if volume and issue else volume
    return ", ".join(filter(None, [text_at(work, "container-title"), number, page]))


def _same_works(work: Any) -> Iterator[str]:
    """Yield the DOIs of other versions, such as the preprint; arXiv's too."""
    for name in _SAME_WORK:
        for each in list_at(work, "relation", name)[:10]:
            kind, id_ = text_at(each, "id-type").lower(), text_at(each, "id")
            if kind in ("doi", "uri"):
                yield id_
            elif kind == "arxiv":
                yield f"arxiv:{id_.lower().removeprefix('arxiv:')}"


def _pdfs(work: Any) -> Iterator[str]:
    for link in list_at(work, "link"):
        if member(link, "content-type") == "application/pdf":
            yield text_at(link, "URL")
