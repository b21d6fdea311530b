"""
A whole mail message (RFC 5322) from the mail's forms: the same arguments give the same bytes.

Knows nothing of editions and of sending. Begin at `compose`.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr
from quopri import encodestring

from digestbot.addresses import Mailbox, check_address, check_mailbox
from digestbot.errors import InvalidValue

URI_MAX = 800
"""Characters of one List-Unsubscribe URI: it stands on one line of at most 998 octets."""
LINE_MAX = 998
"""Octets of a line without its CRLF (RFC 5322 2.1.1)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}@[A-Za-z0-9.-]{1,255}>")
_LIST_ID = re.compile(r"(?P<name>.*?)\s*<(?P<id>[A-Za-z0-9._-]{1,250})>")
_URI = re.compile(r"(?:https?|mailto):[!-;=?-~]+")


def compose(
    *,
    subject: str,
    html: str,
    text: str,
    sender: str,
    recipient: str,
    message_id: str,
    date: datetime,
    list_id: str,
    list_unsubscribe: Sequence[str] = (),
    one_click: bool = False,
) -> str:
    """
    The message, in 7-bit ASCII with CRLF line ends, plain part first (RFC 2046 5.1.4).

    Args:
        sender: ``Digests <digests@example.org>``, or the address alone.
        recipient: The one address it goes to; it stands in To.
        message_id: ``<…@domain>``; the boundary is made of it too.
        list_id: ``Name <slug.example.org>`` (RFC 2919), the same for ever.
        list_unsubscribe: https and mailto URIs, the preferred first (RFC 2369).
        one_click: The first https URI takes the POST of RFC 8058.

    Raises:
        InvalidAddress: *sender* is no mailbox or *recipient* is not exactly one address.
        InvalidValue: A value that would break out of its header, or a time without zone.
    """
    boundary = _boundary(message_id)
    headers = (
        ("Date", format_datetime(_aware(date))),
        ("From", _mailbox(check_mailbox(sender))),
        ("To", check_address(recipient)),
        ("Message-ID", _matching(_MESSAGE_ID, "Message-ID", message_id)),
        ("Subject", _unstructured("Subject", subject)),
        ("List-Id", _list_id(list_id)),
        *_list_unsubscribe(list_unsubscribe, one_click=one_click),
        ("Auto-Submitted", "auto-generated"),
        ("Precedence", "bulk"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative;\n boundary="{boundary}"'),
    )
    parts = f"\n--{boundary}\n".join(["", _part("plain", text), _part("html", html)])
    return _wire("".join(f"{name}: {value}\n" for name, value in headers), parts, boundary)


def encoded_size(body: str) -> int:
    """Octets that *body* takes in a message: quoted-printable, with CRLF line ends."""
    encoded = _quoted_printable(body)
    return len(encoded) + encoded.count("\n")


def _part(subtype: str, body: str) -> str:
    """One body part (RFC 2046 5.1.4)."""
    return (
        f"Content-Type: text/{subtype}; charset=utf-8\n"
        f"Content-Transfer-Encoding: quoted-printable\n\n{_quoted_printable(body)}"
    )


def _quoted_printable(body: str) -> str:
    """*body* in lines of at most 76 ASCII letters (RFC 2045 6.7)."""
    lines = "\n".join(body.splitlines()) + "\n"
    return encodestring(lines.encode("utf-8", "replace")).decode("ascii")


def _wire(head: str, parts: str, boundary: str) -> str:
    """
    Headers and parts as they go out.

    They are put together here and not by `email`: its generator folds a long List-Unsubscribe into
    encoded words, which no mailbox provider reads, so that one-click unsubscribing vanishes. And
    its line breaks change from one Python to the next, while a repeat must have the same bytes.
    """
    wire = f"{head}{parts}\n--{boundary}--\n".replace("\n", "\r\n")
    longest = max(len(row) for row in wire.split("\r\n"))
    if longest > LINE_MAX:
        raise InvalidValue(f"a line of {longest} octets; a message allows {LINE_MAX}")
    return wire


def _boundary(message_id: str) -> str:
    # "=_" cannot occur in a quoted-printable body (RFC 2045 6.7).
    return "=_" + hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _unstructured(name: str, value: str) -> str:
    """A free text, as encoded words (RFC 2047) if it is not ASCII, folded at 76 columns."""
    text = _one_line(name, value)
    return Header(text, _charset(text), header_name=name, maxlinelen=76).encode()


def _mailbox(mailbox: Mailbox) -> str:
    name = _one_line("From", mailbox.name)
    if not name or name.isascii():
        return formataddr((name, mailbox.address))
    return (
        f"{Header(name, 'utf-8', header_name='From', maxlinelen=76).encode()} <{mailbox.address}>"
    )


def _list_id(value: str) -> str:
    found = _LIST_ID.fullmatch(_one_line("List-Id", value))
    if found is None:
        raise InvalidValue(f'List-Id "{value[:100]}" must be: Name <name.of.the.list>')
    name = found["name"].strip('"')
    if not name:
        return f"<{found['id']}>"
    if name.isascii():
        return f"{_quoted(name)} <{found['id']}>"
    return f"{Header(name, 'utf-8', header_name='List-Id', maxlinelen=76).encode()} <{found['id']}>"


def _list_unsubscribe(uris: Sequence[str], *, one_click: bool) -> tuple[tuple[str, str], ...]:
    if not uris:
        return ()
    for uri in uris:
        if not _URI.fullmatch(uri) or len(uri) > URI_MAX:
            raise InvalidValue(f'List-Unsubscribe "{uri[:100]!r}" is no https or mailto URI')
    # One URI a line: folding between them is allowed (RFC 2369 2), inside one it is not.
    header = ("List-Unsubscribe", ",\n ".join(f"<{uri}>" for uri in uris))
    if not one_click:
        return (header,)
    if not any(uri.startswith("https:") for uri in uris):
        raise InvalidValue("one-click unsubscribing needs an https URI (RFC 8058 section 3.1)")
    return header, ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def _quoted(name: str) -> str:
    """*name* as a phrase: bare if it is made of atoms, else a quoted string (RFC 5322 3.2.5)."""
    if re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+", name):
        return name
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    return f'"{escaped}"'


def _one_line(name: str, value: str) -> str:
    """*value*, sure to stay inside its header: `email` itself lets NUL through."""
    if _CONTROL.search(value):
        raise InvalidValue(f"{name} has a control character or a line break")
    return value


def _matching(pattern: re.Pattern[str], name: str, value: str) -> str:
    if not pattern.fullmatch(value):
        raise InvalidValue(f'{name} "{value[:100]!r}" is not valid')
    return value


def _charset(text: str) -> str:
    # What looks like an encoded word would be decoded as one: encode that, too.
    return "us-ascii" if text.isascii() and "=?" not in text else "utf-8"


def _aware(date: datetime) -> datetime:
    if date.tzinfo is None:
        raise InvalidValue("the date of a message needs a zone")
    return date
