"""
Complete mail messages (RFC 5322), built in three steps.

`sender_headers` encodes what all messages of a sender share, `edition_template` adds what the
readers of an edition share, and `personalize` fills in the rest. The same delivery always gets the
same bytes. `compose` does all three. This module knows nothing of editions.
"""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header

from digestbot.addresses import Mailbox, check_address, check_mailbox
from digestbot.errors import InvalidValue
from digestbot.model import Fragments
from digestbot.render.quoted_printable import encode, encode_fragments, field, fill_fields

URI_MAX = 800
"""Characters of one List-Unsubscribe URI, which takes one line of at most 998 octets."""
LINE_MAX = 998
"""Octets of a line, excluding CRLF (RFC 5322 2.1.1)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}@[A-Za-z0-9.-]{1,255}>")
_LIST_ID = re.compile(r"[A-Za-z0-9._-]{1,250}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FROM = re.compile(rb"^From: ((?:[^\r]|\r\n[ \t])*)\r\n", re.MULTILINE)
_TOKEN_FIELD = b"\x00token"
_LINE_FIELD = b"\x00token_line"
"""The token in a body, where it has a line to itself."""
_BODY_FIELDS = (b"\x00text", b"\x00html")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_URI = re.compile(r"(?:https?|mailto):[!-;=?-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file attached to a message."""

    name: str
    """File name in ASCII, with its extension."""
    media_type: str
    content: bytes


def sender_headers(
    *, sender: str, list_unsubscribe: Sequence[str] = (), one_click: bool = False
) -> Fragments:
    """
    Encode the headers of one sender; what differs by edition or delivery becomes a field.

    Args:
        sender: ``Digests <digests@example.org>``, or the address alone.
        list_unsubscribe: https and mailto URIs, the preferred one first (RFC 2369); ``{token}`` in
            a URI becomes a field.
        one_click: The first https URI accepts the POST of RFC 8058.

    Raises:
        InvalidAddress: *sender* is not a valid mailbox.
        InvalidValue: A value would break out of its header.
    """
    headers = (
        ("Date", field("date")),
        ("From", _mailbox(check_mailbox(sender))),
        ("To", field("to")),
        ("Message-ID", field("message_id")),
        ("Subject", field("subject")),
        ("List-Id", field("list_id")),
        *_list_unsubscribe(list_unsubscribe, one_click=one_click),
        ("Auto-Submitted", "auto-generated"),
        ("Precedence", "bulk"),
        ("MIME-Version", "1.0"),
    )
    head = "".join(f"{name}: {value}\n" for name, value in headers)
    _check_lines(head)
    return encode_fragments(head, _ascii_lines)


def edition_template(
    headers: Fragments, *, subject: str, list_id: str, attachments: Sequence[Attachment] = ()
) -> Fragments:
    """
    Add what the readers of one edition share to *headers*.

    Fields left open: ``date``, ``to``, ``message_id``, the bodies ``text`` and ``html``, and the
    reader's token, which is ``token`` in a header and ``token_line`` in a body.

    Args:
        headers: What `sender_headers` returned.
        list_id: ``Name <slug.example.org>`` (RFC 2919), constant over the life of the digest.

    Raises:
        InvalidValue: A value would break out of its header.
    """
    values = {
        b"\x00subject": _unstructured("Subject", subject),
        b"\x00list_id": _list_id(list_id),
    }
    if len(subject) + len(list_id) > 100:
        for value in values.values():
            _check_lines(value)
    head = [
        _ascii_lines(values[fragment]) if fragment in values else fragment for fragment in headers
    ]
    # A subject may be empty, a fragment may not.
    return (*filter(None, head), *_content(attachments))


