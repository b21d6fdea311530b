"""Outgoing messages for tests of destinations, and a checkpoint that records its calls."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from digestbot.deliver.dkim import DkimSettings
from digestbot.model import (
    Body,
    Delivery,
    DeliveryState,
    Destination,
    Form,
    OutgoingMessage,
)
from digestbot.render import edition_template, sender_headers
from digestbot.render.quoted_printable import encode_fragments
from digestbot.secret import Secret
from tests.wire import Dns


class Notes:
    """Checkpoint that records its calls in order."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @property
    def marks(self) -> tuple[str, ...]:
        return tuple(entry for entry in self.log if entry != "data_done")

    async def data_done(self) -> None:
        self.log.append("data_done")

    async def acknowledged(self, mark: str) -> None:
        self.log.append(mark)


class Slept:
    """Sleep that returns at once and records its durations."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def make_dkim() -> tuple[DkimSettings, Dns]:
    """Return settings with a new key for example.org, and a DNS with its public key."""
    private = Ed25519PrivateKey.generate()
    form, clear = ser.PrivateFormat.PKCS8, ser.NoEncryption()
    pem = private.private_bytes(ser.Encoding.PEM, form, clear).decode()
    public = private.public_key().public_bytes(ser.Encoding.Raw, ser.PublicFormat.Raw)
    record = f"v=DKIM1; k=ed25519; p={b64encode(public).decode()}"
    settings = DkimSettings(domain="example.org", selector="digests", key=Secret(pem))
    return settings, {"digests._domainkey.example.org": record}


def frozen_mail(*, subject: str, text: str, html: str) -> dict[Form, Body]:
    """Return the stored forms of an edition of "systems" that a mail is built from."""
    blank = sender_headers(
        sender="Digests <digests@example.org>", list_unsubscribe=("mailto:digests@example.org",)
    )
    frozen = edition_template(blank, subject=subject, list_id="Systems <systems.example.org>")
    bodies = {Form.TEXT: encode_fragments(text), Form.HTML: encode_fragments(html)}
    return {Form.SUBJECT: subject, **bodies, Form.EML: frozen}


def make_delivery(
    kind: str,
    address: str,
    *,
    edition_name: str = "systems/12",
    acknowledged: tuple[str, ...] = (),
) -> Delivery:
    """Return a delivery in its first attempt, of an edition of 2026-11-23."""
    return Delivery(
        id=1,
        edition_id=1,
        edition_name=edition_name,
        digest="systems",
        destination=Destination(kind=kind, address=address),
        state=DeliveryState.SENDING,
        message_id="<abc@digests.example.org>",
        attempts=1,
        created_at=datetime(2026, 11, 23, 9, tzinfo=UTC),
        acknowledged=acknowledged,
    )


def make_outgoing(
    kind: str,
    address: str,
    bodies: Mapping[Form, str],
    *,
    message: bytes = b"",
    acknowledged: tuple[str, ...] = (),
) -> OutgoingMessage:
    """Return an outgoing message with *bodies* or *message* to *address*."""
    delivery = make_delivery(kind, address, acknowledged=acknowledged)
    return OutgoingMessage(delivery=delivery, bodies=bodies, mime=message)
