"""
Look-ups of papers at Crossref, OpenAlex and PubMed by DOI or PII, many in one request.

A service is a list of requests and a parser; the parsers of the sources of the same name do the
rest. Begin at `lookups`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from digestbot.model import FetchedPaper
from digestbot.sources.api_json import member, read_object, required_list, text_at, texts_at
from digestbot.sources.enrichment import Answer, EnrichmentSettings
from digestbot.sources.web_api import ApiRequest, Window, official_interval_s, under

MAX_NAMES = 40
"""Names in one request; OpenAlex allows 50."""
MAX_CHARS = 3000
"""Characters of the names in one request: some servers refuse long URLs."""
_MIN_INTERVALS_S = {
    "api.crossref.org": 1.0,
    "api.openalex.org": 0.2,
    "eutils.ncbi.nlm.nih.gov": 0.34,
}
_CROSSREF_FIELDS = (
    "DOI", "title", "author", "abstract", "type", "container-title", "volume", "issue", "page",
    "issued", "published-online", "published-print", "posted", "created", "update-to",
    "updated-by", "alternative-id",
)  # fmt: skip
_OPENALEX_FIELDS = (
    "id", "doi", "title", "display_name", "abstract_inverted_index", "authorships", "type",
    "is_retracted", "is_paratext", "primary_location", "biblio", "ids", "publication_date",
)  # fmt: skip
_SPECIAL = {"crossref": ",", "openalex": ",|", "pubmed": '"'}
"""Characters with a meaning in a service's filter: a DOI with one is left out or asked alone."""
_ALWAYS = Window(
    floor=datetime(1900, 1, 1, tzinfo=UTC),
    since=datetime(1900, 1, 1, tzinfo=UTC),
    until=datetime(2999, 1, 1, tzinfo=UTC),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One parsed response."""

    answers: tuple[Answer, ...] = ()
    cursor: str | None = None
    """Cursor of a further request, if the service needs one."""


Read = Callable[[bytes, str], Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One service."""

    service: str
    kinds: tuple[str, ...]
    """Kinds of names that it knows: ``doi``, ``pii``."""
    interval_s: float
    request: Callable[[Sequence[str], str], ApiRequest]
    """Request for some names, or for the rest at a cursor."""
    read: Read
    """Parser, a function of a module."""

    def batches(self, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Yield the names that the service knows, as many as fit into one request."""
        special = _SPECIAL[self.service]
        known = [name for name in dict.fromkeys(names) if name.split(":", 1)[0] in self.kinds]
        alone = [name for name in known if any(sign in name for sign in special)]
        if self.service == "crossref":
            yield from ((name,) for name in alone)
        batch: list[str] = []
        for name in (name for name in known if name not in alone):
            if len(batch) == MAX_NAMES or sum(map(len, [*batch, name])) > MAX_CHARS:
                yield tuple(batch)
                batch = []
            batch.append(name)
        if batch:
            yield tuple(batch)


def lookups(settings: EnrichmentSettings, contact: str | None) -> tuple[Lookup, ...]:
    """Return the configured services, in the order of asking."""
    services = (
        ("crossref", ("doi", "pii"), _crossref(settings, contact), read_crossref),
        ("openalex", ("doi",), _openalex(settings, contact), read_openalex),
        ("pubmed", ("doi",), _pubmed(settings, contact), read_pubmed),
    )
    return tuple(
        Lookup(
            service=name,
            kinds=kinds,
            interval_s=official_interval_s(url, settings.interval, _MIN_INTERVALS_S),
            request=request,
            read=read,
        )
        for name, kinds, request, read in services
        if (url := settings.urls[name])
    )


def _crossref(
    settings: EnrichmentSettings, contact: str | None
) -> Callable[[Sequence[str], str], ApiRequest]:
    url = settings.crossref_url or ""
    email = {"mailto": contact} if contact else {}

    def request(names: Sequence[str], cursor: str) -> ApiRequest:
        if len(names) == 1 and "," in names[0]:
            doi = quote(names[0].removeprefix("doi:"), safe="")
            return ApiRequest(url=under(url, doi), params=email)
        filters = (
            f"doi:{name}" if kind == "doi" else f"alternative-id:{name}"
            for kind, name in (each.split(":", 1) for each in names)
        )
        params = {
            "filter": ",".join(filters),
            "select": ",".join(_CROSSREF_FIELDS),
            "rows": str(2 * MAX_NAMES),
        }
        return ApiRequest(url=url, params=params | email)

    return request


def _openalex(
    settings: EnrichmentSettings, contact: str | None
) -> Callable[[Sequence[str], str], ApiRequest]:
    own = {"mailto": contact} if contact else {}
    own |= {"api_key": settings.openalex_key.reveal()} if settings.openalex_key else {}

    def request(names: Sequence[str], cursor: str) -> ApiRequest:
        dois = "|".join(name.removeprefix("doi:") for name in names)
        params = {
            "filter": f"doi:{dois}",
            "select": ",".join(_OPENALEX_FIELDS),
            "per-page": str(2 * MAX_NAMES),
        }
        return ApiRequest(url=settings.openalex_url or "", params=params | own)

    return request


def _pubmed(
    settings: EnrichmentSettings, contact: str | None
) -> Callable[[Sequence[str], str], ApiRequest]:
    from digestbot.sources.pubmed import PubmedOptions

    def request(names: Sequence[str], cursor: str) -> ApiRequest:
        dois = (name.removeprefix("doi:") for name in names)
        options = PubmedOptions(
            query=" OR ".join(f'"{doi}"[aid]' for doi in dois),
            url=settings.pubmed_url or "",
            api_key=settings.pubmed_key,
            email=contact,
        )
        return options.request(_ALWAYS, cursor)

    return request


def read_crossref(body: bytes, cursor: str) -> Found:
    """
    Return the works in a response of ``/works`` or of one work.

    Raises:
        BadAnswer: It is something else.
    """
    from digestbot.sources.crossref import read_work

    data = read_object(body)
    is_one = bool(member(data, "message", "DOI"))
    works = [data["message"]] if is_one else required_list(data, "message", "items")
    found = (
        Answer(names=frozenset(_crossref_names(work)), paper=paper)
        for work in works
        if (paper := read_work(work)) is not None
    )
    return Found(answers=tuple(found))


def _crossref_names(work: object) -> Iterator[str]:
    yield f"doi:{text_at(work, 'DOI').lower()}"
    for name in texts_at(work, "alternative-id")[:20]:
        yield f"pii:{name.translate(str.maketrans('', '', '-()')).upper()}"


def read_openalex(body: bytes, cursor: str) -> Found:
    """
    Return the works in a response of OpenAlex.

    Raises:
        BadAnswer: It is something else.
    """
    from digestbot.sources.openalex import read_page

    return Found(answers=tuple(map(_answer, (each.paper for each in read_page(body, "").records))))


def read_pubmed(body: bytes, cursor: str) -> Found:
    """
    Return the records in a response of efetch, or the cursor to them in one of esearch.

    Raises:
        BadAnswer: It is something else, or an error of PubMed.
    """
    from digestbot.sources.pubmed import read_page

    page = read_page(body, cursor)
    answers = map(_answer, (each.paper for each in page.records))
    return Found(answers=tuple(answers), cursor=page.cursor)


def _answer(paper: FetchedPaper) -> Answer:
    return Answer(names=frozenset({f"doi:{(paper.doi or '').lower()}"}), paper=paper)
