"""
Parse one returned mail: which delivery it concerns, and what it reports.

Anyone can forge a bounce. It counts only if it was sent to an address with a token that we signed
(VERP, `deliver.verp`), or, for a complaint, if the message it returns contains such an address.
Delivery reports (RFC 3464) are parsed here, the many other formats by flufl.bounce. Begin at
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

from digestbot.bounces.scoring import classify
from digestbot.model import BounceKind
from digestbot.status_codes import enhanced_code, one_line

TokenReader = Callable[[str], int | None]
"""Returns the delivery that an address identifies by a token we signed, else None."""

MAX_BYTES: Final = 200_000
"""Bytes of a mail to read: the report comes before the message it returns."""
GUESS_BYTES: Final = 50_000
"""Bytes that flufl.bounce reads: its 18 detectors took 7 s for 1 MB of blank lines."""

_SENT_TO = (
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Delivered-To",
    "To",
)
"""Headers in which servers record the envelope recipient, which may differ from To."""
_SENT_FROM = ("Return-Path", "X-Original-Return-Path", "Sender", "Errors-To")
"""Headers of a received message that record the envelope sender."""
_COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list"})
"""Values of Feedback-Type (RFC 5965); ``not-spam`` retracts one, ``auth-failure`` is for DMARC."""
_WORST_FIRST = (BounceKind.HARD, BounceKind.SOFT, BounceKind.OTHER, BounceKind.DELAYED)
_CODE = re.compile(r"(?<![.\d])([245]\.\d{1,3}\.\d{1,3})(?![.\d])")
_MAILTO = re.compile(r"<\s*mailto:([^?>\s]+)")
_UNSUBSCRIBE = re.compile(r"\s*unsubscribe\b", re.IGNORECASE)
_UNSPECIFIC = re.compile(r"[245]\.0\.0")
_NO_REASON = "5.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Report of a returned mail about one delivery."""

    delivery_id: int
    """Delivery that the token identifies."""
    kind: BounceKind
    code: str | None
    """Enhanced status code, such as ``5.1.1``."""
    detail: str
    """Server's text on one line, with addresses masked."""


def read_report(raw: bytes, delivery_of: TokenReader) -> Report | None:
    """
    Return what the mail *raw* reports about one of our deliveries.

    None if it is not a bounce, or not one of ours.

    Args:
        raw: Whole mail; only its first `MAX_BYTES` are read.
        delivery_of: Reads the token in an address.
    """
    try:
        return _read(raw[:MAX_BYTES], delivery_of)
    except RecursionError:  # hundreds of mails within mails: no server writes that
        return None


def _read(raw: bytes, delivery_of: TokenReader) -> Report | None:
    message = message_from_bytes(raw)
    fields = _feedback(message)
    if fields is not None:
        return _complaint(message, fields, delivery_of)
    delivery_id = _delivery(_addresses(message, _SENT_TO), delivery_of)
    if delivery_id is None:
        return None
    return _bounce(message, raw, delivery_id) or _request(message, delivery_id)


def _delivery(addresses: Iterator[str], delivery_of: TokenReader) -> int | None:
    return next((found for address in addresses if (found := delivery_of(address))), None)


def _addresses(message: Message, headers: tuple[str, ...]) -> Iterator[str]:
    for header in headers:
        values = [str(value) for value in message.get_all(header, [])]
        yield from (address for _, address in getaddresses(values) if address)


def _bounce(message: Message, raw: bytes, delivery_id: int) -> Report | None:
    found = list(_failures(message))
    found = found or list(_unstructured(message_from_bytes(raw[:GUESS_BYTES])))
    if not found:
        return None
    kind, code, detail = min(found, key=lambda failure: _WORST_FIRST.index(failure[0]))
    return Report(delivery_id=delivery_id, kind=kind, code=code, detail=detail)


