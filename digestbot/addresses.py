"""
Check email addresses for SMTP commands and headers (RFC 5321, RFC 5322), and make Message-IDs.

Begin at `check_address`.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from digestbot.errors import InvalidAddress, InvalidValue

LOCAL_MAX = 64
"""Maximum octets before the @ (RFC 5321 4.5.3.1.1)."""
DOMAIN_MAX = 255
"""Maximum octets after the @ (RFC 5321 4.5.3.1.2)."""
NAME_MAX = 200
"""Maximum characters of a display name, which takes a few header lines."""
ADDRESS_MAX = 254
"""Maximum octets: a path of 256 without its angle brackets (RFC 5321 4.5.3.1.3, erratum 1690)."""

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_COMMENTED = re.compile(r"(?P<address>[^\s()<>]+)\s*\((?P<name>.*)\)")
_ADDRESS_IN_NAME = re.compile(r"<[^<>]*>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_RIGHT_SIDE = re.compile(r"[A-Za-z0-9.-]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """An address with its display name."""

    name: str
    """Display name: any Unicode on one line, possibly empty."""
    address: str


@lru_cache(maxsize=4096)
def check_address(text: str) -> str:
    """
    Return the address in *text*, with its domain in lower-case ASCII.

    An international domain is converted to its IDNA form (RFC 5891). The local part must be an
    ASCII dot-atom: others need SMTPUTF8 on every hop, and quoted ones break many programs.

    Args:
        text: An addr-spec such as ``reader@example.org``; surrounding spaces are ignored.

    Raises:
        InvalidAddress: Not exactly one address, or one that SMTP cannot carry.
    """
    address = text.strip()
    local, at, domain = address.rpartition("@")
    if not (at and local and domain):
        raise InvalidAddress(f'"{_shown(address)}" is not an email address; write name@domain')
    _check_local(local, address)
    checked = f"{local}@{_ascii_domain(domain, address)}"
    if len(checked) > ADDRESS_MAX:
        raise InvalidAddress(f'"{_shown(address)}" is longer than {ADDRESS_MAX} characters')
    return checked


@lru_cache(maxsize=64)
def check_mailbox(text: str) -> Mailbox:
    """
    Parse a mailbox: an address, alone or with a name before or after it.

    The name may be written as in a header (``"Papers, daily" <a@b>``, ``=?utf-8?q?Caf=C3=A9?=
    <a@b>``, ``a@b (Papers)``) or as people write it (``Papers, daily <a@b>``): the address is what
    stands between the last pair of angle brackets.

    Raises:
        InvalidAddress: Invalid address, or a name that is too long or has a control character.
    """
    name, address = _split_mailbox(text.strip())
    mailbox = Mailbox(name=_decoded(name), address=check_address(address))
    if _CONTROL.search(text.strip()) or _CONTROL.search(mailbox.name):
        raise InvalidAddress(f'"{_shown(text)}" has a control character in its name')
    if len(mailbox.name) > NAME_MAX:
        raise InvalidAddress(f'"{_shown(text)}" has a name of more than {NAME_MAX} characters')
    if _ADDRESS_IN_NAME.search(name) and not _QUOTED.fullmatch(name):
        raise InvalidAddress(f'"{_shown(text)}" has two addresses')
    return mailbox


def _split_mailbox(text: str) -> tuple[str, str]:
    """Return name and address, the name as written."""
    if text.endswith(">"):
        name, bracket, address = text[:-1].rpartition("<")
        if bracket:
            return name.strip(), address.strip()
    if (commented := _COMMENTED.fullmatch(text)) is not None:
        return commented["name"].strip(), commented["address"]
    return "", text


def _decoded(name: str) -> str:
    """Return *name* without the quotes and encoded words of a header."""
    if (quoted := _QUOTED.fullmatch(name)) is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if "=?" not in name:
        return name
    from email.errors import HeaderParseError
    from email.header import decode_header, make_header

    try:
        return str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, ValueError):
        return name


def make_message_id(*parts: str, domain: str) -> str:
    """
    Derive a Message-ID from *parts*; it never changes, so that a repeat can be recognised.

    Args:
        parts: Values that are unique together, such as the edition and the destination.
        domain: The right side; a domain of ours, which makes the Message-ID globally unique.

    Raises:
        InvalidValue: *domain* is not allowed in a Message-ID.
    """
    if not _RIGHT_SIDE.fullmatch(domain):
        raise InvalidValue(f'"{_shown(domain)}" cannot be the right side of a Message-ID')
    joined = "\0".join(f"{len(part)}:{part}" for part in parts)
    digest = hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()
    return f"<{digest[:40]}@{domain}>"


def _check_local(local: str, address: str) -> None:
    if not local.isascii():
        raise InvalidAddress(f'"{_shown(address)}" must have only ASCII characters before the @')
    if not _DOT_ATOM.fullmatch(local):
        raise InvalidAddress(f'"{_shown(address)}" is not exactly one email address')
    if len(local) > LOCAL_MAX:
        raise InvalidAddress(
            f'"{_shown(address)}" has more than {LOCAL_MAX} characters before the @'
        )


def _ascii_domain(domain: str, address: str) -> str:
    ascii_domain = domain.lower() if domain.isascii() else _idna(domain, address)
    labels = ascii_domain.split(".")
    if len(ascii_domain) > DOMAIN_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidAddress(f'"{_shown(address)}" has no valid domain after the @')
    return ascii_domain


def _idna(domain: str, address: str) -> str:
    # The standard library's codec "idna" implements IDNA 2003: it would send mail for straße.de
    # to strasse.de, which may belong to someone else.
    import idna

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidAddress(f'"{_shown(address)}" has no valid domain after the @') from error


def _shown(text: str) -> str:
    """Return *text* shortened to 100 characters, without control characters."""
    return _CONTROL.sub("\ufffd", text)[:100]
