"""
An edition as Slack messages in Block Kit: a parent message and its thread.

Every message stays within Slack's limits for any input, counted after escaping: at most 45 blocks
(Slack allows 50), 10,000 characters in total (beyond about 13,200 Slack answers
``msg_blocks_too_long``), 3,000 in a section, 150 in a header. Begin at `messages`.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    over_limit,
    show,
    show_lines,
    show_paper,
    waiting_papers,
)

Block = dict[str, object]
Message = dict[str, object]
Reply = tuple[str, Block]
"""A paper's title and its block."""

TOP = 5
"""Papers listed in the parent message."""
THREAD_MAX = 10
"""Papers in one message of the thread; fewer if they are long."""
PAPER_MAX = 1500
"""Characters of one paper; five of them and their fallback always fit into one message."""
MESSAGE_MAX = 10_000
PARENT_PART_MAX = 2000
"""Characters of each of the parent's three larger parts."""
LINES_PART_MAX = 2900
"""Characters of one message that lists titles; Slack allows 3,000 in a section."""
LINES_MAX = 300
"""Papers beyond the limit that the thread lists; the rest is counted."""
HEADER_MAX = 150
URL_MAX = 250
"""Characters of a link in a list of titles; a longer link is dropped to save space."""
SOURCES = 8
"""Incomplete sources listed in the parent message."""
FALLBACK_MAX = 900
"""Characters of the text for notifications and for screen readers."""
ABSTRACTS: Mapping[Theme, int] = {Theme.DEFAULT: 400, Theme.COMPACT: 0, Theme.FULL: 1200}
"""Characters of an abstract; 400 can be read in the channel itself."""

_ZERO_WIDTH_SPACE = "\u200b"
# Bold, italic, strike-through, code and emoji markup, which Slack reads at a word's edge only.
_MARKUP = re.compile(r"(?<!\w)[*_~`]+|[*_~`]+(?!\w)|:(?=[\w+'-]+:)")
_QUOTE = re.compile(r"(?m)^(?=>)")


def messages(edition: Edition, context: RenderContext) -> str:
    """Return a JSON list of messages ``{"text": str, "blocks": [...]}``, the parent first."""
    lang = context.lang
    shown = show(edition, context, Cut(papers=0, lines=0))
    length = ABSTRACTS[context.theme]
    papers = [
        show_paper(entry, context, number=number, abstract=length)
        for number, entry in enumerate(by_section(edition.papers), start=1)
    ]
    if context.theme is Theme.COMPACT:
        papers = [replace(paper, comment=None, journal=None) for paper in papers]
    replies = [(paper.title_text, _section(_paper(paper, lang))) for paper in papers]
    thread = [_thread_message(part) for part in _split(replies)]
    thread += _line_messages(edition, context)
    return json.dumps([_parent(shown, papers, lang), *thread], ensure_ascii=False, indent=1) + "\n"


def escape(text: str) -> str:
    """
    Escape *text* for mrkdwn.

    ``&``, ``<`` and ``>`` become entities, which disables ``<!channel>`` and links. Formatting
    characters are surrounded by zero-width spaces, since Slack has no escape for them.
    """
    disarmed = _QUOTE.sub(_ZERO_WIDTH_SPACE, _MARKUP.sub(_spaced, text))
    return disarmed.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def link(url: str | None, label: str) -> str:
    """Return ``<url|label>`` with *label* escaped, or the label alone."""
    if url is None:
        return escape(label)
    address = url.replace("&", "&amp;")
    return f"<{address}|{escape(label.replace('|', '∣'))}>"


def _spaced(found: re.Match[str]) -> str:
    return _ZERO_WIDTH_SPACE + _ZERO_WIDTH_SPACE.join(found[0]) + _ZERO_WIDTH_SPACE


def _fitting(make: Callable[[int], str], limit: int, lengths: Iterable[int]) -> str:
    """Return the first ``make(length)`` of at most *limit* characters, else the last."""
    text = ""
    for length in lengths:
        text = make(length)
        if len(text) <= limit:
            break
    return text


def _parent(shown: ShownEdition, papers: Sequence[ShownPaper], lang: Language) -> Message:
    counted = lang.gettext("%(count)s, %(date)s", count=shown.count, date=shown.short_date)
    subject = lang.gettext(
        "%(count)s: %(title)s, %(date)s",
        title=shown.title,
        count=shown.short_count,
        date=shown.short_date,
    )
    blocks = [
        _header(shown.title),
        _section(f"*{escape(counted[:1].upper() + counted[1:])}*"),
        *([_section(_incomplete(shown, lang))] if shown.missing else []),
        *([_section(_top(papers, shown.listed, lang))] if papers else []),
        *([_section(_waiting(shown, lang))] if shown.waiting else []),
        *([_batches(shown.batches)] if shown.batches else []),
        _context(_coverage(shown)),
    ]
    return {"text": escape(clip(subject, 200)), "blocks": blocks}


