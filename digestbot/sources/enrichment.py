"""
Enrichment: complete the papers of feeds, which often lack abstracts, authors or DOIs.

This module decides: which papers lack what, which service may be asked, which of its answers fill
in a field, when to ask again. `lookups` makes the requests, `pipeline.enriching` sends them. What
the publisher gave is never changed. Begin at `gaps_of`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from digestbot.model import DocumentType, FetchedPaper, Paper
from digestbot.net import is_internal, is_web_url
from digestbot.secret import Secret
from digestbot.sources.protocols import check_interval, check_span
from digestbot.text import folded_words

_DOI = re.compile(r"10\.\d{4,9}/\S{1,300}")
_UNREGISTERED = ("10.48550/", "10.5555/")
"""arXiv's DOIs, whose papers are complete, and the prefix for examples."""
_PII = re.compile(
    r"(?:^|[/=]|pii)(S\d{4}-?\d{3}[\dX](?:\(\d{2}\)|\d{2})\d{5}-?[\dX])(?![\dA-Za-z])",
    re.IGNORECASE,
)
"""Publisher item identifier of an article: ISSN, year, number, check digit."""
_NOT_PII = str.maketrans("", "", "-()")
MIN_SHARED = 0.5
"""Share of the words of the shorter title that both must have: some feeds state a wrong DOI."""
_WAITS: Final = tuple(timedelta(hours=h) for h in (6, 24, 48, 96, 168))
"""Between look-ups that were answered: abstracts are deposited late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichmentSettings:
    """The services that complete papers, the key ``enrichment:`` of the config."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    crossref_url: str | None = "https://api.crossref.org/v1/works"
    """Crossref's works; null to leave it out."""
    openalex_url: str | None = "https://api.openalex.org/works"
    """OpenAlex's works; null to leave it out."""
    openalex_key: Secret | None = None
    """Your key of OpenAlex, free at openalex.org/settings/api."""
    pubmed_url: str | None = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
    """The E-utilities of PubMed; null to leave them out."""
    pubmed_key: Secret | None = None
    """Your key of NCBI; PubMed works without."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests to one service; at least the minimum of each official host."""
    deadline: timedelta = timedelta(seconds=60)
    """Longest time that a run waits for the services; the rest follows in later runs."""
    retry_for: timedelta = timedelta(days=14)
    """How long to ask again for papers that the services do not know yet; 0s asks once."""

    def __post_init__(self) -> None:
        for url in filter(None, self.urls.values()):
            if not is_web_url(url):
                raise ValueError("the URL of a service must be an http or https address")
        check_interval(self.interval)
        check_span("deadline", self.deadline)
        check_span("retry_for", self.retry_for)

    @property
    def urls(self) -> Mapping[str, str | None]:
        """Address of each service, in the order of asking."""
        return {
            "crossref": self.crossref_url,
            "openalex": self.openalex_url,
            "pubmed": self.pubmed_url,
        }


@runtime_checkable
class Enrichable(Protocol):
    """Options of a source whose papers may lack fields."""

    @property
    def url(self) -> str: ...
    @property
    def enrich(self) -> bool | None:
        """False: never; True: even if `url` is internal; None: as the config's ``enrich``."""
        ...


