"""
Mutated feeds, and two properties of the feed path that hold for any of them.

The parsers return papers or raise one clear `BadAnswer`; and an item that is mutated among good
ones costs itself at most. The mutations know what feeds are made of. Begin at `check`.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxml import etree

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.sources.arxiv_rss import is_announcement, parse_announcements
from digestbot.sources.feed_items import MAX_ABSTRACT, MAX_TITLE, MAX_URL, parse_feed

SEEDS = Path(__file__).parent.parent / "data" / "feed_seeds"
URL = "https://journal.example.org/feed.xml"
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
DC = "http://purl.org/dc/elements/1.1/"
ATOM = "http://www.w3.org/2005/Atom"
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"content-type": "text/xml"},
    {"content-type": "application/rss+xml; charset=utf-8"},
    {"content-type": "text/html; charset=iso-8859-1"},
    {"content-type": "application/xml; charset=utf-16"},
)
NAMES = (
    "authors", "author", "author_detail", "contributors", "creator", "links", "link", "title",
    "title_detail", "subtitle", "id", "guid", "guidislink", "published", "published_parsed",
    "updated", "updated_parsed", "created", "expired", "summary", "summary_detail", "description",
    "content", "encoded", "tags", "category", "enclosures", "source", "publisher", "license",
    "entries", "feed", "items", "item", "entry", "channel", "rss", "rdf", "RDF", "image",
    "textinput", "itunes", "media_content", "where", "geo", "point", "doi", "identifier",
    "publicationName", "publicationDate", "issued", "date", "pubDate", "modified", "rights",
    "keys", "get", "pop", "__class__", "xml", "base", "lang", "svg", "math", "script", "sup",
    "div",
)  # fmt: skip
"""Elements of feeds, keys and attributes of feedparser's dictionaries, and markup."""
NAMESPACES = (
    "", DC, ATOM, "http://purl.org/dc/terms/", "http://purl.org/rss/1.0/",
    "http://purl.org/rss/1.0/modules/content/", "http://prismstandard.org/namespaces/basic/2.0/",
    "http://search.yahoo.com/mrss/", "http://www.w3.org/1998/Math/MathML", "urn:x",
    "http://www.itunes.com/dtds/podcast-1.0.dtd", "http://www.georss.org/georss",
)  # fmt: skip
VALUES = (
    "", " ", "\u00a0", "0", "-1", "1e999", "None", "http://", "http://[", "http://[::1", "//x",
    "javascript:1", "https://x.example/a b<c>", "mailto:a@b", "https://user:pw@x.example/", "urn:",
    "http://x.example:99999999/", "x" * 3000, "https://x.example/" + "y" * 3000, "\ud83d", "\ufffe",
    "2026-00-00", "9999999999999999999", "0000-01-01", "2026-02-30T25:61:61Z", "Mon, 32 Foo 20266",
    "2026-09-03T10:00:00+99:99", "1 Jan 1", "٢٠٢٦-٠٩-٠٣", "9999-12-31T23:59:59-12:00",
    "doi:10.1/", "10.5555/x;10.5555/y", "https://doi.org/10.5555/%ff", "info:doi/10.5555/(a)<b>",
    "arXiv:9999.99999v0", "arXiv:2603.20941v99999999999", "https://arxiv.org/abs/",
    "http://arxiv.org/api/errors#x", "&amp;lt;b&amp;gt;", "<b>", "<![CDATA[x]]>", "<math><mfrac>",
    "<mml:math><mml:msup/></mml:math>", "$\\frac{", "\\" * 50, "{" * 50, "(" * 50 + "et al.",
    "Xu, A., & Li, B., Jr", "and and and", "; , ;", "By", "A" * 500 + "," * 500, "<sup>" * 50,
    "ABSTRACT:", "Publication date: x\nSource: y\nAuthor(s): z", "PMID:1 | DOI:2",
)  # fmt: skip
JSON_VALUES = (
    "null", "true", "-1", "NaN", "1e999", "1" + "0" * 400, "[]", "{}", "[[]]", "[null]",
    '{"name": 1}', *map(json.dumps, VALUES),
)  # fmt: skip
FRAGMENTS = (
    b"&#xD800;", b"&#55357;&#56832;", b"&#x110000;", b"&#99999999999;", b"&nbsp;", b"&foo;", b"&",
    b"\xff", b"\xe2\x82", b"\x00", b"\x1b", b"<b>", b"</p>", b"&lt;script&gt;", b"<br>", b"< 5",
    "\u2028".encode(), "\U0001f600".encode(), b"&amp;amp;amp;lt;",
)  # fmt: skip
"""Bytes that may stand inside an element and are no reason to lose another item."""
BREAKERS = (
    b"<!DOCTYPE rss [<!ENTITY a 'b'>]>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<item>",
    b"<?xml version='1.0' encoding='utf-16'?>", b"<?xml encoding='cp037'?>", b"\xff\xfe", b"{",
    b"<?x", b"</rss>", b"<entry", b"<?xml encoding='idna'?>", b"\xef\xbb\xbf", b"<!DOCTYPE html>",
)  # fmt: skip


