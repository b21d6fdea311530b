"""Mailboxes: each mail is read once, bounces of ours are settled, other mail is left alone."""

import contextlib
import mailbox
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from digestbot.bounces.mailboxes import Item, MaildirBox, open_box, read_files
from digestbot.bounces.settings import BouncesSettings
from digestbot.errors import MailboxError
from digestbot.oauth import OauthSettings
from digestbot.secret import Secret
from tests.planted import shows_a_secret
from tests.servers.imap import ImapServer
from tests.servers.smtp import Certificates, make_certificates
from tests.servers.web import WebServer

OURS, STRANGE = b"Subject: ours\r\n\r\nA bounce.\r\n", b"Subject: hello\r\n\r\nNo bounce.\r\n"


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return make_certificates()


@pytest.fixture
def settings(certificates: Certificates, tmp_path: Path) -> dict[str, Any]:
    ca_file = tmp_path / "ca.pem"
    certificates.authority.cert_pem.write_to_path(str(ca_file))
    return {
        "imap": "localhost",
        "username": "me",
        "password": Secret("pl4nted-password"),
        "ca_file": str(ca_file),
    }


def look(settings: BouncesSettings, mark: str = "") -> tuple[list[bytes], str]:
    """Read the box, settle mails that begin like `OURS`; return the mails and the mark."""
    taken = []
    with open_box(settings) as box:
        for item in box.items(mark):
            box.settle(item, is_ours=item.raw.startswith(b"Subject: ours"))
            taken.append(item.raw)
            mark = item.mark
    return taken, mark


def test_each_mail_is_read_once(certificates: Certificates, settings: dict[str, Any]) -> None:
    with ImapServer(certificates.server) as server:
        first, second = server.put(OURS), server.put(STRANGE)
        options = BouncesSettings(port=server.port, **settings)
        taken, mark = look(options)
        assert taken == [OURS, STRANGE]
        assert (first.flags, second.flags) == ({r"\Seen"}, set())
        assert look(options, mark) == ([], mark)
        third = server.put(OURS)
        assert look(options, mark) == ([OURS], f"7:{third.uid}")


def test_new_uidvalidity_restarts_the_folder(
    certificates: Certificates, settings: dict[str, Any]
) -> None:
    with ImapServer(certificates.server) as server:
        server.put(STRANGE)
        options = BouncesSettings(port=server.port, **settings)
        _, mark = look(options)
        server.validity = 8
        assert look(options, mark) == ([STRANGE], "8:1")


@pytest.mark.parametrize("can_move", [True, False])
def test_bounces_of_ours_are_moved(
    certificates: Certificates, settings: dict[str, Any], can_move: bool
) -> None:
    with ImapServer(certificates.server, can_move=can_move) as server:
        server.put(OURS)
        server.put(STRANGE)
        look(BouncesSettings(port=server.port, move_to="Done", **settings))
        assert [mail.raw for mail in server.folders["Done"]] == [OURS]
        left = [mail.raw for mail in server.folders["INBOX"] if r"\Deleted" not in mail.flags]
        assert left == [STRANGE]


@pytest.mark.parametrize(
    ("changes", "refuses", "message"),
    [
        ({"password": Secret('pl4nted-wr\\o"ng')}, {}, "localhost/INBOX: login refused; check"),
        ({"password": Secret("pl4nted-pässword")}, {}, "localhost/INBOX: login refused; check"),
        ({"folder": "Bounces"}, {}, "localhost/Bounces: [NONEXISTENT] no folder Bounces"),
        ({"move_to": "Gone"}, {}, "localhost/INBOX: [TRYCREATE] no folder Gone"),
        ({}, {"UID": "NO not now"}, "localhost/INBOX: not now"),
        ({}, {"UID": "BAD what"}, "localhost/INBOX: UID command error: BAD [b'what']"),
        ({}, {"SELECT": "NO not this"}, "localhost/INBOX: not this"),
    ],
    ids=["password", "letters", "folder", "move_to", "no", "bad", "select"],
)
def test_errors_never_contain_the_password(
    certificates: Certificates,
    settings: dict[str, Any],
    changes: dict[str, Any],
    refuses: dict[str, str],
    message: str,
) -> None:
    with ImapServer(certificates.server, refuses=refuses) as server:
        server.put(OURS)
        with pytest.raises(MailboxError) as caught:
            look(BouncesSettings(port=server.port, **settings | changes))
    assert str(caught.value).startswith(f"me@{message}")
    assert not shows_a_secret(f"{caught.value} {caught.value.__cause__}")


