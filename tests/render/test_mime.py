"""A message as a mailbox reads it and as bytes on the wire."""

import email
import email.policy
from datetime import datetime, timedelta, timezone
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given

from digestbot.errors import InvalidAddress, InvalidValue
from digestbot.render import Attachment, compose, edition_template, personalize, sender_headers
from digestbot.render.quoted_printable import encode_fragments, field
from tests.factories import NOW
from tests.render.editions import TEXTS
from tests.wire import check_message

UNSUBSCRIBE = "https://digests.example.org/u/" + "t" * 160
MESSAGE_ID = "<abc@example.org>"


def composed(**overrides: Any) -> str:
    arguments: dict[str, Any] = {
        "subject": "Systems for ML: 7 new papers, 23 Nov",
        "html": "<p>Grüße</p>\n",
        "text": "Grüße\n",
        "sender": "Digests <digests@example.org>",
        "recipient": "reader@example.org",
        "message_id": MESSAGE_ID,
        "date": NOW,
        "list_id": "Systems for ML <systems.example.org>",
        "list_unsubscribe": (UNSUBSCRIBE, "mailto:digests@example.org?subject=unsubscribe"),
        "one_click": True,
    }
    return compose(**arguments | overrides)


def parsed(wire: str) -> EmailMessage:
    message = email.message_from_bytes(wire.encode("ascii"), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    for part in message.walk():
        assert part.defects == []
    return message


def body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


def test_message_reads_back_with_all_headers() -> None:
    message = parsed(composed())
    assert message["From"] == "Digests <digests@example.org>"
    assert message["To"] == "reader@example.org"
    assert message["Subject"] == "Systems for ML: 7 new papers, 23 Nov"
    assert message["Message-ID"] == MESSAGE_ID
    assert message["Date"].datetime == NOW
    assert message["List-Id"] == "Systems for ML <systems.example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Precedence"] == "bulk"
    assert message["MIME-Version"] == "1.0"
    assert len(message.items()) == len({name for name, _ in message.items()})


def test_plain_part_comes_first_and_html_last() -> None:
    message = parsed(composed())
    assert message.get_content_type() == "multipart/alternative"
    types = [part.get_content_type() for part in message.iter_parts()]
    assert types == ["text/plain", "text/html"]
    assert body(message, "plain") == "Grüße\n"
    assert body(message, "html") == "<p>Grüße</p>\n"


def test_list_unsubscribe_is_neither_folded_nor_encoded() -> None:
    wire = composed()
    assert f"\r\nList-Unsubscribe: <{UNSUBSCRIBE}>,\r\n <mailto:digests@example.org" in wire
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in wire


def test_no_post_header_without_one_click() -> None:
    wire = composed(one_click=False, list_unsubscribe=("mailto:digests@example.org",))
    assert "List-Unsubscribe-Post" not in wire
    assert "\r\nList-Unsubscribe: <mailto:digests@example.org>\r\n" in wire
    assert "List-Unsubscribe" not in composed(one_click=False, list_unsubscribe=())


def test_same_arguments_give_the_same_bytes() -> None:
    assert composed() == composed()


def test_body_may_look_like_a_boundary() -> None:
    text = "--=_alternative\n--=_alternative--\n--=_mixed\n"
    assert body(parsed(composed(text=text)), "plain") == text


def test_token_is_in_the_links_and_the_bodies() -> None:
    links = ("https://example.org/u/{token}", "mailto:u+{token}@example.org")
    headers = sender_headers(sender="d@example.org", list_unsubscribe=links, one_click=True)
    template = edition_template(headers, subject="S", list_id="<l.example.org>")
    link = encode_fragments(f"https://example.org/u/{field('token_line')}\n")
    arguments: dict[str, Any] = {"recipient": "r@example.org", "message_id": MESSAGE_ID}
    arguments |= {"date": NOW, "text": link, "html": link}
    wire = personalize(template, token="abc-123_X", **arguments)
    assert b"<https://example.org/u/abc-123_X>,\r\n <mailto:u+abc-123_X@example.org>" in wire
    for subtype in ("plain", "html"):
        assert body(parsed(wire.decode()), subtype) == "https://example.org/u/abc-123_X\n"
    with pytest.raises(InvalidValue, match="a field of the message has no value"):
        personalize(template, **arguments)
    for wrong in ("a b", "a\r\nBcc: x@example.org", "t" * 201):
        with pytest.raises(InvalidValue, match="token"):
            personalize(template, token=wrong, **arguments)


