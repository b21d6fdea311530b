"""
Editions as texts: mail, Slack messages, JSON, Markdown, BibTeX, RIS, Atom.

Pure: the same edition and context give the same text. Knows no store and no network. Begin at
`render`, which returns texts; `bodies` and `edition_template` return fragments that editions share,
and `personalize` makes the message of one delivery.
"""

from collections.abc import Callable, Mapping

from digestbot.errors import RenderError
from digestbot.model import Edition, Form
from digestbot.render import atom, exports, mail, ris, slack_blocks
from digestbot.render.context import RenderContext
from digestbot.render.mail import Bodies, bodies
from digestbot.render.mime import (
    Attachment,
    compose,
    edition_template,
    personalize,
    sender_headers,
    sender_of,
)
from digestbot.render.quoted_printable import decoded, filled, merged
from digestbot.render.templates import Templates, load_templates

__all__ = [
    "Attachment",
    "Bodies",
    "RenderContext",
    "Templates",
    "bodies",
    "compose",
    "decoded",
    "edition_template",
    "filled",
    "load_templates",
    "merged",
    "personalize",
    "render",
    "sender_headers",
    "sender_of",
]

FORMS: Mapping[Form, Callable[[Edition, RenderContext], str]] = {
    Form.SUBJECT: mail.subject,
    Form.HTML: mail.html,
    Form.TEXT: mail.text,
    Form.SLACK: slack_blocks.messages,
    Form.JSON: exports.json_text,
    Form.MARKDOWN: exports.markdown,
    Form.BIBTEX: exports.bibtex,
    Form.RIS: ris.ris,
    Form.ATOM: atom.atom,
}


def render(edition: Edition, form: Form, context: RenderContext) -> str:
    """
    *edition* in *form*, complete and fit to be sent or written to a file in UTF-8.

    Raises:
        RenderError: A template is missing or fails; the message names it and the line. Or the form
            is `Form.EML`: use `edition_template` and `personalize`.
    """
    if form not in FORMS:
        raise RenderError(f'"{form}" is not rendered from an edition alone: compose it')
    return FORMS[form](edition, context)