def test_unknown_authority_is_refused(certificates: Certificates, settings: dict[str, Any]) -> None:
    with ImapServer(make_certificates().server) as server:
        with pytest.raises(MailboxError, match="untrusted certificate"):
            look(BouncesSettings(port=server.port, **settings))
        assert server.commands == []


def test_server_without_tls_receives_nothing(settings: dict[str, Any]) -> None:
    with WebServer.of() as web:
        port = int(web.url.rpartition(":")[2].strip("/"))
        with pytest.raises(MailboxError, match="cannot be reached"):
            look(BouncesSettings(port=port, timeout=timedelta(seconds=30), **settings))


def test_login_by_token(certificates: Certificates, settings: dict[str, Any]) -> None:
    right = settings | {"password": None, "oauth": OauthSettings(token=Secret("pl4nted-password"))}
    wrong = right | {"oauth": OauthSettings(token=Secret("pl4nted-old"))}
    none = right | {"oauth": OauthSettings(token_command="false")}
    with ImapServer(certificates.server) as server:
        server.put(OURS)
        assert look(BouncesSettings(port=server.port, **right))[0] == [OURS]
        for options, words in (
            (wrong, 'login refused; check "username" and "oauth" of "bounces"'),
            (none, '"oauth.token_command" failed with exit code 1'),
        ):
            with pytest.raises(MailboxError) as caught:
                look(BouncesSettings(port=server.port, **options))
            assert str(caught.value) == f"me@localhost/INBOX: {words}"


def test_silent_server_times_out(settings: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = settings | {"port": silent.getsockname()[1], "timeout": timedelta(seconds=0.1)}
        with pytest.raises(MailboxError, match=r"cannot be reached: .*timed out"):
            look(BouncesSettings(**options))


def test_processed_mails_leave_the_maildirs_new(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "box")
    for raw in (OURS, STRANGE):
        box.add(raw)
    options = BouncesSettings(maildir=str(tmp_path / "box"))
    taken, _ = look(options)
    assert sorted(taken) == sorted([OURS, STRANGE])
    assert look(options)[0] == []
    assert {m["Subject"]: (m.get_subdir(), m.get_flags()) for m in box} == {
        "ours": ("cur", "S"),
        "hello": ("cur", ""),
    }


def test_mail_removed_by_another_program_is_skipped(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "box")
    box.add(OURS)
    before = sorted(tmp_path.rglob("*"))
    MaildirBox(tmp_path / "box").settle(Item(key="gone", raw=b"", mark=""), is_ours=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_folder_without_new_and_cur_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MailboxError, match="not a Maildir: the folders new and cur are missing"):
        open_box(BouncesSettings(maildir=str(tmp_path)))


def test_files_are_read_only(tmp_path: Path) -> None:
    single, many = tmp_path / "one.eml", tmp_path / "many.mbox"
    single.write_bytes(OURS)
    with contextlib.closing(mailbox.mbox(many)) as box:
        for raw in (OURS, STRANGE):
            box.add(raw)
        box.flush()
    before = many.read_bytes()
    assert list(read_files(single)) == [OURS]
    assert [raw.splitlines()[0] for raw in read_files(many)] == [
        b"Subject: ours",
        b"Subject: hello",
    ]
    assert many.read_bytes() == before
    with pytest.raises(MailboxError, match="nothing: cannot be read: No such file"):
        list(read_files(tmp_path / "nothing"))