def personalize(
    template: Iterable[bytes],
    *,
    recipient: str,
    message_id: str,
    date: datetime,
    text: Fragments = (),
    html: Fragments = (),
    token: str = "",
) -> bytes:
    """
    Return the message of one delivery, in 7-bit ASCII with CRLF.

    The same arguments always give the same bytes.

    Args:
        template: What `edition_template` returned; its bodies may be filled in already.
        recipient: The one address in To.
        message_id: ``<…@domain>``.
        text: The plain part, which comes first (RFC 2046 5.1.4).
        token: Identifies the reader in links: letters, digits, ``-`` and ``_``.

    Raises:
        InvalidAddress: *recipient* is not exactly one address.
        InvalidValue: A value would break out of its header, or *date* has no time zone.
    """
    fields = {
        b"\x00date": _date(date).encode("ascii"),
        b"\x00to": check_address(recipient).encode("ascii"),
        b"\x00message_id": _matching(_MESSAGE_ID, "Message-ID", message_id).encode("ascii"),
    }
    if token:
        fields[_TOKEN_FIELD] = _matching(_TOKEN, "token", token).encode("ascii")
        fields[_LINE_FIELD] = encode(token)
    fragments: list[bytes] = []
    for fragment in template:
        if fragment in _BODY_FIELDS:
            fragments += text if fragment == b"\x00text" else html
        else:
            fragments.append(fragment)
    message = b"".join(
        [fragment if fragment[0] else fields.get(fragment, fragment) for fragment in fragments]
    )
    if not token and b"\x00" in message:
        raise InvalidValue("a field of the message has no value")
    return message


def sender_of(template: Iterable[bytes]) -> str:
    """Return the address in From."""
    found = _FROM.search(b"".join(template))
    if found is None:
        return ""
    return found[1].rpartition(b"<")[2].removesuffix(b">").decode("ascii")


def without_attachments(message: bytes, number: int) -> bytes | None:
    """
    Return *message* without its *number* largest attachments, and with a part that names them.

    For a server that takes no message of that size. None if it has fewer attachments.
    """
    head, *parts = message.removesuffix(_MIXED_END).split(_MIXED_LINE)
    attachments = sorted(parts[1:], key=len, reverse=True)
    if len(attachments) < number:
        return None
    left_out = attachments[:number]
    kept = [part for part in parts if part not in left_out]
    return _MIXED_LINE.join([head, *kept, _notice(left_out)]) + _MIXED_END


def _notice(left_out: Sequence[bytes]) -> bytes:
    names = [found[1].decode("ascii") for part in left_out if (found := _FILE_NAME.search(part))]
    text = f"Left out, since the mail server takes no message of that size: {', '.join(names)}\n"
    return _ascii_lines(_part("plain", encode(text).decode("ascii").replace("\r\n", "\n")) + "\n")


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
    attachments: Sequence[Attachment] = (),
) -> str:
    """Return a complete message; see `edition_template` and `personalize`."""
    headers = sender_headers(sender=sender, list_unsubscribe=list_unsubscribe, one_click=one_click)
    return personalize(
        edition_template(headers, subject=subject, list_id=list_id, attachments=attachments),
        recipient=recipient,
        message_id=message_id,
        date=date,
        text=(encode(_with_final_newline(text)),),
        html=(encode(_with_final_newline(html)),),
    ).decode("ascii")


_FILE_NAME = re.compile(rb'filename="([^"]+)"')
_ALTERNATIVE = "=_alternative"
_MIXED = "=_mixed"
"""Boundaries: quoted-printable never contains "=_", nor base64 "_" (RFC 2045 6)."""
_MIXED_LINE = f"--{_MIXED}\r\n".encode()
_MIXED_END = f"--{_MIXED}--\r\n".encode()


def _content(attachments: Sequence[Attachment]) -> Fragments:
    """
    Return everything below the headers, with fields for the bodies.

    The standard library's `email` is avoided for two reasons: its generator folds a long
    List-Unsubscribe into encoded words, which no mailbox provider reads, so that one-click
    unsubscribing is lost; and its line breaks change between Python versions, while a repeated
    message must have the same bytes.
    """
    if not attachments:
        return _BODIES
    mixed = _multipart("mixed", _MIXED, [field("bodies"), *map(_attached, attachments)])
    return fill_fields(encode_fragments(mixed, _ascii_lines), {"bodies": _BODIES})


def _multipart(subtype: str, boundary: str, parts: Sequence[str]) -> str:
    """Join *parts*. The line end before a boundary is part of it (RFC 2046 5.1.1)."""
    inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
    head = f'Content-Type: multipart/{subtype};\n boundary="{boundary}"\n\n'
    return f"{head}{inside}--{boundary}--\n"


def _part(subtype: str, body: str) -> str:
    return (
        f"Content-Type: text/{subtype}; charset=utf-8\n"
        f"Content-Transfer-Encoding: quoted-printable\n\n{body}"
    )


def _attached(attachment: Attachment) -> str:
    # Base64 rather than text: the saved file has the same bytes on every machine.
    encoded_content = base64.encodebytes(attachment.content).decode("ascii")
    return (
        f"Content-Type: {attachment.media_type}\n"
        f'Content-Disposition: attachment; filename="{attachment.name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{encoded_content}"
    )