def _incomplete(shown: ShownEdition, lang: Language) -> str:
    heading = lang.gettext("This edition is incomplete.")
    follow_up = lang.gettext("Missing papers will follow in a later one.")
    rest = len(shown.missing) - SOURCES
    more = [escape(more_sources(rest, lang))] if rest > 0 else []
    return _fitting(
        lambda length: "\n".join(
            [
                f"*{escape(heading)}* {escape(follow_up)}",
                *(escape(clip(reason, length)) for reason in shown.missing[:SOURCES]),
                *more,
            ]
        ),
        PARENT_PART_MAX,
        (200, 60, 20),
    )


def _waiting(shown: ShownEdition, lang: Language) -> str:
    return escape(waiting_papers(shown.waiting, shown.limit, lang))


def _top(papers: Sequence[ShownPaper], listed: int, lang: Language) -> str:
    rest = max(0, len(papers) - TOP) + listed
    more = lang.ngettext("and %(number)s more paper", "and %(number)s more papers", rest)
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


def _batches(lines: Sequence[str]) -> Block:
    text = _fitting(
        lambda length: "\n".join(escape(clip(line, length)) for line in lines),
        PARENT_PART_MAX,
        (400, 150, 60),
    )
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _split(replies: Sequence[Reply]) -> list[Sequence[Reply]]:
    """
    Split *replies* into as few parts as fit into one message each.

    The parts are even: eleven papers become five and six rather than ten and one.
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
    # Shown in notifications. Escaping makes at most six characters of one.
    text = _fitting(
        lambda length: "\n".join(escape(clip(title, length)) for title, _ in replies),
        FALLBACK_MAX,
        (150, 80, FALLBACK_MAX // len(replies) // 6 - 1),
    )
    return {"text": text, "blocks": [block for _, block in replies]}


def _line_messages(edition: Edition, context: RenderContext) -> Iterable[Message]:
    """Yield messages that list the papers beyond the limit, one line each."""
    if not edition.more:
        return
    lang = context.lang
    papers = show_lines(edition.more[:LINES_MAX], context, first=len(edition.papers) + 1)
    heading = over_limit(len(edition.more), len(edition.papers), lang)
    rows = [f"*{escape(heading)}*", *(_line(paper) for paper in papers)]
    rest = len(edition.more) - LINES_MAX
    if rest > 0:
        more = lang.ngettext("and %(number)s more paper", "and %(number)s more papers", rest)
        rows.append(link(context.edition_url, more))
    for part in _parts(rows, LINES_PART_MAX):
        yield {"text": escape(clip(heading, 200)), "blocks": [_section(part)]}


def _line(paper: ShownPaper) -> str:
    terms = " · ".join(paper.terms)
    reason = f" · {escape(clip(terms, 100))}" if terms else ""
    return f"•  {_title(paper, 120)}{reason}"


def _parts(rows: Iterable[str], limit: int) -> Iterator[str]:
    """Join *rows* to parts of at most *limit* characters."""
    part = ""
    for row in rows:
        if part and len(part) + len(row) + 1 > limit:
            yield part
            part = ""
        part = f"{part}\n{row}" if part else row
    if part:
        yield part


def _paper(paper: ShownPaper, lang: Language) -> str:
    return _fitting(
        lambda length: "\n".join(_rows(paper, length, lang)),
        PAPER_MAX,
        (1200, 400, 200, 100, 50, 25, 10),
    )


def _rows(paper: ShownPaper, length: int, lang: Language) -> Iterable[str]:
    """Yield the lines of one paper, each text cut to about *length* characters."""
    yield f"*{paper.number}.* *{_title(paper, length)}*"
    if paper.authors:
        yield escape(clip(names(paper, lang), length))
    facts = (paper.badge, *paper.categories, paper.date)
    yield escape(clip(" · ".join(fact for fact in facts if fact), length))
    if paper.changes:
        yield f"_{escape(clip(paper.changes, length))}_"
    if paper.why:
        terms = " · ".join(paper.why)
        yield escape(clip(lang.gettext("Matches: %(terms)s", terms=terms), length))
    for remark in (paper.journal, paper.comment):
        if remark:
            yield escape(clip(remark, length))
    if paper.abstract:
        yield _abstract(paper.abstract, length)
    links = (
        (paper.url, paper.identifier or lang.gettext("Web page")),
        (paper.pdf_url, "PDF"),
        (paper.doi_url, "DOI"),
    )
    short = [(url, label) for url, label in links if url and len(url) <= 2 * length]
    if short:
        yield " · ".join(link(url, label) for url, label in short)


def _abstract(abstract: Sequence[Span], length: int) -> str:
    return escape(clip("".join(span.text for span in abstract), length))


def _header(text: str) -> Block:
    # plain_text needs no escaping, except that ":smile:" becomes an emoji unless emoji is false.
    plain = {"type": "plain_text", "text": clip(text, HEADER_MAX), "emoji": False}
    return {"type": "header", "text": plain}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> Block:
    lengths = (1500, PARENT_PART_MAX // 5)  # escaping makes at most five characters of one
    escaped = _fitting(lambda length: escape(clip(text, length)), PARENT_PART_MAX, lengths)
    return {"type": "context", "elements": [_mrkdwn(escaped)]}


def _mrkdwn(text: str) -> Block:
    # verbatim: keeps Slack from linking "@channel", "#general" and bare addresses.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _size(message: Message) -> int:
    """Count as Slack does: the fallback text and everything in the blocks."""
    return len(json.dumps(message, ensure_ascii=False))
