"""
A whole mail message (RFC 5322) in three steps: what a sender's messages share, what the readers of
an edition share, and the rest.

`sender_headers` and `edition_template` make a message with open fields; `personalize` fills them in
and returns the same bytes for the same delivery. `compose` does all three. Knows no editions.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.utils import formataddr

from digestbot.addresses import Mailbox, check_address, check_mailbox
from digestbot.errors import InvalidValue
from digestbot.model import Fragments
from digestbot.render.quoted_printable import encode_fragments, encoded, field, filled

URI_MAX = 800
"""Characters of one List-Unsubscribe URI: it stands on one line of at most 998 octets."""
LINE_MAX = 998
"""Octets of a line without its CRLF (RFC 5322 2.1.1)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}@[A-Za-z0-9.-]{1,255}>")
_LIST_ID = re.compile(r"(?P<name>[^<>]*)<(?P<id>[A-Za-z0-9._-]{1,250})>")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FROM = re.compile(rb"From: (?:[^<>:]*<)?([^\s<>]+@[^\s<>]+)>?\r\n")
_TOKEN_FIELD = b"\x00token"
_LINE_FIELD = b"\x00token_line"
"""The same in a body, where it stands on a line by itself."""
_BODY_FIELDS = (b"\x00text", b"\x00html")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_URI = re.compile(r"(?:https?|mailto):[!-;=?-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with a message."""

    name: str
    """In ASCII, with its ending."""
    media_type: str
    content: bytes


def sender_headers(
    *, sender: str, list_unsubscribe: Sequence[str] = (), one_click: bool = False
) -> Fragments:
    """
    Encode the headers of one sender, with fields for what differs by edition and delivery.

    Args:
        sender: ``Digests <digests@example.org>``, or the address alone.
        list_unsubscribe: https and mailto URIs, the preferred first (RFC 2369); ``{token}`` in them
            is open.
        one_click: The first https URI takes the POST of RFC 8058.

    Raises:
        InvalidAddress: *sender* is no mailbox.
        InvalidValue: A value that would break out of its header.
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
    return encode_fragments(head, _as_it_is)


def edition_template(
    blank: Fragments, *, subject: str, list_id: str, attachments: Sequence[Attachment] = ()
) -> Fragments:
    """
    A message in pieces, as it is kept: all of it but ``date``, ``to``, ``message_id``, the bodies
    ``text`` and ``html``, and ``token``, or in a body ``token_line``, where a URI has it.

    Args:
        blank: What `sender_headers` made.
        list_id: ``Name <slug.example.org>`` (RFC 2919), the same for ever.

    Raises:
        InvalidValue: A value that would break out of its header.
    """
    own = {
        b"\x00subject": _unstructured("Subject", subject),
        b"\x00list_id": _list_id(list_id),
    }
    if len(subject) + len(list_id) > 100:
        for value in own.values():
            _check_lines(value)
    head = [_as_it_is(own[piece]) if piece in own else piece for piece in blank]
    # A piece is never empty, though a subject may be.
    return (*filter(None, head), *_content(attachments))


def personalize(
    frozen: Iterable[bytes],
    *,
    recipient: str,
    message_id: str,
    date: datetime,
    text: Fragments = (),
    html: Fragments = (),
    token: str = "",
) -> bytes:
    """
    The message, in 7-bit ASCII with CRLF line ends: the same bytes for the same arguments.

    Args:
        frozen: What `edition_template` made; the bodies may be filled in already.
        recipient: The one address it goes to; it stands in To.
        message_id: ``<…@domain>``.
        text: The plain part, which comes first (RFC 2046 5.1.4).
        token: What the links of this one reader bear; letters, digits, ``-`` and ``_``.

    Raises:
        InvalidAddress: *recipient* is not exactly one address.
        InvalidValue: A value that would break out of its header, or a time without zone.
    """
    fields = {
        b"\x00date": _date(date).encode("ascii"),
        b"\x00to": check_address(recipient).encode("ascii"),
        b"\x00message_id": _matching(_MESSAGE_ID, "Message-ID", message_id).encode("ascii"),
    }
    if token:
        fields[_TOKEN_FIELD] = _matching(_TOKEN, "token", token).encode("ascii")
        fields[_LINE_FIELD] = encoded(token)
    pieces: list[bytes] = []
    for piece in frozen:
        if piece in _BODY_FIELDS:
            pieces += text if piece == b"\x00text" else html
        else:
            pieces.append(piece)
    message = b"".join([piece if piece[0] else fields.get(piece, piece) for piece in pieces])
    if not token and b"\x00" in message:
        raise InvalidValue("a message has a field that nothing was given for")
    return message


def sender_of(frozen: Iterable[bytes]) -> str:
    """The address in From."""
    found = _FROM.search(b"".join(frozen))
    return found[1].decode("ascii") if found else ""


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
    """A message whose bodies are texts; see `edition_template` and `personalize`."""
    blank = sender_headers(sender=sender, list_unsubscribe=list_unsubscribe, one_click=one_click)
    return personalize(
        edition_template(blank, subject=subject, list_id=list_id, attachments=attachments),
        recipient=recipient,
        message_id=message_id,
        date=date,
        text=(encoded(_ended(text)),),
        html=(encoded(_ended(html)),),
    ).decode("ascii")


_ALTERNATIVE = "=_alternative"
_MIXED = "=_mixed"
"""Boundaries: "=_" cannot occur in quoted-printable, nor "_" in base64 (RFC 2045 6)."""


def _content(attachments: Sequence[Attachment]) -> Fragments:
    """
    Everything below the headers that all messages have, the bodies as fields.

    It is put together here and not by `email`: its generator folds a long List-Unsubscribe into
    encoded words, which no mailbox provider reads, so that one-click unsubscribing vanishes. And
    its line breaks change from one Python to the next, while a repeat must have the same bytes.
    """
    if not attachments:
        return _BODIES
    mixed = _multipart("mixed", _MIXED, [field("bodies"), *map(_attached, attachments)])
    return filled(encode_fragments(mixed, _as_it_is), {"bodies": _BODIES})


def _multipart(subtype: str, boundary: str, parts: Sequence[str]) -> str:
    """RFC 2046 5.1.1; the line end before a boundary belongs to the boundary."""
    inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
    head = f'Content-Type: multipart/{subtype};\n boundary="{boundary}"\n\n'
    return f"{head}{inside}--{boundary}--\n"


def _part(subtype: str, body: str) -> str:
    return (
        f"Content-Type: text/{subtype}; charset=utf-8\n"
        f"Content-Transfer-Encoding: quoted-printable\n\n{body}"
    )


def _attached(attachment: Attachment) -> str:
    # In base64, not as text: what is saved has the same bytes on every machine.
    encoded_content = base64.encodebytes(attachment.content).decode("ascii")
    return (
        f"Content-Type: {attachment.media_type}\n"
        f'Content-Disposition: attachment; filename="{attachment.name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{encoded_content}"
    )


def _as_it_is(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("ascii")


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _check_lines(head: str) -> None:
    longest = max(map(len, head.split("\n")))
    if longest > LINE_MAX:
        raise InvalidValue(f"a line of {longest} octets; a message allows {LINE_MAX}")


def _unstructured(name: str, value: str) -> str:
    """A free text, as encoded words (RFC 2047) if it is not ASCII, folded at 76 columns."""
    text = _one_line(name, value)
    charset = _charset(text)
    if charset == "us-ascii" and len(name) + 2 + len(text) <= 76:
        return text
    return Header(text, charset, header_name=name, maxlinelen=76).encode()


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
    name = found["name"].strip().strip('"')
    if not name:
        return f"<{found['id']}>"
    if name.isascii():
        return f"{_quoted(name)} <{found['id']}>"
    return f"{Header(name, 'utf-8', header_name='List-Id', maxlinelen=76).encode()} <{found['id']}>"


def _list_unsubscribe(uris: Sequence[str], *, one_click: bool) -> tuple[tuple[str, str], ...]:
    if not uris:
        return ()
    for uri in uris:
        plain = uri.replace("{token}", "token")
        if not _URI.fullmatch(plain) or len(uri) > URI_MAX:
            raise InvalidValue(f'List-Unsubscribe "{uri[:100]!r}" is no https or mailto URI')
    # One URI a line: folding between them is allowed (RFC 2369 2), inside one it is not.
    header = ("List-Unsubscribe", ",\n ".join(f"<{_open(uri)}>" for uri in uris))
    if not one_click:
        return (header,)
    if not any(uri.startswith("https:") for uri in uris):
        raise InvalidValue("one-click unsubscribing needs an https URI (RFC 8058 section 3.1)")
    return header, ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def _open(uri: str) -> str:
    return uri.replace("{token}", field("token"))


def _quoted(name: str) -> str:
    """*name* as a phrase: bare if it is made of atoms, else a quoted string (RFC 5322 3.2.5)."""
    if _ATOMS.fullmatch(name):
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


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date(date: datetime) -> str:
    """As RFC 5322 3.3 has it; `format_datetime` does the same in three times the time."""
    if date.tzinfo is None:
        raise InvalidValue("the date of a message needs a zone")
    day = f"{_DAYS[date.weekday()]}, {date.day:02} {_MONTHS[date.month - 1]} {date.year:04}"
    zone = "+0000" if date.tzinfo is UTC else f"{date:%z}"
    return f"{day} {date.hour:02}:{date.minute:02}:{date.second:02} {zone}"


_BODIES = encode_fragments(
    _multipart(
        "alternative",
        _ALTERNATIVE,
        (_part("plain", field("text")), _part("html", field("html"))),
    ),
    _as_it_is,
)
