"""
What comes back: bounces and complaints, read out of mails and mailboxes.

`read_report` tells what one mail says of which delivery, `weigh` and `verdict` what follows from
it; `open_box` goes to where such mails arrive. Knows nothing of the store: who signed a token is
asked through a function.
"""

from digestbot.bounces.mailboxes import BouncesSettings, Box, Item, MaildirBox, open_box, read_files
from digestbot.bounces.parsing import MAX_BYTES, Report, read_report
from digestbot.bounces.scoring import score, verdict, weigh

__all__ = [
    "MAX_BYTES",
    "BouncesSettings",
    "Box",
    "Item",
    "MaildirBox",
    "Report",
    "open_box",
    "read_files",
    "read_report",
    "score",
    "verdict",
    "weigh",
]
