"""
An edition as mail: subject, HTML part and plain part, in fragments that are encoded once.

`mail_cache` holds the parts that editions share, `mail_layout` fits them into a body. ``make
bench`` compares the cost of a personal mail with that of rendering two whole pages. Begin at
`bodies`.
"""

from dataclasses import dataclass

from digestbot.model import FRESH, AnnounceType, Edition, EditionPaper, Fragments
from digestbot.render.context import RenderContext
from digestbot.render.mail_cache import (
    MailEdition,
    PartRenderer,
    paper_group,
    paper_lines,
    part_renderers,
    shared_edition,
)
from digestbot.render.mail_layout import lay_out
from digestbot.render.quoted_printable import decode
from digestbot.render.sanitize import clip, shorten
from digestbot.render.view import REASON, list_name, section_titles, title_of

SUBJECT_MAX = 150
PREHEADER = 140
LINES_MAX = 1000
"""Papers beyond the limit that are considered for a line in the mail; far more than fit."""

# A tuple: looking up an enum in a set takes ten times as long, and this runs for every paper.
_FRESH = tuple(kind for kind in AnnounceType if kind in FRESH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """Subject and bodies that the readers of an edition share."""

    subject: str
    text: Fragments
    html: Fragments
    unshown: int
    """Papers that one of the bodies only counts."""


def bodies(edition: Edition, context: RenderContext) -> Bodies:
    """
    Render the mail of *edition*; each body has at most 80,000 octets.

    The only field left open is `mail_cache.TOKEN`, if the unsubscribe link contains it.

    Raises:
        RenderError: A template is missing or fails, or the page is too long even without papers.
    """
    text, html = part_renderers(context)
    mail = _prepare(edition, context, text)
    as_text, as_html = lay_out(text, mail), lay_out(html, mail)
    return Bodies(
        subject=mail.personal["subject"],
        text=as_text.fragments,
        html=as_html.fragments,
        unshown=max(as_text.unshown, as_html.unshown),
    )


def subject(edition: Edition, context: RenderContext) -> str:
    """Render the subject, such as ``7 papers: Systems for ML, 23 Nov``, up to `SUBJECT_MAX`."""
    return _prepare(edition, context, part_renderers(context)[0]).personal["subject"]


def html(edition: Edition, context: RenderContext) -> str:
    """Render the HTML body as text."""
    text, html = part_renderers(context)
    return decode(lay_out(html, _prepare(edition, context, text)).fragments)


def text(edition: Edition, context: RenderContext) -> str:
    """Render the plain body. Lines have up to 72 columns, except for links."""
    text, _ = part_renderers(context)
    return decode(lay_out(text, _prepare(edition, context, text)).fragments)


def _prepare(edition: Edition, context: RenderContext, renderer: PartRenderer) -> MailEdition:
    """Group the papers and collect the facts. *renderer* renders the subject."""
    fresh: list[EditionPaper] = []
    updated: list[EditionPaper] = []
    for entry in edition.papers:
        (fresh if entry.type in _FRESH else updated).append(entry)
    shared = shared_edition(edition, context, len(fresh))
    # Headings separate two groups; for a single one, the count at the top is enough.
    titles = section_titles(context.lang) if fresh and updated else (None, None)
    parts = zip(titles, (fresh, updated), strict=True)
    groups = [paper_group(context, title, entries) for title, entries in parts if entries]
    firsts = [paper.short_title for group in groups for paper in group.papers[:3]]
    personal = {
        "title": title_of(edition),
        "list_name": list_name(edition),
        "why": clip(context.filter_in_words, REASON) if context.filter_in_words else "",
        "preheader": shorten("; ".join(firsts[:3]), PREHEADER) or shared.shown.totals,
    }
    personal["subject"] = clip(renderer.subject(shared, personal), SUBJECT_MAX)
    # With `attach_list`, the attachment names them.
    more = () if context.attach_list else edition.more
    return MailEdition(
        shared=shared,
        personal=personal,
        groups=groups,
        papers=len(edition.papers),
        more=paper_lines(context, more[:LINES_MAX]) if more else (),
        beyond=len(more),
    )
