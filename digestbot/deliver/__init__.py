"""
Deliver: one edition to one destination, and what to do when that fails.

Every kind of destination is one file with one class and one line in `REGISTRY`; `open_sender`
makes one from the settings, `retry.decide` says what follows from its errors. Knows nothing of the
store: what must be remembered it tells a `Checkpoint`.
"""

from collections.abc import Iterable, Mapping

from digestbot.deliver.folder import FolderSender
from digestbot.deliver.protocols import Checkpoint, Sender
from digestbot.deliver.slack import SlackSender, SlackSettings
from digestbot.deliver.smtp import SmtpSender, SmtpSettings
from digestbot.deliver.webhook import WebhookSender, fingerprint
from digestbot.errors import Misconfigured
from digestbot.model import DestinationKind
from digestbot.secret import Secret

__all__ = [
    "REGISTRY",
    "Checkpoint",
    "FolderSender",
    "Sender",
    "SlackSender",
    "SlackSettings",
    "SmtpSender",
    "SmtpSettings",
    "WebhookSender",
    "fingerprint",
    "open_sender",
]

REGISTRY: dict[DestinationKind, type[Sender]] = {
    DestinationKind.EMAIL: SmtpSender,
    DestinationKind.SLACK: SlackSender,
    DestinationKind.WEBHOOK: WebhookSender,
    DestinationKind.FOLDER: FolderSender,
}


def open_sender(
    kind: DestinationKind,
    *,
    smtp: SmtpSettings | None,
    slack: SlackSettings | None,
    webhooks: Mapping[str, Secret],
    folders: Iterable[str] = (),
) -> Sender:
    """
    The sender for *kind*; nothing is connected yet.

    Args:
        kind: Of the destinations that it shall serve.
        smtp: The mail server, if there is one.
        slack: The Slack app, if there is one.
        webhooks: Their URLs by `fingerprint`.
        folders: Those that `check` tries.

    Raises:
        Misconfigured: The settings that *kind* needs are not there.
    """
    match kind:
        case DestinationKind.EMAIL:
            if smtp is None:
                raise Misconfigured('mail needs a server: set "smtp" in the config')
            return SmtpSender(smtp)
        case DestinationKind.SLACK:
            return SlackSender(slack or SlackSettings())
        case DestinationKind.WEBHOOK:
            return WebhookSender(webhooks)
        case DestinationKind.FOLDER:
            return FolderSender(folders)
