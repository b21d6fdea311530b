"""
An edition for Slack: one parent message, then its thread, in Block Kit.

Every message keeps Slack's limits whatever the papers bring, counted after escaping: at most 45
blocks (Slack's own limit is 50), 10,000 characters over all (beyond about 13,200 it answers
``msg_blocks_too_long``), 3,000 in a section, 150 in a header. Begin at `messages`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from digestbot.model import Edition, Theme
from digestbot.render.context import RenderContext
from digestbot.render.language import Language
from digestbot.render.sanitize import Span, clip
from digestbot.render.view import (
    Cut,
    ShownEdition,
    ShownPaper,
    by_section,
    more_sources,
    names,
    show,
    show_paper,
)

Block = dict[str, object]
Message = dict[str, object]
Reply = tuple[str, Block]
"""A paper's title and its block."""

TOP = 5
"""Papers that the parent names."""
THREAD_MAX = 10
"""Papers in one message of the thread; it may be fewer when they are long."""
PAPER_MAX = 1500
"""Characters of one paper: five of them and their fallback always fit into one message."""
MESSAGE_MAX = 10_000
PARENT_PART_MAX = 2000
"""Characters of each of the parent's three larger parts."""
HEADER_MAX = 150
URL_MAX = 250
"""Characters of a link in a list of titles: longer ones leave no room for the others."""
SOURCES = 8
"""Sources that the parent names when something is missing."""
FALLBACK_MAX = 900
"""Characters of what stands in a notification, and is read out where there are no blocks."""
ABSTRACTS: Mapping[Theme, int] = {Theme.DEFAULT: 400, Theme.COMPACT: 0, Theme.FULL: 1200}
"""Characters of an abstract: 400 can be read without leaving the channel."""

_ZERO_WIDTH_SPACE = "\u200b"
# Where Slack would begin or end bold, italic, struck or code text, and emoji: at a word's edge.
_MARKUP = re.compile(r"(?<!\w)[*_~`]+|[*_~`]+(?!\w)|:(?=[\w+'-]+:)")
_QUOTE = re.compile(r"(?m)^(?=>)")


def messages(edition: Edition, context: RenderContext) -> str:
    """The JSON list of messages ``{"text": str, "blocks": [...]}``: the parent, then its thread."""
    words = context.words
    shown = show(edition, context, Cut(papers=0, lines=0))
    length = ABSTRACTS[context.theme]
    papers = [
        show_paper(entry, context, number=number, abstract=length)
        for number, entry in enumerate(by_section(edition.papers), start=1)
    ]
    if context.theme is Theme.COMPACT:
        papers = [replace(paper, comment=None, journal=None) for paper in papers]
    replies = [(paper.title_text, _section(_paper(paper, words))) for paper in papers]
    thread = [_thread_message(part) for part in _parted(replies)]
    found = [_parent(shown, papers, words), *thread]
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def escape(text: str) -> str:
    """
    *text* so that Slack shows it as it is.

    ``&``, ``<`` and ``>`` become entities, which stops ``<!channel>`` and links; marks of its own
    formatting get a zero-width space beside them, since Slack has no escape for those.
    """
    broken = _QUOTE.sub(_ZERO_WIDTH_SPACE, _MARKUP.sub(_apart, text))
    return broken.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def link(url: str | None, label: str) -> str:
    """``<url|label>``, or the label alone if there is no link; *label* is not yet escaped."""
    if url is None:
        return escape(label)
    address = url.replace("&", "&amp;")
    return f"<{address}|{escape(label.replace('|', '∣'))}>"


def _apart(found: re.Match[str]) -> str:
    return _ZERO_WIDTH_SPACE + _ZERO_WIDTH_SPACE.join(found[0]) + _ZERO_WIDTH_SPACE


def _fitting(make: Callable[[int], str], limit: int, lengths: Iterable[int]) -> str:
    """The first of `make(length)` that is at most *limit* long once it is escaped."""
    text = ""
    for length in lengths:
        text = make(length)
        if len(text) <= limit:
            break
    return text


def _parent(shown: ShownEdition, papers: Sequence[ShownPaper], words: Language) -> Message:
    counted = words.gettext("%(count)s, %(date)s", count=shown.count, date=shown.short_date)
    subject = words.gettext(
        "%(title)s: %(count)s, %(date)s",
        title=shown.title,
        count=shown.count,
        date=shown.short_date,
    )
    blocks = [
        _header(shown.title),
        _section(f"*{escape(counted[:1].upper() + counted[1:])}*"),
        *([_section(_incomplete(shown, words))] if shown.missing else []),
        *([_section(_top(papers, words))] if papers else []),
        _context(_coverage(shown)),
    ]
    return {"text": escape(clip(subject, 200)), "blocks": blocks}


