"""
arXiv's query API on loopback: a real HTTP server with generated papers and arXiv's known faults.

::

    papers = make_papers(2000, start=datetime(2026, 11, 16, tzinfo=UTC), days=7)
    with ArxivServer(papers, faults=every_fault()) as server:
        ...  # url: server.url in the config

A fault happens once, at the n-th request; all other requests get arXiv's usual response: Atom in
the current layout, gzip, sorted, paged, errors as a feed of one entry with status 400.
"""

import gzip
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape, quoteattr

from tests.servers.web import Reply, Request, WebServer

MAX_SLICE = 2000
MAX_RESULTS = 30_000


class Fault(StrEnum):
    """Failures seen on arXiv or the servers in front of it."""

    EMPTY = "empty: no entries and a total of 0"
    EMPTY_INSIDE = "no entries, with the true total"
    SHORT = "short: one entry missing in the middle"
    HTML = "an HTML page with status 200"
    S406 = "406 from the edge"
    S429 = "429 without Retry-After"
    S429_WAIT = "429 with Retry-After: 1"
    S503 = "503 with Retry-After: 0"
    S500 = "500"
    RESET = "a reset instead of a response"
    RESET_INSIDE = "a reset before the last byte"
    TRUNCATED = "truncated XML with a matching Content-Length"
    ERROR_FEED = "an error feed with status 200"
    GROWN = "new papers on top of the listing"
    WRONG_START = "the page from 0 for any start"
    SLOW = "a response after a third of a second"


