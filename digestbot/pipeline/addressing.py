"""What the config says of a digest's face to its readers: sender, list headers, footer links."""

from datetime import datetime
from email.utils import parseaddr
from urllib.parse import quote

from digestbot.addresses import make_message_id
from digestbot.config import Config, DigestConfig
from digestbot.deliver import REGISTRY
from digestbot.model import Edition, Form, Fragments
from digestbot.render import (
    Attachment,
    RenderContext,
    Templates,
    bodies,
    edition_template,
    personalize,
    render,
    sender_headers,
)
from digestbot.render.view import title_of

NO_SENDER = "Digests <digestbot@localhost>"
"""In the .eml files of a folder where no SMTP server, and so no sender, is configured."""


def sender(config: Config) -> str:
    """The From of all mails, with its display name."""
    return config.smtp.sender if config.smtp else NO_SENDER


def message_domain(config: Config) -> str:
    """The right side of Message-IDs and List-Ids: the sender's domain."""
    return parseaddr(sender(config))[1].rpartition("@")[2] or "localhost"


def unsubscribe_mailto(config: Config, digest: str) -> str:
    """The mailto form of List-Unsubscribe (RFC 2369 section 3.2)."""
    return _mailto(parseaddr(sender(config))[1], digest)


def _mailto(address: str, digest: str) -> str:
    return f"mailto:{quote(address, safe='@{}')}?subject={quote(f'unsubscribe {digest}')}"


def _own_unsubscribe(config: Config, digest: str) -> str:
    """
    The List-Unsubscribe of a mail, with an open ``{token}`` where bounces name their delivery.

    `pipeline.processing_bounces` reads it, so that complaints, in which providers redact the
    reader, still name the delivery.
    """
    smtp = config.smtp
    if smtp is None or not smtp.has_tokens or smtp.envelope_from is None:
        return unsubscribe_mailto(config, digest)
    return _mailto(smtp.envelope_from, digest)


def render_context(
    config: Config,
    templates: Templates,
    digest: DigestConfig,
    *,
    next_edition_at: datetime | None,
) -> RenderContext:
    """What rendering must know beside the edition itself."""
    has_readers = any(REGISTRY[d.kind].is_personal for d in digest.destinations)
    return RenderContext(
        templates=templates,
        timezone=config.timezone,
        public_url=config.public_url,
        next_edition_at=next_edition_at,
        unsubscribe=unsubscribe_mailto(config, digest.name) if has_readers or config.smtp else None,
        filter_in_words=digest.filter.in_words(),
        theme=digest.theme,
        language=digest.language,
        attach=digest.attach,
    )


def frozen_message(
    config: Config, edition: Edition, subject: str, context: RenderContext
) -> Fragments:
    """The message of *edition* but for its bodies and for what is each delivery's own."""
    blank, domain = context.templates.parts.get_or_make(
        ("message", id(config), edition.digest, context.unsubscribe),
        lambda: (_letterhead(config, edition.digest, context), message_domain(config), config),
    )[:2]
    return edition_template(
        blank,
        subject=subject,
        list_id=f"{title_of(edition)} <{edition.digest}.{domain}>",
        attachments=[_attachment(edition, form, context) for form in context.attach],
    )


_LISTS = {
    Form.BIBTEX: (".bib", "application/x-bibtex"),
    Form.RIS: (".ris", "application/x-research-info-systems"),
}


def _attachment(edition: Edition, form: Form, context: RenderContext) -> Attachment:
    """All papers of *edition*, those too that do not fit into the mail."""
    ending, media_type = _LISTS[form]
    return Attachment(
        name=f"{edition.digest}-{edition.number}{ending}",
        media_type=media_type,
        content=render(edition, form, context).encode("utf-8", "replace"),
    )


def _letterhead(config: Config, digest: str, context: RenderContext) -> Fragments:
    """What all mails of a digest have in their headers; one-click needs an https link."""
    link = context.unsubscribe or ""
    one_click = link.startswith("https:")
    return sender_headers(
        sender=sender(config),
        list_unsubscribe=(*([link] if one_click else ()), _own_unsubscribe(config, digest)),
        one_click=one_click,
    )


def preview_message(config: Config, edition: Edition, context: RenderContext) -> str:
    """The message that *edition* would be, to the sender itself."""
    mail = bodies(edition, context)
    return personalize(
        frozen_message(config, edition, mail.subject, context),
        recipient=parseaddr(sender(config))[1],
        message_id=make_message_id("preview", edition.name, domain=message_domain(config)),
        date=edition.created_at,
        text=mail.text,
        html=mail.html,
        token="preview",  # noqa: S106 - the mark of a mail that nobody gets, no secret
    ).decode("ascii")