# Properties


def check_feed(body: bytes, headers: dict[str, str]) -> tuple[FetchedPaper, ...]:
    """Parse *body* as any feed; fail unless it gives sound papers or one clear error."""
    try:
        papers = parse_announcements(body) if is_announcement(body) else parsed(body, headers)
    except BadAnswer as error:
        check_words(str(error))
        return ()
    for paper in papers:
        check_paper(paper)
    return papers


def check_words(text: str) -> None:
    """Fail unless *text* is an error message of one line."""
    assert 0 < len(text) < 1000, text
    assert text.isprintable(), text


def parsed(body: bytes, headers: dict[str, str] | None = None) -> tuple[FetchedPaper, ...]:
    """Return the papers of the feed in *body*."""
    given = {**(headers or {}), "content-location": URL}
    return parse_feed(body, given, feed_url=URL, now=NOW).papers


def check_paper(paper: FetchedPaper) -> None:
    """Fail unless *paper* is within the bounds that the rest of the program relies on."""
    assert 0 < len(paper.title) <= MAX_TITLE, paper
    assert "\n" not in paper.title or paper.id.startswith("arxiv:"), paper
    assert len(paper.abstract) <= MAX_ABSTRACT
    assert len(paper.url) <= MAX_URL, paper.url
    assert not paper.url or paper.url.startswith(("http://", "https://")), paper.url
    assert all(author.name.strip() for author in paper.authors), paper.authors
    for date in (paper.published, paper.updated):
        assert date is None or date.utcoffset() is not None


def check_neighbors(form: str, item: bytes, at: int) -> None:
    """Fail unless the good items of a feed with *item* at *at* give what they give alone."""
    good = good_items(form)
    alone = {paper.title: paper for one in good for paper in parsed(feed_of(form, [one]))}
    assert len(alone) == len(good)
    together = parsed(feed_of(form, [*good[:at], item, *good[at:]]))
    found = {paper.title: paper for paper in together if paper.title in alone}
    assert found == alone, item


def feed_of(form: str, items: Sequence[bytes]) -> bytes:
    """Return a feed in *form*, ``rss``, ``rdf`` or ``atom``, with *items*."""
    opening, closing = HEADS[form]
    return opening + b"".join(items) + closing


def good_items(form: str) -> list[bytes]:
    """Return three items that any reader of feeds reads."""
    return [GOOD[form] % {b"n": str(number).encode()} for number in range(1, 4)]