def every_fault(*, first: int = 1, step: int = 2) -> dict[int, Fault]:
    """Return each fault once: the first at request *first*, the others *step* apart."""
    return {first + step * index: fault for index, fault in enumerate(Fault)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FakePaper:
    """One version of a paper as arXiv serves it."""

    id: str
    """``2611.00001``, without version."""
    version: int
    title: str
    abstract: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    """Primary category first."""
    published: datetime
    updated: datetime
    comment: str | None = None
    journal_ref: str | None = None
    doi: str | None = None
    listed: datetime | None = None
    """Sort date in the listing, if it differs from the paper's own."""

    @property
    def name(self) -> str:
        """Id with version: ``2611.00001v1``."""
        return f"{self.id}v{self.version}"


_SUBJECTS = (
    "Serverless Inference", "Cold Starts", "Mixture of Experts", "Graph Databases",
    "Energy-Aware Scheduling", "Byzantine Agreement", "Erasure Codes", "RDMA Key-Value Stores",
    "Federated Learning", "GPU Kernels", "Log-Structured Merge Trees", "Transactional Memory",
    r"$\mathcal{O}(n \log n)$ Sorting", "Schrödinger Operators", r"Erd\H{o}s Problems",
)  # fmt: skip
_FRAMES = (
    "{} at Scale", "Towards {}", "{}: A Survey", "Rethinking {} & Its Costs",
    "On {}\n  in Practice", "Is {} < All You Need?", "Fast {} with $\\alpha > 1$", "When {} Fails",
)  # fmt: skip
_SENTENCES = (
    "We study {0} under realistic load.", "For $0<a<b$ and c>d the bound is tight.",
    "Our system serves 95\\% of requests in under 10 ms & halves the energy.",
    "A trace of {0} in production shows heavy tails.", "Théorème 2 généralise un résultat de Gauß.",
    "The code is available at https://example.org/code?x=1&y=2.",
)  # fmt: skip
_GIVEN = ("Ana", "Ion", "Mei", "José", "Łukasz", "Søren", "Fatima", "Chloë", "Oluwaseun", "J. R.")
_FAMILY = ("Pérez", "Stoica", "Li", "García Márquez", "Kowalski", "O'Neill", "van der Berg", "Ng")
_CATEGORIES = ("cs.DC", "cs.OS", "cs.LG", "cs.DB", "cs.NI", "math.NA", "cs.NA", "cs.PF")


def make_papers(
    n: int,
    *,
    start: datetime,
    days: float,
    seed: int = 1,
    category: str | None = None,
    first_number: int = 1,
) -> tuple[FakePaper, ...]:
    """
    Return *n* papers, updated at even intervals over *days* from *start*, oldest first.

    One in eight is a replacement. Equal arguments return equal papers.

    Args:
        n: At most 90,000.
        start: Aware.
        days: Period over which the updates are spread.
        seed: Of the random texts.
        category: The primary category of all; by default one of several.
        first_number: Number of the first id, to make further papers with other ids.
    """
    dice = random.Random(seed)
    step = timedelta(days=days) / max(n, 1)
    return tuple(
        _make_paper(dice, start + index * step, first_number + index, category)
        for index in range(n)
    )


def _make_paper(
    dice: random.Random, updated: datetime, number: int, category: str | None
) -> FakePaper:
    version = dice.choice((2, 3)) if dice.random() < 0.125 else 1
    published = updated if version == 1 else updated - timedelta(days=dice.randint(20, 300))
    subject = dice.choice(_SUBJECTS)
    primary = category or dice.choice(_CATEGORIES)
    others = dice.sample(_CATEGORIES, dice.randint(0, 2))
    return FakePaper(
        id=f"{published:%y%m}.{number:05}",
        version=version,
        title=f"{dice.choice(_FRAMES).format(subject)} ({number})",
        abstract=" ".join(s.format(subject) for s in dice.sample(_SENTENCES, 3)),
        authors=tuple(
            f"{dice.choice(_GIVEN)} {dice.choice(_FAMILY)}" for _ in range(dice.randint(1, 6))
        ),
        categories=tuple(dict.fromkeys([primary, *others])),
        published=published.replace(microsecond=0),
        updated=updated.replace(microsecond=0),
        comment=dice.choice((None, "12 pages, 3 figures", "Accepted at SoCC '26 & more")),
        doi=dice.choice((None, None, f"10.1145/{number}.X")),
    )


class ArxivServer:
    """
    Server for ``with``.

    Args:
        papers: The listing; each version of a paper is a result.
        faults: Number of the request, from 1 → its fault.
        arrivals: Papers that `Fault.GROWN` adds to the listing.
    """

    def __init__(
        self,
        papers: Iterable[FakePaper],
        *,
        faults: Mapping[int, Fault] | None = None,
        arrivals: Iterable[FakePaper] = (),
    ) -> None:
        self.papers = list(papers)
        self.faults = dict(faults or {})
        self.arrivals = list(arrivals)
        self.happened: list[Fault] = []
        """Faults that happened, in order."""
        self._web = WebServer(self._answer)

    @property
    def url(self) -> str:
        """URL of the query API."""
        return f"{self._web.url}/api/query"

    @property
    def requests(self) -> list[Request]:
        """All requests, in order."""
        return self._web.requests

    def __enter__(self) -> Self:
        self._web.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._web.__exit__(kind, error, trace)

    def _answer(self, request: Request) -> Reply:
        fault = self.faults.pop(len(self.requests), None)
        if fault is not None:
            self.happened.append(fault)
        if fault is Fault.GROWN:
            self.papers += self.arrivals
            self.arrivals = []
        return answer(self.papers, request, fault)


def answer(papers: Sequence[FakePaper], request: Request, fault: Fault | None = None) -> Reply:
    """Return arXiv's response to *request* with *papers* in the index, or with *fault*."""
    try:
        listing = _Listing.of(papers, request.query)
    except _BadQueryError as error:
        return _atom(_error_feed(str(error)), request, status=400)
    return _with_fault(fault, listing, request)


class _BadQueryError(Exception):
    """Query that arXiv answers with 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """Results of one request."""

    query: str
    ids: str
    start: int
    size: int
    total: int
    papers: tuple[FakePaper, ...]
    first: tuple[FakePaper, ...]
    """The page from 0."""

    @classmethod
    def of(cls, papers: Sequence[FakePaper], query: Mapping[str, str]) -> Self:
        start, size = _number(query, "start", 0), _number(query, "max_results", 10)
        if size > MAX_SLICE or start + size > MAX_RESULTS:
            raise _BadQueryError("max_results and start must stay below the limits")
        search, ids = query.get("search_query", ""), query.get("id_list", "")
        found = sorted(_found(papers, search, ids), key=_sort_key(query))
        if query.get("sortOrder", "descending") == "descending":
            found.reverse()
        return cls(
            query=search,
            ids=ids,
            start=start,
            size=size,
            total=len(found),
            papers=tuple(found[start : start + size]),
            first=tuple(found[:size]),
        )


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]+", text):
        raise _BadQueryError(f"{name} must be a non-negative integer")
    return int(text)


class _ByDate:
    def __init__(self, field: str) -> None:
        self._field = field

    def __call__(self, paper: FakePaper) -> tuple[datetime, str]:
        return paper.listed or getattr(paper, self._field), paper.name


def _sort_key(query: Mapping[str, str]) -> _ByDate:
    fields = {"lastUpdatedDate": "updated", "submittedDate": "published", "relevance": "updated"}
    try:
        return _ByDate(fields[query.get("sortBy", "relevance")])
    except KeyError:
        raise _BadQueryError("sortBy must be relevance, lastUpdatedDate or submittedDate") from None


def _found(papers: Sequence[FakePaper], search: str, ids: str) -> list[FakePaper]:
    """Return what matches *search* and is in *ids*, a list with commas; either may be empty."""
    wanted = {_checked_id(each) for each in ids.split(",")} if ids else None
    return [
        paper
        for paper in papers
        if (wanted is None or not wanted.isdisjoint({paper.id, paper.name}))
        and ((ids and not search) or matches(search, paper))
    ]


def _checked_id(text: str) -> str:
    if not re.fullmatch(r"([a-z-]+/\d{7}|\d{4}\.\d{4,5})(v[1-9]\d*)?", text):
        raise _BadQueryError(f"incorrect id format for {text}")
    return text


def matches(search: str, paper: FakePaper) -> bool:
    """
    Return True if *paper* matches *search*: terms joined by ``OR``, ``AND`` and ``ANDNOT``.

    OR binds weakest; brackets are ignored, so searches must not depend on them.
    """
    flat = re.sub(r"[()]", " ", search).strip()
    if not flat:
        raise _BadQueryError("search_query and id_list are both empty")
    return any(_matches_all(part, paper) for part in re.split(r"\s+OR\s+", flat))


def _matches_all(part: str, paper: FakePaper) -> bool:
    first, *others = re.split(r"\s+(?=AND\s|ANDNOT\s)", part.strip())
    if not _matches_term(first, paper):
        return False
    for other in others:
        operator, _, term = other.partition(" ")
        if _matches_term(term.strip(), paper) is (operator == "ANDNOT"):
            return False
    return True


def _matches_term(term: str, paper: FakePaper) -> bool:
    field, colon, value = term.partition(":")
    words = value.strip('"').replace("_", " ").lower()
    texts = {
        "ti": paper.title,
        "abs": paper.abstract,
        "au": " ".join(paper.authors),
        "co": paper.comment or "",
    }
    texts["all"] = " ".join(texts.values())
    if field == "cat":
        return words in (category.lower() for category in paper.categories)
    if not colon or field not in texts:
        raise _BadQueryError(f"unknown field in {term}")
    return words in texts[field].lower()


def _with_fault(fault: Fault | None, listing: _Listing, request: Request) -> Reply:
    whole = _atom(_feed(listing), request)
    match fault:
        case Fault.EMPTY:
            return _atom(_feed(replace(listing, papers=(), total=0)), request)
        case Fault.EMPTY_INSIDE:
            return _atom(_feed(replace(listing, papers=())), request)
        case Fault.SHORT:
            middle = len(listing.papers) // 2
            rest = listing.papers[:middle] + listing.papers[middle + 1 :]
            return _atom(_feed(replace(listing, papers=rest)), request)
        case Fault.HTML:
            page = b"<!DOCTYPE html><html><head><title>arXiv</title></head><body>Hi</body></html>"
            return Reply(headers={"Content-Type": "text/html; charset=utf-8"}, body=page)
        case Fault.S406:
            return Reply(status=406, body=b"Not Acceptable")
        case Fault.S429:
            return Reply(status=429, body=b"Rate exceeded.")
        case Fault.S429_WAIT:
            return Reply(status=429, headers={"Retry-After": "1"}, body=b"Rate exceeded.")
        case Fault.S503:
            return Reply(status=503, headers={"Retry-After": "0"}, body=b"first byte timeout")
        case Fault.S500:
            return Reply(status=500, body=b"oops")
        case Fault.RESET:
            return Reply(reset=True)
        case Fault.RESET_INSIDE:
            return Reply(reset=True, body=whole.body[:-1])
        case Fault.TRUNCATED:
            return _atom(_feed(listing)[: len(_feed(listing)) * 2 // 3], request)
        case Fault.ERROR_FEED:
            return _atom(_error_feed("something went wrong"), request)
        case Fault.WRONG_START:
            return _atom(_feed(replace(listing, start=0, papers=listing.first)), request)
        case Fault.SLOW:
            return replace(whole, delay_s=0.3)
        case Fault.GROWN | None:
            return whole


def _atom(body: str, request: Request, *, status: int = 200) -> Reply:
    headers = {"Content-Type": "application/atom+xml; charset=utf-8"}
    content = body.encode()
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content, compresslevel=1, mtime=0)
    return Reply(status=status, headers=headers, body=content)


_HEAD = """<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" \
xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns="http://www.w3.org/2005/Atom">
  <id>{id}</id>
  <title>{title}</title>
  <updated>2026-11-23T06:00:00Z</updated>
  <opensearch:itemsPerPage>{size}</opensearch:itemsPerPage>
  <opensearch:totalResults>{total}</opensearch:totalResults>
  <opensearch:startIndex>{start}</opensearch:startIndex>
"""


def _feed(listing: _Listing) -> str:
    title = (
        f"arXiv Query: search_query={listing.query}&id_list={listing.ids}&start={listing.start}"
        f"&max_results={listing.size}"
    )
    head = _HEAD.format(
        id="https://arxiv.org/api/made-up",
        title=escape(title),
        size=listing.size,
        total=listing.total,
        start=listing.start,
    )
    return head + "".join(map(_entry, listing.papers)) + "</feed>\n"


def _error_feed(message: str) -> str:
    head = _HEAD.format(
        id="https://arxiv.org/", title="arXiv Search Results", size=1, total=1, start=0
    )
    return f"""{head}  <entry>
    <id>https://arxiv.org/api/errors#{escape(message.replace(" ", "_"))}</id>
    <title>Error</title>
    <updated>2026-11-23T06:00:00Z</updated>
    <summary>{escape(message)}</summary>
    <author>
      <name>arXiv api core</name>
    </author>
  </entry>
</feed>
"""


def _entry(paper: FakePaper) -> str:
    lines = [
        "  <entry>",
        f"    <id>http://arxiv.org/abs/{paper.name}</id>",
        f"    <title>{escape(paper.title)}</title>",
        f"    <updated>{_time(paper.updated)}</updated>",
        f'    <link href="https://arxiv.org/abs/{paper.name}" rel="alternate" type="text/html"/>',
        f"    <summary>{escape(paper.abstract)}</summary>",
        *(f"    <category term={quoteattr(category)}/>" for category in paper.categories),
        f"    <published>{_time(paper.published)}</published>",
        *_optional("comment", paper.comment),
        f"    <arxiv:primary_category term={quoteattr(paper.categories[0])}/>",
        *_optional("journal_ref", paper.journal_ref),
        *(f"    <author><name>{escape(name)}</name></author>" for name in paper.authors),
        *_optional("doi", paper.doi),
        "  </entry>\n",
    ]
    return "\n".join(lines)


def _optional(name: str, text: str | None) -> list[str]:
    return [] if text is None else [f"    <arxiv:{name}>{escape(text)}</arxiv:{name}>"]


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
