"""Plain Unicode from raw text: LaTeX converted, control characters removed, paragraphs kept."""

import re
from functools import cache
from typing import NamedTuple

from digestbot.text import latex

# All line ends, including U+0085, U+2028 and U+2029.
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_EMPHASIS = re.compile(r"\\(?:emph|text(?:it|sl|bf)|em|it|sl|bf|itshape|bfseries)(?![A-Za-z])")
_MARKS = re.compile(f"([{latex.ITALIC}{latex.BOLD}{latex.UPRIGHT}])")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")


# Compiled at the first text with such a character: it takes 0.8 ms.
@cache
def _unwanted() -> re.Pattern[str]:
    # C0 and C1 controls, soft hyphen, zero-width spaces, bidi overrides and isolates (which can
    # reverse a line), lone surrogates, private use, and noncharacters (which XML and PostgreSQL
    # reject).
    return re.compile(
        "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069"
        "\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]"
    )


class Emphasis(NamedTuple):
    """A run of plain text in italics or bold."""

    start: int
    end: int
    """One past the last character."""
    is_bold: bool
    """True for bold, False for italics."""


def plain(raw: str, *, one_line: bool = False) -> str:
    r"""
    Convert *raw* to plain Unicode, with LaTeX made readable and whitespace normalized.

    Control characters are removed. A line break inside a paragraph becomes a space, an empty line
    one line break. Source without a plain form is kept: the author's own macros, environments,
    formulas of several lines. No letter or digit is lost. A ``$`` of money, a ``%`` and the signs
    ``< > &`` are left alone. Never raises.

    Args:
        raw: A title, an abstract or a comment, as served.
        one_line: Join paragraphs with a space, too.
    """
    return _joined(raw, one_line=one_line, marked=False)


def emphases(raw: str, text: str, *, one_line: bool = False) -> tuple[Emphasis, ...]:
    r"""
    Locate italics and bold, such as ``\textit{E. coli}``, in *text*, the plain form of *raw*.

    Returns disjoint runs in order; of nested emphasis only the outer one. Returns nothing if *text*
    differs from `plain` of *raw*, as the store may have text from an older version.
    """
    if not _EMPHASIS.search(raw):
        return ()
    marked = _joined(raw, one_line=one_line, marked=True)
    found = []
    at = depth = start = 0
    is_bold = False
    for piece in _MARKS.split(marked):
        if not _MARKS.fullmatch(piece):
            at += len(piece)
        elif piece == latex.UPRIGHT:
            depth -= 1
            if depth == 0 and at > start:
                found.append(Emphasis(start, at, is_bold))
        else:
            if depth == 0:
                start, is_bold = at, piece == latex.BOLD
            depth += 1
    return tuple(found) if _MARKS.sub("", marked) == text else ()


def _joined(raw: str, *, one_line: bool, marked: bool) -> str:
    line = raw.replace("\n", " ").strip()
    # Most texts are one paragraph without any character to remove; these checks take a tenth of
    # the time of the expressions below. Of all blanks, only the space is printable.
    if line.isprintable():
        if "  " not in line:
            return _paragraph(line, marked=marked)
        text = raw
    else:
        text = _unwanted().sub("", _LINE_ENDS.sub("\n", raw))
    paragraphs = (
        _paragraph(" ".join(paragraph.split()), marked=marked)
        for paragraph in _PARAGRAPH.split(text)
    )
    return (" " if one_line else "\n").join(filter(None, paragraphs))


def _paragraph(line: str, *, marked: bool) -> str:
    if latex.is_plain(line):
        return line
    # A tie or an empty macro may leave several spaces in a row.
    return " ".join(latex.to_text(line, marked=marked).split())
