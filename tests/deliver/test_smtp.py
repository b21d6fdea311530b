"""Whole dialogues with a real server."""

import asyncio
import logging
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digestbot.deliver.dkim import DkimSettings
from digestbot.deliver.smtp import SmtpSender
from digestbot.deliver.smtp_connection import SmtpConnection
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.deliver.verp import delivery_of
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
)
from digestbot.model import DestinationKind, OutgoingMessage
from digestbot.render import compose
from digestbot.secret import Secret
from tests.servers.outgoing import Notes, Slept, make_dkim, make_outgoing
from tests.servers.smtp import (
    CUT,
    SILENCE,
    TAKE_AND_CUT,
    Certificates,
    SmtpServer,
    make_certificates,
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
IN_BASE64 = b64encode(PASSWORD.encode()).decode()
WITH_NAME = b64encode(f"\0bot\0{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return make_certificates()


@pytest.fixture
def ca_file(certificates: Certificates, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    certificates.authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(autouse=True)
def only_our_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The stand-in may log what it likes; we look at what the client side logs."""
    logging.getLogger("mail").setLevel(logging.CRITICAL + 1)
    with caplog.at_level(logging.DEBUG):
        yield
    logging.getLogger("mail").setLevel(logging.NOTSET)


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


def send(how: SmtpSettings, *letters: OutgoingMessage, notes: Notes | None = None) -> list[str]:
    """What became of *letters*, one after another over one sender: the receipt or the error."""

    async def send_all() -> list[str]:
        sender = SmtpSender(how)
        outcomes = []
        for each in letters or (outgoing(),):
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


def test_data_done_comes_between_354_and_the_dot() -> None:
    with SmtpServer() as server:
        seen: list[list[str]] = []

        class Looking(Notes):
            async def data_done(self) -> None:
                seen.append(list(server.commands))

        send(settings(server), notes=Looking())
    assert seen == [["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"]]


@pytest.mark.parametrize("phase", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", [CUT, "451 4.3.0 later"])
def test_failure_before_the_text_is_transient(phase: str, reply: str) -> None:
    notes = Notes()
    with SmtpServer(faults=[(phase, reply)]) as server:
        error = failure(settings(server), notes=notes)
    assert isinstance(error, TransientFailure)
    assert notes.log == []
    assert server.messages == []


@pytest.mark.parametrize("phase", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_silent_server_times_out(phase: str) -> None:
    with SmtpServer(faults=[(phase, SILENCE)]) as server:
        error = failure(settings(server, timeout=timedelta(seconds=0.1)))
    assert isinstance(error, TransientFailure)


@pytest.mark.parametrize(
    ("fault", "taken"),
    [(CUT, 0), (TAKE_AND_CUT, 1), (SILENCE, 0)],
)
def test_loss_after_the_dot_is_an_unknown_outcome(fault: str, taken: int) -> None:
    notes = Notes()
    with SmtpServer(faults=[("DOT", fault)]) as server:
        error = failure(settings(server, final_timeout=timedelta(seconds=0.2)), notes=notes)
    assert isinstance(error, OutcomeUnknown)
    assert notes.log == ["data_done"]
    assert len(server.messages) == taken


def test_loss_before_the_dot_is_transient() -> None:
    class HungUpOn(Notes):
        async def data_done(self) -> None:
            await super().data_done()
            await asyncio.to_thread(server.hang_up)
            for _ in range(5):  # rounds of the loop, in which the client hears of it
                await asyncio.sleep(0)

    notes = HungUpOn()
    with SmtpServer() as server:
        error = failure(settings(server), notes=notes)
    assert isinstance(error, TransientFailure)
    assert notes.log == ["data_done"]
    assert server.messages == []


def test_failed_checkpoint_stops_before_the_dot() -> None:
    class Broken(Notes):
        async def data_done(self) -> None:
            raise RuntimeError("the disk is full")

    async def send_one(how: SmtpSettings) -> None:
        sender = SmtpSender(how)
        with pytest.raises(RuntimeError):
            await sender.send(outgoing(), Broken())
        await sender.send(outgoing(), Notes())
        await sender.close()

    with SmtpServer() as server:
        asyncio.run(send_one(settings(server)))
    assert len(server.messages) == 1
    assert server.connections == 2


@pytest.mark.parametrize("fault", ["554 5.0.0 I am not done with you", CUT])
def test_reply_to_quit_is_irrelevant(fault: str) -> None:
    with SmtpServer(faults=[("QUIT", fault)]) as server:
        assert send(settings(server)) == ["250 2.0.0 taken"]
    assert len(server.messages) == 1


def test_dead_mailbox_is_suppressed_and_not_named() -> None:
    fault = ("RCPT", "550 5.1.1 <reader@example.org> user unknown")
    with SmtpServer(faults=[fault]) as server:
        error = failure(settings(server))
    assert isinstance(error, PermanentFailure)
    assert (error.suppress, error.code) == (True, "550 5.1.1")
    assert str(error) == "the mail server refused the recipient: 550 5.1.1 <address> user unknown"


def test_connection_is_reused_up_to_its_limit() -> None:
    with SmtpServer() as server:
        send(settings(server, messages_per_connection=2), *[outgoing()] * 5)
    assert len(server.messages) == 5
    assert server.connections == 3


def test_connection_survives_a_refusal() -> None:
    with SmtpServer(faults=[("RCPT", "550 5.1.1 no"), ("DOT", "554 5.6.0 no")]) as server:
        outcomes = send(settings(server), *[outgoing()] * 3)
    assert [outcome.split(":")[0] for outcome in outcomes] == [
        "PermanentFailure",
        "PermanentFailure",
        "250 2.0.0 taken",
    ]
    assert server.connections == 1
    # The final dot ends a transaction by itself, whatever the answer (RFC 5321 4.1.1.4).
    assert server.commands.count("RSET") == 1


@pytest.mark.parametrize("fault", [CUT, "421 4.4.2 idle too long"])
def test_dead_idle_connection_is_replaced(fault: str) -> None:
    async def send_two(how: SmtpSettings) -> list[str]:
        sender = SmtpSender(how)
        first = await sender.send(outgoing(), Notes())
        server.faults.append(("MAIL", fault))
        second = await sender.send(outgoing(), Notes())
        await sender.close()
        return [first.detail, second.detail]

    with SmtpServer() as server:
        assert asyncio.run(send_two(settings(server))) == ["250 2.0.0 taken"] * 2
    assert (server.connections, len(server.messages)) == (2, 2)


@pytest.mark.parametrize("fault", [CUT, "421 4.4.2 too many errors", "500 what"])
def test_failed_reset_drops_the_connection(fault: str) -> None:
    with SmtpServer(faults=[("RCPT", "550 5.1.1 no"), ("RSET", fault)]) as server:
        refused, sent = send(settings(server), outgoing(), outgoing())
    assert refused.startswith("PermanentFailure")
    assert sent == "250 2.0.0 taken"
    assert server.connections == 2


def test_421_fails_one_delivery_only() -> None:
    with SmtpServer(faults=[("MAIL", "421 4.7.0 closing")]) as server:
        first, second = send(settings(server), outgoing(), outgoing())
    assert first.startswith("TransientFailure")
    assert second == "250 2.0.0 taken"


def test_number_of_connections_is_limited() -> None:
    async def send_many(how: SmtpSettings) -> None:
        sender = SmtpSender(how)
        await asyncio.gather(*(sender.send(outgoing(), Notes()) for _ in range(8)))
        await sender.close()

    with SmtpServer() as server:
        asyncio.run(send_many(settings(server, max_connections=2)))
    assert len(server.messages) == 8
    assert server.connections == 2


def test_cancelled_send_frees_its_connection() -> None:
    async def cancel_one(how: SmtpSettings) -> None:
        sender = SmtpSender(how)
        task = asyncio.create_task(sender.send(outgoing(), Notes()))
        await asyncio.to_thread(server.fell_silent.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await sender.send(outgoing(), Notes())).detail == "250 2.0.0 taken"
        await sender.close()

    with SmtpServer(faults=[("DOT", SILENCE)]) as server:
        asyncio.run(cancel_one(settings(server, max_connections=1)))
    assert server.connections == 2


def test_oversized_message_is_never_begun() -> None:
    with SmtpServer(size_limit=20) as server:
        error = failure(settings(server))
    assert isinstance(error, PermanentFailure)
    assert error.code == "552 5.3.4"
    assert "MAIL" not in server.commands


@pytest.mark.parametrize("address", ["a@b, c@d", "x\r\nRCPT TO:<y@z.org>", "", "übung@example.org"])
def test_invalid_address_never_becomes_a_command(address: str) -> None:
    with SmtpServer() as server:
        assert isinstance(failure(settings(server), outgoing(address)), PermanentFailure)
    assert server.commands == []


def test_closed_port_is_transient() -> None:
    with SmtpServer() as server:
        gone = settings(server)
    assert isinstance(failure(gone), TransientFailure)


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


def tls_server(security: str, certificates: Certificates, **more: Any) -> SmtpServer:
    if security == "tls":
        return SmtpServer(implicit_tls=certificates.server, **more)
    return SmtpServer(starttls=certificates.server, **more)


def login(password: str = PASSWORD) -> dict[str, object]:
    return {"username": "bot", "password": Secret(password)}


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
    assert isinstance(error, TransientFailure)
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
    assert server.messages == []


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_certificate_for_another_name_is_refused(security: str, tmp_path: Path) -> None:
    other = make_certificates("elsewhere.example.org")
    other.authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with tls_server(security, other) as server:
        how = settings(server, security=security, ca_file=str(tmp_path / "ca.pem"))
        assert isinstance(failure(how), Misconfigured)
    assert server.messages == []


def test_unchecked_certificate_is_logged(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with tls_server("tls", certificates) as server:
        assert send(settings(server, security="tls", verify=False)) == ["250 2.0.0 taken"]
    assert "mail server certificate not checked" in caplog.text


def test_missing_ca_file_is_named(certificates: Certificates) -> None:
    with tls_server("tls", certificates) as server:
        error = failure(settings(server, security="tls", ca_file="no/such.pem"))
    assert isinstance(error, Misconfigured)
    assert "no/such.pem" in str(error)


def test_tls_to_a_plain_port_is_transient(ca_file: str) -> None:
    with SmtpServer() as server:
        how = settings(server, security="tls", ca_file=ca_file, timeout=timedelta(seconds=2))
        assert isinstance(failure(how), TransientFailure)
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


def test_default_port_depends_on_security() -> None:
    ports = [SmtpSettings(security=kind).effective_port for kind in ("none", "starttls", "tls")]
    assert ports == [25, 587, 465]
    assert SmtpSettings(port=2525).effective_port == 2525


def test_invalid_sender_is_misconfiguration() -> None:
    with SmtpServer() as server:
        error = failure(settings(server, sender="Digests"))
    assert isinstance(error, Misconfigured)
    assert '"smtp.sender" is not an address' in str(error)


POLICY = "550 5.7.1 not from you"


def kinds(outcomes: list[str]) -> list[str]:
    return [outcome.split(":")[0].split(" ")[0] for outcome in outcomes]


def test_three_policy_refusals_in_a_row_stop_the_kind() -> None:
    with SmtpServer(faults=[("RCPT", POLICY), ("DOT", POLICY), ("RCPT", POLICY)]) as server:
        outcomes = send(settings(server), *[outgoing()] * 3)
    assert kinds(outcomes) == ["TransientFailure", "TransientFailure", "Misconfigured"]
    assert outcomes[2].endswith("; the 2 deliveries before it too, so it concerns our server")


def test_single_policy_refusals_stop_only_themselves() -> None:
    async def send_all(how: SmtpSettings) -> list[str]:
        sender = SmtpSender(how)
        outcomes = []
        for _ in range(4):
            server.faults.append(("RCPT", POLICY))
            for _ in range(2):
                try:
                    outcomes.append((await sender.send(outgoing(), Notes())).detail)
                except DeliveryError as error:
                    outcomes.append(type(error).__name__)
        await sender.close()
        return outcomes

    with SmtpServer() as server:
        assert kinds(asyncio.run(send_all(settings(server)))) == ["TransientFailure", "250"] * 4


# What may be configured beside


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


def test_domain_cannot_take_all_connections() -> None:
    """One that is silent keeps its own two busy; the others go on."""

    async def send_many(how: SmtpSettings) -> None:
        sender = SmtpSender(how)
        stuck = [
            asyncio.create_task(sender.send(outgoing(f"r{n}@slow.example"), Notes()))
            for n in range(5)
        ]
        await asyncio.to_thread(server.fell_silent.wait, 10)
        await sender.send(outgoing("reader@example.org"), Notes())
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        await sender.close()

    with SmtpServer(faults=[("RCPT", SILENCE), ("RCPT", SILENCE)]) as server:
        asyncio.run(send_many(settings(server, max_connections=3, domain_connections=2)))
    assert [taken.recipients for taken in server.messages] == [("reader@example.org",)]


def test_messages_are_spread_over_the_minute() -> None:
    slept = Slept()

    async def send_many(how: SmtpSettings) -> None:
        sender = SmtpSender(how, sleep=slept)
        for _ in range(4):
            await sender.send(outgoing(), Notes())
        await sender.close()

    with SmtpServer() as server:
        asyncio.run(send_many(settings(server, per_minute=30)))
    assert [round(seconds / 2) for seconds in slept.seconds] == [0, 1, 2, 3]


class Waits:
    """A sleep that lasts until somebody wakes all sleepers for good."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self.over.wait()


@pytest.mark.parametrize("pipelining", [False, True])
def test_paced_domain_does_not_delay_others(pipelining: bool) -> None:
    async def send_many(how: SmtpSettings) -> None:
        waits = Waits()
        sender = SmtpSender(how, sleep=waits)
        addresses = ("a@a.example", "b@a.example", "c@A.example", "d@b.example", "e@c.example")
        a, b, c, d, e = (
            asyncio.create_task(sender.send(outgoing(address), Notes())) for address in addresses
        )
        await asyncio.gather(a, d, e)
        assert (b.done(), c.done()) == (False, False)
        assert waits.seconds == [10.0] * 3
        waits.over.set()
        await asyncio.gather(b, c)
        assert waits.seconds == [10.0] * 5
        await sender.close()

    with SmtpServer(pipelining=pipelining) as server:
        asyncio.run(send_many(settings(server, domain_per_minute=6, max_connections=1)))
    assert "".join(taken.recipients[0][0] for taken in server.messages) == "adebc"
    assert server.connections == 1


def test_message_after_the_pause_is_sent_at_once() -> None:
    slept = Slept()

    async def send_some(how: SmtpSettings) -> None:
        sender = SmtpSender(how, sleep=slept)
        for _ in range(3):
            await sender.send(outgoing(), Notes())
        await sender.close()

    with SmtpServer() as server:
        asyncio.run(send_some(settings(server, domain_per_minute=30)))
    assert slept.seconds == [2.0] * 3
    assert len(server.messages) == 3


def test_close_cancels_paced_messages() -> None:
    async def send_and_close(how: SmtpSettings) -> None:
        sender = SmtpSender(how, sleep=Waits())
        await sender.send(outgoing(), Notes())
        late = asyncio.create_task(sender.send(outgoing(), Notes()))
        await asyncio.sleep(0)
        await sender.close()
        with pytest.raises(asyncio.CancelledError):
            await late
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with SmtpServer() as server:
        asyncio.run(send_and_close(settings(server, domain_per_minute=1)))
    assert len(server.messages) == 1


class Flooded(asyncio.Transport):
    """A connection on which the other side talks without end."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def abort(self) -> None:
        self.is_aborted = True


@pytest.mark.parametrize("chunk", [1, 70_000])
@pytest.mark.parametrize(
    ("flood", "goes_on"),
    [
        (b"x" * 40_000, b"x" * 30_000),
        (b"250-\r\n" * 7_000, b"250-\r\n" * 5_000),
        (b"250-many words\r\n" * 3_000, b"250-many words\r\n" * 2_000),
        (b"250 fine\r\n" * 20, b"250 fine\r\n" * 5),
    ],
    ids=["no line", "empty lines", "lines", "answers"],
)
def test_endless_reply_drops_the_connection(flood: bytes, goes_on: bytes, chunk: int) -> None:
    for octets, is_lost in ((goes_on, False), (flood, True)):
        transport = Flooded()
        link = SmtpConnection(SmtpSettings(), pipelines=True, size_limit=None)
        link.take_over(transport)
        for start in range(0, len(octets), chunk):
            link.data_received(octets[start : start + chunk])
        assert (link.is_lost, transport.is_aborted) == (is_lost, is_lost)
