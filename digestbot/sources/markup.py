"""Reading XML and HTML that strangers wrote: safely, and without losing what looks like tags."""

import html
import re
from typing import TYPE_CHECKING, Any

from digestbot.errors import BadAnswer

if TYPE_CHECKING:
    from lxml import etree

_PARSER = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def parse_xml(body: bytes) -> Any:
    """
    The root element of *body*.

    A document type is refused: no source of ours needs one, and entities are how XML is made to
    explode. Control characters and broken UTF-8, which no XML may hold (XML 1.0, 2.2), are taken
    out rather than the whole page lost for one of them.

    Raises:
        BadAnswer: No well-formed XML, or XML with a document type.
    """
    from lxml import etree  # here: most commands parse nothing

    try:
        root = _parsed(body)
    except etree.XMLSyntaxError as error:
        root = _parsed_mended(body, error)
    if root.getroottree().docinfo.doctype:
        raise BadAnswer("the answer has a document type, which is not read")
    return root


def _parsed(body: bytes) -> Any:
    from lxml import etree

    return etree.fromstring(body, etree.XMLParser(**_PARSER))


def _parsed_mended(body: bytes, first: "etree.XMLSyntaxError") -> Any:
    from lxml import etree

    text = body.decode("utf-8", "replace")
    mended = _FORBIDDEN.sub("", _DECLARATION.sub("", text)).encode()
    try:
        return _parsed(mended)
    except etree.XMLSyntaxError:
        cause = " ".join(str(first.msg).split())[:120]
        raise BadAnswer(f"the answer is not well-formed XML: {cause}") from first


def own_text(element: Any) -> str:
    """All text inside *element*, as served."""
    return "".join(element.itertext())


def child_text(element: Any, tag: str) -> str | None:
    """The text of the first child *tag* of *element*, as served; None if there is no such child."""
    child = element.find(tag)
    return None if child is None else own_text(child)


def one_line(text: str | None) -> str | None:
    """*text* with its blanks collapsed; None if nothing is left."""
    return " ".join((text or "").split()) or None


def split_names(text: str) -> list[str]:
    """The parts of *text* between commas; those within brackets belong to affiliations."""
    parts, depth = [""], 0
    for char in text:
        depth = max(0, depth + (char == "(") - (char == ")"))
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [name for part in parts if (name := part.strip())]


# Names of HTML 5, JATS and MathML that feeds put into titles and abstracts. What is not listed is
# text: "if x<y then z>w" and "$0<a<b$" are, and a parser of HTML would eat them.
_NAMES = (
    "a|abbr|acronym|address|article|aside|audio|b|bdi|bdo|big|blockquote|body|br|button|caption|"
    "center|cite|code|col|colgroup|dd|del|details|dfn|div|dl|dt|em|embed|fieldset|figcaption|"
    "figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|legend|"
    "li|link|main|map|mark|math|meta|nav|noscript|object|ol|p|param|picture|pre|q|s|samp|script|"
    "section|select|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|"
    "textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|video|wbr|"
    "m(?:i|n|o|row|sub|sup|subsup|text|stack|over|under|frac|sqrt|space|style|table|tr|td)|"
    "(?:jats|mml):[a-z-]+"
)
# Attributes have a "=": without that, "x <b and c> y" would hold a tag.
_TAG = re.compile(
    rf"<!--|-->|<!\[CDATA\[|<(?P<end>/?)(?P<name>{_NAMES})(?:\s*/?|\s[^<>=]*=[^<>]*)>",
    re.IGNORECASE,
)
_BREAKS = re.compile(
    r"address|article|blockquote|br|caption|dd|div|d[lt]|figcaption|figure|footer|h[1-6]|header|"
    r"hr|li|[ou]l|p|pre|section|table|tr|jats:(?:p|sec|title)"
)
_SILENT = frozenset({"script", "style", "head"})
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")


def plain_html(source: str) -> str:
    """
    The text of a piece of HTML, one line a paragraph; takes time in proportion to its length.

    Only tags that exist are tags: an inequality stays. Scripts, styles and comments are dropped.
    """
    pieces: list[str] = []
    silent: str | None = None
    last = 0
    for match in _TAG.finditer(source):
        if silent is None:
            pieces.append(source[last : match.start()])
        last = match.end()
        name = (match["name"] or match[0]).lower()
        silent = _silence(silent, name, is_end=match["end"] == "/")
        pieces.append("\n" if _BREAKS.fullmatch(name) else "")
    if silent is None:
        pieces.append(source[last:])
    text = _BLANKS.sub(" ", html.unescape("".join(pieces)))
    return _LINES.sub("\n", text).strip()


def _silence(silent: str | None, name: str, *, is_end: bool) -> str | None:
    """What has to be closed before text is heard again, after the tag *name*."""
    if silent is not None:
        closed = name == "-->" if silent == "<!--" else is_end and name == silent
        return None if closed else silent
    opens = name == "<!--" or (name in _SILENT and not is_end)
    return name if opens else None
