"""TLS and logins against a real server."""

from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest

from digestbot.errors import (
    Misconfigured,
    ServerUnavailable,
)
from tests.deliver.smtp_client import PASSWORD, failure, login, outgoing, send, settings, tls_server
from tests.servers.smtp import (
    Certificates,
    SmtpServer,
    make_certificates,
)

IN_BASE64 = b64encode(PASSWORD.encode()).decode()


WITH_NAME = b64encode(f"\0bot\0{PASSWORD}".encode()).decode()


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_logs_in_and_sends_over_tls(
    security: str, certificates: Certificates, ca_file: str
) -> None:
    with tls_server(security, certificates, logins={"bot": PASSWORD}) as server:
        how = settings(server, security=security, ca_file=ca_file, **login())
        assert send(how, outgoing(), outgoing()) == ["250 2.0.0 taken"] * 2
    assert [taken.over_tls for taken in server.messages] == [True, True]
    assert server.messages[0].login == "bot"
    assert server.commands.count("AUTH") == 1


def test_stripped_starttls_aborts() -> None:
    with SmtpServer() as server:
        error = failure(settings(server, security="starttls", **login()))
    assert isinstance(error, Misconfigured)
    assert "does not offer STARTTLS" in str(error)
    assert server.commands == ["CONNECT", "EHLO"]


def test_refused_starttls_is_not_skipped(certificates: Certificates, ca_file: str) -> None:
    faults = [("STARTTLS", "454 4.7.0 not now")]
    with tls_server("starttls", certificates, faults=faults) as server:
        error = failure(settings(server, security="starttls", ca_file=ca_file))
    assert isinstance(error, ServerUnavailable)
    assert "MAIL" not in server.commands


def test_password_is_never_sent_in_clear_by_default() -> None:
    with SmtpServer(logins={"bot": PASSWORD}, clear_logins=True) as server:
        error = failure(settings(server, **login()))
    assert isinstance(error, Misconfigured)
    assert "login without TLS" in str(error)
    assert server.commands == []


def test_insecure_allows_a_login_in_clear() -> None:
    with SmtpServer(logins={"bot": PASSWORD}, clear_logins=True) as server:
        assert send(settings(server, insecure=True, **login())) == ["250 2.0.0 taken"]
    assert server.messages[0].login == "bot"


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_unknown_authority_is_refused(security: str, certificates: Certificates) -> None:
    with tls_server(security, certificates) as server:
        error = failure(settings(server, security=security))
    assert isinstance(error, Misconfigured)
    assert "untrusted certificate of the mail server: " in str(error)
    assert 'set "smtp.ca_file"' in str(error)
    assert server.messages == []


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_certificate_for_another_name_is_refused(security: str, tmp_path: Path) -> None:
    other = make_certificates("elsewhere.example.org")
    other.authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with tls_server(security, other) as server:
        how = settings(server, security=security, ca_file=str(tmp_path / "ca.pem"))
        error = failure(how)
    assert isinstance(error, Misconfigured)
    assert '"smtp.host" to the name in the certificate' in str(error)
    assert server.messages == []


def test_silence_suggests_tls(certificates: Certificates) -> None:
    with tls_server("tls", certificates) as server:
        error = failure(settings(server, security="starttls", timeout=timedelta(seconds=0.3)))
    assert isinstance(error, ServerUnavailable)
    assert 'set "smtp.security" to tls' in str(error)


ABSURD = [
    ["SIZE " + "9" * 5_000],
    ["SIZE -1"],
    ["SIZE 0"],
    ["SIZE"],
    ["SIZE 10000000 20000000"],
    ["", " ", "-", "250-", "="],
    ["AUTH", "AUTH=", "AUTH=PLAIN=LOGIN", "AUTH " + "X" * 5_000],
    ["PIPELINING" * 90],
    ["\x01\x02\x7f"],
    ["X" + str(number) for number in range(500)],
]


@pytest.mark.parametrize("lines", ABSURD, ids=lambda lines: repr(lines[0])[:20])
def test_absurd_ehlo_lines_are_ignored(lines: list[str]) -> None:
    with SmtpServer() as server:
        server.ehlo_lines = lines
        assert send(settings(server)) == ["250 2.0.0 taken"]


def test_unchecked_certificate_is_logged(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with tls_server("tls", certificates) as server:
        assert send(settings(server, security="tls", verify=False)) == ["250 2.0.0 taken"]
    assert "mail server certificate not verified" in caplog.text


def test_missing_ca_file_is_named(certificates: Certificates) -> None:
    with tls_server("tls", certificates) as server:
        error = failure(settings(server, security="tls", ca_file="no/such.pem"))
    assert isinstance(error, Misconfigured)
    assert "no/such.pem" in str(error)


def test_tls_to_a_plain_port_names_the_setting(ca_file: str) -> None:
    with SmtpServer() as server:
        how = settings(server, security="tls", ca_file=ca_file, timeout=timedelta(seconds=2))
        error = failure(how)
    assert isinstance(error, Misconfigured)
    assert '"smtp.security" to starttls' in str(error)
    assert server.messages == []


def test_wrong_password_is_tried_once(certificates: Certificates, ca_file: str) -> None:
    with tls_server("tls", certificates, logins={"bot": PASSWORD}) as server:
        error = failure(settings(server, security="tls", ca_file=ca_file, **login("wrong")))
    assert isinstance(error, Misconfigured)
    assert error.code == "535 5.7.8"
    assert server.commands.count("AUTH") == 1


@pytest.mark.parametrize(
    "echo",
    [
        f"535 5.7.8 {PASSWORD} is wrong",
        f"501 5.5.4 AUTH PLAIN {WITH_NAME} refused",
        f"501 5.5.4 {IN_BASE64} refused",
    ],
    ids=["itself", "with the name in base64", "in base64"],
)
def test_echoed_password_is_masked(
    echo: str, certificates: Certificates, ca_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = tls_server("tls", certificates, logins={"bot": PASSWORD}, faults=[("AUTH", echo)])
    with server:
        error = failure(settings(server, security="tls", ca_file=ca_file, **login()))
    shown = f"{error!r} {error.__cause__!r} {caplog.text}"
    assert "***" in shown
    for secret in (PASSWORD, WITH_NAME, IN_BASE64):
        assert secret not in shown


def test_logs_contain_neither_password_nor_address(
    certificates: Certificates, ca_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [("RCPT", "550 5.1.1 <reader@example.org> unknown")]
    with tls_server("tls", certificates, logins={"bot": PASSWORD}, faults=faults) as server:
        send(settings(server, security="tls", ca_file=ca_file, **login()), outgoing(), outgoing())
    assert PASSWORD not in caplog.text
    assert "reader@example.org" not in caplog.text
