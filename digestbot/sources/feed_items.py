"""
Ordinary feeds read: RSS 0.9 to 2.0, RDF and Atom, as journals, preprint servers and people do them.

feedparser reads them; here its entries become papers. Pure: bytes in, values out.
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
from digestbot.net import shown_url
from digestbot.sources.markup import one_line, plain_html, split_names

log = logging.getLogger(__name__)

MAX_TAGS = 300_000
"""feedparser takes seconds for so many; 10 MB could hold millions."""
_DTD = re.compile(rb"<!DOCTYPE[^>\[]*\[|<!ENTITY", re.IGNORECASE)
_DOI = re.compile(r"(?:doi:\s*)?(10\.\d{4,9}/\S+)", re.IGNORECASE)
_INITIALS = re.compile(r"[A-Z]\.?(?:[\s-]*[A-Z]\.?){0,4}")
_MAIL = re.compile(r"\S+@\S+\s*\((?P<name>[^)]+)\)")
_LONGEST_TITLE = 120
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """What a feed says."""

    title: str
    papers: tuple[FetchedPaper, ...] = field(repr=False)
    """In the order of the feed."""
    skipped: int = 0
    """Items without anything that could be shown."""
    is_cut: bool = False
    """The body ends before its root element does, so there may be more items; a last one that has
    no end was left out."""


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
    The feed in *body*.

    Args:
        body: The bytes as they came: only they and the header decide on the charset (RFC 7303).
        headers: Of the answer, in lower case; ``content-type`` and ``content-location``, which is
            the base of relative links, are used.
        feed_url: The identity of the feed: scopes the items' own ids.
        now: Dates after it are taken for mistakes and set to it.
        categories: Given to each paper, before its own.
        journal: The journal of papers that name none.
        max_items: How many items are read: the newest, those without a date after all others.

    Raises:
        BadAnswer: No feed, or one with a document type that declares entities.
    """
    _refuse_bombs(body)
    parsed = _parsed(body, headers)
    feed = parsed.get("feed") or {}
    title = one_line(_text(feed, "title")) or ""
    if not parsed.get("version") and not parsed.get("entries") and not title:
        raise BadAnswer("the answer is no feed")
    text = body.replace(b"\0", b"")  # UTF-16 hides ASCII between zeros
    entries = list(parsed.get("entries", ()))[: -1 if _is_last_item_cut(text) else None]
    page = _web(feed.get("link"))
    about = _About(
        url=feed_url,
        page=page or shown_url(feed_url),
        now=now,
        categories=categories,
        journal=journal,
        shared=_shared(entries) | {str(page)},
    )
    entries = _newest(entries, max_items, now)
    papers = tuple(filter(None, (_paper(entry, about) for entry in entries)))
    skipped = len(entries) - len(papers)
    return ParsedFeed(title=title, papers=papers, skipped=skipped, is_cut=_is_cut(text))


def _is_cut(text: bytes) -> bool:
    """Whether the root element is never closed."""
    root = re.search(rb"<([A-Za-z][^\s/>]*)[^>]*>", text)
    if root is None or root[0].endswith(b"/>"):
        return False
    return re.search(rb"</" + re.escape(root[1]) + rb"\s*>", text, re.IGNORECASE) is None


def _is_last_item_cut(text: bytes) -> bool:
    """Whether the last item is never closed: what there is of it may lack half of its words."""
    last = list(re.finditer(rb"<(/?)(?:\w+:)?(?:item|entry)\b[^>]*", text, re.IGNORECASE))[-1:]
    return any(not tag[1] and not tag[0].endswith(b"/") for tag in last) and _is_cut(text)


def _newest(entries: list[Any], most: int, now: datetime) -> list[Any]:
    """At most so many, in the order of the feed, which may begin with its oldest."""
    if len(entries) <= most:
        return entries
    dates = [_dates(entry, now)[1] or _LONG_AGO for entry in entries]
    by_date = sorted(range(len(entries)), key=dates.__getitem__, reverse=True)
    return [entries[place] for place in sorted(by_date[:most])]