def services_for(options: object, settings: EnrichmentSettings, *, default: bool) -> frozenset[str]:
    """
    Return the services that may be asked about the papers of a source.

    Papers from an internal address are told to internal services only, unless the source itself
    has ``enrich: true``.
    """
    if not isinstance(options, Enrichable):
        return frozenset()
    is_wanted = default if options.enrich is None else options.enrich
    if not is_wanted:
        return frozenset()
    is_open = options.enrich is True or not is_internal(options.url)
    urls = settings.urls.items()
    return frozenset(name for name, url in urls if url and (is_open or is_internal(url)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Fields that a paper lacks, and the names by which services know it."""

    fields: frozenset[str]
    """Of ``abstract``, ``authors`` and ``doi``."""
    doi: str | None = None
    pii: str | None = None
    """Without punctuation; only for papers without a DOI."""
    title: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names as in `Answer.names`."""
        return tuple(
            f"{kind}:{name}" for kind, name in (("doi", self.doi), ("pii", self.pii)) if name
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Record of one work at a service."""

    names: frozenset[str]
    """``doi:`` in lower case and ``pii:`` without punctuation."""
    paper: FetchedPaper


def gaps_of(paper: Paper | FetchedPaper) -> Gaps | None:
    """
    Return the gaps of *paper* if a service may fill them.

    Papers of arXiv are complete, and an editorial, a correction or news has no abstract.
    """
    if paper.id.startswith("arxiv:") or paper.document_type is not DocumentType.PAPER:
        return None
    doi = _registered(paper.doi or paper.id.removeprefix("doi:"))
    pii = None if doi else pii_in(paper.url)
    if not doi and not pii:
        return None
    has = {"abstract": paper.abstract, "authors": paper.authors, "doi": doi}
    lacks = frozenset(name for name, value in has.items() if not value)
    return Gaps(fields=lacks, doi=doi, pii=pii, title=paper.title) if lacks else None


def lacks_fields(paper: FetchedPaper) -> bool:
    """Return True if a service may fill a gap of *paper*."""
    return gaps_of(paper) is not None


def _registered(doi: str) -> str | None:
    name = doi.lower()
    return name if _DOI.fullmatch(name) and not name.startswith(_UNREGISTERED) else None


def pii_in(url: str) -> str | None:
    """Return the PII of an article in the path of *url*, without punctuation."""
    try:
        found = _PII.search(unquote(urlsplit(url[:2048]).path))
    except ValueError:
        return None
    return found[1].translate(_NOT_PII).upper() if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What the services know of the gaps of one paper so far."""

    gaps: Gaps
    found: FetchedPaper | None = None
    """Values of the fields in `origins`, other fields empty."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Field → service."""

    @property
    def missing(self) -> frozenset[str]:
        """Fields still to be found."""
        return self.gaps.fields - self.origins.keys()

    @property
    def names(self) -> tuple[str, ...]:
        """Names to ask for, a DOI that was just learned included."""
        doi = self.found.doi if self.found else None
        return (f"doi:{doi}",) if doi else self.gaps.names

    def with_answer(self, service: str, answer: Answer) -> "Filling":
        """Return the filling with what *answer* adds; another work adds nothing."""
        if not is_same_work(self.names, self.gaps.title, answer):
            return self
        new = {
            name: value
            for name, value in _values(answer.paper).items()
            if value and name not in self.origins
            if name in self.gaps.fields or name in _EXTRAS
        }
        found = replace(self.found or _EMPTY, **new)
        return replace(self, found=found, origins={**self.origins, **dict.fromkeys(new, service)})


_EXTRAS: Final = frozenset({"journal_ref", "document_type"})
"""Fields that are filled in on the way, but not asked for."""
_EMPTY: Final = FetchedPaper(id="", title="", abstract="", url="")


def _values(paper: FetchedPaper) -> dict[str, Any]:
    is_plain = paper.document_type is DocumentType.PAPER
    return {
        "abstract": paper.abstract,
        "authors": paper.authors,
        "doi": _registered(paper.doi or ""),
        "journal_ref": paper.journal_ref,
        "document_type": None if is_plain else paper.document_type,
    }


def is_same_work(names: Iterable[str], title: str, answer: Answer) -> bool:
    """Return True if *answer* has one of *names*, and its title does not contradict *title*."""
    if answer.names.isdisjoint(names):
        return False
    one, other = set(folded_words(title)), set(folded_words(answer.paper.title))
    shorter = min(len(one), len(other))
    return not shorter or len(one & other) >= MIN_SHARED * shorter


def next_try(
    tries: int, queued_at: datetime, now: datetime, retry_for: timedelta
) -> datetime | None:
    """
    Return when to look up a paper again that still lacks fields, or None to give up.

    Args:
        tries: Look-ups that were answered, the latest included.
        queued_at: When the paper was announced.
        now: When it was looked up.
        retry_for: The configured limit.
    """
    moment = now + _WAITS[min(tries, len(_WAITS)) - 1]
    return moment if moment <= queued_at + retry_for else None
