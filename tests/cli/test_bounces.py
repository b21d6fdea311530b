"""`bounces`: only verified bounces count; they suppress addresses."""

import json
import mailbox
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.conftest import Bot, a_paper, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.imap import ImapServer
from tests.servers.smtp import SmtpServer, make_certificates

SAMPLES = Path(__file__).parents[1] / "bounces" / "samples"
DAY = timedelta(days=1)
TOKENS = 'envelope_from: "bounces+{token}@example.org", secret: pl4nted-letters-or-more, '

Returned = Callable[..., str]


@pytest.fixture
def sent(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> Returned:
    """Send two emails; return a function that fills a sample bounce of one of them."""
    write_config(arxiv, smtp)
    assert bot("run").code == 0

    def returned(name: str, address: str = "a@example.org", **changes: str) -> str:
        mail = next(m for m in smtp.messages if m.recipients == (address,))
        message_id = re.search(rb"^Message-ID: (\S+)", mail.content, re.M | re.I)
        assert message_id is not None
        text = (SAMPLES / f"{name}.eml").read_text()
        text = text.replace("{to}", changes.get("to", mail.sender))
        text = text.replace("{mailto}", quote(changes.get("to", mail.sender), safe="@"))
        return text.replace("{message_id}", message_id[1].decode())

    return returned


def write_config(arxiv: ArxivServer, smtp: SmtpServer, top: str = "") -> None:
    keys = smtp_keys(smtp).replace("security", f"{TOKENS}security")
    readers = "[{email: [a@example.org, b@example.org]}]"
    configure(arxiv.url, top=f"{keys}\n{top}", deliver=readers)


def suppressed(bot: Bot) -> dict[str, str]:
    return {s["address"]: s["reason"] for s in json.loads(bot("suppressions", "--json").out)}


def shown(bot: Bot, address: str = "a@example.org") -> list[tuple[str, str | None]]:
    """Return kind and code of the bounces of the first delivery to *address*."""
    found = json.loads(bot("deliveries", "--json").out)
    number = min(d["id"] for d in found if d["address"] == address)
    facts = json.loads(bot("deliveries", "show", str(number), "--json").out)
    return [(b["kind"], b["code"]) for b in facts["bounces"]]


def test_hard_bounce_suppresses_the_address(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, sent: Returned
) -> None:
    called = bot("bounces", "-", stdin=sent("postfix"))
    assert (called.code, called.out) == (0, "1 hard, 1 suppressed\n")
    assert suppressed(bot) == {"a@example.org": "bounced"}
    assert shown(bot) == [("hard", "5.1.1")]
    assert shown(bot, "b@example.org") == []
    history = bot("deliveries", "show", "1").out + bot("deliveries", "show", "2").out
    assert "2026-11-23 08:00  bounced  hard 5.1.1 550 5.1.1 <address>: Recipient" in history
    arxiv.papers.append(a_paper(9, "Serverless Again", published=NOW, updated=NOW))
    bot("run", "--now", at=NOW + DAY)
    assert [m.recipients for m in smtp.messages[2:]] == [("b@example.org",)]


@pytest.mark.parametrize("name", ["arf", "arf_headers_only"])
def test_complaint_suppresses_and_unsubscribes(bot: Bot, sent: Returned, name: str) -> None:
    called = bot("bounces", "-", "--json", stdin=sent(name))
    assert called.code == 0
    facts = json.loads(called.out)
    assert (facts["complaint"], facts["suppressed"]) == (1, 1)
    assert suppressed(bot) == {"a@example.org": "complained"}
    readers = json.loads(bot("subscribers", "list", "--all", "--json").out)
    states = {r["address"]: r["state"] for r in readers}
    assert states == {"a@example.org": "unsubscribed", "b@example.org": "confirmed"}
    assert shown(bot) == [("complaint", None)]


@pytest.mark.parametrize("name", ["postfix", "qmail", "exchange"])
def test_forged_and_foreign_bounces_are_ignored(bot: Bot, sent: Returned, name: str) -> None:
    forged = "bounces+1aaaaaaaaaaaaaaaa@example.org"
    for text in (sent(name, to=forged), sent(name, to="bounces@elsewhere.example")):
        called = bot("bounces", "-", stdin=text)
        assert (called.code, called.out) == (0, "1 not ours\n")
    assert suppressed(bot) == {}
    assert shown(bot) == []


def test_forged_complaints_are_ignored(bot: Bot, sent: Returned) -> None:
    forged = "bounces+1aaaaaaaaaaaaaaaa@example.org"
    for name in ("arf", "arf_headers_only", "unsubscribe"):
        assert bot("bounces", "-", stdin=sent(name, to=forged)).out == "1 not ours\n"
    assert suppressed(bot) == {}


def test_bounces_require_signed_return_paths(
    bot: Bot, sent: Returned, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    text = sent("arf")
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: a@example.org}]")
    called = bot("bounces", "-", stdin=text)
    assert called.code == 75
    assert 'set "smtp.envelope_from" (with {token}) and "smtp.secret"' in called.err
    assert suppressed(bot) == {}


def test_mail_to_list_unsubscribe_unsubscribes(bot: Bot, smtp: SmtpServer, sent: Returned) -> None:
    mail = next(m for m in smtp.messages if m.recipients == ("a@example.org",))
    assert f"<mailto:{quote(mail.sender, safe='@')}?subject=".encode() in mail.content
    called = bot("bounces", "-", stdin=sent("unsubscribe"))
    assert (called.code, called.out) == (0, "1 unsubscribe\n")
    readers = json.loads(bot("subscribers", "list", "--all", "--json").out)
    states = {r["address"]: r["state"] for r in readers}
    assert states == {"a@example.org": "unsubscribed", "b@example.org": "confirmed"}
    assert suppressed(bot) == {}


