"""
A whole mail message (RFC 5322) in two steps: what the readers of an edition share, and the rest.

`freeze` makes a message with open fields, to be kept; `seal` fills them in, with the same bytes for
the same delivery however often. Knows nothing of editions and of sending; `compose` does both.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr

from digestbot.addresses import Mailbox, check_address, check_mailbox
from digestbot.errors import InvalidValue
from digestbot.model import Pieces
from digestbot.render.pieces import encoded, field, filled, pieces_of

URI_MAX = 800
"""Characters of one List-Unsubscribe URI: it stands on one line of at most 998 octets."""
LINE_MAX = 998
"""Octets of a line without its CRLF (RFC 5322 2.1.1)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}@[A-Za-z0-9.-]{1,255}>")
_LIST_ID = re.compile(r"(?P<name>.*?)\s*<(?P<id>[A-Za-z0-9._-]{1,250})>")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FROM = re.compile(rb"From: (?:[^<>:]*<)?([^\s<>]+@[^\s<>]+)>?\r\n")
_URI = re.compile(r"(?:https?|mailto):[!-;=?-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with a message."""

    name: str
    """In ASCII, with its ending."""
    media_type: str
    content: bytes


def freeze(
    *,
    subject: str,
    sender: str,
    list_id: str,
    list_unsubscribe: Sequence[str] = (),
    one_click: bool = False,
    attachments: Sequence[Attachment] = (),
) -> Pieces:
    """
    A message in pieces, all of it but its fields: ``date``, ``to``, ``message_id``, the bodies
    ``text`` and ``html``, and ``token`` where a URI has it.

    Args:
        sender: ``Digests <digests@example.org>``, or the address alone.
        list_id: ``Name <slug.example.org>`` (RFC 2919), the same for ever.
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
        ("Subject", _unstructured("Subject", subject)),
        ("List-Id", _list_id(list_id)),
        *_list_unsubscribe(list_unsubscribe, one_click=one_click),
        ("Auto-Submitted", "auto-generated"),
        ("Precedence", "bulk"),
        ("MIME-Version", "1.0"),
    )
    head = "".join(f"{name}: {value}\n" for name, value in headers)
    _check_lines(head)
    return pieces_of(head + _structure(_unique(head), attachments), _as_it_is)


def seal(
    frozen: Iterable[bytes],
    *,
    recipient: str,
    message_id: str,
    date: datetime,
    text: Pieces = (),
    html: Pieces = (),
    token: str = "",
) -> bytes:
    """
    The message, in 7-bit ASCII with CRLF line ends: the same bytes for the same arguments.

    Args:
        frozen: What `freeze` made; the bodies may be filled in already.
        recipient: The one address it goes to; it stands in To.
        message_id: ``<…@domain>``.
        text: The plain part, which comes first (RFC 2046 5.1.4).
        token: What the links of this one reader bear; letters, digits, ``-`` and ``_``.

    Raises:
        InvalidAddress: *recipient* is not exactly one address.
        InvalidValue: A value that would break out of its header, or a time without zone.
    """
    own = {
        "date": format_datetime(_aware(date)),
        "to": check_address(recipient),
        "message_id": _matching(_MESSAGE_ID, "Message-ID", message_id),
    }
    if token:
        own["token"] = _matching(_TOKEN, "token", token)
    fields: dict[str, Pieces] = {name: (value.encode("ascii"),) for name, value in own.items()}
    # In a body the same token stands on a line by itself.
    bodies = {"token": (encoded(token),)} if token else {}
    fields["text"], fields["html"] = filled(text, bodies), filled(html, bodies)
    message = b"".join(filled(frozen, fields))
    if b"\x00" in message:
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
    """A message whose bodies are texts; see `freeze` and `seal`."""
    frozen = freeze(
        subject=subject,
        sender=sender,
        list_id=list_id,
        list_unsubscribe=list_unsubscribe,
        one_click=one_click,
        attachments=attachments,
    )
    return seal(
        frozen,
        recipient=recipient,
        message_id=message_id,
        date=date,
        text=(encoded(_ended(text)),),
        html=(encoded(_ended(html)),),
    ).decode("ascii")


def _structure(unique: str, attachments: Sequence[Attachment]) -> str:
    """
    Everything below the headers that all messages have, the bodies as fields.

    It is put together here and not by `email`: its generator folds a long List-Unsubscribe into
    encoded words, which no mailbox provider reads, so that one-click unsubscribing vanishes. And
    its line breaks change from one Python to the next, while a repeat must have the same bytes.
    """
    bodies = (_part("plain", field("text")), _part("html", field("html")))
    alternative = _multipart("alternative", f"=_a{unique}", bodies)
    if not attachments:
        return alternative
    return _multipart("mixed", f"=_m{unique}", [alternative, *map(_attached, attachments)])


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


def _unique(head: str) -> str:
    """For the boundaries, whose "=_" cannot occur in quoted-printable or base64 (RFC 2045 6)."""
    return hashlib.sha256(head.encode("ascii")).hexdigest()[:32]


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
