"""
One returned mail: of which delivery it speaks, and what it says.

Anybody can write a bounce. It counts only if it was sent to an address with a token that we signed
(VERP, `deliver.verp`), or, for a complaint, if the message that it returns bears such an address.
Delivery reports (RFC 3464) are read here, the many other forms by flufl.bounce. Begin at
`read_report`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import getaddresses
from typing import Final
from urllib.parse import unquote

from digestbot.bounces.scoring import weigh
from digestbot.model import BounceKind
from digestbot.status_codes import enhanced_code, one_line

TokenReader = Callable[[str], int | None]
"""The delivery that an address names by its token; None if we did not sign it."""

MAX_BYTES: Final = 1_000_000
"""Of a mail that are looked at: a report stands before the message that it returns."""

_SENT_TO = (
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Delivered-To",
    "To",
)
"""Where servers write the recipient of the envelope, which To need not name."""
_SENT_FROM = ("Return-Path", "X-Original-Return-Path", "Sender", "Errors-To")
"""Where the envelope's sender is found in a message that somebody received."""
_COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list"})
"""Feedback-Type of RFC 5965; ``not-spam`` takes one back, ``auth-failure`` is about DMARC."""
_WORST_FIRST = (BounceKind.HARD, BounceKind.SOFT, BounceKind.OTHER, BounceKind.DELAYED)
_CODE = re.compile(r"(?<![.\d])([245]\.\d{1,3}\.\d{1,3})(?![.\d])")
_MAILTO = re.compile(r"<\s*mailto:([^?>\s]+)")
_UNSUBSCRIBE = re.compile(r"\s*unsubscribe\b", re.IGNORECASE)
_UNSAID = re.compile(r"[245]\.0\.0")
_NO_REASON = "5.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a returned mail says of one delivery."""

    delivery_id: int
    """By its token."""
    kind: BounceKind
    code: str | None
    """Such as ``5.1.1``."""
    detail: str
    """The server's words on one line, without addresses."""


def read_report(raw: bytes, delivery_of: TokenReader) -> Report | None:
    """
    What the mail *raw* says of one of our deliveries; None if it is no bounce, or not one of ours.

    Args:
        raw: The whole mail; only its first `MAX_BYTES` are read.
        delivery_of: Reads the token out of an address.
    """
    message = message_from_bytes(raw[:MAX_BYTES])
    fields = _feedback(message)
    if fields is not None:
        return _complaint(message, fields, delivery_of)
    delivery_id = _delivery(_addresses(message, _SENT_TO), delivery_of)
    if delivery_id is None:
        return None
    return _bounce(message, delivery_id) or _request(message, delivery_id)


def _delivery(addresses: Iterator[str], delivery_of: TokenReader) -> int | None:
    return next((found for address in addresses if (found := delivery_of(address))), None)


def _addresses(message: Message, headers: tuple[str, ...]) -> Iterator[str]:
    for header in headers:
        values = [str(value) for value in message.get_all(header, [])]
        yield from (address for _, address in getaddresses(values) if address)


def _bounce(message: Message, delivery_id: int) -> Report | None:
    found = list(_failures(message)) or list(_unstructured(message))
    if not found:
        return None
    kind, code, detail = min(found, key=lambda failure: _WORST_FIRST.index(failure[0]))
    return Report(delivery_id=delivery_id, kind=kind, code=code, detail=detail)


def _request(message: Message, delivery_id: int) -> Report | None:
    """The reader's own word, by the mailto of List-Unsubscribe (RFC 2369 section 3.2)."""
    is_automatic = str(message.get("auto-submitted", "no")).strip().lower() != "no"
    if is_automatic or not _UNSUBSCRIBE.match(str(message.get("subject", ""))):
        return None
    return Report(
        delivery_id=delivery_id, kind=BounceKind.UNSUBSCRIBE, code=None, detail="asked by mail"
    )


_Failure = tuple[BounceKind, str | None, str]
"""Its kind, its code, the server's words."""


def _failures(message: Message) -> Iterator[_Failure]:
    """What a delivery report (RFC 3464) says of each recipient."""
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status" and part.is_multipart():
            for fields in part.get_payload():
                if isinstance(fields, Message) and "action" in fields:
                    yield from _failure(fields)


def _failure(fields: Message) -> Iterator[_Failure]:
    diagnostic = str(fields.get("diagnostic-code", "")).partition(";")[2].strip()
    status = enhanced_code(str(fields.get("status", ""))) or _NO_REASON
    if _UNSAID.fullmatch(status):
        # Many servers say 5.0.0 and know better: what the other side answered stands behind it.
        status = _code_in(diagnostic) or status
    kind = weigh(str(fields["action"]), status)
    if kind is not None:
        yield kind, status, one_line(diagnostic)


def _unstructured(message: Message) -> Iterator[_Failure]:
    """What flufl.bounce finds in a bounce of another form, such as qmail's."""
    from flufl.bounce import all_failures

    try:
        temporary, permanent = all_failures(message)
    except Exception:  # of its eighteen detectors some fail on odd headers, which it logs itself
        return
    words = _own_words(message)
    code = _code_in(words)
    if permanent:
        kind = weigh("failed", code or _NO_REASON)
        if kind is not None:
            yield kind, code, one_line(words)
    elif temporary:
        yield BounceKind.DELAYED, code, one_line(words)


def _code_in(words: str) -> str | None:
    found = _CODE.search(words)
    return found[1] if found else None


def _own_words(message: Message) -> str:
    """The bounce's text without the message that it returns, which follows below a line."""
    for part in message.walk():
        if part.get_content_type() == "text/plain":
            body = part.get_payload(decode=True)
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else ""
            return re.split(r"^-{3,}", text, maxsplit=1, flags=re.MULTILINE)[0]
    return ""


def _feedback(message: Message) -> Message | None:
    """The fields of a feedback report (ARF, RFC 5965); None if it is none."""
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report":
            return _first_message(part) or message_from_string(str(part.get_payload()))
    return None


def _first_message(part: Message) -> Message | None:
    payload = part.get_payload()
    first = payload[0] if isinstance(payload, list) and payload else None
    return first if isinstance(first, Message) else None


def _complaint(message: Message, fields: Message, delivery_of: TokenReader) -> Report | None:
    word = str(fields.get("feedback-type", "")).strip().lower()
    if word not in _COMPLAINTS:
        return None
    original = _returned(message)
    sender = [str(value).strip("<> ") for value in fields.get_all("original-mail-from", [])]
    told = [*sender, *_addresses(original, _SENT_FROM), *_unsubscribing(original)]
    delivery_id = _delivery(iter(told), delivery_of)
    if delivery_id is None:
        return None
    return Report(
        delivery_id=delivery_id,
        kind=BounceKind.COMPLAINT,
        code=None,
        detail=one_line(f"{word}, told by {fields.get('user-agent', 'its provider')}"),
    )


def _unsubscribing(original: Message) -> Iterator[str]:
    """The addresses of List-Unsubscribe, which providers leave when they redact the others."""
    for value in original.get_all("list-unsubscribe", []):
        yield from (unquote(found) for found in _MAILTO.findall(str(value)))


def _returned(message: Message) -> Message:
    """The message that the report is about, or its headers."""
    for part in message.walk():
        if part.get_content_type() == "message/rfc822":
            return _first_message(part) or Message()
        if part.get_content_type() == "text/rfc822-headers":
            return message_from_string(str(part.get_payload()))
    return Message()
