"""
Identify the paper behind a feed's item: DOI, arXiv id, guid, link, or title with authors and date.

A feed may call one paper by several names, and change them: http becomes https, links carry session
tokens, a DOI comes later. So an item has one id and all its `aliases`; the store knows the paper by
each of them. Begin at `identify`.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from digestbot.errors import InvalidPaperId
from digestbot.ids import PaperId, normalise_doi, parse_paper_id
from digestbot.model import FetchedPaper
from digestbot.text import folded_words

MAX_NAME = 2048
"""Characters of a guid or link that are compared."""

_DOI_IN_URL = re.compile(r"(?:^|[/=])(10\.\d{4,9}/[^?#&\s]+)")
_DOI_IN_TEXT = re.compile(r"\b10\.\d{4,9}/[^\s|;,<>\"]+")
_PAGE_SUFFIX = re.compile(
    r"(?:/(?:full|fulltext|abstract|abs|pdf|epdf|html|meta|short|summary|references|suppl\w*)\b.*"
    r"|\.(?:full|short|abstract|long|pdf|full-text|full\.pdf))+$",
    re.IGNORECASE,
)
_PREPRINT_VERSION = re.compile(r"(?<=\d)v\d+$")
_ARXIV_IN_PATH = re.compile(r"(?:^|[/=])(\d{4}\.\d{4,5})(v\d+)?(?=$|[/.?#&])")
_MIRRORS = frozenset({
    "papers.cool", "huggingface.co", "hf.co", "alphaxiv.org", "scirate.com", "emergentmind.com",
    "paperswithcode.com", "catalyzex.com", "deeplearn.org", "scholar.archive.org",
})  # fmt: skip
"""Sites that put arXiv's ids into their own URLs."""
_PMID = re.compile(
    r"(?:pmid:|https?://(?:www\.)?(?:pubmed\.ncbi\.nlm\.nih\.gov|ncbi\.nlm\.nih\.gov/pubmed|"
    r"europepmc\.org/(?:article|abstract)/med)/) ?0*([1-9]\d{0,8})(?!\d)",
    re.IGNORECASE,
)
_PMCID = re.compile(
    r"(?:pmcid:|https?://(?:www\.)?(?:pmc\.ncbi\.nlm\.nih\.gov/articles|"
    r"ncbi\.nlm\.nih\.gov/pmc/articles|europepmc\.org/(?:article/pmc|articles))/) ?"
    r"PMC0*([1-9]\d{0,8})(?!\d)",
    re.IGNORECASE,
)
_TRACKING = re.compile(
    r"(?:utm_\w+|rss|af|dgcid|fbclid|gclid|mc_[ce]id|ref|src|source|feed|cmp|tracking|"
    r"amp|campaign|ssrc|et_[cr]id|sessionid|jsessionid|phpsessid|sid|token)",
    re.IGNORECASE,
)
_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[\w.!-]{1,200}", re.IGNORECASE)
"""Session id in a path, as servlets write it."""
_BARE_ID = re.compile(r"(?:oai:arxiv\.org:|arxiv:)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names that an item gives itself."""

    guid: str = ""
    links: Sequence[str] = ()
    identifiers: Sequence[str] = ()
    """``dc:identifier``, ``prism:doi`` and other elements made for identifiers."""
    title: str = ""
    authors: Sequence[str] = ()
    day: str = ""
    """ISO date, empty if there is none."""
    text: str = ""
    """Beginning of the abstract, for items without any name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The id of a paper, and every name it may return under."""

    paper: PaperId
    doi: str | None
    aliases: tuple[str, ...]
    """``doi:``, ``arxiv:``, ``pmid:``, ``pmcid:`` and ``url:`` hold in every feed, the others in
    one source."""


def identify(items: Sequence[Names], feed_url: str) -> list[Identity]:
    """
    Return the identity of each of the *items* of one response.

    A name that several different items share identifies none of them: some feeds give every item
    the journal's DOI, the home page as link, or one guid.
    """
    named = [tuple(dict.fromkeys(_aliases(item))) for item in items]
    works = [_work(item) for item in items]
    repeated = Counter(work for work in works if work)
    shared = _shared(items, named)
    return [
        _identity(
            [alias for alias in aliases if alias not in shared],
            work if repeated[work] == 1 else "",
            item,
            feed_url,
        )
        for aliases, work, item in zip(named, works, items, strict=True)
    ]


def _shared(items: Sequence[Names], named: Sequence[tuple[str, ...]]) -> set[str]:
    """
    Return the aliases that items with different titles share.

    A guid or DOI counts only if the links differ too: a journal may correct a title.
    """
    titles: dict[str, set[str]] = {}
    links: dict[str, set[str]] = {}
    for item, aliases in zip(items, named, strict=True):
        title, link = _words(item.title), next(iter(item.links), "")
        for alias in aliases:
            titles.setdefault(alias, set()).add(title)
            links.setdefault(alias, set()).add(link)
    return {
        alias
        for alias, different in titles.items()
        if len(different) > 1
        and not alias.startswith("arxiv:")
        and (alias.startswith("link:") or len(links[alias]) > 1)
    }


def _words(title: str) -> str:
    return " ".join(folded_words(title))


def _identity(aliases: list[str], work: str, item: Names, feed_url: str) -> Identity:
    doi = next((alias.removeprefix("doi:") for alias in aliases if alias.startswith("doi:")), None)
    arxiv = next((alias for alias in aliases if alias.startswith("arxiv:")), None)
    if arxiv:
        paper = PaperId(id=arxiv, version=_arxiv_version(item, arxiv))
    elif doi:
        paper = PaperId(id=f"doi:{doi}", version=None)
    else:
        paper = PaperId(id=f"feed:{_hash(aliases, item, feed_url)}", version=None)
    return Identity(paper=paper, doi=doi, aliases=(*aliases, *([work] if work else [])))


def _hash(aliases: list[str], item: Names, feed_url: str) -> str:
    """Return a stable id from the best alias; only URLs mean the same in every feed."""
    key = next(iter(aliases), None) or f"{item.title}\n{item.text}\n{item.day}"
    scope = "" if key.startswith(("url:", "pmid:", "pmcid:")) else f"{feed_url}\n"
    return hashlib.sha256(f"{scope}{key}".encode("utf-8", "replace")).hexdigest()[:24]


def _aliases(item: Names) -> Iterator[str]:
    """Yield the names of *item*, the most reliable first."""
    guid = item.guid.strip()[:MAX_NAME]
    links = dict.fromkeys(link.strip()[:MAX_NAME] for link in item.links)
    texts = dict.fromkeys((*item.identifiers, guid, *links))
    papers = [paper.id for text in texts for paper in papers_in(text)]
    yield from sorted(papers, key=lambda name: not name.startswith("arxiv:"))
    yield from (name for text in texts for name in _pubmed_ids(text))
    if canonical := canonical_url(guid):
        yield f"url:{canonical}"
    elif guid:
        yield f"guid:{guid}"
    title = _words(item.title)
    for link in filter(None, map(canonical_url, links)):
        if title:
            yield f"url:{link} {_digest(title)}"
        yield f"link:{link}"


def _pubmed_ids(text: str) -> Iterator[str]:
    """Yield the ids of PubMed and PubMed Central in an identifier or URL."""
    if found := _PMID.match(text):
        yield f"pmid:{found[1]}"
    elif found := _PMCID.match(text):
        yield f"pmcid:{found[1]}"


def papers_in(text: str) -> Iterator[PaperId]:
    """Yield the papers that an identifier, guid or link names. A bare number is none."""
    text = text.strip()[:MAX_NAME]
    lower = text.lower()
    try:
        if _BARE_ID.match(lower):
            yield parse_paper_id(text)
        elif lower.startswith(("http://", "https://")):
            yield from _in_url(text)
        elif lower.startswith(("10.", "doi:", "info:doi/", "urn:doi:")):
            found = _DOI_IN_TEXT.search(text)
            if found:
                yield _doi(found[0])
    except InvalidPaperId:
        return


def first_doi(text: str | None) -> str | None:
    """Return the first DOI in *text*, which may hold several or their URLs; the case is kept."""
    found = _DOI_IN_TEXT.search(unquote((text or "")[:MAX_NAME]))
    return found[0].rstrip(".,;") if found else None


def dois_in(text: str) -> frozenset[str]:
    """Return the DOIs in *text*, in lower case."""
    return frozenset(found.lower().rstrip(".,;:)]'”’") for found in _DOI_IN_TEXT.findall(text))


def _in_url(text: str) -> Iterator[PaperId]:
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return
    rest = unquote(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    if f".{host}".endswith((".arxiv.org", ".doi.org")):
        yield parse_paper_id(text)
        return
    found = _ARXIV_IN_PATH.search(rest)
    if found and (host in _MIRRORS or "/arxiv/" in rest.lower()):
        yield parse_paper_id(found[1] + (found[2] or ""))
    elif found := _DOI_IN_URL.search(rest):
        bare = _PAGE_SUFFIX.sub("", found[1])
        yield _doi(
            _PREPRINT_VERSION.sub("", bare) if bare.startswith(("10.1101/", "10.64898/")) else bare
        )


def _doi(text: str) -> PaperId:
    """Return the paper with the DOI in *text*; arXiv's own DOIs are arXiv ids."""
    return parse_paper_id(normalise_doi(text))


def _arxiv_version(item: Names, arxiv: str) -> int | None:
    texts = (*item.identifiers, item.guid, *item.links)
    found = (paper for text in texts for paper in papers_in(text) if paper.id == arxiv)
    return next((paper.version for paper in found if paper.version), None)


def in_feed(paper: FetchedPaper, feed_url: str) -> FetchedPaper:
    """Return *paper* with its names scoped by its feed, for a source that reads several feeds."""
    mark = _digest(feed_url)[:16]
    aliases = (
        f"{alias} {mark}" if alias.startswith(("guid:", "link:")) else alias
        for alias in paper.aliases
    )
    return replace(paper, aliases=tuple(aliases))


def canonical_url(text: str) -> str:
    """
    Return *text* for comparison if it is a URL or URN, else an empty string.

    Scheme, ``www.``, fragment, trailing slash, tracking parameters and session ids do not count.
    """
    text = text.strip()
    lower = text.lower()
    if lower.startswith(("urn:", "tag:")):
        return text
    if not lower.startswith(("http://", "https://")):
        return ""
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return ""
    if not host:
        return ""
    query = [pair for pair in parse_qsl(parts.query, True) if not _TRACKING.fullmatch(pair[0])]
    path = _same_escapes(_SESSION.sub("", parts.path)).rstrip("/")
    return f"//{host}{path}" + (f"?{urlencode(sorted(query))}" if query else "")


def _same_escapes(path: str) -> str:
    """Escape in *path* only what must be: RFC 3986 6.2.2.2."""
    plain = unquote(path, errors="surrogateescape")
    return quote(plain, safe="/:;=@!$&'()*+,", errors="surrogatepass")


def _work(item: Names) -> str:
    """Return the alias of last resort: title, authors and day."""
    title = _words(item.title)
    if not title or not (item.authors or item.day):
        return ""
    authors = " ".join(word for name in item.authors for word in folded_words(name))
    return f"work:{_digest(f'{title}|{authors}|{item.day}')}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]
