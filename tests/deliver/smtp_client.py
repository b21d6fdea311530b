"""Messages, settings and calls for tests of the SMTP modules against a real server."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digestbot.deliver.smtp_sender import SmtpSender
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import (
    DeliveryError,
)
from digestbot.model import DestinationKind, OutgoingMessage
from digestbot.render import compose
from digestbot.secret import Secret
from tests.servers.outgoing import Notes, make_outgoing
from tests.servers.smtp import (
    Certificates,
    SmtpServer,
)

EML = compose(
    subject="Systems for ML: one paper",
    html="<p>.dot</p>\n.\n",
    text=".dot\n..two\nend\n",
    sender="Digests <digests@example.org>",
    recipient="reader@example.org",
    message_id="<one@example.org>",
    date=datetime(2026, 11, 23, 8, tzinfo=UTC),
    list_id="Systems for ML <systems.example.org>",
    list_unsubscribe=("mailto:digests@example.org",),
)


PASSWORD = "pl4nted-s3cret"


def outgoing(address: str = "reader@example.org", eml: str = EML) -> OutgoingMessage:
    return make_outgoing(DestinationKind.EMAIL, address, {}, message=eml.encode("ascii"))


def settings(server: SmtpServer, **more: Any) -> SmtpSettings:
    options: dict[str, Any] = {
        "host": "localhost",
        "port": server.port,
        "security": "none",
        "sender": "Digests <digests@example.org>",
        "timeout": timedelta(seconds=10),
        "final_timeout": timedelta(seconds=10),
    }
    return SmtpSettings(**{**options, **more})


def send(how: SmtpSettings, *messages: OutgoingMessage, notes: Notes | None = None) -> list[str]:
    """Send *messages* one after another; return each receipt or error."""

    async def send_all() -> list[str]:
        sender = SmtpSender(how)
        outcomes = []
        for each in messages or (outgoing(),):
            try:
                outcomes.append((await sender.send(each, notes or Notes())).detail)
            except DeliveryError as error:
                outcomes.append(f"{type(error).__name__}: {error}")
        await sender.close()
        return outcomes

    return asyncio.run(send_all())


def failure(
    how: SmtpSettings, one: OutgoingMessage | None = None, notes: Notes | None = None
) -> Exception:
    async def send_one() -> None:
        sender = SmtpSender(how)
        try:
            await sender.send(one or outgoing(), notes or Notes())
        finally:
            await sender.close()

    with pytest.raises(DeliveryError) as caught:
        asyncio.run(send_one())
    return caught.value


def tls_server(security: str, certificates: Certificates, **more: Any) -> SmtpServer:
    if security == "tls":
        return SmtpServer(implicit_tls=certificates.server, **more)
    return SmtpServer(starttls=certificates.server, **more)


def login(password: str = PASSWORD) -> dict[str, object]:
    return {"username": "bot", "password": Secret(password)}
