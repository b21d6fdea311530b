"""
Rendering of editions as mail, Slack messages, JSON, Markdown, BibTeX, RIS and Atom.

Rendering is pure: the same edition and context always give the same text. Begin at `render`, which
returns text; `bodies` and `edition_template` return fragments that editions share, and
`personalize` makes the message of one delivery.
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
    without_attachments,
)
from digestbot.render.quoted_printable import decode, fill_fields, merge_fragments
from digestbot.render.templates import Templates, load_templates

__all__ = [
    "Attachment",
    "Bodies",
    "RenderContext",
    "Templates",
    "bodies",
    "compose",
    "decode",
    "edition_template",
    "fill_fields",
    "load_templates",
    "merge_fragments",
    "personalize",
    "render",
    "sender_headers",
    "sender_of",
    "without_attachments",
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
    Render *edition* in *form*, ready to send or to save as UTF-8.

    Raises:
        RenderError: A template is missing or fails; the message names it and the line. Also for
            `Form.EML`, which needs `edition_template` and `personalize`.
    """
    if form not in FORMS:
        raise RenderError(f'"{form}" needs a recipient; use edition_template and personalize')
    return FORMS[form](edition, context)
