"""Accepted addresses are normalized; others are refused with a reason."""

from email import message_from_bytes, message_from_string
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.addresses import Mailbox, check_address, check_mailbox, make_message_id
from digestbot.errors import InvalidAddress, InvalidValue
from digestbot.render import compose, sender_headers, sender_of
from tests.factories import NOW
from tests.render.editions import HOSTILE


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("reader@example.org", "reader@example.org"),
        ("  reader@example.org\n", "reader@example.org"),  # a line of a CSV
        ("Reader@Example.ORG", "Reader@example.org"),  # the case of the local part is kept
        ("first.last+tag@example.org", "first.last+tag@example.org"),
        ("o'brien@example.org", "o'brien@example.org"),  # an apostrophe is allowed in an atom
        ("reader@localhost", "reader@localhost"),  # local delivery has no dots
        ("reader@bücher.example", "reader@xn--bcher-kva.example"),
        ("reader@straße.example", "reader@xn--strae-oqa.example"),  # not strasse (IDNA 2003)
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_valid_addresses_are_normalized(text: str, address: str) -> None:
    assert check_address(text) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "write name@domain"),
        ("reader", "write name@domain"),
        ("@example.org", "write name@domain"),
        ("reader@", "write name@domain"),
        ("a@b.example, c@d.example", "not exactly one"),  # parses as two in a To header
        ("Reader <reader@example.org>", "not exactly one"),  # a mailbox is not an addr-spec
        ("two words@example.org", "not exactly one"),
        ("a..b@example.org", "not exactly one"),
        (".a@example.org", "not exactly one"),
        ("a@b@example.org", "not exactly one"),
        ('"a b"@example.org', "not exactly one"),  # quoted local parts
        ("a\r\nBcc: x@example.org", "not exactly one"),
        ("jürgen@example.org", "only ASCII"),
        ("a" * 65 + "@example.org", "more than 64"),
        ("reader@exa mple.org", "no valid domain"),
        ("reader@-example.org", "no valid domain"),
        ("reader@example..org", "no valid domain"),
        ("reader@[127.0.0.1]", "no valid domain"),  # an address literal
        ("reader@exam\x00ple.org", "no valid domain"),
        ("reader@bü cher.example", "no valid domain"),
        ("reader@" + "a" * 64 + ".org", "no valid domain"),  # a label has at most 63
        ("reader@" + "a." * 130 + "org", "no valid domain"),
        ("a" * 60 + "@" + "a." * 97 + "org", "longer than 254"),
    ],
)
def test_invalid_addresses_are_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidAddress, match=why):
        check_address(text)


@given(st.text())
def test_accepted_addresses_are_ascii_and_stable(text: str) -> None:
    try:
        address = check_address(text)
    except InvalidAddress:
        return
    assert address.isascii()
    assert address.isprintable()
    assert " " not in address
    assert check_address(address) == address


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("a@example.org", Mailbox(name="", address="a@example.org")),
        ("<a@example.org>", Mailbox(name="", address="a@example.org")),
        ("Digests <a@example.org>", Mailbox(name="Digests", address="a@example.org")),
        ('"Papers, daily" <a@example.org>', Mailbox(name="Papers, daily", address="a@example.org")),
        ("Bücher <a@bücher.example>", Mailbox(name="Bücher", address="a@xn--bcher-kva.example")),
    ],
)
def test_a_mailbox_may_have_a_name(text: str, mailbox: Mailbox) -> None:
    assert check_mailbox(text) == mailbox


