"""
Messages, from an edition to the bytes of one delivery.

An edition is frozen when it is made: `freeze` renders its bodies and builds one message that lacks
only what differs per delivery (recipient, Message-ID, Date, token). `MessageBuilder` fills in the
rest when a delivery goes out. So every attempt has the same bytes, whatever has changed in the
config, the templates or this program since, and a million readers do not cost a million copies.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from threading import Lock
from urllib.parse import quote

from digestbot.addresses import check_mailbox, make_message_id
from digestbot.config import Config, DigestConfig
from digestbot.deliver import REGISTRY, SmtpSettings
from digestbot.errors import DigestbotError, PermanentFailure
from digestbot.model import (
    EXPORTS,
    Body,
    Delivery,
    Edition,
    Form,
    Fragments,
    OutgoingMessage,
    Overflow,
)
from digestbot.render import (
    Attachment,
    Bodies,
    RenderContext,
    Templates,
    bodies,
    decode,
    edition_template,
    fill_fields,
    merge_fragments,
    personalize,
    render,
    sender_headers,
    sender_of,
)
from digestbot.render.exports import paper_list
from digestbot.render.view import list_name, title_of
from digestbot.store import Store

log = logging.getLogger(__name__)

NO_SENDER = "Digests <digestbot@localhost>"
"""From of .eml files in a folder while the config lacks an SMTP server and so a sender."""
MAIL_FORMS = (Form.SUBJECT, Form.TEXT, Form.HTML, Form.EML)
TEXT_FORMS = (Form.SLACK, Form.JSON)
"""Forms frozen with every edition, in addition to the mail."""
MAX_EDITIONS = 64
"""Editions whose forms one run keeps in memory; rarely more are on their way at once."""


def sender(config: Config) -> str:
    """Return the From of all mails, with its display name."""
    return config.smtp.sender if config.smtp else NO_SENDER


def message_domain(config: Config) -> str:
    """Return the right side of Message-IDs and List-Ids: the sender's domain."""
    return _address(config).rpartition("@")[2]


def _address(config: Config) -> str:
    """Return the address of From."""
    return check_mailbox(sender(config)).address


def render_context(
    config: Config,
    templates: Templates,
    digest: DigestConfig,
    *,
    next_edition_at: datetime | None,
) -> RenderContext:
    """Collect what rendering needs in addition to the edition."""
    has_readers = any(REGISTRY[d.kind].is_personal for d in digest.destinations)
    has_mail = bool(has_readers or config.smtp)
    return RenderContext(
        templates=templates,
        timezone=config.timezone,
        public_url=config.public_url,
        next_edition_at=next_edition_at,
        unsubscribe=_unsubscribe_mailto(config, digest.name) if has_mail else None,
        filter_in_words=digest.filter.describe(),
        attach_list=digest.overflow is Overflow.ATTACH,
        theme=digest.theme,
        language=digest.language,
        attach=digest.attach,
    )


def needed_forms(kinds: Iterable[str]) -> frozenset[Form]:
    """Return the forms that destinations of these kinds need."""
    return frozenset[Form]().union(*(REGISTRY[kind].forms for kind in kinds if kind in REGISTRY))


def freeze(
    config: Config,
    edition: Edition,
    context: RenderContext,
    exports: Collection[Form] = (),
    needed: Collection[Form] = tuple(Form),
) -> dict[Form, Body]:
    """
    Render every form that a delivery may need, with *exports*.

    Raises:
        DigestbotError: One of *needed* cannot be rendered; any other form is left out.
    """
    frozen: dict[Form, Body] = {}
    for forms in (MAIL_FORMS, *((form,) for form in (*TEXT_FORMS, *exports))):
        try:
            frozen |= _frozen(config, edition, context, forms)
        except DigestbotError as error:
            if not {*needed, *exports}.isdisjoint(forms):
                raise
            facts = {"edition": edition.name, "form": forms[-1], "error": error}
            log.warning("unused form not rendered", extra=facts)
    return frozen


