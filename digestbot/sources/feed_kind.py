"""
Tell what a response is when it is not a feed, in one sentence for the operator.

A URL of a feed may lead to a web page, an API, a PDF or nothing. Only certain cases are
refused here; a broken feed is left to the parsers. Begin at `refuse_binary` and `refuse_other`.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from digestbot.errors import BadAnswer
from digestbot.net import is_web_url
from digestbot.sources.markup import one_line

MAX_HEAD = 300_000
"""Characters of a page that are searched for its title and its feeds."""
MAX_SHOWN = 100
MAX_URL = 2_048

_MAGIC = (
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x89PNG", "an image"),
    (b"GIF8", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"RIFF", "an image, a sound or a video"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound or a video"),
    (b"%!PS", "a PostScript file"),
    (b"\xd0\xcf\x11\xe0", "an Office document"),
)
"""First bytes of files that links in the place of a feed lead to."""
_ROOT = re.compile(r"<([A-Za-z_][\w:.-]{0,60})")
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*[{\[]\s*[]\"{}\[0-9tfn-]")
_FEED = re.compile(r"<(?:\w{1,20}:)?(?:rss|rdf|feed|channel|item|entry)[\s/>]", re.IGNORECASE)
_HTML = frozenset({
    "a", "b", "base", "body", "br", "center", "div", "font", "form", "frameset", "h1", "h2", "h3",
    "head", "hr", "html", "iframe", "img", "link", "main", "meta", "noscript", "p", "pre", "script",
    "section", "span", "style", "table", "title",
})  # fmt: skip
"""Roots of web pages, which may lack any of the outer elements."""
_XML = {
    "oai-pmh": "an OAI-PMH response",
    "urlset": "a sitemap",
    "sitemapindex": "a sitemap",
    "opml": "a list of feeds (OPML)",
    "svg": "an image",
}
_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})
_OTHER_FEED = re.compile(r"comment|podcast", re.IGNORECASE)
_CHECK = "check the URL"


def refuse_binary(body: bytes) -> None:
    """
    Check that *body* can be text.

    Raises:
        BadAnswer: It is empty, or a file of a known binary format.
    """
    if not body.strip(b"\xef\xbb\xbf \t\r\n"):
        raise BadAnswer(f"an empty response; {_CHECK}")
    start = body[:1000]
    what = next((what for magic, what in _MAGIC if start.startswith(magic)), None)
    if what is None and b"<" not in start[:16] and _are_controls(start):
        what = "binary data"
    if what:
        raise BadAnswer(f"{what}, not a feed; {_CHECK}")


def _are_controls(start: bytes) -> bool:
    """Return True if more than one byte in twenty is a control character that no text has."""
    return 20 * sum(byte < 9 or 14 <= byte < 32 for byte in start) > len(start)


def is_json(body: bytes) -> bool:
    """Return True if *body* looks like JSON: it begins with an object or an array."""
    return _JSON.match(body[:4096]) is not None


def refuse_other(text: str, url: str) -> None:
    """
    Check that *text*, a response from its root on, can be a feed.

    Args:
        text: As `feed_text.without_prolog` returns it.
        url: Base of relative links.

    Raises:
        BadAnswer: It is a web page, other XML, or no XML at all. The message says which, and names
            the feed that a web page links to.
    """
    found = _ROOT.match(text.lstrip())
    root = found[1].lower() if found else ""
    if root in _HTML:
        raise BadAnswer(_web_page(text, url))
    if _FEED.search(text):
        return
    if root:
        name = root.rpartition(":")[2]
        what = _XML.get(name) or f'XML with the root element "{found[1] if found else root}"'
        raise BadAnswer(f"{what}, not a feed; {_CHECK}")
    raise BadAnswer(f'text that begins "{shown(text[:1000])}", not a feed; {_CHECK}')


def shown(text: str | None) -> str:
    """Return *text* on one line for a message, without control characters and quotes."""
    line = one_line("".join(char if char.isprintable() else " " for char in text or "")) or ""
    line = line.replace('"', "'")
    return line if len(line) <= MAX_SHOWN else line[: MAX_SHOWN - 1].rstrip() + "…"


def _web_page(text: str, url: str) -> str:
    page = _html(text[:MAX_HEAD])
    title = shown(next((_text(each) for each in page.iter("title")), "")) if len(page) else ""
    what = f'a web page, "{title}", not a feed' if title else "a web page, not a feed"
    feed = _best(list(_feeds(page, url)))
    return f"{what}; write url: {feed}" if feed else f"{what}; {_CHECK}"


def _html(text: str) -> Any:
    from lxml import etree  # here: feeds need none of it

    parser = etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    return etree.Element("html") if root is None else root


def _text(element: Any) -> str:
    return "".join(element.itertext())


def _feeds(page: Any, url: str) -> Iterator[tuple[str, str]]:
    """Yield URL and title of the feeds that the page links to (HTML 4.8.4.3, "alternate")."""
    base = next((each.get("href") or "" for each in page.iter("base")), "")
    for link in page.iter("link"):
        kind = (link.get("type") or "").partition(";")[0].strip().lower()
        if "alternate" not in (link.get("rel") or "").lower().split() or kind not in _FEED_TYPES:
            continue
        target = _joined(_joined(url, base), link.get("href") or "")
        if target and target != url:
            yield target, link.get("title") or ""


def _joined(base: str, href: str) -> str:
    """Return *href* as an absolute URL; empty if it is unusable."""
    try:
        target = urljoin(base, href.strip())
    except ValueError:
        return ""
    is_clean = target.isprintable() and " " not in target and len(target) <= MAX_URL
    return target if is_clean and is_web_url(target) else ""


def _best(feeds: list[tuple[str, str]]) -> str:
    """Return the first feed, if possible not one of comments or sounds."""
    plain = (url for url, title in feeds if not _OTHER_FEED.search(f"{url} {title}"))
    return next(plain, feeds[0][0] if feeds else "")
