"""Parse XML and HTML from untrusted servers, keeping text that only looks like tags."""

import html
import re
from typing import Any

from digestbot.errors import BadAnswer
from digestbot.sources.feed_text import decode
from digestbot.text.mathml import replace_mathml
from digestbot.text.mathtext import script

_PARSER = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
MAX_ATTRIBUTES = 100
"""Attributes of one element that are parsed; no format has as many."""
_ATTRIBUTE = r"""\s++[^\s=<>"'/]++\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'|[^\s"'<>]++)"""
_CROWDED = re.compile(rf"(<[^\s<>=\"'/]++(?:{_ATTRIBUTE}){{{MAX_ATTRIBUTES}}})(?:{_ATTRIBUTE})++")
"""The start of a tag with too many attributes; possessive, so that time is linear."""


def parse_xml(body: bytes) -> Any:
    """
    Return the root element of *body*.

    Document types are refused: no supported source needs one, and entities allow XML bombs. Control
    characters and broken UTF-8, which XML forbids (XML 1.0, 2.2), are removed, so that one of them
    does not cost the whole page.

    Raises:
        BadAnswer: The XML is not well-formed, or has a document type.
    """
    from lxml import etree  # here: most commands parse nothing

    parser = etree.XMLParser(**_PARSER, encoding="utf-8")
    root = _well_formed(body, parser)
    try:
        if root is None:
            source = bounded_attributes(decode(body, "charset=utf-8")).encode("utf-8", "replace")
            root = etree.fromstring(source, parser)
    except etree.XMLSyntaxError as error:
        # libxml2 quotes names from the response, which may contain anything.
        shown = "".join(sign if sign.isprintable() else " " for sign in str(error.msg))
        cause = " ".join(shown.split())[:120]
        raise BadAnswer(f"the response is not well-formed XML: {cause}") from error
    if root.getroottree().docinfo.doctype:
        raise BadAnswer("the response has a document type, which is refused")
    return root


def _well_formed(body: bytes, parser: Any) -> Any | None:
    """
    Return the root element if *body* can be parsed unchanged.

    Cleaning takes as long as parsing (`tests.bench.bench_arxiv`), and most bodies need none.
    """
    from lxml import etree

    head = body[:200].lower()
    try:
        if (b"encoding" in head and b"utf-8" not in head) or _CROWDED.search(body.decode("utf-8")):
            return None
        return etree.fromstring(body, parser)
    except (UnicodeDecodeError, etree.XMLSyntaxError):
        return None


def bounded_attributes(text: str) -> str:
    """Drop all but the first attributes of an element: libxml2 takes quadratic time for many."""
    return _CROWDED.sub(r"\1", text)


def own_text(element: Any) -> str:
    """Return all text inside *element*, as served."""
    if len(element):
        return "".join(element.itertext())
    return element.text or ""


def child_text(element: Any, tag: str) -> str | None:
    """Return the text of the first child *tag*, as served."""
    child = element.find(tag)
    return None if child is None else own_text(child)


def one_line(text: str | None) -> str | None:
    """Collapse whitespace; return None for blank text."""
    if not text:
        return None
    is_clean = text.isprintable() and "  " not in text and " " not in (text[0], text[-1])
    return text if is_clean else " ".join(text.split()) or None


# Element names of HTML 5, JATS and MathML that feeds put into titles and abstracts. Everything else
# is text: an HTML parser would drop parts of "if x<y then z>w" and "$0<a<b$".
_NAMES = (
    "a|abbr|acronym|address|article|aside|audio|b|bdi|bdo|big|blockquote|body|br|button|caption|"
    "center|cite|code|col|colgroup|dd|del|details|dfn|div|dl|dt|em|embed|fieldset|figcaption|"
    "figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|legend|"
    "li|link|main|map|mark|math|meta|nav|noscript|object|ol|p|param|picture|pre|q|s|samp|script|"
    "section|select|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|"
    "textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|video|wbr|"
    "m(?:i|n|o|row|sub|sup|subsup|text|stack|over|under|frac|sqrt|space|style|table|tr|td)|"
    "inline-formula|disp-formula|tex-math|alternatives|inline-graphic|named-content|sc|sec|st|xref|"
    "ext-link|graphic|fig|italic|bold|roman|monospace|scp|"
    "(?:jats|mml|xhtml|ali|xlink):[a-z-]+"
)
# Attributes need a "=": otherwise "x <b and c> y" would contain a tag.
_TAG = re.compile(
    rf"<!--|-->|<!\[CDATA\[|<(?P<end>/?)(?P<name>{_NAMES})(?:\s*/?|\s[^<>=]*=[^<>]*)>",
    re.IGNORECASE,
)
_BREAKS = re.compile(
    r"address|article|blockquote|br|caption|dd|div|d[lt]|figcaption|figure|footer|h[1-6]|header|"
    r"hr|li|[ou]l|p|pre|section|sec|st|table|tr|title|jats:(?:p|sec|title)"
)
_SCRIPT = re.compile(
    r"<(?:\w{1,10}:)?(?P<kind>sub|sup)(?:\s[^<>]{0,200})?>(?P<text>[^<>]{1,40})"
    r"</(?:\w{1,10}:)?(?P=kind)>",
    re.IGNORECASE,
)
_ESCAPED = re.compile(
    r"&(?:lt|gt|amp|quot|apos|nbsp|[mn]dash|#\d{1,6}|#x[\da-f]{1,5});", re.IGNORECASE
)
MAX_ESCAPES = 3
"""How often text is escaped at most; feeds escape twice, rarely three times."""
_HIDDEN = frozenset({"script", "style", "head"})
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")


def plain_html(source: str) -> str:
    """
    Return the text of the HTML *source*, one line per paragraph; takes linear time.

    Only known element names are tags, so inequalities stay. MathML becomes LaTeX, sub- and
    superscripts become Unicode. Scripts, styles and comments are dropped. What is still escaped
    afterwards was escaped twice and is read again.
    """
    text = _plain(source)
    for _ in range(MAX_ESCAPES - 1):
        if not (_ESCAPED.search(text) or _is_marked_up(text)):
            break
        text = _plain(text)
    return text


def _is_marked_up(text: str) -> bool:
    """Return True if *text* has a whole element, as left by a second escaping."""
    opening = next((tag for tag in _TAG.finditer(text) if tag["name"] and not tag["end"]), None)
    return opening is not None and f"</{opening['name']}".lower() in text.lower()


def _script(found: re.Match[str]) -> str:
    return script(html.unescape(found["text"]).strip(), up=found["kind"].lower() == "sup")


def _plain(source: str) -> str:
    if "<" in source:
        source = _SCRIPT.sub(_script, replace_mathml(source))
    parts: list[str] = []
    hidden: str | None = None
    last = 0
    for match in _TAG.finditer(source):
        if hidden is None:
            parts.append(source[last : match.start()])
        last = match.end()
        name = (match["name"] or match[0]).lower()
        hidden = _hidden_by(hidden, name, is_end=match["end"] == "/")
        parts.append("\n" if _BREAKS.fullmatch(name) else "")
    if hidden is None:
        parts.append(source[last:])
    text = _BLANKS.sub(" ", html.unescape("".join(parts)))
    return _LINES.sub("\n", text).strip()


def _hidden_by(hidden: str | None, name: str, *, is_end: bool) -> str | None:
    """Return the element whose end makes text visible again, after the tag *name*."""
    if hidden is not None:
        closed = name == "-->" if hidden == "<!--" else is_end and name == hidden
        return None if closed else hidden
    opens = name == "<!--" or (name in _HIDDEN and not is_end)
    return name if opens else None