def _frozen(
    config: Config, edition: Edition, context: RenderContext, forms: tuple[Form, ...]
) -> dict[Form, Body]:
    """Render *forms*: those of a mail, which share their work, or one other form."""
    if forms != MAIL_FORMS:
        return {form: render(edition, form, context) for form in forms}
    mail = bodies(edition, context)
    message = frozen_message(config, edition, mail, context)
    return dict(zip(MAIL_FORMS, (mail.subject, mail.text, mail.html, message), strict=True))


def frozen_message(
    config: Config, edition: Edition, mail: Bodies, context: RenderContext
) -> Fragments:
    """Build the message; bodies and what differs per delivery stay open."""
    link = context.unsubscribe or ""
    one_click = link.startswith("https:")  # RFC 8058 asks for an https link
    headers = _headers(
        sender(config),
        (*([link] if one_click else ()), _list_unsubscribe(config, edition.digest)),
        one_click,
    )
    return edition_template(
        headers,
        subject=mail.subject,
        list_id=f"{title_of(edition)} <{edition.digest}.{message_domain(config)}>",
        attachments=tuple(_attachments(edition, mail, context)),
    )


@lru_cache(maxsize=256)
def _headers(sender: str, list_unsubscribe: tuple[str, ...], one_click: bool) -> Fragments:
    """Cache the headers, which all editions of a digest share."""
    return sender_headers(sender=sender, list_unsubscribe=list_unsubscribe, one_click=one_click)


def _list_unsubscribe(config: Config, digest: str) -> str:
    """
    Return the mailto of List-Unsubscribe, with ``{token}`` if used.

    `pipeline.processing_bounces` reads it back, so that a complaint whose reader the provider has
    redacted still names its delivery.
    """
    smtp = config.smtp
    if smtp is None or not smtp.has_tokens or smtp.envelope_from is None:
        return _unsubscribe_mailto(config, digest)
    return _mailto(smtp.envelope_from, digest)


def _unsubscribe_mailto(config: Config, digest: str) -> str:
    """Return the mailto form of List-Unsubscribe (RFC 2369 section 3.2)."""
    return _mailto(_address(config), digest)


@lru_cache(maxsize=256)
def _mailto(address: str, digest: str) -> str:
    return f"mailto:{quote(address, safe='@{}')}?subject={quote(f'unsubscribe {digest}')}"


_ATTACHMENTS = {
    Form.BIBTEX: (".bib", "application/x-bibtex"),
    Form.RIS: (".ris", "application/x-research-info-systems"),
}


def _attachments(edition: Edition, mail: Bodies, context: RenderContext) -> Iterator[Attachment]:
    """Render the digest's attachments, and the list of papers if the mail refers to it."""
    for form in context.attach:
        yield _attachment(edition, form, context)
    is_too_long = mail.unshown and not context.edition_url
    if is_too_long or (context.attach_list and edition.more):
        content = paper_list(edition, context).encode("utf-8", "replace")
        yield Attachment(
            name=list_name(edition), media_type="text/plain; charset=utf-8", content=content
        )


def _attachment(edition: Edition, form: Form, context: RenderContext) -> Attachment:
    """Render all papers of *edition*, including those too many for the mail."""
    ending, media_type = _ATTACHMENTS[form]
    return Attachment(
        name=f"{edition.digest}-{edition.number}{ending}",
        media_type=media_type,
        content=render(edition, form, context).encode("utf-8", "replace"),
    )


def preview_message(config: Config, edition: Edition, context: RenderContext) -> str:
    """Return the whole message that *edition* would be, addressed to its sender."""
    mail = bodies(edition, context)
    return personalize(
        frozen_message(config, edition, mail, context),
        recipient=_address(config),
        message_id=make_message_id("preview", edition.name, domain=message_domain(config)),
        date=edition.created_at,
        text=mail.text,
        html=mail.html,
        token="preview",  # noqa: S106 - marks a mail that is never sent; not a secret
    ).decode("ascii")