_NAMESPACES = (
    b' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:b="http://purl.org/rss/1.0/modules/content/"'
    b' xmlns:p="http://prismstandard.org/namespaces/basic/2.0/"'
)
HEADS = {
    "rss": (
        b'<rss version="2.0"' + _NAMESPACES + b"><channel><title>J</title>",
        b"</channel></rss>",
    ),
    "atom": (
        b'<feed xmlns="http://www.w3.org/2005/Atom"' + _NAMESPACES + b"><title>J</title>",
        b"</feed>",
    ),
    "rdf": (
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        b' xmlns="http://purl.org/rss/1.0/"'
        + _NAMESPACES
        + b"><channel><title>J</title></channel>",
        b"</rdf:RDF>",
    ),
}
GOOD = {
    "rss": b"<item><title>Good work %(n)s</title><link>https://good.example/%(n)s</link>"
    b"<guid>https://good.example/%(n)s</guid><dc:creator>Ada Xu</dc:creator><dc:creator>Bo Li"
    b"</dc:creator><description>A good text %(n)s.</description><p:doi>10.5555/good.%(n)s</p:doi>"
    b"<pubDate>Mon, 02 Nov 2026 10:00:00 GMT</pubDate></item>",
    "atom": b"<entry><title>Good work %(n)s</title><link href='https://good.example/%(n)s'/>"
    b"<id>https://good.example/%(n)s</id><author><name>Ada Xu</name></author>"
    b"<summary>A good text %(n)s.</summary><updated>2026-11-02T10:00:00Z</updated></entry>",
    "rdf": b"<item rdf:about='https://good.example/%(n)s'><title>Good work %(n)s</title>"
    b"<link>https://good.example/%(n)s</link><dc:creator>Xu, A.; Li, B.</dc:creator>"
    b"<dc:identifier>doi:10.5555/good.%(n)s</dc:identifier><description>A good text %(n)s."
    b"</description><dc:date>2026-11-02</dc:date></item>",
}  # fmt: skip
BAD = {
    form: text.replace(b"Good work %(n)s", b"Bad work").replace(b"good.%(n)s", b"bad")
    .replace(b"good.example/%(n)s", b"bad.example/9").replace(b"%(n)s", b"9")
    for form, text in GOOD.items()
}  # fmt: skip


# Mutations


def mutated(body: bytes, dice: random.Random, times: int = 3) -> bytes:
    """Return *body* changed up to *times* times, by structure while it has one, else by bytes."""
    for _ in range(dice.randint(1, times)):
        by_structure = changed_json if body[:1] in (b"{", b"[") else _by_tree
        change = dice.choice((by_structure, by_structure, _by_bytes))
        body = change(body, dice)
    return body


def mutated_item(form: str, dice: random.Random) -> bytes:
    """Return an item in *form* that is damaged, but closed."""
    opening, closing = HEADS[form]
    root = etree.fromstring(opening + BAD[form] + closing)
    item = next(each for each in root.iter() if _is_item(each))
    for _ in range(dice.randint(1, 4)):
        change_tree(item, dice)
    whole: bytes = etree.tostring(item, with_tail=False)
    if dice.random() < 0.5:
        at = whole.find(b">", whole.find(b"<", 1)) + 1  # inside the first element of the item
        if 0 < at < len(whole) and whole[at - 2 : at - 1] != b"/":
            whole = whole[:at] + dice.choice(FRAGMENTS) + whole[at:]
    return whole


def _is_item(element: Any) -> bool:
    return str(element.tag).rpartition("}")[2] in ("item", "entry")


def _by_tree(body: bytes, dice: random.Random) -> bytes:
    charset = dice.choice(("utf-8", "utf-8", "utf-8", "utf-16", "iso-8859-1", "ascii", "cp1251"))
    try:
        parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True)
        root = etree.fromstring(body, parser)
        change_tree(root, dice)
        changed: bytes = etree.tostring(root, encoding=charset, xml_declaration=dice.random() < 0.5)
    except (etree.LxmlError, ValueError, AttributeError):  # it has no usable structure
        return _by_bytes(body, dice)
    return changed


