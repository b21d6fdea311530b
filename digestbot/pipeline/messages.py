"""
What is frozen with an edition, and the letter that one delivery makes of it.

Frozen is all that a message is made of but what the delivery itself brings: its address, Message-ID
and date. So each attempt has the same bytes, whatever became of the config, the templates or this
program since, and a million readers do not cost a million copies. Begin at `frozen_bodies`.
"""

from collections.abc import Collection, Mapping
from threading import Lock

from digestbot.config import Config
from digestbot.deliver import REGISTRY, SmtpSettings
from digestbot.errors import PermanentFailure
from digestbot.model import (
    EXPORTS,
    Body,
    Delivery,
    Edition,
    Form,
    Fragments,
    OutgoingMessage,
)
from digestbot.pipeline.addressing import frozen_message
from digestbot.render import (
    RenderContext,
    bodies,
    decode,
    fill_fields,
    merge_fragments,
    personalize,
    render,
    sender_of,
)
from digestbot.store import Store

TEXTS = (Form.SLACK, Form.JSON)
EDITIONS = 64
"""Editions whose forms one run holds: as many are on their way at once, or fewer."""


def frozen_bodies(
    config: Config, edition: Edition, context: RenderContext, exports: Collection[Form] = ()
) -> dict[Form, Body]:
    """All forms of *edition* that a delivery may want, *exports* beside those that always are."""
    mail = bodies(edition, context)
    return {
        Form.SUBJECT: mail.subject,
        Form.TEXT: mail.text,
        Form.HTML: mail.html,
        Form.EML: frozen_message(config, edition, mail.subject, context),
        **{form: render(edition, form, context) for form in (*TEXTS, *exports)},
    }


def text_of(body: Body) -> str:
    """*body* as a text to be read; what each delivery fills in is left out."""
    return body if isinstance(body, str) else decode(body)


class MessageBuilder:
    """Makes letters of what is frozen; for one run, from any thread."""

    def __init__(self, store: Store, smtp: SmtpSettings | None = None) -> None:
        """*smtp* signs the tokens of the readers' links."""
        self._store = store
        self._smtp = smtp or SmtpSettings()
        self._read: dict[tuple[int, Form], Body] = {}
        self._ahead: dict[tuple[int, Form], Body] = {}
        self._lock = Lock()

    def read_ahead(self, deliveries: Collection[Delivery], forms: Collection[Form]) -> None:
        """Read at once what the letters of *deliveries* will need, and is not known yet."""
        wanted = set(forms)
        if Form.EML in wanted:
            wanted |= {Form.TEXT, Form.HTML}
        with self._lock:
            known = {edition_id for edition_id, form in self._read if form in forms}
        editions = {delivery.edition_id for delivery in deliveries} - known
        found = self._store.editions.renditions(editions, wanted)
        with self._lock:
            # Beside what other kinds have read ahead; it goes as it is used.
            self._ahead |= found

    def build(self, delivery: Delivery, forms: Collection[Form]) -> OutgoingMessage:
        """
        The letter of *delivery*, the same for each of its attempts.

        Raises:
            PermanentFailure: The store has not what it needs.
        """
        texts = {form: text_of(self._body(delivery, form)) for form in set(forms) - {Form.EML}}
        if REGISTRY[delivery.destination.kind].is_archive:
            texts |= self._exports(delivery)
        mime = self._message(delivery) if Form.EML in forms else b""
        return OutgoingMessage(delivery=delivery, bodies=texts, mime=mime)

    def _exports(self, delivery: Delivery) -> dict[Form, str]:
        """Those that its digest had asked for when the edition was made."""
        found = {
            form: self._store.editions.rendition(delivery.edition_id, form) for form in EXPORTS
        }
        return {form: text_of(body) for form, body in found.items() if body is not None}

    def _message(self, delivery: Delivery) -> bytes:
        frozen = self._body(delivery, Form.EML)
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

    def _body(self, delivery: Delivery, form: Form) -> Body:
        key = (delivery.edition_id, form)
        with self._lock:
            found = self._read.get(key)
        if found is None:
            found = self._from_store(delivery, form)
            with self._lock:
                if len(self._read) >= EDITIONS * len(Form):
                    self._read.clear()
                self._read[key] = found
        return found

    def _from_store(self, delivery: Delivery, form: Form) -> Body:
        with self._lock:
            body = self._ahead.pop((delivery.edition_id, form), None)
        if body is None:
            body = self._store.editions.rendition(delivery.edition_id, form)
        if body is None:
            raise PermanentFailure(f"{delivery.edition_name} has no {form} form in the store")
        if form is not Form.EML or isinstance(body, str):
            return body
        inside: Mapping[str, Fragments] = {
            part: pieces
            for part in (Form.TEXT, Form.HTML)
            if isinstance(pieces := self._from_store(delivery, part), tuple)
        }
        # Joined once for all its readers: only what is each one's own stays apart.
        return merge_fragments(fill_fields(body, inside))
