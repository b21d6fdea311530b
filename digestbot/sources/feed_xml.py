"""
Prepare a feed for feedparser, and keep what feedparser would lose.

feedparser breaks on elements named like its own keys (``<authors>``, ``<links>``), keeps one of
several ``dc:identifier``, and takes a figure's caption for the abstract. So each item is read here
first: its elements are collected as `RawItem`, and a copy with only the elements and attributes
that feedparser reads well is passed to it. Begin at `prepare`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from digestbot.sources.feed_text import with_sound_references

ATOM = "http://www.w3.org/2005/Atom"
DC = ("http://purl.org/dc/elements/1.1/", "http://purl.org/dc/terms/")
CONTENT = "http://purl.org/rss/1.0/modules/content/"
MAX_ITEMS = 10_000
"""Items of one feed; feedparser takes 3 s for them."""
MAX_FIELDS = 5_000
"""Elements of one item: a paper with thousands of authors has that many."""
MAX_ATTRIBUTES = 20
"""Attributes of one element; beyond that, only known ones are kept."""
MAX_FIELD = 200_000
"""Characters of one field."""
INDEX = "digestbotindex"
"""Element that carries an item's position through feedparser."""

_PARSER_OPTIONS = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "remove_comments": True,
    "remove_pis": True,
    "huge_tree": False,
}
_ROOT = re.compile(r"<([A-Za-z][\w:.-]{0,60})[^<>]*>")
_BOUNDARY = re.compile(
    r"<!--|<!\[CDATA\[|<(?P<end>/?)(?:\w{1,20}:)?(?:[iI][tT][eE][mM]|[eE][nN][tT][rR][yY])(?=[\s/>])"
)
_HIDDEN_ENDS = {"<!--": "-->", "<![CDATA[": "]]>"}
_ITEM_TAGS = frozenset({"item", "entry"})
_READ_WELL = frozenset(
    {"title", "link", "guid", "id", "description", "summary", "content", "encoded", "category",
     "subject", "enclosure"}
)  # fmt: skip
"""Local names that feedparser gets to see, if their namespace is a feed's own."""
_ATTRIBUTES = frozenset(
    {"href", "rel", "type", "term", "label", "scheme", "url", "isPermaLink", "mode", "src",
     "domain", "length", "lang", "base", "about"}
)  # fmt: skip
_OWN = frozenset({
    "", ATOM, CONTENT, *DC, "http://purl.org/rss/1.0/", "http://purl.org/atom/ns#",
    "http://my.netscape.com/rdf/simple/0.9/", "http://channel.netscape.com/rdf/simple/0.9/",
    "http://backend.userland.com/rss2", "http://purl.org/net/rss1.1#",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class RawField:
    """One element of an item."""

    namespace: str
    name: str
    """Local name in lower case."""
    text: str
    """Its text and markup, tags included."""
    attributes: tuple[tuple[str, str], ...] = ()

    def get(self, attribute: str) -> str:
        """Return the value of *attribute*, empty if it is absent."""
        return next((value for name, value in self.attributes if name == attribute), "")


@dataclass(frozen=True, slots=True)
class RawItem:
    """All elements of an item, in their order; those inside media elements are left out."""

    fields: tuple[RawField, ...]
    about: str = ""
    """``rdf:about`` of RSS 1.0."""

    def texts(self, *names: str, namespaces: tuple[str, ...] | None = None) -> Iterator[str]:
        """Yield the texts of the fields with one of *names*, in any namespace or some."""
        for each in self.fields:
            if each.name in names and (namespaces is None or each.namespace in namespaces):
                yield each.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A feed for feedparser, and its items as they are."""

    document: bytes = field(repr=False)
    """Well-formed XML in UTF-8."""
    items: tuple[RawItem, ...]
    channel: RawItem
    omitted: int = 0
    """Items beyond `MAX_ITEMS`."""


def prepare(text: str) -> Prepared | None:
    """
    Parse *text*, a feed from its root on; return None unless it is XML with all items.

    Malformed XML is recovered item by item, so that one does not swallow or change another.
    """
    root = _parsed(text, recover=False)
    if root is None:
        spans = _item_spans(text)
        root = _parsed(_with_sound_items(text, spans), recover=True)
        if root is None or _count(root) < len(spans):
            return None
    _drop_foreign(root)
    for element in root.iter():
        _prune(element)
    elements = [each for each in root.iter() if _local(each) in _ITEM_TAGS]
    elements = [each for each in elements if not _is_nested(each)]
    items = tuple(_raw(each) for each in elements[:MAX_ITEMS])
    channel = _raw(next((each for each in root.iter() if _local(each) == "channel"), root))
    for index, element in enumerate(elements):
        if index < MAX_ITEMS:
            _simplify(element, index)
        else:
            element.getparent().remove(element)
    return Prepared(
        document=etree.tostring(root, encoding="utf-8", with_tail=False),
        items=items,
        channel=channel,
        omitted=max(0, len(elements) - MAX_ITEMS),
    )


def _parsed(text: str, *, recover: bool) -> Any:
    parser = etree.XMLParser(**_PARSER_OPTIONS, recover=recover, encoding="utf-8")
    if recover:  # libxml2 makes half a surrogate pair of some, which lxml cannot decode
        text = with_sound_references(text)
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _with_sound_items(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return *text* with each malformed item, at one of *spans*, recovered alone."""
    opening = _ROOT.match(text)
    if opening is None:
        return text
    parts: list[str] = []
    last = 0
    for start, end in spans:
        parts += [text[last:start], _sound_item(text[start:end], opening[0], f"</{opening[1]}>")]
        last = end
    return "".join([*parts, text[last:]])


def _sound_item(item: str, opening: str, closing: str) -> str:
    """Return *item* as well-formed XML; empty if nothing can be recovered."""
    whole = opening + item + closing
    if _parsed(whole, recover=False) is not None:
        return item
    root = _parsed(whole, recover=True)
    if root is None:
        return ""
    element = next((each for each in root.iter() if _local(each) in _ITEM_TAGS), None)
    if element is None:
        return ""
    sound: str = etree.tostring(element, encoding="unicode", with_tail=False)
    return sound


def _item_spans(text: str) -> list[tuple[int, int]]:
    """Return where items begin and end; one without an end tag ends where the next begins."""
    tags = list(_item_tags(text))
    is_balanced = sum(1 if is_start else -1 for is_start, _, _ in tags) == 0
    spans: list[tuple[int, int]] = []
    start: int | None = None
    depth = 0
    for is_start, begin, end in tags:
        if is_start and is_balanced and depth:
            depth += 1  # an element inside an item that is called the same
        elif is_start:
            spans += [(start, begin)] if start is not None else []
            start, depth = begin, 1
        elif start is not None and (depth := depth - 1) == 0:
            spans.append((start, end))
            start = None
    return spans


def _item_tags(text: str) -> Iterator[tuple[bool, int, int]]:
    """Yield the tags of items outside comments and CDATA: is it a start tag, from, to."""
    # A comment or CDATA that never ends hides nothing.
    hides = {begin: text.rfind(end) for begin, end in _HIDDEN_ENDS.items()}
    at = 0
    while found := _BOUNDARY.search(text, at):
        at = found.end()
        if found[0] not in hides:
            at = text.find(">", at) + 1 or len(text)
            if text[at - 2] != "/":
                yield not found["end"], found.start(), at
        elif at <= hides[found[0]]:
            at = text.find(_HIDDEN_ENDS[found[0]], at)


def _count(root: Any) -> int:
    return sum(_local(each) in _ITEM_TAGS and not _is_nested(each) for each in root.iter())


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _namespace(element: Any) -> str:
    tag = element.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag[:1] == "{" else ""


def _is_nested(element: Any) -> bool:
    return any(_local(each) in _ITEM_TAGS for each in element.iterancestors())


def _drop_foreign(root: Any) -> None:
    """Turn unresolved references, which lxml keeps as nodes, into text."""
    for entity in list(root.iter(etree.Entity)):
        parent, previous = entity.getparent(), entity.getprevious()
        if parent is None:
            continue
        text = f"{entity.text or ''}{entity.tail or ''}"
        if previous is not None:
            previous.tail = (previous.tail or "") + text
        else:
            parent.text = (parent.text or "") + text
        entity.tail = None
        parent.remove(entity)


def _prune(element: Any) -> None:
    """Drop unknown attributes: feedparser takes quadratic time for many."""
    if len(element.attrib) > MAX_ATTRIBUTES:
        kept = {
            key: value
            for key, value in element.attrib.items()
            if key.rpartition("}")[2] in _ATTRIBUTES
        }
        element.attrib.clear()
        element.attrib.update(kept)


def _raw(element: Any) -> RawItem:
    found: list[RawField] = []
    for child in element:
        if len(found) == MAX_FIELDS:
            break
        name = _local(child)
        if not name or name in _ITEM_TAGS or "search.yahoo.com/mrss" in _namespace(child):
            continue
        attributes = [
            (key.rpartition("}")[2], value[:MAX_FIELD])
            for key, value in child.attrib.items()
            if key.rpartition("}")[2] in _ATTRIBUTES
        ]
        text = _inner(child)[:MAX_FIELD]
        found.append(RawField(_namespace(child), name, text, tuple(attributes)))
    about = next((v for k, v in element.attrib.items() if k.rpartition("}")[2] == "about"), "")
    return RawItem(fields=tuple(found), about=about[:MAX_FIELD])


def _inner(element: Any) -> str:
    """Return the text of *element*, with the markup of its children."""
    if len(element) == 0:
        text: str = element.text or ""
        return text
    whole: str = etree.tostring(element, encoding="unicode", with_tail=False)
    return whole[whole.find(">") + 1 : whole.rfind("</")]


def _simplify(item: Any, index: int) -> None:
    """Leave in *item* what feedparser reads well, and number it."""
    for child in list(item):
        if _local(child) not in _READ_WELL or _namespace(child) not in _OWN:
            item.remove(child)
            continue
        _shorten(child)
    number = etree.SubElement(item, f"{{urn:digestbot}}{INDEX}", nsmap={"db": "urn:digestbot"})
    number.text = str(index)


def _shorten(child: Any) -> None:
    """
    Bound the text of a field; inner markup becomes text.

    feedparser would take inner elements for fields, and one ``<content>`` in a ``<description>``
    makes it lose the description of a later item.
    """
    if len(child):
        text = _inner(child)
        for inner in list(child):
            child.remove(inner)
        child.text = text
        child.attrib.pop("mode", None)
        child.set("type", "html")
    if child.text and len(child.text) > MAX_FIELD:
        child.text = child.text[:MAX_FIELD]
