"""The check that all mails of the tests go through sees what it must."""

from datetime import UTC, datetime

import pytest

from digestbot.render import compose
from tests.wire import HTML_MAX, check_message

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
).encode()


def test_a_sound_message_passes() -> None:
    assert check_message(SOUND) == []


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        (b"Message-ID: <one@example.org>\r\n", b"", "0 of Message-ID"),
        (b"Message-ID: ", b"Message-ID:\r\n ", "Message-ID is not <left@right> on one line"),
        (b"To: ", b"To: x@example.org\r\nTo: ", "2 of To"),
        (b"To: ", b"To: x@example.org, ", "To is not one address"),
        (b"+0000\r\n", b"\r\n", "Date has no zone"),
        (b"List-Unsubscribe: <https:", b"List-Unsubscribe: =?utf-8?q?=3Chttps:", "as it stands"),
        (b"tttt>", b"tt\r\n tt>", "as it stands"),
        (b"<https:", b"<http:", "one-click without"),
        (b"=One-Click", b"=one-click", "RFC 8058"),
        (b"List-Unsubscribe: ", b"X-Unsubscribe: ", "a list without"),
        (b"\r\n\r\n--", b"\r\n\n--", "a bare CR or LF"),
        (b"\r\n\r\n--", b"\r\n" + b"x" * 999 + b"\r\n--", "a line of 999 octets"),
        (b"<p>Gr=C3=B6=C3=9Fe</p>", "<p>Größe</p>".encode(), "not 7-bit"),
        (b"<p>", b"<p>" + b"x=\r\n" * (HTML_MAX // 4), "HTML of"),
        (b"quoted-printable", b"8bit", "is not 7-bit"),
        (b'boundary="', b'boundary="x', "StartBoundaryNotFoundDefect"),
        (b"--\r\n", b"\r\n", "CloseBoundaryNotFoundDefect"),
        (b"--\r\n", b"--", "the last line has no end"),
    ],
)
def test_each_fault_is_seen(old: bytes, new: bytes, wrong: str) -> None:
    assert old in SOUND
    found = check_message(SOUND.replace(old, new))
    assert any(wrong in each for each in found), found