def _incomplete(shown: ShownEdition, words: Language) -> str:
    heading = words.gettext("This edition is incomplete.")
    promise = words.gettext("What is missing comes with a later one.")
    rest = len(shown.missing) - SOURCES
    more = [escape(more_sources(rest, words))] if rest > 0 else []
    return _fitting(
        lambda length: "\n".join(
            [
                f"*{escape(heading)}* {escape(promise)}",
                *(escape(clip(lack, length)) for lack in shown.missing[:SOURCES]),
                *more,
            ]
        ),
        PARENT_PART_MAX,
        (200, 60, 20),
    )


def _top(papers: Sequence[ShownPaper], words: Language) -> str:
    rest = len(papers) - TOP
    more = words.ngettext("and %(number)s more paper", "and %(number)s more papers", rest)
    return _fitting(
        lambda length: "\n".join(
            [
                *(f"•  {_title(paper, length)}" for paper in papers[:TOP]),
                *([escape(more)] if rest > 0 else []),
            ]
        ),
        PARENT_PART_MAX,
        (150, 80, 20),
    )


def _title(paper: ShownPaper, length: int) -> str:
    url = paper.url if paper.url and len(paper.url.replace("&", "&amp;")) <= URL_MAX else None
    return link(url, clip(paper.title_text, length))


def _coverage(shown: ShownEdition) -> str:
    due = f" {shown.next_edition}" if shown.next_edition else ""
    thanks = f" {shown.acknowledgement}" if shown.acknowledgement else ""
    return f"{shown.covers} {shown.totals}{due}{thanks}"


def _parted(replies: Sequence[Reply]) -> list[Sequence[Reply]]:
    """
    *replies* in the fewest even parts that each fit into one message.

    Even ones, so that eleven are six and five and not ten and a lonely one.
    """
    if not replies:
        return []
    number = -(-len(replies) // THREAD_MAX)
    while True:
        edges = [len(replies) * at // number for at in range(number + 1)]
        parts = [replies[start:end] for start, end in pairwise(edges)]
        if all(_size(_thread_message(part)) <= MESSAGE_MAX for part in parts):
            return parts
        number += 1


def _thread_message(replies: Sequence[Reply]) -> Message:
    # What a notification shows: as much of the titles as fits, and escaping makes six of one.
    text = _fitting(
        lambda length: "\n".join(escape(clip(title, length)) for title, _ in replies),
        FALLBACK_MAX,
        (150, 80, FALLBACK_MAX // len(replies) // 6 - 1),
    )
    return {"text": text, "blocks": [block for _, block in replies]}


def _paper(paper: ShownPaper, words: Language) -> str:
    return _fitting(
        lambda length: "\n".join(_rows(paper, length, words)),
        PAPER_MAX,
        (1200, 400, 200, 100, 50, 25, 10),
    )


def _rows(paper: ShownPaper, length: int, words: Language) -> Iterable[str]:
    """The lines of one paper, each text in it at most about *length* characters."""
    yield f"*{paper.number}.* *{_title(paper, length)}*"
    if paper.authors:
        yield escape(clip(names(paper, words), length))
    facts = (paper.badge, *paper.categories, paper.date)
    yield escape(clip(" · ".join(fact for fact in facts if fact), length))
    if paper.changes:
        yield f"_{escape(clip(paper.changes, length))}_"
    if paper.why:
        terms = " · ".join(paper.why)
        yield escape(clip(words.gettext("Matches: %(terms)s", terms=terms), length))
    for remark in (paper.journal, paper.comment):
        if remark:
            yield escape(clip(remark, length))
    if paper.abstract:
        yield _abstract(paper.abstract, length)
    links = (
        (paper.url, paper.identifier or words.gettext("Page")),
        (paper.pdf_url, "PDF"),
        (paper.doi_url, "DOI"),
    )
    short = [(url, label) for url, label in links if url and len(url) <= 2 * length]
    if short:
        yield " · ".join(link(url, label) for url, label in short)


def _abstract(abstract: Sequence[Span], length: int) -> str:
    return escape(clip("".join(piece.text for piece in abstract), length))


def _header(text: str) -> Block:
    # plain_text is not escaped; emoji: false, else ":smile:" in a title becomes one.
    plain = {"type": "plain_text", "text": clip(text, HEADER_MAX), "emoji": False}
    return {"type": "header", "text": plain}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> Block:
    lengths = (1500, PARENT_PART_MAX // 5)  # escaping makes five characters of one at most
    escaped = _fitting(lambda length: escape(clip(text, length)), PARENT_PART_MAX, lengths)
    return {"type": "context", "elements": [_mrkdwn(escaped)]}


def _mrkdwn(text: str) -> Block:
    # verbatim: Slack makes no links of its own out of "@channel", "#general" and bare addresses.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _size(message: Message) -> int:
    """Characters that Slack counts: the fallback, and everything in the blocks."""
    return len(json.dumps(message, ensure_ascii=False))
