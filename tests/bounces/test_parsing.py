"""Parsing of returned mails in the formats of many servers, and of forgeries."""

import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.bounces.parsing import MAX_BYTES, Report, read_report
from digestbot.deliver.verp import bounce_address, delivery_of
from digestbot.model import BounceKind

SAMPLES = Path(__file__).with_name("samples")
TEMPLATE = "bounces+{token}@example.org"
KEY = "a key of sixteen letters"
DELIVERY = 4711
TOKEN_ADDRESS = bounce_address(TEMPLATE, DELIVERY, KEY)

HARD, SOFT, OTHER = BounceKind.HARD, BounceKind.SOFT, BounceKind.OTHER
DELAYED, COMPLAINT = BounceKind.DELAYED, BounceKind.COMPLAINT
WANTED = {
    "postfix": (HARD, "5.1.1", "550 5.1.1 <address>: Recipient address rejected"),
    "postfix_delayed": (DELAYED, "4.4.1", "connect to mx.reader.example"),
    "postfix_expired": (SOFT, "4.4.7", "delivery temporarily suspended"),
    "postfix_full": (SOFT, "5.2.2", "552 5.2.2 <address> user is over quota"),
    "postfix_bare_550": (SOFT, "5.0.0", "550 No such user here"),
    "exchange": (HARD, "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound"),
    "gmail": (HARD, "5.1.1", "550-5.1.1 The email account that you tried"),
    "gmail_policy": (OTHER, "5.7.26", "550-5.7.26 This mail has been blocked"),
    "qmail": (HARD, "5.1.1", "Hi. This is the qmail-send program"),
    "qmail_no_code": (SOFT, None, "Hi. This is the qmail-send program"),
    "opensmtpd": (HARD, "5.1.1", "550 5.1.1 User unknown"),
    "arf": (COMPLAINT, None, "abuse, reported by SomeGenerator/1.0"),
    "arf_headers_only": (COMPLAINT, None, "abuse, reported by SomeGenerator/1.0"),
    "arf_not_spam": None,
    "arf_auth_failure": None,
    "unsubscribe": (BounceKind.UNSUBSCRIBE, None, "requested by mail"),
    "vacation": None,
}


def sample(name: str, to: str = TOKEN_ADDRESS) -> bytes:
    text = (SAMPLES / f"{name}.eml").read_text(encoding="ascii")
    text = text.replace("{to}", to).replace("{mailto}", quote(to, safe="@"))
    return text.replace("{message_id}", "<abc@example.org>").encode("ascii")


def read(raw: bytes, key: str = KEY) -> Report | None:
    return read_report(raw, lambda address: delivery_of(address, TEMPLATE, key))


def test_every_sample_has_an_expectation() -> None:
    assert {path.stem for path in SAMPLES.iterdir()} == set(WANTED)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", WANTED)
def test_each_format_is_parsed(name: str, line_end: str) -> None:
    report = read(sample(name).replace(b"\n", line_end.encode()))
    wanted = WANTED[name]
    if wanted is None:
        assert report is None
        return
    assert report is not None
    kind, code, words = wanted
    assert (report.kind, report.code) == (kind, code)
    assert report.detail.startswith(words)
    assert "@" not in report.detail
    assert report.delivery_id == DELIVERY


@pytest.mark.parametrize("name", WANTED)
@pytest.mark.parametrize(
    "to",
    [
        "bounces@example.org",
        "bounces+1aaaaaaaaaaaaaaaa@example.org",
        bounce_address(TEMPLATE, DELIVERY, "another key of the owner"),
        TOKEN_ADDRESS.replace("example.org", "evil.example"),
    ],
    ids=["no-token", "guessed", "other-key", "other-domain"],
)
def test_forged_token_is_ignored(name: str, to: str) -> None:
    assert read(sample(name, to)) is None


def test_token_is_found_in_any_recipient_header() -> None:
    for header in ("X-Original-To", "Envelope-To", "To"):
        raw = sample("postfix", "bounces@example.org")
        raw = f"{header}: The Bot <{TOKEN_ADDRESS.upper()}>\n".encode() + raw
        report = read(raw)
        assert report is not None
        assert report.delivery_id == DELIVERY


def test_automatic_reply_is_not_an_unsubscribe_request() -> None:
    raw = b"Auto-Submitted: auto-replied\n" + sample("unsubscribe")
    assert read(raw) is None


def test_worst_of_several_recipients_counts() -> None:
    block = "Final-Recipient: rfc822; x@reader.example\nAction: {}\nStatus: {}\n\n"
    status = "".join(
        block.format(*each)
        for each in [("delayed", "4.4.1"), ("relayed", "2.0.0"), ("failed", "5.1.1 (gone)")]
    )
    head, _, tail = sample("postfix").decode().partition("Final-Recipient")
    raw = head + status + tail[tail.index("\n--4Szz") :]
    report = read(raw.encode())
    assert report is not None
    assert (report.kind, report.code) == (HARD, "5.1.1")


def test_success_report_is_not_a_bounce() -> None:
    raw = sample("postfix").replace(b"Action: failed", b"Action: delivered")
    assert read(raw) is None


def test_huge_mail_is_read_partially() -> None:
    report = read(sample("postfix") + b"x" * MAX_BYTES)
    assert report is not None
    assert report.kind is HARD


@settings(max_examples=15)
@given(st.binary(max_size=300), st.integers(0, 3000))
def test_damaged_mail_never_raises(noise: bytes, place: int) -> None:
    whole = sample("gmail")
    for raw in (whole[:place] + noise + whole[place:], whole[:place]):
        report = read(raw)
        assert report is None or report.delivery_id == DELIVERY


HEAD = (
    b"Return-Path: <>\r\nDelivered-To: bounces+x@example.org\r\nFrom: MAILER-DAEMON@x.example\r\n"
    b"To: bounces+x@example.org\r\nSubject: failure notice\r\n"
)
FILLINGS = {
    "lines": b"\r\n%shello, this is a line\r\n",
    "blank lines": b"\r\n%s\r\n",
    "blanks": b"\r\n%s ",
    "addresses": b"\r\n%s<a@b.example>: 550 5.1.1 no\r\n",
    "headers": b"%sX-A: b\r\n",
    "parts": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n%s--a\r\n\r\nhi\r\n",
    "mails": b"%sContent-Type: message/rfc822\r\n\r\n",
    "addressees": b"Cc: %sa@b.example,\r\n ",
}


@pytest.mark.parametrize("filling", FILLINGS)
def test_returned_mail_of_a_megabyte_is_read_in_two_seconds(filling: str) -> None:
    before, _, unit = FILLINGS[filling].partition(b"%s")
    raw = HEAD + before + unit * (1_000_000 // len(unit))
    start = time.process_time()
    read_report(raw, lambda address: 7 if address.startswith("bounces+") else None)
    assert time.process_time() - start < 2
