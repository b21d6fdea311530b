"""
Cleaning of untrusted text: visible characters only, bounded length, web links only.

Every form needs this before its own escaping. Begin at `line`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import quote, urlsplit

from digestbot.text import Emphasis

URL_MAX = 2000
"""Longest link in characters; servers and clients cut longer ones, so they are dropped."""

# Control characters, zero-width characters, overrides of the writing direction (they make one text
# look like another), invisible tags, lone surrogates and non-characters (neither can be encoded or
# parsed back).
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060"
    r"\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff\U000e0000-\U000e007f]"
)
# Stacking marks: a hundred on one letter would cover the papers around it.
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_STACKED = re.compile(f"({_MARK}{{4}}){_MARK}+")
_BREAKS = re.compile(r"[ \t]*[\n\r\v\f\x85\u2028\u2029]\s*")
_WHITESPACE = re.compile(r"\s+")
_BEFORE_CUT = " \n,;:–—("
"""Characters dropped before an ellipsis."""
_SENTENCE_END = re.compile(r"""[.!?]["')\]”’]*(?=\s)|[。！？]""")
_ABBREVIATION = re.compile(r"(?i)\b(?:[a-z]|al|approx|ca|cf|dr|eqs?|etc|figs?|resp|sec|vs)\.\Z")
"""A period after a single letter (``e.g.``, an initial) or a usual short form."""
_NOT_IN_URL = re.compile(r'["<>\\^`{|}]')
_DOI = re.compile(r"10\.\d{4,9}/\S+")


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text with one style."""

    text: str
    hit: bool = False
    """Highlighted, because the filter matched it."""
    italic: bool = False
    """Set in italics by the author; likewise `bold`."""
    bold: bool = False


def line(text: str) -> str:
    """Clean *text*: one line, visible characters, few marks per letter."""
    is_clean = text.isprintable() and "  " not in text and text[:1] != " " != text[-1:]
    if is_clean and (text.isascii() or not _STACKED.search(text)):
        return text  # the usual case, in a tenth of the time
    return _WHITESPACE.sub(" ", _STACKED.sub(r"\1", _INVISIBLE.sub("", text))).strip()


def clip(text: str, length: int) -> str:
    """Clean and shorten *text*, see `line` and `shorten`."""
    # Text far beyond the cut is dropped before cleaning: a single word may have 10,000 letters.
    return shorten(line(text[: 4 * length + 100]), length)


def shorten(shown: str, length: int) -> str:
    """Shorten clean text to *length* characters, at a word and with an ellipsis."""
    if len(shown) <= length:
        return shown
    return shown[: cut_at(shown, length - 1)].rstrip(_BEFORE_CUT) + "…"


def cut_at(text: str, length: int) -> int:
    """Return where to cut *text* to *length* characters, preferably at a space."""
    if len(text) <= length:
        return len(text)
    space = max(text.rfind(" ", length // 2, length + 1), text.rfind("\n", length // 2, length + 1))
    return length if space < 0 else space


def sentence_end(text: str, length: int) -> int:
    """Return the last sentence end in the last third of *length* characters, else *length*."""
    if len(text) <= length:
        return length
    ends = [
        found.end()
        for found in _SENTENCE_END.finditer(text, length * 2 // 3, length + 1)
        if found.end() <= length and not _ABBREVIATION.search(text, 0, found.start() + 1)
    ]
    return max(ends, default=length)


def spans(
    text: str,
    hits: Iterable[tuple[int, int]],
    length: int,
    emphases: Iterable[Emphasis] = (),
) -> tuple[Span, ...]:
    """
    Split the first *length* characters of *text* into clean spans, highlighting *hits*.

    Hits and emphases are ``(start, end)`` in the raw *text*, so it is split before it is cleaned;
    hits may overlap and reach beyond the text. Line breaks are kept as ``\\n``.
    """
    end = cut_at(text, length)
    joined_hits = _disjoint(hits, end)
    shown_emphases = [emph for emph in emphases if emph.start < end]
    edges = {0, end, *(edge for hit in joined_hits for edge in hit)}
    edges.update(min(edge, end) for emph in shown_emphases for edge in (emph.start, emph.end))
    found = []
    for start, stop in pairwise(sorted(edges)):
        run = text[start:stop]
        if stop == end < len(text):
            run = run.rstrip(_BEFORE_CUT)
        is_bold = next(
            (emph.is_bold for emph in shown_emphases if emph.start <= start < emph.end), None
        )
        is_hit = any(begin <= start < close for begin, close in joined_hits)
        found.append(Span(_tidy(run), hit=is_hit, italic=is_bold is False, bold=is_bold is True))
    if end < len(text):
        found.append(Span(" …" if text[end - 1] in ".!?" else "…"))
    shown = tuple(span for span in found if span.text)
    return shown if any(span.text.strip() for span in shown) else ()


def url(text: str | None) -> str | None:
    """Return *text* if it is a safe http or https link, else None."""
    if not text or len(text) > URL_MAX or line(text) != text or " " in text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:  # for example, an unclosed bracket of an IPv6 host
        return None
    # A user name is misleading: https://arxiv.org@example.org leads to example.org.
    if parts.scheme.lower() not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
        return None
    return _NOT_IN_URL.sub(lambda found: f"%{ord(found[0]):02X}", text)


def doi_url(doi: str | None) -> str | None:
    """Return the resolver link of *doi*, or None if it is malformed."""
    if not doi or not _DOI.fullmatch(doi):
        return None
    return url("https://doi.org/" + quote(doi, safe="/:;()._-"))


def rfc3339(when: datetime) -> str:
    """Format *when* in UTC for JSON and Atom, as in ``2026-11-23T08:00:00Z``."""
    return when.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _tidy(text: str) -> str:
    visible = _STACKED.sub(r"\1", _INVISIBLE.sub("", text))
    return re.sub(r"[^\S\n]+", " ", _BREAKS.sub("\n", visible))


def _disjoint(ranges: Iterable[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    """Sort *ranges*, join those that overlap, and clip them to ``[0, end)``."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted((max(0, start), min(stop, end)) for start, stop in ranges):
        if start >= stop:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
