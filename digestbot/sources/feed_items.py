"""
Parser for ordinary feeds: RSS 0.9 to 2.0, RDF and Atom.

feedparser reads the feed; this module turns its entries into papers. Pure: bytes in, values out.
"""

import calendar
import hashlib
import io
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from digestbot.errors import BadAnswer, InvalidPaperId
from digestbot.ids import PaperId, arxiv_pdf_url, parse_paper_id
from digestbot.model import AnnounceType, Author, FetchedPaper
from digestbot.net import is_web_url, shown_url
from digestbot.sources.markup import one_line, plain_html, split_names

log = logging.getLogger(__name__)

MAX_TAGS = 300_000
"""feedparser needs seconds for this many; 10 MB could contain millions."""
_DTD = re.compile(rb"<!DOCTYPE[^>\[]*\[|<!ENTITY", re.IGNORECASE)
_DOI = re.compile(r"(?:doi:\s*)?(10\.\d{4,9}/\S+)", re.IGNORECASE)
_INITIALS = re.compile(r"[A-Z]\.?(?:[\s-]*[A-Z]\.?){0,4}")
_EMAIL = re.compile(r"\S+@\S+\s*\((?P<name>[^)]+)\)")
_LONGEST_TITLE = 120
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """Title and papers of a feed."""

    title: str
    papers: tuple[FetchedPaper, ...] = field(repr=False)
    """In the order of the feed."""
    skipped: int = 0
    """Items that lack both title and text."""
    is_cut: bool = False
    """True if the root element is unclosed, so that items are missing; an unclosed last item is
    left out."""


def parse_feed(
    body: bytes,
    headers: Mapping[str, str],
    *,
    feed_url: str,
    now: datetime,
    categories: tuple[str, ...] = (),
    journal: str | None = None,
    max_items: int = 2000,
) -> ParsedFeed:
    """
    Parse the feed in *body*.

    Args:
        body: The raw bytes: they and the header determine the charset (RFC 7303).
        headers: Of the response, in lower case; ``content-type`` and ``content-location``, the base
            of relative links, are used.
        feed_url: Identity of the feed: scopes the items' own ids.
        now: Later dates are mistakes and become *now*.
        categories: Given to each paper, before its own.
        journal: Journal of papers that name none.
        max_items: How many items are read: the newest first, undated ones last.

    Raises:
        BadAnswer: The body is not a feed, or declares entities in a document type.
    """
    _refuse_bombs(body)
    parsed = _parse(body, headers)
    feed = parsed.get("feed") or {}
    title = one_line(_text(feed, "title")) or ""
    if not parsed.get("version") and not parsed.get("entries") and not title:
        raise BadAnswer("not an RSS or Atom feed; check the URL")
    text = body.replace(b"\0", b"")  # UTF-16 hides ASCII between zeros
    entries = list(parsed.get("entries", ()))[: -1 if _is_last_item_cut(text) else None]
    page = _link_url(feed.get("link"))
    context = _FeedContext(
        url=feed_url,
        page=page or shown_url(feed_url),
        now=now,
        categories=categories,
        journal=journal,
        shared=_shared(entries) | {str(page)},
    )
    entries = _newest(entries, max_items, now)
    papers = tuple(filter(None, (_paper(entry, context) for entry in entries)))
    skipped = len(entries) - len(papers)
    return ParsedFeed(title=title, papers=papers, skipped=skipped, is_cut=_is_cut(text))


def _is_cut(text: bytes) -> bool:
    """Return True if the root element is unclosed."""
    root = re.search(rb"<([A-Za-z][^\s/>]*)[^>]*>", text)
    if root is None or root[0].endswith(b"/>"):
        return False
    return re.search(rb"</" + re.escape(root[1]) + rb"\s*>", text, re.IGNORECASE) is None


def _is_last_item_cut(text: bytes) -> bool:
    """Return True if the last item is unclosed: half of its text may be missing."""
    last = list(re.finditer(rb"<(/?)(?:\w+:)?(?:item|entry)\b[^>]*", text, re.IGNORECASE))[-1:]
    return any(not tag[1] and not tag[0].endswith(b"/") for tag in last) and _is_cut(text)


def _newest(entries: list[Any], limit: int, now: datetime) -> list[Any]:
    """Return the newest *limit* entries in feed order. Some feeds begin with the oldest."""
    if len(entries) <= limit:
        return entries
    dates = [_dates(entry, now)[1] or _LONG_AGO for entry in entries]
    by_date = sorted(range(len(entries)), key=dates.__getitem__, reverse=True)
    return [entries[index] for index in sorted(by_date[:limit])]


