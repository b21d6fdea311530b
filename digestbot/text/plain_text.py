"""Raw text of a source → what a person reads: no LaTeX, no controls, paragraphs kept."""

import re
from typing import NamedTuple

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
_SETS_APART = re.compile(r"\\(?:emph|text(?:it|sl|bf)|em|it|sl|bf|itshape|bfseries)(?![A-Za-z])")
_MARKS = re.compile(f"([{latex.ITALIC}{latex.BOLD}{latex.UPRIGHT}])")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")


class Emphasis(NamedTuple):
    """A run of plain text that its author set apart."""

    start: int
    end: int
    """One past the last character."""
    is_bold: bool
    """Else it is in italics."""


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
    return _joined(raw, one_line=one_line, marked=False)


def emphases(raw: str, text: str, *, one_line: bool = False) -> tuple[Emphasis, ...]:
    r"""
    What of *text*, the plain form of *raw*, is in italics or bold: ``\textit{E. coli}``.

    In order and apart from each other; of emphasis within emphasis the outer one. Nothing if *text*
    is not what `plain` makes of *raw* today: the store may hold what an older version made of it.
    """
    if not _SETS_APART.search(raw):
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
    text = _UNWANTED.sub("", _LINE_ENDS.sub("\n", raw))
    paragraphs = (_paragraph(paragraph, marked=marked) for paragraph in _PARAGRAPH.split(text))
    return (" " if one_line else "\n").join(filter(None, paragraphs))


def _paragraph(text: str, *, marked: bool) -> str:
    line = " ".join(text.split())
    if latex.is_plain(line):
        return line
    # Made plain, a tie or an empty macro may leave blanks side by side.
    return " ".join(latex.to_text(line, marked=marked).split())
