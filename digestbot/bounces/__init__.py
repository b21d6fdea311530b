"""
Bounces and complaints: read them from mailboxes, and decide what follows.

`open_box` opens the mailbox they arrive in, `read_report` parses one mail, `suppression_reason`
decides about the address. Nothing here accesses the store: a function passed in verifies tokens.
"""

from digestbot.bounces.mailboxes import BouncesSettings, Box, Item, MaildirBox, open_box, read_files
from digestbot.bounces.parsing import MAX_BYTES, Report, read_report
from digestbot.bounces.scoring import classify, score, suppression_reason

__all__ = [
    "MAX_BYTES",
    "BouncesSettings",
    "Box",
    "Item",
    "MaildirBox",
    "Report",
    "classify",
    "open_box",
    "read_files",
    "read_report",
    "score",
    "suppression_reason",
]