def changed_json(body: bytes, dice: random.Random) -> bytes:
    try:
        feed = json.loads(body)
    except ValueError:
        return _by_bytes(body, dice)
    owner, key = dice.choice(list(_places(feed)) or [({}, "version")])
    owner[key] = json.loads(dice.choice(JSON_VALUES))
    return json.dumps(feed).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container within *value* with each of its keys or indexes."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def change_tree(root: Any, dice: random.Random) -> None:
    """Make one change to a random element below *root*."""
    elements = [each for each in root.iter() if isinstance(each.tag, str) and each is not root]
    if not elements:
        elements = [etree.SubElement(root, "title")]
    dice.choice(CHANGES)(dice.choice(elements), elements, dice)


def _rename(element: Any, _: list[Any], dice: random.Random) -> None:
    space = dice.choice(NAMESPACES)
    name = dice.choice(NAMES if not _is_item(element) else ("item", "entry"))
    element.tag = f"{{{space}}}{name}" if space else name


def _fill(element: Any, _: list[Any], dice: random.Random) -> None:
    value = dice.choice(VALUES).encode("utf-8", "ignore").decode()
    element.text = "".join(each for each in value if each.isprintable() or each in " \n\u00a0")


def _insert(element: Any, _: list[Any], dice: random.Random) -> None:
    _fill(etree.SubElement(element, dice.choice(NAMES)), [], dice)
    _rename(element[-1], [], dice)


def _remove(element: Any, _: list[Any], __: random.Random) -> None:
    if not _is_item(element):
        element.getparent().remove(element)


def _repeat(element: Any, _: list[Any], dice: random.Random) -> None:
    if not _is_item(element):
        copy = etree.tostring(element, with_tail=False)
        for __ in range(dice.choice((1, 2, 30))):
            element.addnext(etree.fromstring(copy))


def _nest(element: Any, _: list[Any], dice: random.Random) -> None:
    if not _is_item(element):
        inner = element
        for __ in range(dice.choice((1, 3, 60))):
            inner = etree.SubElement(inner, inner.tag)
        inner.text = element.text


def _flood(element: Any, _: list[Any], dice: random.Random) -> None:
    for number in range(dice.choice((1, 30, 300))):
        element.set(f"a{number}", "x")


def _attribute(element: Any, _: list[Any], dice: random.Random) -> None:
    name = dice.choice(("href", "rel", "type", "url", "isPermaLink", "mode", "term", "src", "lang"))
    value = dice.choice((*VALUES, "base64", "xhtml", "application/pdf", "alternate", "true"))
    element.set(name, "".join(each for each in value if each.isprintable()))


def _move(element: Any, elements: list[Any], dice: random.Random) -> None:
    target = dice.choice(elements)
    inside = {id(each) for each in element.iter()}
    if id(target) not in inside and not _is_item(element):
        target.append(element)


CHANGES: tuple[Callable[[Any, list[Any], random.Random], None], ...] = (
    _rename, _rename, _fill, _fill, _insert, _insert, _remove, _repeat, _nest, _flood, _attribute,
    _move,
)  # fmt: skip


def _by_bytes(body: bytes, dice: random.Random) -> bytes:
    at = dice.randint(0, len(body))
    kind = dice.randrange(5)
    if kind == 0:
        return body[:at]
    if kind == 1:
        return body[:at] + body[at + dice.randint(1, 50) :]
    if kind == 2:
        return body[:at] + body[: dice.randint(0, 500)] + body[at:]
    pieces = (*FRAGMENTS, *BREAKERS, *(value.encode("utf-8", "ignore") for value in VALUES))
    return body[:at] + dice.choice(pieces) + body[at:]


def check(data: bytes) -> None:
    """Check both properties; *data* is a feed, and the seed of a mutated item among good ones."""
    dice = random.Random(data[:4096])
    check_feed(data, dict(dice.choice(HEADERS)))
    form = dice.choice(sorted(HEADS))
    check_neighbors(form, mutated_item(form, dice), dice.randint(0, 3))