def _shared(entries: Iterable[Any]) -> frozenset[str]:
    """
    Return the ids and links that different items of one response share.

    Some feeds link every item to the journal's page, or give all of them one guid: used as their
    identity, it would lose all but one of the items.
    """
    titles: dict[str, set[str]] = {}
    links: dict[str, set[str]] = {}
    for entry in entries:
        guid, link, title = (str(entry.get(key) or "") for key in ("id", "link", "title"))
        for key in filter(None, {guid, link}):
            titles.setdefault(key, set()).add(title)
            links.setdefault(key, set()).add(link if key == guid else title)
    return frozenset(key for key, names in titles.items() if len(names) > 1 and len(links[key]) > 1)


def _parse(body: bytes, headers: Mapping[str, str]) -> Any:
    import feedparser  # here: most commands parse nothing

    try:
        return feedparser.parse(
            io.BytesIO(body),  # bytes or a string would be tried as a URL or a file name first
            response_headers=dict(headers),
            # Its sanitizer drops text that looks like a tag; `plain_html` keeps it.
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except Exception as error:
        # Its loose parser may raise anything on garbage.
        log.warning("feedparser failed", extra={"cause": type(error).__name__})
        raise BadAnswer("the feed is unreadable") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _FeedContext:
    """Facts about the feed that its items need."""

    url: str
    page: str
    now: datetime
    categories: tuple[str, ...]
    journal: str | None
    shared: frozenset[str]
    """Ids and links that several items share."""


def _refuse_bombs(body: bytes) -> None:
    """
    Raise for bodies that would explode in a parser.

    UTF-16 and UTF-32 hide ASCII between zeros; expat's own limits cover other disguises.
    """
    if _DTD.search(body.replace(b"\0", b"")):
        raise BadAnswer("the feed declares entities in a document type, which is refused")
    if body.count(b"<") > MAX_TAGS:
        raise BadAnswer(f"the feed has more than {MAX_TAGS:,} elements")


def _paper(entry: Any, context: _FeedContext) -> FetchedPaper | None:
    abstract = _abstract(entry)
    title = one_line(_text(entry, "title")) or _beginning(abstract)
    if not title:
        return None
    paper, doi = _identity(entry, context)
    dates = _dates(entry, context.now)
    link = _link(entry)
    is_arxiv = paper.id.startswith("arxiv:")
    version = paper.version or 1
    return FetchedPaper(
        id=paper.id,
        version=version,
        type=AnnounceType.NEW if version == 1 else AnnounceType.REPLACE,
        title=title,
        abstract=abstract,
        authors=tuple(Author(name=name) for name in _authors(entry)),
        categories=tuple(dict.fromkeys([*context.categories, *_tags(entry)])),
        published=dates[0],
        updated=dates[1],
        journal_ref=_journal(entry) or context.journal,
        doi=doi,
        url=link or (f"https://doi.org/{doi}" if doi else context.page),
        pdf_url=arxiv_pdf_url(paper.id, paper.version) if is_arxiv else _pdf(entry),
    )


def _text(entry: Any, key: str) -> str:
    """Return the text of a field that may be HTML. Plain text stays unchanged."""
    value = str(entry.get(key) or "")
    kind = (entry.get(f"{key}_detail") or {}).get("type", "text/html")
    return value if kind == "text/plain" else plain_html(value)


def _abstract(entry: Any) -> str:
    summary = _text(entry, "summary").strip()
    if summary:
        return summary
    contents = entry.get("content") or ()
    return next(
        (text for content in contents if (text := plain_html(content.get("value") or ""))), ""
    )


def _beginning(text: str) -> str | None:
    """Return the beginning of *text* as a title. RSS 2.0 allows untitled items."""
    line = one_line(text)
    if line is None or len(line) <= _LONGEST_TITLE:
        return line
    return line[:_LONGEST_TITLE].rpartition(" ")[0] + " …"


def _identity(entry: Any, context: _FeedContext) -> tuple[PaperId, str | None]:
    """Return id and DOI: the arXiv id if any field names one, else the DOI or a hash."""
    named = list(_named_papers(entry))
    doi = next((paper.id.removeprefix("doi:") for paper in named if paper.id[:4] == "doi:"), None)
    arxiv = next((paper for paper in named if paper.id.startswith("arxiv:")), None)
    if arxiv is not None:
        return arxiv, doi
    if doi is not None:
        return PaperId(id=f"doi:{doi}", version=None), doi
    return PaperId(id=f"feed:{_hash(entry, context)}", version=None), None


def _named_papers(entry: Any) -> Iterable[PaperId]:
    """Yield the papers named in fields of *entry*, the most reliable field first."""
    guid, link = str(entry.get("id") or ""), str(entry.get("link") or "")
    for text in (guid, entry.get("prism_doi"), entry.get("dc_identifier"), link):
        candidate = str(text or "").strip()
        if not _may_name_paper(candidate):
            continue
        try:
            yield parse_paper_id(candidate)
        except InvalidPaperId:
            continue


def _may_name_paper(text: str) -> bool:
    """Return True for DOIs, prefixed ids and URLs. Bare numbers often count items."""
    lower = text.lower()
    if lower.startswith(("oai:arxiv.org:", "arxiv:")) or _DOI.fullmatch(text):
        return True
    try:
        host = urlsplit(lower).hostname or ""
    except ValueError:
        return False
    return f".{host}".endswith((".doi.org", ".arxiv.org"))


def _hash(entry: Any, context: _FeedContext) -> str:
    """Return a stable id, scoped by the feed: guids such as "1" repeat elsewhere."""
    names = (str(entry.get(key) or "") for key in ("id", "link"))
    key = next((name for name in names if name and name not in context.shared), None)
    if key is None:
        key = f"{entry.get('title', '')}\n{entry.get('summary', '')}"
    return hashlib.sha256(f"{context.url}\n{key}".encode("utf-8", "replace")).hexdigest()[:24]


def _dates(entry: Any, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return published and updated; each replaces the other if missing."""
    published = _moment(entry, "published_parsed", now) or _moment(entry, "created_parsed", now)
    updated = _moment(entry, "updated_parsed", now)
    return published or updated, updated or published


def _moment(entry: Any, key: str, now: datetime) -> datetime | None:
    # A missing updated_parsed falls back to published_parsed with a warning: check first.
    if key not in entry or entry[key] is None:
        return None
    try:
        moment = datetime.fromtimestamp(calendar.timegm(entry[key]), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return min(moment, now)


def _authors(entry: Any) -> list[str]:
    """Return the names: several elements are one author each, a single one may list all."""
    listed = [plain_html(str(author.get("name") or "")) for author in entry.get("authors") or ()]
    names = [_without_email(name) for name in map(one_line, listed) if name]
    if len(names) == 1:
        names = split_authors(names[0])
    return list(dict.fromkeys(_given_first(name) for name in names))


def split_authors(text: str) -> list[str]:
    """
    Split a list of authors: ``A. Bee, C. Dee`` or ``Bee, A.; Dee, C.``.

    ``Bee, A., Dee, C.`` is paired if every second part is initials. Commas inside brackets belong
    to affiliations.
    """
    if ";" in text:
        return [name for part in text.split(";") if (name := part.strip())]
    joined = re.sub(r",?\s+and\s+", ", ", text)
    parts = split_names(joined)
    families, initials = parts[::2], parts[1::2]
    if len(families) == len(initials) and all(map(_INITIALS.fullmatch, initials)):
        return [f"{family}, {given}" for family, given in zip(families, initials, strict=True)]
    return parts


def _given_first(name: str) -> str:
    """Turn ``Bee, Ann`` into ``Ann Bee``, the order on papers."""
    family, comma, given = name.partition(",")
    if not comma or "," in given or not given.strip() or "(" in name:
        return name
    return f"{given.strip()} {family.strip()}"


def _without_email(name: str) -> str:
    """Extract the name from ``ann@example.org (Ann Bee)``, the form of RSS 2.0."""
    match = _EMAIL.fullmatch(name)
    return match["name"].strip() if match else name


def _tags(entry: Any) -> list[str]:
    terms = (one_line(str(tag.get("term") or "")) for tag in entry.get("tags") or ())
    return [term for term in terms if term]


def _journal(entry: Any) -> str | None:
    return one_line(plain_html(str(entry.get("prism_publicationname") or "")))


def _link(entry: Any) -> str | None:
    """Return the page for readers: the first http or https link."""
    links = [
        link.get("href") for link in entry.get("links") or () if link.get("rel") != "enclosure"
    ]
    candidates = [entry.get("link"), *links, entry.get("id")]
    return next((url for text in candidates if (url := _link_url(text))), None)


def _pdf(entry: Any) -> str | None:
    links = [*(entry.get("links") or ()), *(entry.get("enclosures") or ())]
    found = (link.get("href") for link in links if link.get("type") == "application/pdf")
    return next((url for text in found if (url := _link_url(text))), None)


def _link_url(text: object) -> str | None:
    """Return *text* if it is safe to show as a link."""
    url = str(text or "").strip()
    if len(url) > 2048 or not url.isprintable() or re.search(r"[\s<>\"]", url):
        return None
    return url if is_web_url(url) else None
