"""
What mail servers say: the codes of RFC 3463, and their words in a form that may be kept and shown.

They come as the answers of an SMTP dialogue (`deliver.smtp`) and in bounces (`bounces.parsing`).
"""

import re
from typing import Final

DEAD_ADDRESS: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""RFC 3463 and 7505: no such mailbox, no such domain, moved, takes no mail, disabled."""
SHOWN_MAX: Final = 300
"""Characters of a server's words that are kept."""

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_ADDRESS = re.compile(r"<?[^\s<>@\"']+@[^\s<>@\"']+>?")


def enhanced_code(text: str) -> str | None:
    """The RFC 3463 code that an answer begins with (RFC 2034), such as ``5.1.1``."""
    found = _ENHANCED.match(text)
    return found[1] if found else None


def one_line(text: str) -> str:
    """*text* on one line, without mail addresses and control characters, at most `SHOWN_MAX`."""
    visible = text
    if not text.isprintable():
        visible = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(_ADDRESS.sub("<address>", visible).split())
    return line if len(line) <= SHOWN_MAX else line[: SHOWN_MAX - 1] + "…"
