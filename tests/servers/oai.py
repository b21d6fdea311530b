"""
arXiv's OAI-PMH service on loopback: sets, days, tokens, and the service's known faults.

A fault happens once, at the n-th request; all other requests get arXiv's usual answer: records in
arXivRaw, by datestamp, `page_size` at a time, with a token that holds set, day and place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape

from tests.servers.web import Reply, Request, WebServer


class OaiFault(StrEnum):
    """Failures of the service or of the servers in front of it."""

    S503 = "503 with Retry-After: 0"
    S503_WAIT = "503 with Retry-After: 40"
    S406 = "406 from the edge"
    S429 = "429 without Retry-After"
    S500 = "500"
    RESET = "a reset instead of a response"
    RESET_INSIDE = "a reset before the last byte"
    TRUNCATED = "truncated XML with a matching Content-Length"
    HTML = "an HTML page with status 200"
    EMPTY_LIST = "a list without records and without an error"
    EXPIRED = "badResumptionToken"
    STALE = "an answer that a cache has kept for five hours"
    REFUSED = "badArgument"


SOFT = tuple(
    fault for fault in OaiFault if fault not in (OaiFault.STALE, OaiFault.REFUSED, OaiFault.EXPIRED)
)
"""Faults after which the same request is repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OaiPaper:
    """A record as the service keeps it."""

    id: str
    """``2611.00001``."""
    datestamp: date
    submitted: tuple[datetime, ...]
    """Of each version, in order."""
    categories: tuple[str, ...] = ("cs.DC",)
    title: str = "Cold Starts < at Scale"
    authors: str = "Ana P\\'erez (1), Ion Stoica (1 and 2) ((1) Univ. of X, (2) Y)"
    abstract: str = "  We study cold starts.\n"

    @property
    def sets(self) -> tuple[str, ...]:
        """``group:archive:CLASS`` of each category."""
        return tuple(map(set_of, self.categories))


def set_of(category: str) -> str:
    """Return the set of *category*; the archives in these tests outside physics are known."""
    archive, _, name = category.partition(".")
    group = archive if archive in {"cs", "math", "stat", "eess", "econ", "q-bio"} else "physics"
    return ":".join(filter(None, (group, archive, name)))


class OaiServer:
    """
    Server for ``with``.

    Args:
        papers: The records; those of the requested set and days are served.
        now: The time in ``responseDate``.
        page_size: Records on a page.
        faults: Number of the request, from 1 → its fault.
    """

    def __init__(
        self,
        papers: Iterable[OaiPaper],
        *,
        now: datetime,
        page_size: int = 10,
        faults: Mapping[int, OaiFault] | None = None,
    ) -> None:
        self.papers = list(papers)
        self.now = now
        self.page_size = page_size
        self.faults = dict(faults or {})
        self.happened: list[OaiFault] = []
        self._web = WebServer(self._answer)

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{self._web.url}/oai"

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

    def page(self, named: str, day: date) -> bytes:
        """Return the first page of the set *named*."""
        return _envelope(self.now, self._listed({"set": named, "from": day.isoformat()}))

    def _answer(self, request: Request) -> Reply:
        fault = self.faults.pop(len(self.requests), None)
        if fault is not None:
            self.happened.append(fault)
        made_at = self.now
        if fault is OaiFault.STALE:
            made_at = made_at.replace(hour=made_at.hour - 5)
        if fault in (OaiFault.EXPIRED, OaiFault.REFUSED, OaiFault.EMPTY_LIST):
            return _xml(_envelope(made_at, _REFUSALS[fault]))
        return _with_fault(fault, _envelope(made_at, self._listed(request.query)))

    def _listed(self, query: Mapping[str, str]) -> str:
        token = query.get("resumptionToken")
        if token is not None and set(query) != {"verb", "resumptionToken"}:
            return '<error code="badArgument">a token excludes other arguments</error>'
        named, day, start = token.split("|") if token else (query["set"], query["from"], "0")
        found = sorted(
            (
                paper
                for paper in self.papers
                if paper.datestamp >= date.fromisoformat(day)
                and any(f"{each}:".startswith(f"{named}:") for each in paper.sets)
            ),
            key=lambda paper: (paper.datestamp, paper.id),
        )
        if not found:
            return '<error code="noRecordsMatch">No records match</error>'
        end = int(start) + self.page_size
        following = f"{named}|{day}|{end}" if end < len(found) else ""
        records = "".join(map(_record, found[int(start) : end]))
        return f"<ListRecords>{records}<resumptionToken>{following}</resumptionToken></ListRecords>"


_REFUSALS = {
    OaiFault.EXPIRED: '<error code="badResumptionToken">The token has expired</error>',
    OaiFault.REFUSED: '<error code="badArgument">Set does not exist</error>',
    OaiFault.EMPTY_LIST: "<ListRecords></ListRecords>",
}


def _with_fault(fault: OaiFault | None, body: bytes) -> Reply:
    match fault:
        case OaiFault.S503:
            return Reply(status=503, headers={"Retry-After": "0"})
        case OaiFault.S503_WAIT:
            return Reply(status=503, headers={"Retry-After": "40"})
        case OaiFault.S406 | OaiFault.S429 | OaiFault.S500:
            return Reply(status=int(fault.name.removeprefix("S")), body=b"Rate exceeded.")
        case OaiFault.RESET:
            return Reply(reset=True)
        case OaiFault.RESET_INSIDE:
            return Reply(reset=True, body=body)
        case OaiFault.TRUNCATED:
            return _xml(body[: len(body) // 2])
        case OaiFault.HTML:
            return Reply(headers={"Content-Type": "text/html"}, body=b"<html>busy</html>")
    return _xml(body)


def _xml(body: bytes) -> Reply:
    return Reply(headers={"Content-Type": "text/xml; charset=utf-8"}, body=body)


def _envelope(made_at: datetime, inside: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">\n'
        f"<responseDate>{made_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</responseDate>\n"
        f'<request verb="ListRecords">http://oaipmh.arxiv.org/oai</request>\n{inside}</OAI-PMH>'
    ).encode()


def _record(paper: OaiPaper) -> str:
    versions = "".join(
        f'<version version="v{number}"><date>{submitted:%a, %d %b %Y %H:%M:%S} GMT</date>'
        "<size>12kb</size></version>\n"
        for number, submitted in enumerate(paper.submitted, start=1)
    )
    sets = "".join(f"<setSpec>{each}</setSpec>" for each in paper.sets)
    return f"""<record><header><identifier>oai:arXiv.org:{paper.id}</identifier>
<datestamp>{paper.datestamp}</datestamp>{sets}</header><metadata>
<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>{paper.id}</id><submitter>A</submitter>
{versions}<title>{escape(paper.title)}</title><authors>{escape(paper.authors)}</authors>
<categories>{" ".join(paper.categories)}</categories><comments>12 pages</comments>
<license>http://arxiv.org/licenses/nonexclusive-distrib/1.0/</license>
<abstract>{escape(paper.abstract)}</abstract></arXivRaw></metadata></record>
"""
