"""The check that every test email passes through finds each fault."""

import asyncio
import smtplib
import ssl
from datetime import UTC, datetime

import pytest

from digestbot.deliver.dkim import open_signer
from digestbot.render import Attachment, compose
from tests.servers.outgoing import make_dkim
from tests.servers.scripted_smtp import ScriptedSmtp
from tests.servers.smtp import SmtpServer
from tests.wire import AT_MOST_ONCE, HTML_MAX, OF_A_PART, ONCE, check_message

SOUND = compose(
    subject="Systems für ML: " + "one paper and another " * 8,
    html="<p>Größe</p>",
    text="Größe",
    sender="Bücher <digests@example.org>",
    recipient="reader@example.org",
    message_id="<one@example.org>",
    date=datetime(2026, 11, 23, 8, tzinfo=UTC),
    list_id="Systems für ML <systems.example.org>",
    list_unsubscribe=("https://example.org/u/" + "t" * 150, "mailto:digests@example.org"),
    one_click=True,
    attachments=(
        Attachment(name="systems-1.bib", media_type="application/x-bibtex", content=b"@misc{a}"),
    ),
).encode()
DKIM, DNS = make_dkim()
SIGNED = open_signer(DKIM).sign(SOUND)


def test_valid_message_passes_signed_or_not() -> None:
    assert b"multipart/mixed" in SOUND
    assert check_message(SOUND) == []
    assert check_message(SIGNED, DNS) == []


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        (b"Message-ID: <one@example.org>\r\n", b"", "0 of Message-ID"),
        (b"Message-ID: ", b"Message-ID:\r\n ", "Message-ID is not <left@right> on one line"),
        (b"To: ", b"To: x@example.org\r\nTo: ", "2 of To"),
        (b"To: ", b"To: x@example.org, ", "To is not one address"),
        (b"+0000\r\n", b"\r\n", "Date has no zone"),
        (b"Mon, 23 Nov 2026", b"some day", "Date has no zone"),
        (b"digests@example.org>\r\nTo", b"digests@>\r\nTo", "From: InvalidHeaderDefect"),
        (b"Unsubscribe: <https:", b"Unsubscribe: =?utf-8?q?=3Chttps:", "not a plain list of URIs"),
        (b"tttt>", b"tt\r\n tt>", "not a plain list of URIs"),
        (b"<https:", b"<http:", "one-click without"),
        (b"=One-Click", b"=one-click", "RFC 8058"),
        (b"List-Unsubscribe: ", b"X-Unsubscribe: ", "List-Id without"),
        (b"\r\n\r\n--", b"\r\n\n--", "a bare CR or LF"),
        (b"\r\n\r\n--", b"\r\r\n--", "a bare CR or LF"),
        (b"<p>Gr", b"<p>\0Gr", "not 7-bit"),
        (b"\r\n\r\n--", b"\r\n" + b"x" * 999 + b"\r\n--", "a line of 999 octets"),
        (b"<p>Gr=C3=B6=C3=9Fe</p>", "<p>Größe</p>".encode(), "not 7-bit"),
        (b"<p>", b"<p>" + b"x=\r\n" * (HTML_MAX // 4), "HTML of"),
        (b"quoted-printable", b"8bit", "is not 7-bit"),
        (b"<p>Gr=C3=B6=C3=9Fe</p>", b"", "text/html is empty"),
        (b"QG1pc2N7YX0=", b"", "application/x-bibtex is empty"),
        (b"QG1pc2N7YX0=", b"QG1pc2N7YX0", "application/x-bibtex: InvalidBase64PaddingDefect"),
        (b"attachment;", b"attachment; =;", "Content-Disposition of a part: "),
        (b'boundary="', b'boundary="x', "StartBoundaryNotFoundDefect"),
        (b"--\r\n", b"\r\n", "CloseBoundaryNotFoundDefect"),
        (b"--\r\n", b"--", "the last line is unterminated"),
    ],
)
def test_each_fault_is_found(old: bytes, new: bytes, wrong: str) -> None:
    assert old in SOUND
    found = check_message(SOUND.replace(old, new))
    assert any(wrong in fault for fault in found), found


@pytest.mark.parametrize("name", ONCE)
def test_missing_required_header_is_found(name: str) -> None:
    old, new = f"\r\n{name}: ".encode(), f"\r\nX-{name}: ".encode()
    assert f"0 of {name}" in check_message((b"\r\n" + SOUND).replace(old, new, 1)[2:])


@pytest.mark.parametrize("name", [*ONCE, *AT_MOST_ONCE])
def test_duplicate_header_is_found(name: str) -> None:
    lines = f"{name}: a\r\n{name}: b\r\n".encode()
    found = check_message(lines + SOUND)
    assert [fault for fault in found if fault.endswith(f" of {name}")], found


@pytest.mark.parametrize("name", OF_A_PART)
def test_duplicate_part_header_is_found(name: str) -> None:
    lines = f"\r\n{name}: a\r\n{name}: b\r\nContent-Type: text/html".encode()
    found = check_message(SOUND.replace(b"\r\nContent-Type: text/html", lines))
    assert [fault for fault in found if fault.endswith(f" of {name} in a part")], found


@pytest.mark.parametrize(
    ("message", "dns", "wrong"),
    [
        (SOUND, DNS, "no DKIM-Signature"),
        (SIGNED, {}, "DKIM does not verify"),
        (SIGNED, make_dkim()[1], "DKIM does not verify"),
        (SIGNED.replace(b"Systems", b"systems"), DNS, "DKIM does not verify"),
        (SIGNED.replace(b"QG1pc2N7YX0=", b"QG1pc2N7Yn0="), DNS, "DKIM does not verify"),
        (SIGNED.replace(b" s=digests;", b""), DNS, "DKIM does not verify"),
    ],
    ids=["unsigned", "no key", "another key", "header", "body", "malformed"],
)
def test_signatures_are_verified(message: bytes, dns: dict[str, str], wrong: str) -> None:
    assert check_message(message, dns) == [wrong]


def post(port: int, *messages: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        for message in messages:
            client.sendmail("digests@example.org", ["reader@example.org"], message)


def test_test_servers_reject_invalid_messages() -> None:
    broken = SOUND.replace(b"Message-ID", b"X-Message-ID")

    async def post_to_scripted() -> None:
        async with ScriptedSmtp(ssl.create_default_context()) as server:
            await asyncio.to_thread(post, server.port, broken)

    with pytest.raises(AssertionError, match="0 of Message-ID"), SmtpServer() as server:
        post(server.port, SOUND, broken)
    with pytest.raises(AssertionError, match="no DKIM-Signature"), SmtpServer(dns=DNS) as server:
        post(server.port, SIGNED, SOUND)
    with pytest.raises(AssertionError, match="0 of Message-ID"):
        asyncio.run(post_to_scripted())