def _ascii_lines(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("ascii")


def _with_final_newline(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _check_lines(head: str) -> None:
    longest = max(map(len, head.split("\n")))
    if longest > LINE_MAX:
        raise InvalidValue(f"header line has {longest} octets, limit is {LINE_MAX}")


def _unstructured(name: str, value: str) -> str:
    """Encode and fold free text; non-ASCII becomes encoded words (RFC 2047)."""
    text = _one_line(name, value)
    charset = _charset(text)
    if charset == "us-ascii" and len(name) + 2 + len(text) <= 76:
        return text
    return Header(text, charset, header_name=name, maxlinelen=76).encode()


def _mailbox(mailbox: Mailbox) -> str:
    return _named("From", mailbox.name, mailbox.address)


def _named(header: str, name: str, address: str) -> str:
    """Encode *name* as a phrase before *address* in angle brackets (RFC 5322 3.4, RFC 2047 5)."""
    name = " ".join(_one_line(header, name).split())
    if not name:
        return f"<{address}>" if header == "List-Id" else address
    if _charset(name) == "us-ascii":
        return f"{_quoted(name)} <{address}>"
    return f"{Header(name, 'utf-8', header_name=header, maxlinelen=76).encode()} <{address}>"


def _list_id(value: str) -> str:
    name, _, list_id = _one_line("List-Id", value).removesuffix(">").rpartition("<")
    if not (value.endswith(">") and _LIST_ID.fullmatch(list_id)):
        raise InvalidValue(f'List-Id "{value[:100]}" must be: Name <name.of.the.list>')
    return _named("List-Id", name, list_id)


def _list_unsubscribe(uris: Sequence[str], *, one_click: bool) -> tuple[tuple[str, str], ...]:
    if not uris:
        return ()
    for uri in uris:
        plain = uri.replace("{token}", "token")
        if not _URI.fullmatch(plain) or len(uri) > URI_MAX:
            raise InvalidValue(f"List-Unsubscribe {_quote(uri)} is not an https or mailto URI")
    # One URI per line: RFC 2369 2 allows folding between URIs, not inside one.
    header = ("List-Unsubscribe", ",\n ".join(f"<{_with_token_field(uri)}>" for uri in uris))
    if not one_click:
        return (header,)
    if not any(uri.startswith("https:") for uri in uris):
        raise InvalidValue("one-click unsubscribe needs an https URI (RFC 8058 section 3.1)")
    return header, ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def _with_token_field(uri: str) -> str:
    return uri.replace("{token}", field("token"))


def _quoted(name: str) -> str:
    """Quote *name* as a phrase unless it consists of atoms (RFC 5322 3.2.5)."""
    if _ATOMS.fullmatch(name):
        return name
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    return f'"{escaped}"'


def _one_line(name: str, value: str) -> str:
    """Check that *value* stays inside its header. `email` itself lets NUL through."""
    if _CONTROL.search(value):
        raise InvalidValue(f"{name} contains a control character or a line break")
    return value


def _matching(pattern: re.Pattern[str], name: str, value: str) -> str:
    if not pattern.fullmatch(value):
        raise InvalidValue(f"{name} {_quote(value)} is not valid")
    return value


def _quote(value: str) -> str:
    """Quote *value* for an error, shortened and with control characters escaped."""
    return json.dumps(value[:100])


def _charset(text: str) -> str:
    # ASCII that looks like an encoded word would be decoded as one, so it is encoded too.
    return "us-ascii" if text.isascii() and "=?" not in text else "utf-8"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date(date: datetime) -> str:
    """Format *date* (RFC 5322 3.3), three times as fast as `email.utils`."""
    if date.tzinfo is None:
        raise InvalidValue("the date of a message needs a time zone")
    day = f"{_DAYS[date.weekday()]}, {date.day:02} {_MONTHS[date.month - 1]} {date.year:04}"
    zone = "+0000" if date.tzinfo is UTC else f"{date:%z}"
    return f"{day} {date.hour:02}:{date.minute:02}:{date.second:02} {zone}"


_BODIES = encode_fragments(
    _multipart(
        "alternative",
        _ALTERNATIVE,
        (_part("plain", field("text")), _part("html", field("html"))),
    ),
    _ascii_lines,
)
