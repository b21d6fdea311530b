"""What the config says of a digest's face to its readers: sender, list headers, footer links."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parseaddr
from urllib.parse import quote

from digestbot.addresses import make_message_id
from digestbot.config import Config, DigestConfig
from digestbot.model import Delivery, DestinationKind, Edition, Form
from digestbot.render import RenderContext, Templates, compose

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
    address = parseaddr(sender(config))[1]
    return f"mailto:{quote(address, safe='@')}?subject={quote(f'unsubscribe {digest}')}"


def render_context(
    config: Config,
    templates: Templates,
    digest: DigestConfig,
    *,
    next_edition_at: datetime | None,
) -> RenderContext:
    """What rendering must know beside the edition itself."""
    by_mail = any(d.kind is DestinationKind.EMAIL for d in digest.destinations)
    return RenderContext(
        templates=templates,
        timezone=config.timezone,
        public_url=config.public_url,
        next_edition_at=next_edition_at,
        unsubscribe=unsubscribe_mailto(config, digest.name) if by_mail or config.smtp else None,
        filter_in_words=digest.filter.in_words(),
        theme=digest.theme,
    )


def message(config: Config, delivery: Delivery, bodies: Mapping[Form, str]) -> str:
    """The whole message (RFC 5322) of one delivery; the same bytes at every call."""
    by_mail = delivery.destination.kind is DestinationKind.EMAIL
    return _message(
        config,
        delivery.digest,
        bodies,
        recipient=delivery.destination.address if by_mail else parseaddr(sender(config))[1],
        message_id=delivery.message_id,
        date=delivery.created_at,
    )


def preview_message(config: Config, edition: Edition, bodies: Mapping[Form, str]) -> str:
    """The message that *edition* would be, to the sender itself."""
    return _message(
        config,
        edition.digest,
        bodies,
        recipient=parseaddr(sender(config))[1],
        message_id=make_message_id("preview", edition.name, domain=message_domain(config)),
        date=edition.created_at,
    )


def _message(
    config: Config,
    digest: str,
    bodies: Mapping[Form, str],
    *,
    recipient: str,
    message_id: str,
    date: datetime,
) -> str:
    title = config.digests[digest].title if digest in config.digests else digest
    return compose(
        subject=bodies[Form.SUBJECT],
        html=bodies[Form.HTML],
        text=bodies[Form.TEXT],
        sender=sender(config),
        recipient=recipient,
        message_id=message_id,
        date=date,
        list_id=f"{title} <{digest}.{message_domain(config)}>",
        list_unsubscribe=(unsubscribe_mailto(config, digest),),
        one_click=False,
    )
