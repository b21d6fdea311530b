"""
Check messages as sent against RFC 5322, 2045 to 2047, 2369, 6376 and 8058.

The SMTP test servers call `assert_sound` on every message they accept, so every test that sends
email checks it.
"""

import re
from collections.abc import Mapping
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import default
from email.utils import getaddresses
from types import MappingProxyType

import dkim

LINE_MAX = 998
"""Longest line in octets, without CRLF (RFC 5322 2.1.1)."""
HTML_MAX = 80_000
"""Largest HTML part in bytes, transfer-encoded; Gmail clips above about 100,000."""
ONCE = ("Date", "From", "To", "Message-ID", "Subject", "MIME-Version", "Content-Type")
"""Headers required exactly once (RFC 5322 3.6, RFC 2045 4)."""
AT_MOST_ONCE = (
    *("Sender", "Reply-To", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("Auto-Submitted", "Precedence", "Content-Transfer-Encoding", "DKIM-Signature"),
)
OF_A_PART = ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID")
Dns = Mapping[str, str]
"""TXT records by name, such as ``digests._domainkey.example.org``."""
NO_DNS: Dns = MappingProxyType({})
_URIS = re.compile(rb"<(?:https?|mailto):[!-;=?-~]+>(?:,(?:\r\n)? <(?:https?|mailto):[!-;=?-~]+>)*")
_MESSAGE_ID = re.compile(rb"<[^\s<>@]+@[A-Za-z0-9.-]+>")


def assert_sound(message: bytes, dns: Dns = NO_DNS) -> None:
    """
    Check that *message* is valid.

    Raises:
        AssertionError: It is invalid; lists all faults and the start of the message.
    """
    wrong = check_message(message, dns)
    assert not wrong, f"{wrong}\n{message[:2000].decode('utf-8', 'replace')}"


def check_message(message: bytes, dns: Dns = NO_DNS) -> list[str]:
    """
    Return the faults of *message*, taken after SMTP dot-unstuffing; empty if valid.

    With *dns* records, the message must have a DKIM signature that verifies against them.
    """
    return [*_octets(message), *_headers(message), *_parts(message), *_signature(message, dns)]


def _octets(message: bytes) -> list[str]:
    wrong = []
    if any(octet > 126 or octet == 0 for octet in message):
        wrong.append("not 7-bit, or with NUL or DEL")
    if b"\r" in message.replace(b"\r\n", b"") or b"\n" in message.replace(b"\r\n", b""):
        wrong.append("a bare CR or LF")
    if not message.endswith(b"\r\n"):
        wrong.append("the last line is unterminated")
    longest = max(map(len, message.split(b"\r\n")))
    if longest > LINE_MAX:
        wrong.append(f"a line of {longest} octets")
    return wrong


def _headers(message: bytes) -> list[str]:
    parsed = _parsed(message)
    wrong = [f"{n} of {name}" for name in ONCE if (n := _count(parsed, name)) != 1]
    wrong += [f"{n} of {name}" for name in AT_MOST_ONCE if (n := _count(parsed, name)) > 1]
    for name, value in parsed.items():
        wrong += [f"{name}: {type(defect).__name__}" for defect in value.defects]
    if len(getaddresses([str(parsed["To"])])) != 1:
        wrong.append("To is not one address")
    if parsed["Date"] and (not parsed["Date"].datetime or parsed["Date"].datetime.tzinfo is None):
        wrong.append("Date has no zone")
    if not _MESSAGE_ID.fullmatch(_raw(message, "Message-ID") or b""):
        wrong.append("Message-ID is not <left@right> on one line")
    return wrong + _list_headers(message)


def _list_headers(message: bytes) -> list[str]:
    unsubscribe = _raw(message, "List-Unsubscribe")
    post = _raw(message, "List-Unsubscribe-Post")
    wrong = []
    if _raw(message, "List-Id") is not None and unsubscribe is None:
        wrong.append("List-Id without List-Unsubscribe")
    if unsubscribe is not None and not _URIS.fullmatch(unsubscribe):
        wrong.append("List-Unsubscribe is not a plain list of URIs")
    if post not in {None, b"List-Unsubscribe=One-Click"}:
        wrong.append("List-Unsubscribe-Post differs from RFC 8058")
    if post is not None and b"<https:" not in (unsubscribe or b""):
        wrong.append("one-click without an https URI")
    return wrong


def _parts(message: bytes) -> list[str]:
    wrong = []
    for part in _parsed(message).walk():
        is_leaf = part.get_content_maintype() != "multipart"
        content = part.get_content() if is_leaf else None  # parsing the content finds more defects
        wrong += [f"{part.get_content_type()}: {type(defect).__name__}" for defect in part.defects]
        wrong += [f"{n} of {name} in a part" for name in OF_A_PART if (n := _count(part, name)) > 1]
        for name, value in part.items():
            wrong += [f"{name} of a part: {type(defect).__name__}" for defect in value.defects]
        if content is None:
            continue
        if str(part["Content-Transfer-Encoding"] or "7bit").lower() in {"8bit", "binary"}:
            wrong.append(f"{part.get_content_type()} is not 7-bit")
        if part.get_content_type() == "text/html":
            size = len(str(part.get_payload()).replace("\r\n", "\n").replace("\n", "\r\n"))
            if size > HTML_MAX:
                wrong.append(f"HTML of {size} bytes")
        if not content.strip():
            wrong.append(f"{part.get_content_type()} is empty")
    return wrong


def _signature(message: bytes, dns: Dns) -> list[str]:
    if _raw(message, "DKIM-Signature") is None:
        return ["no DKIM-Signature"] if dns else []
    verifies = dkim.verify(
        message, dnsfunc=lambda name, **_: dns.get(name.decode().rstrip("."), "").encode()
    )
    return [] if verifies else ["DKIM does not verify"]


def _count(part: Message, name: str) -> int:
    return len(part.get_all(name, []))


def _raw(message: bytes, name: str) -> bytes | None:
    """Return the raw value of header *name*, with its folding, or None."""
    head = message.partition(b"\r\n\r\n")[0] + b"\r\n"
    found = re.search(rb"(?mi)^" + name.encode() + rb": ((?:.*\r\n)(?:[ \t].*\r\n)*)", head)
    return found[1].removesuffix(b"\r\n") if found else None


def _parsed(message: bytes) -> EmailMessage:
    parsed = BytesParser(EmailMessage, policy=default).parsebytes(message)
    assert isinstance(parsed, EmailMessage)
    return parsed
