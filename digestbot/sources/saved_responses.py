"""
Recognize a saved response by its content, and parse it like the source that it came from.

Each format is recognized by what no other has; a feed, the loosest of them, comes last. To make
another API's responses readable, add its `web_api.ReadPage` to `JSON_READERS` or `XML_READERS`.
Pure: bytes in, values out. Begin at `parse_saved`.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.sources.feed_items import parse_feed
from digestbot.sources.feed_kind import is_json, refuse_binary, shown
from digestbot.sources.feed_text import decode, without_prolog
from digestbot.sources.feed_xml import MAX_ITEMS
from digestbot.sources.identity import canonical_url, in_feed
from digestbot.sources.local_files import MAX_BYTES

JSON_READERS = (
    "biorxiv:read_page",
    "crossref:read_page",
    "europepmc:read_page",
    "openalex:read_page",
    "semanticscholar:read_page",
    "openreview:read_page",
    "huggingface:read_page",
    "dblp:read_page",
)
"""``module:function`` of each API that answers in JSON; each refuses the others' responses."""
XML_READERS = {
    "pubmedarticle": "pubmed:read_articles",
    "pubmedarticleset": "pubmed:read_articles",
    "result": "dblp:read_xml",
    "dblp": "dblp:read_xml",
    "dblpperson": "dblp:read_xml",
}
"""Root element in lower case → ``module:function`` of the API that answers with it."""
MAX_DELAY = timedelta(days=60)
"""Longest time from a version's submission to its announcement: moderation takes weeks."""
_HEAD = 20_000
"""Characters at the beginning of a feed in which it names itself."""
_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]{0,40}:)?([A-Za-z_][\w.-]{0,60})")
_ITEM = re.compile(r"<(?:\w{1,20}:)?(?:item|entry)[\s>]", re.IGNORECASE)
_LINK = re.compile(r"<(?:\w{1,20}:)?link\b([^<>]{0,3000})>([^<]{0,2048})", re.IGNORECASE)
_HREF = re.compile(r"\bhref\s*=\s*[\"']([^\"'<]{1,2048})[\"']", re.IGNORECASE)
_SELF = re.compile(r"\brel\s*=\s*[\"']self[\"']", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The papers of a saved response."""

    papers: tuple[FetchedPaper, ...] = field(repr=False)
    problem: str = ""
    """Why papers may be missing; empty if it was read completely."""


def parse_saved(body: bytes, name: str, now: datetime) -> Saved:
    """
    Parse the saved response *body*.

    Args:
        body: Its bytes, without headers.
        name: The feed, if *body* is one that does not name itself: scopes its items' own ids.
        now: Time of the pass; later dates of a feed are mistakes and become *now*.

    Raises:
        BadAnswer: No source reads it, or it is the error of a service.
    """
    body = _unpacked(body)
    refuse_binary(body)
    if is_json(body):
        return _json(body, name, now)
    text = without_prolog(decode(body))
    found = _ROOT.match(text.lstrip())
    root = found[1].lower() if found else ""
    if reader := XML_READERS.get(root):
        return _api(reader, body)
    if root == "oai-pmh":
        return _oai(body)
    return _arxiv(body, text, root) or _feed(body, _declared(text) or name, now)


def _unpacked(body: bytes) -> bytes:
    """Return *body*, unpacked if it is a gzip archive."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            unpacked = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadAnswer("a gzip archive that is damaged or cut off") from error
    if len(unpacked) > MAX_BYTES:
        raise BadAnswer(f"a gzip archive of more than {MAX_BYTES // 1024**2} MB")
    return unpacked


def _json(body: bytes, name: str, now: datetime) -> Saved:
    if _has_items(body):
        return _feed(body, name, now)
    for reader in JSON_READERS:
        try:
            return _api(reader, body)
        except BadAnswer:
            continue
    return _feed(body, name, now)  # names what it is


def _has_items(body: bytes) -> bool:
    return b"jsonfeed.org/version/" in body[:_HEAD]


def _api(reader: str, body: bytes) -> Saved:
    module, function = reader.split(":")
    read: Callable[[bytes, str], Any] = getattr(
        import_module(f"digestbot.sources.{module}"), function
    )
    page = read(body, "")
    if page.skipped and not page.records:
        raise BadAnswer("none of its records is readable")
    problem = f"unreadable records: {page.skipped}" if page.skipped else ""
    return Saved(papers=tuple(record.paper for record in page.records), problem=problem)


def _arxiv(body: bytes, text: str, root: str) -> Saved | None:
    """Parse *body* if it is from arXiv's query API or a daily feed."""
    from digestbot.sources import arxiv_atom
    from digestbot.sources.arxiv_rss import is_announcement, parse_announcements

    if root == "feed" and "http://a9.com/-/spec/opensearch/" in text[:_HEAD]:
        feed = arxiv_atom.parse(body)
        if feed.error is not None:
            raise BadAnswer(f'arXiv answered with an error: "{feed.error[:200]}"')
        problem = f"unreadable entries: {feed.skipped}" if feed.skipped else ""
        return Saved(papers=feed.entries, problem=problem)
    if is_announcement(body):
        return Saved(papers=parse_announcements(body))
    return None


def _oai(body: bytes) -> Saved:
    """
    Parse records of OAI-PMH, whose lists hold whatever changed.

    A paper that was submitted long before its record changed is backlog: only an edit brought it.
    """
    from digestbot.sources import arxiv_oai

    answer = arxiv_oai.parse(body)
    if answer.error is not None and answer.error[0] != "noRecordsMatch":
        raise BadAnswer(f'OAI-PMH answered with an error: "{shown(": ".join(answer.error))}"')
    papers = []
    for record in answer.records:
        at = record.paper.updated or record.paper.published
        is_edit = at is not None and record.datestamp - at.date() > MAX_DELAY
        papers.append(replace(record.paper, backlog=is_edit))
    problem = f"unreadable records: {answer.skipped}" if answer.skipped else ""
    return Saved(papers=tuple(papers), problem=problem)


def _feed(body: bytes, feed_url: str, now: datetime) -> Saved:
    feed = parse_feed(body, {}, feed_url=feed_url, now=now, max_items=MAX_ITEMS)
    problem = f"unreadable items: {feed.skipped}" if feed.skipped else ""
    return Saved(
        papers=tuple(in_feed(paper, feed_url) for paper in feed.papers),
        problem="the feed is cut off" if feed.is_cut else problem,
    )


def _declared(text: str) -> str:
    """
    Return the URL by which a feed names itself before its items, or an empty string.

    Its own URL is better than the page that it belongs to, which other feeds may share.
    """
    item = _ITEM.search(text[:_HEAD])
    links = list(_LINK.finditer(text, 0, item.start() if item else _HEAD))
    own = [href[1] for link in links if _SELF.search(link[1]) and (href := _HREF.search(link[1]))]
    pages = [link[2] for link in links if link[2].strip()]
    return next(filter(None, map(canonical_url, [*own, *pages])), "")
