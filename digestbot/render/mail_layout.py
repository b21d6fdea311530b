"""
A mail's body within its size limit, put together from cached parts.

Mailboxes clip long HTML (Gmail at 102,400 bytes), and the footer is lost with what they clip. So
the lengths of the fragments are added up before they are joined: first abstracts are shortened,
then the last papers become one-line entries, then a number says how many are left out. Begin at
`lay_out`.
"""

from collections.abc import Sequence

from digestbot.errors import RenderError
from digestbot.model import Fragments
from digestbot.render.mail_cache import (
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
SHORTENED = (700, 300, 120, 0)
"""Characters of abstracts to try, in this order, if the theme's length is too long."""


def lay_out(renderer: PartRenderer, mail: MailEdition) -> Fragments:
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
    papers = _in_full(renderer, mail, room)
    if papers is None:
        papers = _with_lines(renderer, mail, room)
    if papers is None:
        papers, unshown = _in_lines(renderer, mail, room)
        page, _ = renderer.page(mail, unshown)
    if PAPERS_FIELD in page:
        at = page.index(PAPERS_FIELD)
        page[at : at + 1] = papers
    return tuple(page)


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
    # Upper bound: the note about some papers is never longer than the note about all.
    room -= renderer.page(mail, mail.papers)[1] - renderer.page(mail)[1]
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
        for number, (_, fragments) in enumerate(shown, start=begin + 1):
            arranged += add_number(fragments, number)
        if short:
            entries: list[bytes] = []
            for number, (_, fragments) in enumerate(short, start=begin + len(shown) + 1):
                entries += add_number(fragments, number)
            arranged += fill_fields(renderer.lines(), {"lines": tuple(entries)})
        begin = end
    return arranged
