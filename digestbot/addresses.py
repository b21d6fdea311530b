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
ADDRESS_MAX = 254
"""Maximum octets: a path of 256 without its angle brackets (RFC 5321 4.5.3.1.3, erratum 1690)."""

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_BRACKETED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
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
    Parse a mailbox: ``reader@example.org`` or ``Digests <reader@example.org>``.

    Raises:
        InvalidAddress: Invalid address, or a control character in the name.
    """
    found = _BRACKETED.fullmatch(text.strip())
    if found is None:
        return Mailbox(name="", address=check_address(text))
    name = found["name"].strip().removeprefix('"').removesuffix('"')
    if _CONTROL.search(name):
        raise InvalidAddress(f'"{_shown(text)}" has a control character in its name')
    return Mailbox(name=name, address=check_address(found["address"]))


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