def test_attachments_read_back_unchanged() -> None:
    files = (
        Attachment(name="d-1.bib", media_type="application/x-bibtex", content="@misc{é}".encode()),
        Attachment(
            name="d-1.ris", media_type="application/x-research-info-systems", content=b"\n."
        ),
    )
    wire = composed(attachments=files)
    message = parsed(wire)
    assert message.get_content_type() == "multipart/mixed"
    assert body(message, "plain") == "Grüße\n"
    assert body(message, "html") == "<p>Grüße</p>\n"
    found = [
        (part.get_filename(), part.get_content_type(), part.get_content())
        for part in message.iter_attachments()
    ]
    assert found == [(each.name, each.media_type, each.content) for each in files]
    assert check_message(wire.encode()) == []


def test_date_keeps_its_zone() -> None:
    berlin = datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    assert "\r\nDate: Mon, 23 Nov 2026 09:00:00 +0100\r\n" in "\r\n" + composed(date=berlin)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", "Grüße: 7 neue Aufsätze, 23 Nov; " * 4 + "Ende"),
        ("subject", "looks =?utf-8?q?encoded?= and is not"),
        ("subject", "分散システム" * 20),
        ("sender", "Bücher, Papers & more <digests@example.org>"),
        ("sender", '"Papers, daily" <digests@example.org>'),
        ("list_id", "Größen & Preise <sizes.example.org>"),
        ("list_id", 'Papers, "daily" <daily.example.org>'),
    ],
)
def test_any_unicode_in_a_header_reads_back(name: str, value: str) -> None:
    wire = composed(**{name: value})
    message = parsed(wire)
    if name == "subject":
        assert message["Subject"] == value
    elif name == "sender":
        (mailbox,) = message["From"].addresses
        assert mailbox.addr_spec == "digests@example.org"
        assert mailbox.display_name == value.split(" <")[0].strip('"')
    else:
        assert value.split(" <")[1] in wire
    assert all(
        len(row) <= 78 for row in wire.split("\r\n\r\n")[0].split("\r\n") if "http" not in row
    )


@pytest.mark.parametrize("name", ["subject", "sender", "recipient", "message_id", "list_id"])
@pytest.mark.parametrize("break_out", ["\r\nBcc: x@example.org", "\nX: y", "\x00", "\u2028X: y"])
def test_values_cannot_break_out_of_a_header(name: str, break_out: str) -> None:
    with pytest.raises(InvalidValue):
        composed(**{name: f"a{break_out} <digests@example.org>"})


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"recipient": "a@example.org, b@example.org"}, "not exactly one"),
        ({"sender": "postmaster"}, "not an email address"),
        ({"message_id": "abc@example.org"}, "Message-ID"),
        ({"list_id": "Systems"}, "must be: Name <name.of.the.list>"),
        ({"list_unsubscribe": ("javascript:alert(1)",)}, "is not an https or mailto URI"),
        ({"list_unsubscribe": ("https://example.org/a b",)}, "is not an https or mailto URI"),
        ({"list_unsubscribe": ("https://example.org/>",)}, "is not an https or mailto URI"),
        (
            {"list_unsubscribe": ("https://example.org/" + "a" * 800,)},
            "is not an https or mailto URI",
        ),
        ({"list_unsubscribe": ("mailto:a@example.org",)}, "needs an https URI"),
        ({"date": datetime(2026, 11, 23)}, "needs a time zone"),  # noqa: DTZ001 - that is the case
        ({"sender": "a" * 999 + " <digests@example.org>"}, "more than 200 characters"),
    ],
)
def test_invalid_arguments_are_rejected(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidValue, match=why):
        composed(**wrong)


def test_invalid_address_has_its_own_error() -> None:
    with pytest.raises(InvalidAddress):
        composed(recipient="postmaster")


@given(TEXTS, TEXTS)
def test_any_body_reads_back_from_short_ascii_lines(text: str, html: str) -> None:
    wire = composed(text=text, html=html)
    message = parsed(wire)
    assert body(message, "plain").splitlines() == _readable(text)
    assert body(message, "html").splitlines() == _readable(html)
    assert all(len(row) <= 200 for row in wire.split("\r\n") if not row.startswith("List"))
    assert "\n" not in wire.replace("\r\n", "")
    assert "\r" not in wire.replace("\r\n", "")
    assert "\n." not in wire, "SMTP would double the dot"


def _readable(text: str) -> list[str]:
    """Return the lines of *text* as a mail has them: the last one always ends with a newline."""
    ended = text if text.endswith(("\n", "\r")) else f"{text}\n"
    return ended.encode("utf-8", "replace").decode().splitlines()


@pytest.mark.parametrize("line", ["From me", ".", "..", "--=_", "=", " trailing ", "\t"])
def test_lines_that_mail_software_changes_are_protected(line: str) -> None:
    assert body(parsed(composed(text=f"a\n{line}\nb\n")), "plain") == f"a\n{line}\nb\n"
