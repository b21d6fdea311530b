"""
Parser for ordinary feeds: RSS 0.9 to 2.0, RDF, Atom and JSON Feed.

`feed_text` decodes, `feed_kind` refuses other documents, `feed_xml` prepares, feedparser reads (or
`json_feed`), and this module turns items into papers. Pure: bytes in, values out. A bad
item costs only itself. Begin at `parse_feed`.
"""

import io
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

from digestbot.errors import BadAnswer
from digestbot.ids import PaperId, arxiv_pdf_url, arxiv_url
from digestbot.model import NOTICES, AnnounceType, Author, DocumentType, FetchedPaper
from digestbot.net import is_web_url, shown_url
from digestbot.sources import feed_xml
from digestbot.sources.author_lists import split_authors
from digestbot.sources.citations import Description, parse_description
from digestbot.sources.dates import Moment, parse_date
from digestbot.sources.document_types import document_type
from digestbot.sources.feed_kind import is_json, refuse_binary, refuse_other
from digestbot.sources.feed_text import decode, without_prolog
from digestbot.sources.feed_xml import DC, RawItem
from digestbot.sources.identity import Identity, Names, dois_in, identify
from digestbot.sources.json_feed import read_json_feed
from digestbot.sources.markup import bounded_attributes, one_line, plain_html

log = logging.getLogger(__name__)

