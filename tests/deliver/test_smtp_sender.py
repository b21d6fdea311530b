"""The SMTP sender against a real server."""

import asyncio
import sys

import pytest

from digestbot.deliver.dkim import DkimSettings
from digestbot.deliver.smtp_sender import SmtpSender
from digestbot.errors import (
    Misconfigured,
    PermanentFailure,
    ServerUnavailable,
)
from digestbot.secret import Secret
from tests.deliver.smtp_client import (
    EML,
    PASSWORD,
    failure,
    outgoing,
    send,
    settings,
    tls_server,
)
from tests.servers.outgoing import make_dkim
from tests.servers.smtp import (
    Certificates,
    SmtpServer,
)


def test_message_arrives_byte_for_byte() -> None:
    with SmtpServer() as server:
        assert send(settings(server)) == ["250 2.0.0 taken"]
    (taken,) = server.messages
    assert taken.content == EML.encode()
    assert (taken.sender, taken.recipients) == ("digests@example.org", ("reader@example.org",))


def test_envelope_sender_can_differ() -> None:
    with SmtpServer() as server:
        send(settings(server, envelope_from="bounces@example.org"))
    assert server.messages[0].sender == "bounces@example.org"


def test_dead_mailbox_is_suppressed_and_not_named() -> None:
    fault = ("RCPT", "550 5.1.1 <reader@example.org> user unknown")
    with SmtpServer(faults=[fault]) as server:
        error = failure(settings(server))
    assert isinstance(error, PermanentFailure)
    assert (error.suppress, error.code) == (True, "550 5.1.1")
    assert str(error) == "the mail server refused the recipient: 550 5.1.1 <address> user unknown"


@pytest.mark.parametrize("address", ["a@b, c@d", "x\r\nRCPT TO:<y@z.org>", "", "übung@example.org"])
def test_invalid_address_never_becomes_a_command(address: str) -> None:
    with SmtpServer() as server:
        assert isinstance(failure(settings(server), outgoing(address)), PermanentFailure)
    assert server.commands == []


def test_closed_port_is_about_the_server() -> None:
    with SmtpServer() as server:
        gone = settings(server)
    assert isinstance(failure(gone), ServerUnavailable)


@pytest.mark.parametrize("security", ["none", "tls", "starttls"])
def test_check_reports_tls_and_login(
    security: str, certificates: Certificates, ca_file: str
) -> None:
    with SmtpServer() if security == "none" else tls_server(security, certificates) as server:
        how = settings(server, security=security, ca_file=ca_file)
        found = asyncio.run(SmtpSender(how).check(()))
    tls = "no TLS" if security == "none" else "TLS"
    assert found == f"localhost:{server.port}: {tls}, no login"
    assert server.commands[-1] == "QUIT"
    assert "MAIL" not in server.commands


def test_check_raises_the_errors_of_a_message() -> None:
    with SmtpServer() as server:
        sender = SmtpSender(settings(server, security="starttls"))
        with pytest.raises(Misconfigured):
            asyncio.run(sender.check(()))


def dkim_settings(key: str) -> DkimSettings:
    return DkimSettings(domain="example.org", selector="digests", key=Secret(key))


def test_signed_mail_verifies_on_arrival() -> None:
    how, dns = make_dkim()
    with SmtpServer(dns=dns) as server:
        taken = send(settings(server, dkim=how), outgoing(), outgoing())
    assert taken == ["250 2.0.0 taken"] * 2
    first, second = (taken.content for taken in server.messages)
    assert first == second
    assert first.endswith(EML.encode())


def test_invalid_key_stops_before_connecting() -> None:
    with SmtpServer() as server:
        how = settings(server, dkim=dkim_settings(PASSWORD))
        assert isinstance(failure(how), Misconfigured)
        with pytest.raises(Misconfigured, match=r"smtp\.dkim\.key"):
            asyncio.run(SmtpSender(how).check(()))
    assert server.commands == []


def test_missing_extra_stops_the_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with SmtpServer() as server:
        error = failure(settings(server, dkim=dkim_settings(PASSWORD)))
    assert isinstance(error, Misconfigured)
    assert "pip install 'digestbot[dkim]'" in str(error)
