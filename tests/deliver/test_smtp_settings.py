"""Ports and envelope senders that follow from the settings."""

from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.deliver.verp import delivery_of
from digestbot.errors import (
    Misconfigured,
)
from digestbot.secret import Secret
from tests.deliver.smtp_client import PASSWORD, failure, outgoing, send, settings
from tests.servers.smtp import (
    SmtpServer,
)


def test_default_port_depends_on_security() -> None:
    ports = [SmtpSettings(security=kind).effective_port for kind in ("none", "starttls", "tls")]
    assert ports == [25, 587, 465]
    assert SmtpSettings(port=2525).effective_port == 2525


def test_invalid_sender_is_misconfiguration() -> None:
    with SmtpServer() as server:
        error = failure(settings(server, sender="Digests"))
    assert isinstance(error, Misconfigured)
    assert '"smtp.sender" is not an address' in str(error)


VERP = {"envelope_from": "bounces+{token}@example.org", "secret": Secret(PASSWORD)}


def test_bounce_address_identifies_the_delivery() -> None:
    with SmtpServer() as server:
        send(settings(server, **VERP), outgoing(), outgoing())
    senders = [taken.sender for taken in server.messages]
    found = [delivery_of(sender, "bounces+{token}@example.org", PASSWORD) for sender in senders]
    assert found == [outgoing().delivery.id] * 2
    assert b"bounces" not in server.messages[0].content


def test_token_without_secret_is_misconfiguration() -> None:
    with SmtpServer() as server:
        error = failure(settings(server, envelope_from="bounces+{token}@example.org"))
    assert isinstance(error, Misconfigured)
    assert str(error) == '"smtp.envelope_from" has a token: set "smtp.secret" to sign it'
    assert server.commands == []