def _shared(entries: Iterable[Any]) -> frozenset[str]:
    """
    Ids and links that several items of one answer bear, though they are not the same.

    Some feeds link every item to the journal's page, or give all of them one guid: taken for their
    identity, all but one of the items would be lost.
    """
    titles: dict[str, set[str]] = {}
    links: dict[str, set[str]] = {}
    for entry in entries:
        guid, link, title = (str(entry.get(key) or "") for key in ("id", "link", "title"))
        for key in filter(None, {guid, link}):
            titles.setdefault(key, set()).add(title)
            links.setdefault(key, set()).add(link if key == guid else title)
    return frozenset(key for key, names in titles.items() if len(names) > 1 and len(links[key]) > 1)


def _parsed(body: bytes, headers: Mapping[str, str]) -> Any:
    import feedparser  # here: most commands parse nothing

    try:
        return feedparser.parse(
            io.BytesIO(body),  # bytes or a string would be tried as address and file name first
            response_headers=dict(headers),
            # Its sanitiser eats text that looks like a tag; `plain_html` does not.
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except Exception as error:
        # Its loose parser promises nothing about what it raises on garbage.
        log.warning("feedparser failed", extra={"cause": type(error).__name__})
        raise BadAnswer("the answer is no feed that can be read") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What an item needs to know of its feed."""

    url: str
    page: str
    now: datetime
    categories: tuple[str, ...]
    journal: str | None
    shared: frozenset[str]
    """Ids and links that name no single item."""


def _refuse_bombs(body: bytes) -> None:
    """
    Refuse what is made to explode in a parser.

    UTF-16 and UTF-32 hide ASCII between zeros; other disguises meet the limits of expat itself.
    """
    if _DTD.search(body.replace(b"\0", b"")):
        raise BadAnswer("the feed declares entities in a document type, which is not read")
    if body.count(b"<") > MAX_TAGS:
        raise BadAnswer(f"the feed has more than {MAX_TAGS:,} elements")


def _paper(entry: Any, about: _About) -> FetchedPaper | None:
    abstract = _abstract(entry)
    title = one_line(_text(entry, "title")) or _beginning(abstract)
    if not title:
        return None
    paper, doi = _identity(entry, about)
    dates = _dates(entry, about.now)
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
        categories=tuple(dict.fromkeys([*about.categories, *_tags(entry)])),
        published=dates[0],
        updated=dates[1],
        journal_ref=_journal(entry) or about.journal,
        doi=doi,
        url=link or (f"https://doi.org/{doi}" if doi else about.page),
        pdf_url=arxiv_pdf_url(paper.id, paper.version) if is_arxiv else _pdf(entry),
    )


def _text(entry: Any, key: str) -> str:
    """The text of a field that may be HTML; plain text stays untouched."""
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
    """A title for an item without one, as RSS 2.0 allows: the beginning of its text."""
    line = one_line(text)
    if line is None or len(line) <= _LONGEST_TITLE:
        return line
    return line[:_LONGEST_TITLE].rpartition(" ")[0] + " …"


def _identity(entry: Any, about: _About) -> tuple[PaperId, str | None]:
    """The id and the DOI: arXiv's if any field names it, else the DOI, else made of the guid."""
    named = list(_named(entry))
    doi = next((paper.id.removeprefix("doi:") for paper in named if paper.id[:4] == "doi:"), None)
    arxiv = next((paper for paper in named if paper.id.startswith("arxiv:")), None)
    if arxiv is not None:
        return arxiv, doi
    if doi is not None:
        return PaperId(id=f"doi:{doi}", version=None), doi
    return PaperId(id=f"feed:{_hash(entry, about)}", version=None), None


def _named(entry: Any) -> Iterable[PaperId]:
    """The papers that the fields of *entry* name, the most reliable field first."""
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
    """Bare numbers are not ids: many feeds count their items."""
    lower = text.lower()
    if lower.startswith(("oai:arxiv.org:", "arxiv:")) or _DOI.fullmatch(text):
        return True
    try:
        host = urlsplit(lower).hostname or ""
    except ValueError:
        return False
    return f".{host}".endswith((".doi.org", ".arxiv.org"))


def _hash(entry: Any, about: _About) -> str:
    """A stable id: guids such as "1" mean something within their feed only."""
    names = (str(entry.get(key) or "") for key in ("id", "link"))
    key = next((name for name in names if name and name not in about.shared), None)
    if key is None:
        key = f"{entry.get('title', '')}\n{entry.get('summary', '')}"
    return hashlib.sha256(f"{about.url}\n{key}".encode("utf-8", "replace")).hexdigest()[:24]


def _dates(entry: Any, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Published and updated; each stands in for the other."""
    published = _moment(entry, "published_parsed", now) or _moment(entry, "created_parsed", now)
    updated = _moment(entry, "updated_parsed", now)
    return published or updated, updated or published


def _moment(entry: Any, key: str, now: datetime) -> datetime | None:
    # Asking for updated_parsed falls back to published_parsed with a warning: look first.
    if key not in entry or entry[key] is None:
        return None
    try:
        moment = datetime.fromtimestamp(calendar.timegm(entry[key]), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return min(moment, now)


def _authors(entry: Any) -> list[str]:
    """Names in order; several elements are one author each, a single one may list them all."""
    listed = [plain_html(str(author.get("name") or "")) for author in entry.get("authors") or ()]
    names = [_without_mail(name) for name in map(one_line, listed) if name]
    if len(names) == 1:
        names = split_authors(names[0])
    return list(dict.fromkeys(_given_first(name) for name in names))


def split_authors(text: str) -> list[str]:
    """
    The names in *text*, which lists them all: ``A. Bee, C. Dee``, ``Bee, A.; Dee, C.``.

    ``Bee, A., Dee, C.`` pairs up where every second piece is initials. Commas within brackets
    belong to affiliations.
    """
    if ";" in text:
        return [name for piece in text.split(";") if (name := piece.strip())]
    joined = re.sub(r",?\s+and\s+", ", ", text)
    pieces = split_names(joined)
    families, initials = pieces[::2], pieces[1::2]
    if len(families) == len(initials) and all(map(_INITIALS.fullmatch, initials)):
        return [f"{family}, {given}" for family, given in zip(families, initials, strict=True)]
    return pieces


def _given_first(name: str) -> str:
    """``Bee, Ann`` as ``Ann Bee``, as it stands on papers."""
    family, comma, given = name.partition(",")
    if not comma or "," in given or not given.strip() or "(" in name:
        return name
    return f"{given.strip()} {family.strip()}"


def _without_mail(name: str) -> str:
    """RSS wants ``ann@example.org (Ann Bee)``."""
    match = _MAIL.fullmatch(name)
    return match["name"].strip() if match else name


def _tags(entry: Any) -> list[str]:
    terms = (one_line(str(tag.get("term") or "")) for tag in entry.get("tags") or ())
    return [term for term in terms if term]


def _journal(entry: Any) -> str | None:
    return one_line(plain_html(str(entry.get("prism_publicationname") or "")))


def _link(entry: Any) -> str | None:
    """The page for people: the first link that is http or https."""
    links = [
        link.get("href") for link in entry.get("links") or () if link.get("rel") != "enclosure"
    ]
    candidates = [entry.get("link"), *links, entry.get("id")]
    return next((url for text in candidates if (url := _web(text))), None)


def _pdf(entry: Any) -> str | None:
    links = [*(entry.get("links") or ()), *(entry.get("enclosures") or ())]
    found = (link.get("href") for link in links if link.get("type") == "application/pdf")
    return next((url for text in found if (url := _web(text))), None)


def _web(text: object) -> str | None:
    """*text* if it is an address of the web that can be shown as a link."""
    url = str(text or "").strip()
    if len(url) > 2048 or not url.isprintable() or re.search(r"[\s<>\"]", url):
        return None
    try:
        parts = urlsplit(url)
        return url if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None