FORMS_OF_A_MAILBOX = {
    "Systems Group, Example University <a@example.org>": "Systems Group, Example University",
    "Papers @ Müller-Lab <a@example.org>": "Papers @ Müller-Lab",
    "Paper Digest (beta <a@example.org>": "Paper Digest (beta",
    "Paper Digest (beta) <a@example.org>": "Paper Digest (beta)",
    "Lab: Papers <a@example.org>": "Lab: Papers",
    "papers@lab.example.org via Digestbot <a@example.org>": "papers@lab.example.org via Digestbot",
    'Dr. "Bo" Sample <a@example.org>': 'Dr. "Bo" Sample',
    "Digests [cs.DC] <a@example.org>": "Digests [cs.DC]",
    r'"The \"Fast\" Lab, Inc." <a@example.org>': 'The "Fast" Lab, Inc.',
    '"Müller, Jörg (Digest 🤖)" <a@example.org>': "Müller, Jörg (Digest 🤖)",
    "Dr. O'Neil @ Lab: papers; <a@example.org>": "Dr. O'Neil @ Lab: papers;",
    "a@example.org (Paper Digests)": "Paper Digests",
    "a@example.org(Paper Digests)": "Paper Digests",
    '"a@example.org" <a@example.org>': "a@example.org",
    "=?utf-8?q?Caf=C3=A9?= <a@example.org>": "Café",
    "=?utf-8?b?Q2Fmw6k=?= papers <a@example.org>": "Café papers",
    "=?utf-9?q?Caf=C3=A9?= <a@example.org>": "=?utf-9?q?Caf=C3=A9?=",
    "=? <a@example.org>": "=?",
    "Näme " + "ü" * 70 + " <a@example.org>": "Näme " + "ü" * 70,
    "N" * 200 + " <a@example.org>": "N" * 200,
    "a, b, c <a@example.org>": "a, b, c",
    "a; b <a@example.org>": "a; b",
    "p99 < 10 ms <a@example.org>": "p99 < 10 ms",
    '"p99 < 10 ms" <a@example.org>': "p99 < 10 ms",
    '"<b@example.org>" <a@example.org>': "<b@example.org>",
    "a > b <a@example.org>": "a > b",
    '"" <a@example.org>': "",
    '" " <a@example.org>': " ",
    "Back\\slash <a@example.org>": "Back\\slash",
    r'"Back\\slash" <a@example.org>': "Back\\slash",
    '"unclosed <a@example.org>': '"unclosed',
    "it's <a@example.org>": "it's",
    "50 % off & more <a@example.org>": "50 % off & more",
    "日本語の論文 <a@example.org>": "日本語の論文",
    "أوراق <a@example.org>": "أوراق",
    "(just a comment) <a@example.org>": "(just a comment)",
    "Digests<a@example.org>": "Digests",
    "  Digests   <a@example.org>  ": "Digests",
    "Digests < a@example.org >": "Digests",
    "mailto: <a@example.org>": "mailto:",
    "... <a@example.org>": "...",
    "<a@example.org>": "",
    "a@example.org": "",
}


@pytest.mark.parametrize("text", FORMS_OF_A_MAILBOX)
def test_every_form_of_a_mailbox_is_understood(text: str) -> None:
    """The header made from it reads back as the same name and address."""
    name = FORMS_OF_A_MAILBOX[text]
    mailbox = check_mailbox(text)
    assert mailbox == Mailbox(name=name, address="a@example.org")
    template = sender_headers(sender=text)
    head = b"".join(each for each in template if not each.startswith(b"\0"))
    (sender,) = message_from_bytes(head, policy=default)["from"].addresses
    # The parser of Python 3.11 keeps the blank between two encoded words (RFC 2047 6.2).
    assert sender.display_name.replace(" ", "") == name.replace(" ", "")
    assert sender.addr_spec == "a@example.org"
    assert sender_of(template) == "a@example.org"


def test_there_are_forty_forms_of_a_mailbox() -> None:
    assert len(FORMS_OF_A_MAILBOX) >= 40


@pytest.mark.parametrize(
    "text",
    [
        *("", "Digests", "A <a@b> <c@d>", "A\nB <a@example.org>", "A <>", "a@b, c@d", "A <a@b"),
        *("N" * 201 + " <a@example.org>", "=?utf-8?q?a=0Ab?= <a@example.org>"),
    ],
)
def test_invalid_mailboxes_are_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        check_mailbox(text)


def test_message_id_depends_on_all_parts() -> None:
    first = make_message_id("systems/12", "email:a@example.org", domain="example.org")
    assert first == make_message_id("systems/12", "email:a@example.org", domain="example.org")
    assert first != make_message_id("systems/1", "2email:a@example.org", domain="example.org")
    assert first != make_message_id("systems/12", "email:b@example.org", domain="example.org")
    assert first.endswith("@example.org>")


@given(st.lists(st.sampled_from(HOSTILE) | st.text()))
def test_message_id_is_valid_for_any_parts(parts: list[str]) -> None:
    message_id = make_message_id(*parts, domain="example.org")
    assert message_id.isascii()
    assert len(message_id) < 78
    mail = compose(
        subject="",
        html="<p>",
        text="",
        sender="a@example.org",
        recipient="b@example.org",
        message_id=message_id,
        date=NOW,
        list_id="<x.example.org>",
    )
    assert message_from_string(mail)["Message-ID"] == message_id


@pytest.mark.parametrize("domain", ["", "a b", "exa\nmple.org", "a@b"])
def test_message_id_needs_a_domain(domain: str) -> None:
    with pytest.raises(InvalidValue, match="Message-ID"):
        make_message_id("x", domain=domain)
