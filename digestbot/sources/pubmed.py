"""
PubMed as a source: records that match a query, by the day they were created in PubMed.

The day of creation ([crdt]) is used: the entry date ([edat]) of a paper that PubMed receives a year
after its publication is the date of publication. The date shown is that of publication online, else
of the issue if its day is known, else the day of entry. A record is missed if it matches only later
than `overlap` after its creation, such as a query for MeSH terms, which come weeks later. PubMed
serves 9,999 records of a search, so a larger one is split by days. Allowed are 3 requests per
second, 10 with `api_key`. Begin at `PubmedOptions`; `read_page` parses both kinds of responses.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from digestbot.errors import BadAnswer
from digestbot.secret import Secret
from digestbot.sources.api_json import member, message_of, number_at, read_object, text_at, texts_at
from digestbot.sources.feed_kind import shown
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
    from digestbot.model import Author, FetchedPaper
    from digestbot.sources.dates import Moment

_HOST = "eutils.ncbi.nlm.nih.gov"
_LIMITS = {_HOST: 0.34}
_LIMITS_WITH_KEY = {_HOST: 0.1}
MAX_SERVED = 9_999
"""Records of one search that PubMed serves."""
_ABOUT = frozenset({"ErratumFor", "RetractionOf", "ExpressionOfConcernFor"})
_STATES = {"RetractionIn": "retraction", "ExpressionOfConcernIn": "expression of concern"}
_NAMES = {"retraction of publication": "retraction", "expression of concern": "concern"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PubmedOptions(WebApiOptions):
    """Records of PubMed that match a query."""

    query: str
    """Query in PubMed's syntax, such as `organoids[tiab] AND "Nature"[journal]`."""
    api_key: Secret | None = None
    """Your key from NCBI, for 10 requests per second instead of 3."""
    email: str | None = None
    """Your address for NCBI, sent with each request; NCBI writes to it before blocking a client."""
    url: str = f"https://{_HOST}/entrez/eutils"
    """The E-utilities; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers."""
    overlap: timedelta = timedelta(days=7)
    """How far behind the newest known paper to read again: some are listed late."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests; at least 0.34s for NCBI's own host, 0.1s with `api_key`."""
    page_size: int = 200
    """Papers per request, 1 to 1000; a paper has about 20 KB."""
    max_pages: int = 500
    """Limit of requests per pass."""

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise ValueError('"query" is empty')
        if not 1 <= self.page_size <= 1000:
            raise ValueError(f"page_size must be from 1 to 1000, not {self.page_size}")
        self.check_shared_keys()

    @property
    def limits(self) -> Mapping[str, float]:
        """See `WebApiOptions.limits`."""
        return _LIMITS_WITH_KEY if self.api_key else _LIMITS

    @property
    def searched(self) -> str:
        """The query."""
        return self.query.strip()

    def request(self, window: Window, cursor: str) -> ApiRequest:
        """Return the search for the first days left, or the request for its next records."""
        days = (window.first_day, window.last_day)
        place = _Place.read(cursor) if cursor else _Place(days=(days,), size=self.page_size)
        common = {"db": "pubmed", "tool": "digestbot"}
        if self.email:
            common["email"] = self.email
        if self.api_key:
            common["api_key"] = self.api_key.reveal()
        program = "efetch.fcgi" if place.history else "esearch.fcgi"
        params = _fetching(place) if place.history else _searching(place, self.query.strip())
        return ApiRequest(
            url=under(self.url, program), params=common | params, cursor=place.written()
        )

    def reader(self, window: Window) -> ReadPage:
        """See `WebApiOptions.reader`."""
        return read_page


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Cursor: the days still to search, and how far the records of the last search are read."""

    days: tuple[tuple[str, str], ...] = ()
    """First and last day of each search to come, ISO."""
    history: str = ""
    """Of the last search: its ``WebEnv``; empty if the next request is a search."""
    key: str = ""
    count: int = 0
    start: int = 0
    size: int = 200
    total: int = 0
    """Records of all searches so far."""

    @classmethod
    def read(cls, cursor: str) -> "_Place":
        found = json.loads(cursor)
        return cls(**found | {"days": tuple((first, last) for first, last in found["days"])})

    def written(self) -> str:
        return json.dumps(asdict(self))

    def following(self) -> str | None:
        """Return the cursor of the next page of records, or of the next search."""
        start = self.start + self.size
        if self.history and start < min(self.count, MAX_SERVED):
            return replace(self, start=start).written()
        rest = replace(self, history="", key="", count=0, start=0)
        return rest.written() if self.days else None


def _searching(place: _Place, query: str) -> dict[str, str]:
    first, last = place.days[0]
    return {
        "term": query,
        "datetype": "crdt",
        "mindate": first.replace("-", "/"),
        "maxdate": last.replace("-", "/"),
        "usehistory": "y",
        "retmax": "0",
        "retmode": "json",
    }


def _fetching(place: _Place) -> dict[str, str]:
    return {
        "WebEnv": place.history,
        "query_key": place.key,
        "retstart": str(place.start),
        "retmax": str(place.size),
        "retmode": "xml",
    }


def read_page(body: bytes, cursor: str, /) -> ApiPage:
    """
    Return the records in a response of efetch, or the way to them in one of esearch.

    Raises:
        BadAnswer: It is something else, or an error of PubMed.
    """
    place = _Place.read(cursor) if cursor else _Place()
    return _fetched(body, place) if place.history else _searched(body, place)


def read_articles(body: bytes, cursor: str, /) -> ApiPage:
    """
    Return the records in a saved response of efetch.

    Raises:
        BadAnswer: It is something else, or an error of PubMed.
    """
    return replace(_fetched(body, _Place()), cursor=None)


def _searched(body: bytes, place: _Place) -> ApiPage:
    data = read_object(body)
    result = member(data, "esearchresult")
    error = text_at(result, "ERROR") or message_of(data)
    count = number_at(result, "count")
    if error or count is None:
        raise BadAnswer(f'PubMed answered with an error: "{shown(error or "no count")}"')
    days = place.days[:1]
    if count > MAX_SERVED and days and (halves := _halves(*days[0])):
        return ApiPage(cursor=replace(place, days=(*halves, *place.days[1:])).written())
    found = replace(
        place,
        days=place.days[1:],
        history=text_at(result, "webenv"),
        key=text_at(result, "querykey"),
        count=count,
        start=-place.size,
        total=place.total + count,
    )
    if count and not (found.history and found.key):
        raise BadAnswer("PubMed answered a search without a history")
    return ApiPage(cursor=found.following(), total=found.total, note=_ignored(result))


def _halves(first: str, last: str) -> tuple[tuple[str, str], ...]:
    """Return the two halves of a range of days, or an empty tuple for a single day."""
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    middle = begin + (end - begin) // 2
    if begin == end:
        return ()
    after = middle + timedelta(days=1)
    return ((first, middle.isoformat()), (after.isoformat(), last))


def _ignored(result: Any) -> str | None:
    """Return a note about the words of the query that PubMed leaves out."""
    words = texts_at(result, "errorlist", "phrasesnotfound")
    words += texts_at(result, "errorlist", "fieldsnotfound")
    return f"PubMed ignores a part of the query: {shown(', '.join(words[:3]))}" if words else None


def _fetched(body: bytes, place: _Place) -> ApiPage:
    root = _root(body)
    found = [each for each in root if str(each.tag) in ("PubmedArticle", "PubmedBookArticle")]
    records = [record for each in found if (record := _record(each)) is not None]
    return ApiPage(
        records=tuple(records),
        cursor=place.following(),
        total=place.total,
        skipped=len(found) - len(records),
    )


def _root(body: bytes) -> Any:
    """Return the set of articles in *body*. A document type that declares entities is refused."""
    from digestbot.sources.feed_text import decode, without_prolog
    from digestbot.sources.markup import own_text, parse_xml

    root = parse_xml(without_prolog(decode(body)).encode())
    error = next((own_text(each) for each in root.iter("ERROR", "Error")), None)
    if error is not None:
        raise BadAnswer(f'PubMed answered with an error: "{shown(error)}"')
    if root.tag == "PubmedArticle":
        return [root]
    if root.tag != "PubmedArticleSet":
        raise BadAnswer("the response is XML, but not a set of articles; check the URL")
    return root


def _record(article: Any) -> Record | None:
    pmid, paper = _text(article, ".//PMID"), read_article(article)
    if paper is None or not pmid.isdigit():
        return None
    entered = _entered(article)
    return Record(key=pmid, paper=paper, at=entered.at if entered else None)


def read_article(article: Any) -> "FetchedPaper | None":
    """Return the paper that a ``PubmedArticle`` or ``PubmedBookArticle`` describes."""
    from digestbot.sources.api_papers import Facts, authors, paper_from
    from digestbot.sources.identity import first_doi

    comments = article.findall("./MedlineCitation/CommentsCorrectionsList/CommentsCorrections")
    sources = [_text(each, "RefSource") for each in comments if each.get("RefType") in _ABOUT]
    states = [_STATES[kind] for each in comments if (kind := each.get("RefType")) in _STATES]
    types = [_inner(each) for each in article.iter("PublicationType")]
    return paper_from(
        Facts(
            guid=f"https://pubmed.ncbi.nlm.nih.gov/{_text(article, './/PMID')}",
            title=_markup(article, ".//ArticleTitle") or _markup(article, ".//BookTitle"),
            abstract="<br/>".join(_sections(article)),
            authors=authors(map(_author, _authors(article))),
            identifiers=tuple(_dois(article)),
            published=_published(article) or _entered(article),
            journal=_citation(article),
            categories=tuple(_inner(each) for each in article.iter("Keyword")),
            types=(*states, *(_NAMES.get(name.lower(), name) for name in types)),
            about=" ".join(filter(None, map(first_doi, sources))),
        )
    )


def _inner(element: Any) -> str:
    """Return what is inside *element*, as markup: elements for italics, signs and formulas."""
    from lxml import etree

    text: str = etree.tostring(element, encoding="unicode", with_tail=False)
    inner = text[text.find(">") + 1 : text.rfind("</")] if "</" in text else ""
    return " ".join(inner.split())


def _markup(element: Any, path: str) -> str:
    found = element.find(path)
    return "" if found is None else _inner(found)


def _text(element: Any, path: str) -> str:
    found = element.find(path)
    return "" if found is None else "".join(found.itertext()).strip()


def _sections(article: Any) -> Iterator[str]:
    """Yield the parts of the abstract, each after its label."""
    for abstract in article.iter("Abstract"):
        for part in abstract.iter("AbstractText"):
            label = part.get("Label") or ""
            yield f"{label}: {_inner(part)}" if label else _inner(part)
        return


def _dois(article: Any) -> Iterator[str]:
    for each in article.findall(".//Article/ELocationID"):
        if each.get("EIdType") == "doi" and each.get("ValidYN") != "N":
            yield _text(each, ".")
    for data in ("PubmedData", "PubmedBookData"):
        for each in article.findall(f"./{data}/ArticleIdList/ArticleId"):
            if each.get("IdType") == "doi":
                yield _text(each, ".")


def _authors(article: Any) -> list[Any]:
    """Return the authors; the editors of a book are left out."""
    lists = [each for each in article.iter("AuthorList") if each.get("Type") != "editors"]
    return list(lists[0].iter("Author")) if lists else []


def _author(person: Any) -> "Author | None":
    from digestbot.sources.api_papers import author

    parts = (_text(person, name) for name in ("ForeName", "LastName", "Suffix"))
    places = (_text(each, ".") for each in person.iter("Affiliation"))
    return author(" ".join(filter(None, parts)) or _text(person, "CollectiveName"), places)


def _published(article: Any) -> "Moment | None":
    """Return the day of publication online, else that of the issue if it has one."""
    paths = (".//Article/ArticleDate", ".//JournalIssue/PubDate", ".//Book/PubDate")
    days = (_day(each) for path in paths for each in article.findall(path))
    return next(filter(None, days), None)


def _entered(article: Any) -> "Moment | None":
    """Return the day of entry into PubMed."""
    dates = {each.get("PubStatus"): each for each in article.iter("PubMedPubDate")}
    found = (_day(dates[name]) for name in ("entrez", "pubmed") if name in dates)
    return next(filter(None, found), None)


def _day(element: Any) -> "Moment | None":
    """Return the day in *element*, which may have a season or ``2026 Nov-Dec`` instead."""
    from digestbot.sources.api_papers import day_of

    return day_of(*(_text(element, name) for name in ("Year", "Month", "Day")))


def _citation(article: Any) -> str:
    title = _text(article, ".//Journal/Title") or _text(article, ".//BookTitle")
    journal = title.partition(" : official")[0]
    volume, issue = (
        _text(article, ".//JournalIssue/Volume"),
        _text(article, ".//JournalIssue/Issue"),
    )
    number = f"{volume}({issue})" if volume and issue else volume
    return ", ".join(filter(None, [journal, number, _text(article, ".//Pagination/MedlinePgn")]))