class MessageBuilder:
    """Builds outgoing messages from frozen editions; one per run, used from any thread."""

    def __init__(self, store: Store, smtp: SmtpSettings | None = None) -> None:
        """*smtp* signs the tokens in the unsubscribe links."""
        self._store = store
        self._smtp = smtp or SmtpSettings()
        self._forms: dict[tuple[int, Form], Body] = {}
        self._ahead: dict[tuple[int, Form], Body] = {}
        self._lock = Lock()

    def read_ahead(self, deliveries: Collection[Delivery], forms: Collection[Form]) -> None:
        """Read what the messages of *deliveries* need, in one query."""
        wanted = set(forms)
        if Form.EML in wanted:
            wanted |= {Form.TEXT, Form.HTML}
        with self._lock:
            known = {edition_id for edition_id, form in self._forms if form in forms}
        editions = {delivery.edition_id for delivery in deliveries} - known
        found = self._store.editions.renditions(editions, wanted)
        with self._lock:
            # Added to what other destination kinds have read ahead; each entry is used once.
            self._ahead |= found

    def build(self, delivery: Delivery, forms: Collection[Form]) -> OutgoingMessage:
        """
        Build the message of *delivery*, the same at every attempt.

        Raises:
            PermanentFailure: The store lacks one of *forms*.
        """
        texts = {form: text_of(self._form(delivery, form)) for form in set(forms) - {Form.EML}}
        if REGISTRY[delivery.destination.kind].is_archive:
            texts |= self._exports(delivery)
        mime = self._mime(delivery) if Form.EML in forms else b""
        return OutgoingMessage(delivery=delivery, bodies=texts, mime=mime)

    def _exports(self, delivery: Delivery) -> dict[Form, str]:
        """Read the exports frozen with the edition."""
        found = {
            form: self._store.editions.rendition(delivery.edition_id, form) for form in EXPORTS
        }
        return {form: text_of(body) for form, body in found.items() if body is not None}

    def _mime(self, delivery: Delivery) -> bytes:
        frozen = self._form(delivery, Form.EML)
        if isinstance(frozen, str):
            raise PermanentFailure(f"{delivery.edition_name} has no message in the store")
        is_personal = REGISTRY[delivery.destination.kind].is_personal
        return personalize(
            frozen,
            recipient=delivery.destination.address if is_personal else sender_of(frozen),
            message_id=delivery.message_id,
            date=delivery.created_at,
            token=self._smtp.token(delivery.id),
        )

    def _form(self, delivery: Delivery, form: Form) -> Body:
        key = (delivery.edition_id, form)
        with self._lock:
            found = self._forms.get(key)
        if found is None:
            found = self._read(delivery, form)
            with self._lock:
                if len(self._forms) >= MAX_EDITIONS * len(Form):
                    self._forms.clear()
                self._forms[key] = found
        return found

    def _read(self, delivery: Delivery, form: Form) -> Body:
        with self._lock:
            body = self._ahead.pop((delivery.edition_id, form), None)
        if body is None:
            body = self._store.editions.rendition(delivery.edition_id, form)
        if body is None:
            raise PermanentFailure(f"{delivery.edition_name} has no {form} form in the store")
        if form is not Form.EML or isinstance(body, str):
            return body
        parts: Mapping[str, Fragments] = {
            part: fragments
            for part in (Form.TEXT, Form.HTML)
            if isinstance(fragments := self._read(delivery, part), tuple)
        }
        # Joined once for all readers; only the fields that differ stay separate.
        return merge_fragments(fill_fields(body, parts))


def text_of(body: Body) -> str:
    """Return *body* as readable text, its open fields left out."""
    return body if isinstance(body, str) else decode(body)