MAX_TAGS = 300_000
"""feedparser needs seconds for this many; 10 MB could contain millions."""
MAX_TITLE = 2_000
MAX_ABSTRACT = 50_000
MAX_AUTHORS = 5_000
MAX_NOTICE = 5_000
"""Characters of a notice in which the DOI of its subject is looked for."""
MAX_URL = 2_048
"""Characters of a link that servers and browsers accept."""
MAX_AHEAD = timedelta(days=400)
"""Longest time by which the date of an issue may lie in the future."""
_LONGEST_UNTITLED = 120
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
_UTF8 = {"content-type": "application/xml; charset=utf-8"}
_SUP = re.compile(r"<sup\b[^>]{0,200}>[^<]{0,200}</sup>", re.IGNORECASE)
_NAME = re.compile(r"<(?:\w{1,20}:)?name[^<>]{0,200}>([^<]{0,2000})<", re.IGNORECASE)
_TITLE = re.compile(r"<(?:\w{1,20}:)?title[^<>]{0,200}>([^<]{0,2000})<", re.IGNORECASE)
_ARXIV_SUFFIX = re.compile(r"\.? \(arXiv:[^()\s]{9,30}(?: \[[\w.-]{1,20}\])?(?: [A-Z ]{1,20})?\)$")
"""Suffix of titles in arXiv's feeds until 2023."""
_ITEM = re.compile(r"<(?:\w{1,20}:)?(item|entry)[\s>]", re.IGNORECASE)
_CUT_OFF = re.compile(r"(?:\.\.\.|…|\[…\]|\[\.\.\.\])$")
_CHANNEL_NOISE = re.compile(
    r"^(?:sciencedirect publication|wiley|recent (?:articles|papers) in|latest (?:articles|results)"
    r" (?:from|for)|new articles in)\s*:?\s*|"
    r"(?:\s*[-:,|(]\s*|\s+)(?:table of contents|latest issue|current issue|early access|"
    r"online first|advance access|recent issues?|latest articles|most recent articles|"
    r"rss(?: feed)?|toc)\)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """Title and papers of a feed."""

    title: str
    papers: tuple[FetchedPaper, ...] = field(repr=False)
    """In the order of the feed."""
    skipped: int = 0
    """Items that lack title and text, or are unreadable."""
    first_skipped: str | None = None
    """Guid or link of the first of them that has one."""
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
    refuse_binary(body)
    read = _read_json(body) if is_json(body) else _read_xml(body, headers, feed_url)
    context = _FeedContext(
        url=feed_url,
        now=now,
        categories=categories,
        journal=journal or read.journal or _journal_of_title(read.title),
    )
    if len(read.items) == 1 and "//arxiv.org/api/errors" in str(
        read.items[0].entry.get("id") or ""
    ):
        raise BadAnswer(f'arXiv answered with an error: "{read.items[0].abstract[:200]}"')
    readable = list(filter(_is_readable, read.items))
    items = _newest(readable, max_items)
    identities = identify([item.names for item in items], feed_url)
    papers: list[FetchedPaper] = []
    unread: list[str] = []
    for item, identity in zip(items, identities, strict=True):
        paper = _fenced_paper(item, identity, context)
        if paper is None:
            unread.append(bounded(str(item.entry.get("id") or item.entry.get("link") or ""), 80))
        else:
            papers.append(paper)
    return ParsedFeed(
        title=read.title,
        papers=tuple(papers),
        skipped=read.omitted + len(read.items) - len(readable) + len(unread),
        first_skipped=next(filter(None, unread), None),
        is_cut=read.is_cut,
    )


def _is_readable(item: "_Item") -> bool:
    """Return False if *item* makes its own fields fail, which are computed here and kept."""
    try:
        return (item.names, item.updated) is not None
    except Exception as error:
        log.warning("unreadable item skipped", extra={"error": type(error).__name__})
        return False


def _fenced_paper(
    item: "_Item", identity: Identity, context: "_FeedContext"
) -> FetchedPaper | None:
    try:
        return _paper(item, identity, context)
    except Exception as error:
        log.warning("unreadable item skipped", extra={"error": type(error).__name__})
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A feed of any format, before its items become papers."""

    title: str
    items: list["_Item"]
    journal: str | None = None
    """Stated by the channel."""
    omitted: int = 0
    """Items that were left out."""
    is_cut: bool = False


def _read_json(body: bytes) -> _Read:
    feed = read_json_feed(body)
    return _Read(
        title=_plain(feed.title),
        items=[_Item(entry=entry, raw=raw) for entry, raw in feed.items],
        omitted=feed.skipped,
    )


def _read_xml(body: bytes, headers: Mapping[str, str], feed_url: str) -> _Read:
    text = decode(body, headers.get("content-type", ""))
    if text.count("<") > MAX_TAGS:
        raise BadAnswer(f"the feed has more than {MAX_TAGS:,} elements")
    text = bounded_attributes(without_prolog(text))
    refuse_other(text, headers.get("content-location") or shown_url(feed_url))
    read = _read(text, headers)
    if not _is_cut(text):
        return read
    items = read.items[:-1] if _is_last_item_cut(text) else read.items
    return replace(read, items=items, is_cut=True)


def _read(text: str, headers: Mapping[str, str]) -> _Read:
    prepared = feed_xml.prepare(text)
    document = prepared.document if prepared else text.encode("utf-8", "replace")
    parsed, skipped = _parse(document, headers, text)
    title = _plain(str((parsed.get("feed") or {}).get("title") or ""))
    entries = list(parsed.get("entries") or ())
    if not parsed.get("version") and not entries and not title:
        raise BadAnswer("not an RSS or Atom feed; check the URL")
    if prepared is None:
        items = [_Item(entry=entry, raw=RawItem(())) for entry in entries]
        return _Read(title=title, items=items, omitted=skipped)
    by_index = {_index(entry): entry for entry in entries}
    items = [
        _Item(entry=by_index[index], raw=raw)
        for index, raw in enumerate(prepared.items)
        if index in by_index
    ]
    skipped += prepared.omitted + len(prepared.items) - len(items)
    journal = _plain(next(prepared.channel.texts("publicationname"), ""))
    return _Read(title=title, items=items, journal=journal or None, omitted=skipped)


def _index(entry: Any) -> int:
    number = str(entry.get(f"db_{feed_xml.INDEX}") or entry.get(feed_xml.INDEX) or "")
    return int(number) if number.isascii() and number.isdigit() else -1


def _is_cut(text: str) -> bool:
    """Return True if the root element, with which *text* begins, is unclosed."""
    root = re.match(r"<([A-Za-z][\w:.-]{0,60})", text)
    if root is None or text[: text.find(">") + 1].endswith("/>"):
        return False
    return text.lower().rfind(f"</{root[1].lower()}") < 0


def _is_last_item_cut(text: str) -> bool:
    """Return True if the last item is unclosed: half of its text may be missing."""
    lower = text.lower()
    starts = list(_ITEM.finditer(lower))
    return bool(starts) and lower.rfind(f"{starts[-1][1]}>") < starts[-1].end()


def _newest(items: list["_Item"], limit: int) -> list["_Item"]:
    """Return the newest *limit* items in feed order. Some feeds begin with the oldest."""
    if len(items) <= limit:
        return items
    dates = [moment.at if (moment := item.updated) else _LONG_AGO for item in items]
    by_date = sorted(range(len(items)), key=dates.__getitem__, reverse=True)
    return [items[index] for index in sorted(by_date[:limit])]


def _parse(document: bytes, headers: Mapping[str, str], text: str) -> tuple[Any, int]:
    """Return the parsed feed, and the number of unreadable items."""
    try:
        return _feedparser(document, headers), 0
    except Exception as error:
        log.warning("feedparser failed", extra={"error": type(error).__name__})
    return _parse_one_by_one(document.decode("utf-8", "replace"), headers)


def _parse_one_by_one(text: str, headers: Mapping[str, str]) -> tuple[Any, int]:
    """Read each item in a separate feed, so that a bad one costs only itself."""
    starts = [found.start() for found in _ITEM.finditer(text)]
    ends = [*starts[1:], len(text)][: len(starts)]
    head = text[: starts[0]] if starts else text
    result: dict[str, Any] = {"entries": [], "feed": {}, "version": ""}
    skipped = 0
    for start, end in zip(starts, ends, strict=True):
        try:
            one = _feedparser((head + text[start:end]).encode("utf-8", "replace"), headers)
        except Exception:
            skipped += 1
            continue
        result["entries"] += one.get("entries") or ()
        result["feed"] = result["feed"] or one.get("feed") or {}
        result["version"] = result["version"] or one.get("version") or ""
    if not result["entries"]:
        raise BadAnswer("the feed is unreadable")
    return result, skipped


def _feedparser(document: bytes, headers: Mapping[str, str]) -> Any:
    import feedparser  # here: most commands parse nothing

    return feedparser.parse(
        io.BytesIO(document),  # bytes or a string would be tried as a URL or a file name first
        response_headers={**headers, **_UTF8},
        # Its sanitizer drops text that looks like a tag; `plain_html` keeps it.
        sanitize_html=False,
        resolve_relative_uris=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FeedContext:
    """Facts about the feed that its items need."""

    url: str
    now: datetime
    categories: tuple[str, ...]
    journal: str | None


def _journal_of_title(title: str) -> str | None:
    """Return the journal that the title of a feed names."""
    bare = title
    for _ in range(3):
        bare = _CHANNEL_NOISE.sub("", bare).strip()
    return bare or title or None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Item:
    """Item as feedparser reads it, and its raw elements; each field is computed once."""

    entry: Any
    raw: RawItem

    @cached_property
    def names(self) -> Names:
        """Return what the item calls itself."""
        published = self.published
        return Names(
            guid=self._guid,
            links=tuple(dict.fromkeys(filter(None, [*self.raw.texts("origlink"), *self._links()]))),
            identifiers=tuple(map(_plain, filter(None, dict.fromkeys(self._identifiers())))),
            title=self.title,
            authors=tuple(self.authors),
            day=published.at.date().isoformat() if published else "",
            text=self.abstract[:500],
        )

    @cached_property
    def _guid(self) -> str:
        """The id as written: feedparser makes URLs of bare numbers, which other feeds use too."""
        written = next(self.raw.texts("guid"), "").strip()
        is_url = not written or "://" in written
        return str(self.entry.get("id") or self.raw.about or "") if is_url else written

    def _links(self) -> Iterator[str]:
        link = str(self.entry.get("link") or "")
        is_made_of_guid = "/" not in self._guid and link == self.entry.get("id")
        yield "" if is_made_of_guid else link
        for link in self.entry.get("links") or ():
            if link.get("rel") in (None, "alternate"):
                yield str(link.get("href") or "")

    def _identifiers(self) -> Iterator[str]:
        yield from self.raw.texts("doi", "articledoi", "identifier")
        for key in ("prism_doi", "dc_identifier"):
            yield str(self.entry.get(key) or "")
        if doi := self.description.doi:
            yield doi

    @cached_property
    def title(self) -> str:
        """Return the title on one line, or the beginning of the abstract."""
        title = one_line(plain_html(str(self.entry.get("title") or "")))
        text = self.abstract or _plain(str(self.entry.get("summary") or ""))
        return bounded(title or _beginning(text) or "", MAX_TITLE)

    @cached_property
    def descriptions(self) -> tuple[Description, ...]:
        """The texts of the item: the summary first, then longer forms."""
        texts = [str(self.entry.get("summary") or "")]
        texts += [str(each.get("value") or "") for each in self.entry.get("content") or ()]
        texts += self.raw.texts("description", "abstract", namespaces=DC)
        return tuple(parse_description(plain_html(text)) for text in dict.fromkeys(texts))

    @cached_property
    def description(self) -> Description:
        """Return the fields of all descriptions; the first that has one wins."""
        found = self.descriptions
        return Description(
            abstract="",
            authors=next((each.authors for each in found if each.authors), ()),
            journal=next((each.journal for each in found if each.journal), None),
            doi=next((each.doi for each in found if each.doi), None),
            published=next((each.published for each in found if each.published), None),
        )

    @cached_property
    def abstract(self) -> str:
        """Return the first complete abstract, else the longest."""
        texts = [each.abstract for each in self.descriptions if each.abstract]
        whole = next((text for text in texts if not _CUT_OFF.search(text[-10:])), "")
        return bounded(whole or max(texts, key=len, default=""), MAX_ABSTRACT)

    @cached_property
    def document_type(self) -> DocumentType:
        """Return the type by title, or by what the publisher calls it."""
        names = [*self.raw.texts("type", namespaces=DC), *self.raw.texts("section", "genre")]
        return document_type(self.title, map(_plain, names))

    @cached_property
    def text(self) -> str:
        """Return the beginning of each description, citations included."""
        texts = [self.entry.get("summary"), *self.raw.texts("description", "encoded")]
        return " ".join(_plain(str(text or "")[:MAX_NOTICE]) for text in texts)

    @cached_property
    def authors(self) -> list[str]:
        """Return the names: several elements are one author each, a single one may list all."""
        listed = self._author_elements()
        if not listed:
            return list(self.description.authors)
        texts = [plain_html(_SUP.sub("", text)) for text in listed]
        names = [name for text in texts for name in split_authors(text, is_one=len(texts) > 1)]
        return list(dict.fromkeys(names))[:MAX_AUTHORS]

    def _author_elements(self) -> list[str]:
        atom = [name for text in self.raw.texts("author") for name in _NAME.findall(text)]
        choices = (
            list(self.raw.texts("creator", namespaces=DC)),
            atom,
            list(self.raw.texts("authors")),
            list(self.raw.texts("author")),
            [str(each.get("name") or "") for each in self.entry.get("authors") or ()],
        )
        return next((texts for texts in choices if any(map(str.strip, texts))), [])[:MAX_AUTHORS]

    @cached_property
    def published(self) -> Moment | None:
        """Return when the item says it was published."""
        names = ("published", "pubdate", "issued", "date", "publicationdate", "created")
        return self._moment(names, ("published", "created")) or self.description.published

    @cached_property
    def updated(self) -> Moment | None:
        """Return when the item says it was changed last, or published."""
        return self._moment(("updated", "modified"), ("updated",)) or self.published

    def _moment(self, names: tuple[str, ...], keys: tuple[str, ...]) -> Moment | None:
        texts = [text for name in names for text in self.raw.texts(name)]
        # By `in`: a missing "updated" falls back to "published" with a warning.
        texts += [str(self.entry[key] or "") for key in keys if key in self.entry]
        return next((found for text in texts if (found := parse_date(_plain(text)))), None)

    @cached_property
    def journal(self) -> str | None:
        """Return the journal: PRISM, Dublin Core, RSS's source, then a citation."""
        texts = [*self.raw.texts("publicationname")]
        texts += [str(self.entry.get("prism_publicationname") or "")]
        named = next(filter(None, map(_plain, texts)), None)
        return named or self._source or self.description.journal

    @property
    def _source(self) -> str | None:
        """Return the title of the feed that the item was taken from, or a journal's name."""
        sources = [each for each in self.raw.texts("source") if not is_web_url(each.strip())]
        # Atom's source has a title, authors and more (RFC 4287 4.2.11).
        titles = (found[1] if (found := _TITLE.search(each)) else each for each in sources)
        title = next(filter(None, map(_plain, titles)), None)
        return _journal_of_title(title) if title else None


def _plain(text: str) -> str:
    return one_line(plain_html(text)) or ""


def bounded(text: str, length: int) -> str:
    """Return *text*, cut with "…" after *length* characters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _paper(item: _Item, identity: Identity, context: _FeedContext) -> FetchedPaper | None:
    title = item.title
    if not title:
        return None
    paper = identity.paper
    published, updated = _past(item.published, context.now), _past(item.updated, context.now)
    is_arxiv = paper.id.startswith("arxiv:")
    version = paper.version or 1
    doi = identity.doi
    return FetchedPaper(
        id=paper.id,
        version=version,
        type=AnnounceType.NEW if version == 1 else AnnounceType.REPLACE,
        title=_ARXIV_SUFFIX.sub("", title) if is_arxiv else title,
        abstract=item.abstract,
        authors=tuple(Author(name=name) for name in item.authors),
        categories=tuple(dict.fromkeys([*context.categories, *_tags(item.entry)])),
        published=published.at if published else None,
        published_is_date=published is not None and published.is_date,
        updated=updated.at if updated else None,
        updated_is_date=updated is not None and updated.is_date,
        journal_ref=item.journal or (None if is_arxiv else context.journal),
        doi=doi,
        url=_link(item.entry) or _url_of(paper, doi),
        pdf_url=arxiv_pdf_url(paper.id, paper.version) if is_arxiv else _pdf(item.entry),
        aliases=identity.aliases,
        document_type=item.document_type,
        about=_subject(item, doi),
    )


def _subject(item: _Item, doi: str | None) -> str | None:
    """Return the one other DOI in the text of a notice: that of the paper that it is about."""
    if item.document_type not in NOTICES or not doi:
        return None
    found = {each for text in (item.title, item.text) for each in dois_in(text)} - {doi.lower()}
    return f"doi:{found.pop()}" if len(found) == 1 else None


def _url_of(paper: PaperId, doi: str | None) -> str:
    """Return the page that the id leads to, or an empty string: a wrong link is worse."""
    if paper.id.startswith("arxiv:"):
        return arxiv_url(paper.id, paper.version)
    return f"https://doi.org/{doi}" if doi else ""


def _past(moment: Moment | None, now: datetime) -> Moment | None:
    """Return *moment*, or *now* if it lies ahead by mistake; the day of an issue may lie ahead."""
    if moment is None or moment.at <= now or (moment.is_date and moment.at - now < MAX_AHEAD):
        return moment
    return Moment(now)


def _beginning(text: str) -> str | None:
    """Return the beginning of *text* as a title. RSS 2.0 allows untitled items."""
    line = one_line(text)
    if line is None or len(line) <= _LONGEST_UNTITLED:
        return line
    return line[:_LONGEST_UNTITLED].rpartition(" ")[0] + " …"


def _tags(entry: Any) -> list[str]:
    terms = (one_line(str(tag.get("term") or "")) for tag in entry.get("tags") or ())
    return [term for term in terms if term]


def _link(entry: Any) -> str | None:
    """Return the page for readers: the first http or https link."""
    links = [
        link.get("href") for link in entry.get("links") or () if link.get("rel") != "enclosure"
    ]
    candidates = [entry.get("link"), *links, entry.get("id")]
    return next((url for text in candidates if (url := link_url(text))), None)


def _pdf(entry: Any) -> str | None:
    links = [*(entry.get("links") or ()), *(entry.get("enclosures") or ())]
    found = (link.get("href") for link in links if link.get("type") == "application/pdf")
    return next((url for text in found if (url := link_url(text))), None)


def link_url(text: object) -> str | None:
    """Return *text* as a link that is safe to show: what a URL may not contain is encoded."""
    url = str(text or "").strip()
    if not url.isprintable() or len(url) > MAX_URL:
        return None
    encoded = quote(url, safe="%/:=&?~#+!$,;'@()*[]|")
    if not is_web_url(encoded) or len(encoded) > MAX_URL or "@" in (urlsplit(encoded).netloc):
        return None
    return encoded