def test_soft_bounces_on_three_days_suppress(bot: Bot, sent: Returned) -> None:
    for day in range(3):
        assert suppressed(bot) == {}
        text = sent("postfix_full") + f"\nday {day}\n"
        for hour in range(2):  # read twice, as after a crash: counts once
            bot("bounces", "-", stdin=text, at=NOW + day * DAY + timedelta(hours=hour))
    assert suppressed(bot) == {"a@example.org": "bounced again and again"}
    assert shown(bot) == [("soft", "5.2.2")] * 3
    bot("suppressions", "remove", "a@example.org")
    bot("bounces", "-", stdin=sent("postfix_full") + "\nday 3\n", at=NOW + 3 * DAY)
    assert suppressed(bot) == {}  # the count restarts after a lifted suppression


@pytest.mark.parametrize("name", ["postfix_delayed", "gmail_policy"])
def test_other_bounces_are_recorded_without_suppression(
    bot: Bot, sent: Returned, name: str
) -> None:
    for day in range(5):
        bot("bounces", "-", stdin=sent(name) + f"\nday {day}\n", at=NOW + day * DAY)
    assert suppressed(bot) == {}
    assert len(shown(bot)) == 5


def test_unreadable_file_does_not_stop_the_others(bot: Bot, sent: Returned) -> None:
    Path("one.eml").write_text("From bounces Mon Nov 23 08:00:00 2026\n" + sent("qmail"))
    maildir = mailbox.Maildir("maildir")
    maildir.add(sent("exchange", "b@example.org"))
    maildir.add(sent("vacation"))
    called = bot("bounces", "no-such.eml", "one.eml", "maildir")
    assert (called.code, called.out) == (1, "2 hard, 2 suppressed, 1 not ours\n")
    assert called.err == "bounces: no-such.eml: cannot be read: No such file or directory\n"
    assert set(suppressed(bot)) == {"a@example.org", "b@example.org"}
    assert sorted(m.get_flags() for m in maildir) == ["", "S"]


def test_run_reads_the_maildir_before_sending(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, sent: Returned
) -> None:
    mailbox.Maildir("returned").add(sent("postfix"))
    write_config(arxiv, smtp, "bounces: {maildir: returned}")
    arxiv.papers.append(a_paper(9, "Serverless Again", published=NOW, updated=NOW))
    called = bot("run", "--now", at=NOW + DAY)
    assert called.code == 0
    assert "bounces: 1 hard, 1 suppressed" in called.out
    assert [m.recipients for m in smtp.messages[2:]] == [("b@example.org",)]


def test_run_continues_when_the_imap_login_fails(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, sent: Returned, tmp_path: Path
) -> None:
    certificates = make_certificates()
    certificates.authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with ImapServer(certificates.server) as imap:
        keys = f"imap: localhost, port: {imap.port}, username: me, password: pl4nted-password"
        write_config(arxiv, smtp, f"bounces: {{{keys}, ca_file: ca.pem}}")
        imap.put(sent("gmail").encode())
        assert json.loads(bot("run", "--json").out)["bounces"]["hard"] == 1
        assert suppressed(bot) == {"a@example.org": "bounced"}
        assert bot("bounces").out == "nothing\n"
        imap.login = ("me", "another")
        called = bot("run", at=NOW + DAY)
        assert called.code == 1
        assert "bounces: me@localhost/INBOX: login refused" in called.err
        assert "0 sent" in called.out
        status = bot("status")
        assert status.code == 1
        assert "bounces: me@localhost/INBOX: login refused" in status.out
        imap.login = ("me", "pl4nted-password")
        assert bot("bounces").code == 0
        assert bot("status").code == 0


def test_piped_message_exits_75_on_config_errors(bot: Bot, sent: Returned) -> None:
    text = sent("postfix")
    Path("config.yaml").write_text("digests: [")
    assert bot("bounces", "-", stdin=text).code == 75


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), 'name files, or set "bounces" in the config to a mailbox'),
        (("-", "x"), "- reads one message from standard input and cannot be combined with files"),
    ],
)
def test_invalid_arguments_exit_2(
    bot: Bot, sent: Returned, args: tuple[str, ...], message: str
) -> None:
    called = bot("bounces", *args)
    assert (called.code, called.err) == (2, f"{message}\n")


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        ("550 no such user", ("soft", "550"), "bounced again and again"),
        ("552 5.2.2 mailbox full", ("soft", "552 5.2.2"), "bounced again and again"),
        ("550 5.4.1 access denied", ("soft", "550 5.4.1"), "bounced again and again"),
        ("552 5.3.4 too big for me", ("other", "552 5.3.4"), None),
    ],
)
def test_smtp_rejections_count_as_bounces(
    bot: Bot,
    arxiv: ArxivServer,
    smtp: SmtpServer,
    reply: str,
    kind: tuple[str, str],
    reason: str | None,
) -> None:
    write_config(arxiv, smtp)
    smtp.refuse("a@example.org", reply)
    for day in range(3):
        assert suppressed(bot) == {}
        at = NOW + day * DAY
        arxiv.papers.append(a_paper(day + 10, "Serverless Daily", published=at, updated=at))
        assert bot("run", "--now", at=at).code == 1
        assert shown(bot) == [kind]
    assert suppressed(bot) == ({"a@example.org": reason} if reason else {})
