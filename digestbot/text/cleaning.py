"""Raw text of a source → what a person reads: no LaTeX, no controls, paragraphs kept."""

import re

from digestbot.text import latex

# Line ends of all kinds; U+0085, U+2028 and U+2029 are ones too.
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
# What has no business in a title: C0 and C1 controls, soft hyphen, zero-width blanks, bidi
# overrides and isolates (which can turn a line around), lone surrogates, private use, and
# noncharacters (which XML and PostgreSQL refuse).
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]"
)
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")


def plain(raw: str, *, one_line: bool = False) -> str:
    r"""
    *raw* as plain Unicode: its LaTeX made readable, its controls gone, its blanks single.

    A line break inside a paragraph becomes a blank, an empty line one line break. What cannot be
    made plain stays as its author wrote it: a macro that is his own, an environment, a formula of
    several lines. No letter or digit is lost. A ``$`` of money, a ``%`` and the signs ``< > &`` are
    left alone. Never raises.

    Args:
        raw: A title, an abstract, a comment, as served.
        one_line: Paragraphs are parted by a blank, too.
    """
    text = _UNWANTED.sub("", _LINE_ENDS.sub("\n", raw))
    paragraphs = (_paragraph(paragraph) for paragraph in _PARAGRAPH.split(text))
    return (" " if one_line else "\n").join(filter(None, paragraphs))


def _paragraph(text: str) -> str:
    line = " ".join(text.split())
    if latex.is_plain(line):
        return line
    # Made plain, a tie or an empty macro may leave blanks side by side.
    return " ".join(latex.to_text(line).split())
