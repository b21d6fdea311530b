"""
Status codes of mail servers (RFC 3463), and their texts in a form that may be stored and shown.

Both come in SMTP replies (`deliver.smtp_replies`) and in bounces (`bounces.parsing`).
"""

import re
from typing import Final

DEAD_ADDRESS: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""Codes of a dead address: unknown mailbox or domain, moved, null MX (RFC 7505), disabled."""
SHOWN_MAX: Final = 300
"""Characters of a server's text that are kept."""

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_ADDRESS = re.compile(r"<?[^\s<>@\"']+@[^\s<>@\"']+>?")


def enhanced_code(text: str) -> str | None:
    """Return the code that *text* begins with (RFC 2034), if any, such as ``5.1.1``."""
    found = _ENHANCED.match(text)
    return found[1] if found else None


def one_line(text: str) -> str:
    """Return *text* as one printable line with addresses masked, at most `SHOWN_MAX` long."""
    visible = text
    if not text.isprintable():
        visible = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(_ADDRESS.sub("<address>", visible).split())
    return line if len(line) <= SHOWN_MAX else line[: SHOWN_MAX - 1] + "…"
