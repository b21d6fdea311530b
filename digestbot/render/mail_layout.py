"""
A mail's body within its size limit, put together from cached parts.

Mailboxes clip long HTML (Gmail at 102,400 bytes), and the footer with it. Fragment lengths are
therefore summed before joining: first abstracts are shortened, then the last papers become one-line
entries, then a line states how many papers are omitted. Papers beyond the digest's limit are
one-line entries from the start. Begin at `lay_out`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from digestbot.errors import RenderError
from digestbot.model import Fragments
from digestbot.render.mail_cache import (
    LINES_FIELD,
    PAPERS_FIELD,
    MailEdition,
    PartRenderer,
    RenderedPaper,
    add_number,
)
from digestbot.render.quoted_printable import fill_fields, size
from digestbot.render.view import ABSTRACTS

BODY_MAX = 80_000
"""Octets of a body as sent, in quoted-printable: below Gmail's limit however it counts."""
LINES_SHARE = 3
"""Papers beyond the limit get at least 1/3 of a body that has no room for all."""
SHORTENED = (700, 300, 120, 0)
"""Characters of abstracts to try, in this order, if the theme's length is too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidOut:
    """A body within its size limit."""

    fragments: Fragments
    unshown: int
    """Papers that the body only counts."""


def lay_out(renderer: PartRenderer, mail: MailEdition) -> LaidOut:
    """
    Return the body of *mail* in at most `BODY_MAX` octets.

    Raises:
        RenderError: A template is missing or fails, or the page is too long even without papers.
    """
    page, octets = renderer.page(mail)
    room = BODY_MAX - octets
    if room < 0:
        raise RenderError(
            f"template mail/frame.{renderer.form}.j2 makes {octets:,} bytes even without papers"
        )
    lines = _fitting_lines(renderer, mail, room) if mail.more else []
    papers: list[bytes] | None = None
    unshown = 0
    if len(lines) == mail.beyond:
        papers = _in_full(renderer, mail, room - sum(octets for octets, _ in lines))
    if papers is None:
        papers, lines, unshown = _shortened(renderer, mail, room, lines)
    if unshown:
        page, _ = renderer.page(mail, unshown)
    if mail.more:
        _insert(page, LINES_FIELD, _numbered(lines, mail.papers + 1))
    _insert(page, PAPERS_FIELD, papers)
    return LaidOut(fragments=tuple(page), unshown=unshown)


def _insert(page: list[bytes], field: bytes, entries: list[bytes]) -> None:
    """Replace *field* by *entries*; an operator's template may lack it."""
    if field in page:
        at = page.index(field)
        page[at : at + 1] = entries


def _fitting_lines(renderer: PartRenderer, mail: MailEdition, room: int) -> list[RenderedPaper]:
    """Render the first papers beyond the limit whose lines fit in *room* octets."""
    key = (renderer.form, "line", 0)
    rendered = (paper.rendered.get(key) or paper.render(renderer, key) for paper in mail.more)
    return _first_fitting(rendered, room)


def _first_fitting(rendered: Iterable[RenderedPaper], room: int) -> list[RenderedPaper]:
    fitting = []
    for entry in rendered:
        room -= entry[0]
        if room < 0:
            break
        fitting.append(entry)
    return fitting


def _numbered(rendered: Iterable[RenderedPaper], first: int) -> list[bytes]:
    numbered: list[bytes] = []
    for number, (_, fragments) in enumerate(rendered, start=first):
        numbered += add_number(fragments, number)
    return numbered


