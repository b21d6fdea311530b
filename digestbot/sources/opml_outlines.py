"""
Parser for lists of feeds in OPML 1.0, 1.1 and 2.0 (https://opml.org/spec2.opml).

Feed readers write them, and people edit them by hand: a file that is not well-formed is searched
for its ``xmlUrl`` attributes, so that a bare ``&`` in a title costs no feed. Pure: bytes in, values
out. Begin at `parse_opml`.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urlsplit

from digestbot.errors import BadAnswer
from digestbot.net import is_web_url
from digestbot.sources.feed_kind import shown
from digestbot.sources.feed_text import decode, without_prolog
from digestbot.sources.markup import bounded_attributes

MAX_FEEDS = 1_000
MAX_URL = 2_048
MAX_LABEL = 60
"""Characters of a feed's name in messages."""
_TAG_CHARS = 5_000
"""Characters before an ``xmlUrl`` in which its tag is looked for."""
_XML_URL = re.compile(r"\bxmlurl\s*+=\s*+(?:\"([^\"<]*+)\"|'([^'<]*+)')", re.IGNORECASE)
_LABEL = re.compile(r"\b(?:title|text)\s*+=\s*+(?:\"([^\"<]*+)\"|'([^'<]*+)')", re.IGNORECASE)
_ROOT = re.compile(r"<(?:\w{1,20}:)?([A-Za-z][\w.-]{0,60})")
_FEEDS = frozenset({"rss", "feed", "rdf"})
_PARSER = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFeed:
    """One feed of a list."""

    url: str
    """http or https; the fragment is removed."""
    label: str
    """Its title for people, on one line, or its host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedList:
    """The feeds of an OPML file, each URL once."""

    feeds: tuple[ListedFeed, ...]
    problems: tuple[str, ...] = ()
    """Outlines with unusable addresses, one line each."""


def parse_opml(body: bytes) -> FeedList:
    """
    Return the feeds of the OPML file *body* in its order, those of nested outlines too.

    Raises:
        BadAnswer: *body* is not OPML, or declares entities in a document type.
    """
    text = bounded_attributes(without_prolog(decode(body)))
    found = _ROOT.match(text.lstrip())
    if found is None or found[1].lower() != "opml":
        raise BadAnswer(_other(text, found[1].lower() if found else ""))
    feeds: dict[str, ListedFeed] = {}
    problems: dict[str, None] = {}
    for address, label in _outlines(text):
        url = _web_url(address)
        if url is None:
            problems[f'"{shown(address)}" is not an http or https address'] = None
        else:
            name = shown(label)[:MAX_LABEL].strip() or _host(url)
            feeds.setdefault(url, ListedFeed(url=url, label=name))
    if len(feeds) > MAX_FEEDS:
        problems[f"more than {MAX_FEEDS:,} feeds; split the file into several sources"] = None
    return FeedList(feeds=tuple(feeds.values())[:MAX_FEEDS], problems=tuple(problems))


def _other(text: str, root: str) -> str:
    """Say what *text* is instead of OPML."""
    if root in _FEEDS:
        return "a feed, not a list of feeds (OPML); use kind: feed"
    what = f'XML with the root element "{root}"' if root else f'"{shown(text[:1000])}"'
    return f"{what if text.strip() else 'empty'}, not a list of feeds (OPML)"


def _outlines(text: str) -> Iterator[tuple[str, str]]:
    """Yield address and label of each outline that has an address."""
    from lxml import etree  # here: most commands parse nothing

    try:
        parser = etree.XMLParser(**_PARSER, encoding="utf-8")
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        yield from _searched(text)
        return
    for element in root.iter(etree.Element):
        if address := _attribute(element, "xmlurl"):
            yield address, _attribute(element, "title") or _attribute(element, "text")


def _attribute(element: Any, name: str) -> str:
    """Return an attribute whose name may have any case: ``xmlUrl`` has three in the wild."""
    values = (value for key, value in element.attrib.items() if key.lower() == name)
    return next(values, "").strip()


def _searched(text: str) -> Iterator[tuple[str, str]]:
    """Yield address and label of each ``xmlUrl`` in malformed *text*."""
    for found in _XML_URL.finditer(text):
        begin = text.rfind("<", max(0, found.start() - _TAG_CHARS), found.start())
        end = text.find(">", found.end(), found.end() + _TAG_CHARS)
        label = _LABEL.search(text, max(begin, 0), end if end > 0 else found.end())
        yield _value(found), _value(label) if label else ""


def _value(found: re.Match[str]) -> str:
    return html.unescape(found[1] or found[2] or "").strip()


def _web_url(address: str) -> str | None:
    """Return *address* as a URL to fetch; ``feed:`` is a prefix or stands for http."""
    text = "".join(address.split())
    lower = text.lower()
    if lower.startswith("feed:"):
        rest = text[len("feed:") :]
        text = f"http:{rest}" if rest.startswith("//") else rest
    try:
        url = urldefrag(text).url
        parts = urlsplit(url)
    except ValueError:
        return None
    if len(url) > MAX_URL or not url.isprintable():
        return None
    url = parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc).geturl()
    return url if is_web_url(url) else None


def _host(url: str) -> str:
    return shown(urlsplit(url).hostname or "")[:MAX_LABEL]
