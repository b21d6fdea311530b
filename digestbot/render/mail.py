"""
An edition as mail: subject, HTML and its plain part. All three say the same.

Mailboxes clip long HTML (Gmail at 102,400 bytes), and what is clipped takes the footer with it. So
a body is made shorter until it fits: abstracts first, then the tail becomes one-line entries, then
a number. Begin at `html`.
"""

from bisect import bisect_left
from collections.abc import Sequence

from digestbot.errors import RenderError
from digestbot.model import Edition
from digestbot.render.context import RenderContext
from digestbot.render.message import encoded_size
from digestbot.render.safe import clip, line
from digestbot.render.view import ABSTRACTS, Cut, names, plural, show

BODY_MAX = 80_000
"""Octets of a body as it is sent, in quoted-printable: below Gmail's limit however it counts."""
SUBJECT_MAX = 150
SHORTENED = (700, 300, 120, 0)
"""Characters of an abstract where its theme's length does not fit, from readable to none."""


def subject(edition: Edition, context: RenderContext) -> str:
    """``Systems for ML: 7 new papers, 23 Nov``: one line of at most 150 characters."""
    facts = {"edition": show(edition, context, Cut(papers=0, lines=0))}
    return clip(context.templates.render("subject.txt.j2", facts), SUBJECT_MAX)


def html(edition: Edition, context: RenderContext) -> str:
    """The HTML body, at most 80,000 octets when sent, whatever the papers bring."""
    return _fitting("mail.html.j2", edition, context)


def text(edition: Edition, context: RenderContext) -> str:
    """The plain body in lines of 72 columns, links apart; at most 80,000 octets too."""
    return _fitting("mail.txt.j2", edition, context)


def _fitting(template: str, edition: Edition, context: RenderContext) -> str:
    """The body with the most that fits."""
    cuts = _cuts(len(edition.papers), ABSTRACTS[context.theme])
    body = _rendered(template, edition, context, cuts[0])
    if encoded_size(body) <= BODY_MAX:
        return body
    # Each cut shows less than the one before it, so the first that fits is found by halving.
    first = bisect_left(
        cuts,
        True,
        key=lambda cut: encoded_size(_rendered(template, edition, context, cut)) <= BODY_MAX,
    )
    body = _rendered(template, edition, context, cuts[min(first, len(cuts) - 1)])
    if encoded_size(body) > BODY_MAX:
        raise RenderError(
            f"template {template} makes {encoded_size(body):,} bytes even without papers"
        )
    return body


def _cuts(papers: int, abstract: int) -> Sequence[Cut]:
    """From everything to nothing but numbers, each smaller than the one before."""
    lengths = (abstract, *(length for length in SHORTENED if length < abstract))
    return (
        *(Cut(abstract=length) for length in lengths),
        *(Cut(abstract=0, papers=number) for number in range(papers - 1, -1, -1)),
        *(Cut(abstract=0, papers=0, lines=number) for number in range(papers - 1, -1, -1)),
    )


def _rendered(template: str, edition: Edition, context: RenderContext, cut: Cut) -> str:
    facts = {
        "edition": show(edition, context, cut),
        "language": line(context.language),
        "names": names,
        "plural": plural,
    }
    return context.templates.render(template, facts, context.theme)