def _request(message: Message, delivery_id: int) -> Report | None:
    """Parse an unsubscribe request sent to the List-Unsubscribe mailto (RFC 2369 section 3.2)."""
    is_automatic = str(message.get("auto-submitted", "no")).strip().lower() != "no"
    if is_automatic or not _UNSUBSCRIBE.match(str(message.get("subject", ""))):
        return None
    return Report(
        delivery_id=delivery_id, kind=BounceKind.UNSUBSCRIBE, code=None, detail="requested by mail"
    )


_Failure = tuple[BounceKind, str | None, str]
"""Kind, code, and server's text."""


def _failures(message: Message) -> Iterator[_Failure]:
    """Yield the failure of each recipient in a delivery report (RFC 3464)."""
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status" and part.is_multipart():
            for fields in part.get_payload():
                if isinstance(fields, Message) and "action" in fields:
                    yield from _failure(fields)


def _failure(fields: Message) -> Iterator[_Failure]:
    diagnostic = str(fields.get("diagnostic-code", "")).partition(";")[2].strip()
    status = enhanced_code(str(fields.get("status", ""))) or _NO_REASON
    if _UNSPECIFIC.fullmatch(status):
        # Many servers report 5.0.0; the remote server's own reply is more specific.
        status = _code_in(diagnostic) or status
    kind = classify(str(fields["action"]), status)
    if kind is not None:
        yield kind, status, one_line(diagnostic)


def _unstructured(message: Message) -> Iterator[_Failure]:
    """Yield what flufl.bounce finds in a bounce of another format, such as qmail's."""
    from flufl.bounce import all_failures

    try:
        temporary, permanent = all_failures(message)
    except Exception:  # some of its 18 detectors fail on odd headers; it logs the errors
        return
    text = _own_text(message)
    code = _code_in(text)
    if permanent:
        kind = classify("failed", code or _NO_REASON)
        if kind is not None:
            yield kind, code, one_line(text)
    elif temporary:
        yield BounceKind.DELAYED, code, one_line(text)


def _code_in(text: str) -> str | None:
    found = _CODE.search(text)
    return found[1] if found else None


def _own_text(message: Message) -> str:
    """Return the bounce's text up to the line that begins the returned message."""
    for part in message.walk():
        if part.get_content_type() == "text/plain":
            body = part.get_payload(decode=True)
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else ""
            return re.split(r"^-{3,}", text, maxsplit=1, flags=re.MULTILINE)[0]
    return ""


def _feedback(message: Message) -> Message | None:
    """Return the fields of a feedback report (ARF, RFC 5965), if it is one."""
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report":
            return _first_message(part) or message_from_string(str(part.get_payload()))
    return None


def _first_message(part: Message) -> Message | None:
    payload = part.get_payload()
    first = payload[0] if isinstance(payload, list) and payload else None
    return first if isinstance(first, Message) else None


def _complaint(message: Message, fields: Message, delivery_of: TokenReader) -> Report | None:
    feedback = str(fields.get("feedback-type", "")).strip().lower()
    if feedback not in _COMPLAINTS:
        return None
    original = _returned(message)
    sender = [str(value).strip("<> ") for value in fields.get_all("original-mail-from", [])]
    candidates = [*sender, *_addresses(original, _SENT_FROM), *_unsubscribing(original)]
    delivery_id = _delivery(iter(candidates), delivery_of)
    if delivery_id is None:
        return None
    return Report(
        delivery_id=delivery_id,
        kind=BounceKind.COMPLAINT,
        code=None,
        detail=one_line(f"{feedback}, reported by {fields.get('user-agent', 'the provider')}"),
    )


def _unsubscribing(original: Message) -> Iterator[str]:
    """Yield the addresses of List-Unsubscribe, which providers keep when they redact others."""
    for value in original.get_all("list-unsubscribe", []):
        yield from (unquote(found) for found in _MAILTO.findall(str(value)))


def _returned(message: Message) -> Message:
    """Return the reported message, or its headers."""
    for part in message.walk():
        if part.get_content_type() == "message/rfc822":
            return _first_message(part) or Message()
        if part.get_content_type() == "text/rfc822-headers":
            return message_from_string(str(part.get_payload()))
    return Message()