def _shortened(
    renderer: PartRenderer, mail: MailEdition, room: int, lines: list[RenderedPaper]
) -> tuple[list[bytes], list[RenderedPaper], int]:
    """
    Lay out as much as fits; return the papers, the lines beyond the limit and the number left out.

    The lines get a third of the room if they need it, and what the papers leave.
    """
    # Upper bound: the note about some papers is never longer than the note about all.
    note = renderer.page(mail, mail.total)[1] - renderer.page(mail)[1]
    wanted = min(sum(octets for octets, _ in lines), (room - note) // LINES_SHARE)
    room_of_papers = room - wanted - (note if mail.beyond else 0)
    papers, unshown = _in_full(renderer, mail, room_of_papers), 0
    if papers is None:
        papers = _with_lines(renderer, mail, room_of_papers)
    if papers is None:
        papers, unshown = _in_lines(renderer, mail, room - wanted - note)
    lines = _first_fitting(lines, room - note - size(papers))
    return papers, lines, unshown + mail.beyond - len(lines)


def _in_full(renderer: PartRenderer, mail: MailEdition, room: int) -> list[bytes] | None:
    """Lay out all papers in full, abstracts as long as possible; None if too long."""
    arranged = _with_default_abstracts(renderer, mail, room)
    if arranged is not None:
        return arranged
    longest = ABSTRACTS[renderer.context.theme]
    for length in (length for length in SHORTENED if length < longest):
        rendered = _fitting(renderer, mail, "paper", length, room)
        if len(rendered) == mail.papers:
            return _arranged(renderer, mail, rendered, ())
    return None


def _with_default_abstracts(
    renderer: PartRenderer, mail: MailEdition, room: int
) -> list[bytes] | None:
    """Lay out all papers with the theme's abstracts; None if too long."""
    # One pass with as few memory accesses as possible: nearly all mails need only this.
    is_html = renderer.is_html
    arranged: list[bytes] = []
    number = 0
    for group in mail.groups:
        if group.title is not None:
            heading = renderer.heading(group)
            arranged += heading
            room -= size(heading)
        for paper in group.papers:
            fragments = paper.html if is_html else paper.text
            if fragments is None:
                fragments = paper.render_default(renderer)
            number += 1
            if len(fragments) == 1:
                room -= len(fragments[0])
            else:
                fragments = add_number(fragments, number)
                room -= sum(map(len, fragments))
            arranged += fragments
            if room < 0:
                return None
    return arranged


def _with_lines(renderer: PartRenderer, mail: MailEdition, room: int) -> list[bytes] | None:
    """Lay out the last papers as lines, the others in full; None if too long."""
    room -= size(renderer.lines()) * len(mail.groups)
    lines = _fitting(renderer, mail, "line", 0, room)
    if len(lines) < mail.papers:
        return None
    room -= sum(size(renderer.heading(group)) for group in mail.groups)
    room -= sum(octets for octets, _ in lines)
    # Each paper shown in full takes the place of its line.
    full: list[RenderedPaper] = []
    without_abstracts = _fitting(renderer, mail, "paper", 0, BODY_MAX)
    for rendered, (octets, _) in zip(without_abstracts, lines, strict=False):
        room -= rendered[0] - octets
        if room < 0:
            break
        full.append(rendered)
    return _arranged(renderer, mail, full, lines[len(full) :])


def _in_lines(renderer: PartRenderer, mail: MailEdition, room: int) -> tuple[list[bytes], int]:
    """Lay out as many lines as fit; return them and the number left out."""
    room -= size(renderer.lines()) * len(mail.groups)
    lines = _fitting(renderer, mail, "line", 0, room)
    return _arranged(renderer, mail, (), lines), mail.papers - len(lines)


def _fitting(
    renderer: PartRenderer, mail: MailEdition, template: str, abstract: int, room: int
) -> list[RenderedPaper]:
    """Render the first papers that, with all headings, fit in *room* octets."""
    key = (renderer.form, template, abstract)
    fitting: list[RenderedPaper] = []
    for group in mail.groups:
        room -= size(renderer.heading(group))
    for group in mail.groups:
        for paper in group.papers:
            rendered = paper.rendered.get(key) or paper.render(renderer, key)
            room -= rendered[0]
            if room < 0:
                return fitting
            fitting.append(rendered)
    return fitting


def _arranged(
    renderer: PartRenderer,
    mail: MailEdition,
    full: Sequence[RenderedPaper],
    lines: Sequence[RenderedPaper],
) -> list[bytes]:
    """Arrange the papers in page order, with numbers and headings."""
    arranged: list[bytes] = []
    begin = 0
    for group in mail.groups:
        end = begin + len(group.papers)
        shown = full[begin:end]
        short = lines[max(0, begin - len(full)) : max(0, end - len(full))]
        if not shown and not short:
            break
        arranged += renderer.heading(group)
        arranged += _numbered(shown, begin + 1)
        if short:
            entries = _numbered(short, begin + len(shown) + 1)
            arranged += fill_fields(renderer.lines(), {"lines": tuple(entries)})
        begin = end
    return arranged
