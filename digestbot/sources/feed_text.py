"""
Turn the bytes of a feed into clean text: charset, character references, control characters.

Every step takes linear time, whatever the bytes are. Begin at `decode`.
"""

import codecs
import re
from html.entities import html5

from digestbot.errors import BadAnswer

_DECLARED = re.compile(r"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,2000}\?>")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BARE_STARTS = (
    (b"<\0?\0", "utf-16-le"),
    (b"\0<\0?", "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"\x4c\x6f\xa7\x94", "cp037"),
)
"""First bytes of XML in charsets that need no mark (XML 1.0, appendix F)."""
_NOT_CHARSETS = frozenset({
    "idna", "punycode", "utf-7", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem",
})  # fmt: skip
"""Codecs of Python that documents never use; some take quadratic time."""
_ALIASES = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
"""Declared charset → the superset that browsers read (WHATWG Encoding)."""
_REFERENCE = re.compile(r"&(?:#(?:[xX]([0-9a-fA-F]{1,9})|(\d{1,11}))|([A-Za-z][A-Za-z0-9]{1,31}));")
_NUMERIC = re.compile(r"&#[xX]?[0-9a-fA-F]{0,11};?")
_SURROGATES = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XML_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})


def decode(body: bytes, content_type: str = "") -> str:
    """
    Decode *body* and drop its byte order mark and XML declaration.

    A byte order mark decides, then UTF-8 if it is valid or named, then the header, then the XML
    declaration. Bytes that do not fit are replaced: one bad byte costs one character.
    References to characters that XML does not allow are dropped, and HTML's names are resolved.
    """
    text = _decoded(body, content_type)
    text = _XML_DECLARATION.sub("", text.removeprefix("\ufeff"), count=1)
    text = _SURROGATES.sub(_joined, _REFERENCE.sub(_resolved, text))
    return without_controls(text)


def with_sound_references(text: str) -> str:
    """Escape numeric references that are unfinished or stand for what XML forbids."""
    return _NUMERIC.sub(_escaped_unless_sound, text)


def _escaped_unless_sound(found: re.Match[str]) -> str:
    whole = _REFERENCE.fullmatch(found[0])
    is_sound = whole is not None and _resolved(whole) == found[0]
    return found[0] if is_sound else f"&amp;{found[0][1:]}"


def without_controls(text: str) -> str:
    """Drop what XML forbids: control characters and halves of surrogate pairs (XML 1.0, 2.2)."""
    return _FORBIDDEN.sub("", text)


def _decoded(body: bytes, content_type: str) -> str:
    for bom, charset in _BOMS:
        if body.startswith(bom):
            return body.decode(charset, "replace")
    for start, charset in _BARE_STARTS:
        if body.startswith(start):
            return body.decode(charset, "replace")
    header = _CHARSET.search(content_type[:1000])
    declaration = _DECLARED.match(body[:1000].decode("latin-1"))
    named = [name for found in (header, declaration) if found and (name := _known(found[1]))]
    other = next((name for name in named if name != "utf-8"), None)
    if other and other.startswith(("iso2022", "hz", "utf-16", "utf-32")):
        return body.decode(other, "replace")  # encoded in ASCII bytes
    text = body.decode("utf-8", "replace")
    misread = text.count("\ufffd")
    if not misread or ("utf-8" in named and (other is None or _is_mostly_read(text, misread))):
        return text
    return body.decode(other or "cp1252", "replace")


def _is_mostly_read(text: str, misread: int) -> bool:
    """Return True if UTF-8 explains most of the bytes beyond ASCII."""
    return sum(not char.isascii() for char in text) >= 2 * misread


def _known(name: str) -> str | None:
    try:
        codec = codecs.lookup(name)
        b"".decode(name)  # refuses binary codecs such as zlib
    except (LookupError, ValueError):
        return None
    return None if codec.name in _NOT_CHARSETS else _ALIASES.get(codec.name, codec.name)


def _resolved(found: re.Match[str]) -> str:
    """Return what a reference stands for; those that XML knows stay as they are."""
    hexadecimal, decimal, name = found.groups()
    if name:
        return found[0] if name in _XML_NAMES else html5.get(f"{name};", found[0])
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    if 0xD800 <= code <= 0xDFFF:
        return chr(code)  # half of an emoji, perhaps; `_joined` needs both
    if code < 0x80:
        return found[0] if code in (9, 10, 13) or code >= 0x20 else ""
    return found[0] if code <= 0x10FFFF and code & 0xFFFE != 0xFFFE else ""


def _joined(found: re.Match[str]) -> str:
    high, low = ord(found[1]) - 0xD800, ord(found[2]) - 0xDC00
    return chr(0x10000 + (high << 10) + low)


def without_prolog(text: str) -> str:
    """
    Return *text* from its root element on.

    Comments and processing instructions may precede it, and a document type that refers to an
    external subset, which is never loaded.

    Raises:
        BadAnswer: The document type declares entities, which is how XML is made to explode.
    """
    at = 0
    has_doctype = False
    while True:
        at = _skip_blanks(text, at)
        if text.startswith("<!--", at):
            at = _after(text, "-->", at + 4)
        elif text.startswith("<?", at):
            at = _after(text, "?>", at + 2)
        elif not has_doctype and text[at : at + 9].upper() == "<!DOCTYPE":
            has_doctype = True
            end = _doctype_end(text, at)
            if "<!entity" in text[at:end].lower():
                raise BadAnswer("the feed declares entities in a document type, which is refused")
            at = end
        else:
            return text[at:]


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _after(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found + len(mark)


def _doctype_end(text: str, at: int) -> int:
    """Return the position after the document type at *at*, with its internal subset."""
    subset, end = text.find("[", at), text.find(">", at)
    if 0 <= subset < end:
        end = text.find(">", _after(text, "]", subset))
    return len(text) if end < 0 else end + 1
