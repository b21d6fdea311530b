"""
Bounce addresses that identify their delivery (VERP).

Anyone can forge a bounce. The token is signed, so that a forged one cannot get a reader's address
suppressed. Begin at `bounce_address`; `delivery_of` reads it back.
"""

import hmac
import re
from base64 import b32encode
from typing import Final

from digestbot.addresses import check_address
from digestbot.errors import InvalidAddress

TOKEN: Final = "{token}"  # noqa: S105 - placeholder in the template, not a secret
_LONGEST = "0" * 32
"""Longest token: 16 digits of a 64-bit key and 16 letters of signature."""
_SIGNATURE = 16
"""Length of the signature: 80 bits resist guessing by mail and fit a local part of 64 octets."""
_TOKEN = re.compile(r"([0-9a-f]{1,16})([a-z2-7]{16})")


def bounce_address(template: str, delivery_id: int, key: str) -> str:
    """
    Return the envelope sender for one delivery.

    Args:
        template: ``bounces+{token}@example.org``.
        delivery_id: Key in the outbox.
        key: The operator's secret; it allows forging bounces.
    """
    return check_address(template.replace(TOKEN, token(delivery_id, key)))


def token(delivery_id: int, key: str) -> str:
    """Return the delivery's signed token of lower-case letters and digits."""
    return f"{delivery_id:x}{_signature(delivery_id, key)}"


def delivery_of(address: str, template: str, key: str) -> int | None:
    """
    Return the delivery that a bounce to *address* is about.

    None if *address* has no token that we signed. Case is ignored, since servers change it.
    """
    before, _, after = (part.lower() for part in template.partition(TOKEN))
    text = address.strip().lower()
    if not (text.startswith(before) and text.endswith(after)):
        return None
    found = _TOKEN.fullmatch(text[len(before) : len(text) - len(after)])
    if found is None:
        return None
    delivery_id = int(found[1], 16)
    is_ours = hmac.compare_digest(found[2], _signature(delivery_id, key))
    return delivery_id if is_ours else None


def check_template(template: str) -> str:
    """
    Return *template* if it yields a valid address for every delivery; the token is optional.

    Raises:
        InvalidAddress: It is invalid, or it has several tokens or one outside the local part.
    """
    if TOKEN not in template:
        return check_address(template)
    if template.count(TOKEN) > 1 or TOKEN not in template.rpartition("@")[0]:
        raise InvalidAddress(f'"{template[:100]}" must have {TOKEN} once, before the @')
    try:
        check_address(template.replace(TOKEN, _LONGEST))
    except InvalidAddress as error:
        reason = str(error).replace(_LONGEST, TOKEN)
        raise InvalidAddress(f"{reason} (a token has up to {len(_LONGEST)} characters)") from error
    return template


def _signature(delivery_id: int, key: str) -> str:
    # The prefix keeps this signature from being valid for anything else under the same key.
    digest = hmac.digest(key.encode(), f"bounce:{delivery_id}".encode(), "sha256")
    return b32encode(digest).decode("ascii").lower()[:_SIGNATURE]
