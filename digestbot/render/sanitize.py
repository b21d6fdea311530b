"""
Text that strangers wrote, made fit to be shown: nothing invisible, bounded, web links only.

Escaping is the business of each form; this is what all of them need before it. Begin at `line`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import quote, urlsplit

from digestbot.text import Emphasis

URL_MAX = 2000
"""Characters of a link; longer ones are cut by servers and clients, so they are not linked."""

# Control characters, what has no width, overrides of the writing direction (they make one text
# look like another), invisible tags, lone surrogates and non-characters (neither can be encoded or
# parsed again).
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060"
    r"\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff\U000e0000-\U000e007f]"
)
# Marks that stand above each other: a hundred on one letter would cover the papers around it.
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_STACKED = re.compile(f"({_MARK}{{4}}){_MARK}+")
_BREAKS = re.compile(r"[ \t]*[\n\r\v\f\x85\u2028\u2029]\s*")
_BLANKS = re.compile(r"\s+")
_BEFORE_CUT = " \n,;:–—("
"""What no ellipsis follows."""
_NOT_IN_URL = re.compile(r'["<>\\^`{|}]')
_DOI = re.compile(r"10\.\d{4,9}/\S+")


@dataclass(frozen=True, slots=True)
class Span:
    """A run of a text that is shown in one way."""

    text: str
    hit: bool = False
    """The filter asked for it."""
    italic: bool = False
    """Its author set it so, like `bold`."""
    bold: bool = False


def line(text: str) -> str:
    """*text* on one line, without what cannot be seen and with few marks on any outgoing."""
    is_clean = text.isprintable() and "  " not in text and text[:1] != " " != text[-1:]
    if is_clean and (text.isascii() or not _STACKED.search(text)):
        return text  # nearly always, in a tenth of the time
    return _BLANKS.sub(" ", _STACKED.sub(r"\1", _INVISIBLE.sub("", text))).strip()


def clip(text: str, length: int) -> str:
    """`line(text)` in at most *length* characters, cut at a word and ended with an ellipsis."""
    # What is far beyond the cut need not be cleaned: a word may have 10,000 letters.
    return shortened(line(text[: 4 * length + 100]), length)


def shortened(shown: str, length: int) -> str:
    """What is clean already in at most *length* characters, ended with an ellipsis if it is cut."""
    if len(shown) <= length:
        return shown
    return shown[: cut_at(shown, length - 1)].rstrip(_BEFORE_CUT) + "…"


def cut_at(text: str, length: int) -> int:
    """Where to cut *text* to at most *length* characters: at a blank, if one is near."""
    if len(text) <= length:
        return len(text)
    blank = max(text.rfind(" ", length // 2, length + 1), text.rfind("\n", length // 2, length + 1))
    return length if blank < 0 else blank


def pieces(
    text: str,
    spans: Iterable[tuple[int, int]],
    length: int,
    emphases: Iterable[Emphasis] = (),
) -> tuple[Span, ...]:
    """
    The first *length* characters of *text* as pieces, those inside *spans* marked as hits.

    Spans and emphases count in *text* as it is given, so it is parted before it is cleaned; spans
    may overlap and reach beyond it. Line breaks are kept as ``\\n``.
    """
    end = cut_at(text, length)
    hits = _disjoint(spans, end)
    apart = [each for each in emphases if each.start < end]
    edges = {0, end, *(edge for hit in hits for edge in hit)}
    edges.update(min(edge, end) for each in apart for edge in (each.start, each.end))
    parted = []
    for start, stop in pairwise(sorted(edges)):
        run = text[start:stop]
        if stop == end < len(text):
            run = run.rstrip(_BEFORE_CUT)
        style = next((each.is_bold for each in apart if each.start <= start < each.end), None)
        is_hit = any(begin <= start < close for begin, close in hits)
        parted.append(Span(_tidy(run), hit=is_hit, italic=style is False, bold=style is True))
    if end < len(text):
        parted.append(Span("…"))
    shown = tuple(piece for piece in parted if piece.text)
    return shown if any(piece.text.strip() for piece in shown) else ()


def url(text: str | None) -> str | None:
    """*text* if it is a link to the web (http, https) that is safe to show; None if it is not."""
    if not text or len(text) > URL_MAX or line(text) != text or " " in text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:  # such as an unclosed bracket of an IPv6 host
        return None
    # A name before the host is there to mislead: https://arxiv.org@example.org leads to the latter.
    if parts.scheme.lower() not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
        return None
    return _NOT_IN_URL.sub(lambda found: f"%{ord(found[0]):02X}", text)


def doi_url(doi: str | None) -> str | None:
    """The resolver's link of *doi*; None if it is no DOI."""
    if not doi or not _DOI.fullmatch(doi):
        return None
    return url("https://doi.org/" + quote(doi, safe="/:;()._-"))


def rfc3339(when: datetime) -> str:
    """``2026-11-23T08:00:00Z``: *when* in UTC, as JSON and Atom write it."""
    return when.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _tidy(text: str) -> str:
    visible = _STACKED.sub(r"\1", _INVISIBLE.sub("", text))
    return re.sub(r"[^\S\n]+", " ", _BREAKS.sub("\n", visible))


def _disjoint(spans: Iterable[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    """*spans* in order, joined where they overlap, inside ``[0, end)``."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted((max(0, start), min(stop, end)) for start, stop in spans):
        if start >= stop:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
