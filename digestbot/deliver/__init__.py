"""
Destinations: how a message reaches its recipient, and what to do when that fails.

A new kind is a module that defines a `DestinationType`, and one line in `REGISTRY`. Senders know
nothing of the store: they report progress to a `Checkpoint`, and `retry.decide` turns their errors
into decisions.
"""

from digestbot.deliver.folder import FOLDER
from digestbot.deliver.protocols import (
    Checkpoint,
    DestinationConfig,
    DestinationType,
    Sender,
)
from digestbot.deliver.slack import SLACK
from digestbot.deliver.slack_settings import SlackSettings
from digestbot.deliver.smtp import EMAIL
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.deliver.webhook import WEBHOOK, fingerprint
from digestbot.errors import Misconfigured

__all__ = [
    "REGISTRY",
    "Checkpoint",
    "DestinationConfig",
    "DestinationType",
    "Sender",
    "SlackSettings",
    "SmtpSettings",
    "fingerprint",
    "open_sender",
]

REGISTRY: dict[str, DestinationType] = {
    EMAIL.kind: EMAIL,
    SLACK.kind: SLACK,
    WEBHOOK.kind: WEBHOOK,
    FOLDER.kind: FOLDER,
}
"""Kinds of destination by their key under ``deliver:``."""


def open_sender(kind: str, config: DestinationConfig) -> Sender:
    """
    Return an unconnected sender for *kind*.

    Raises:
        Misconfigured: *config* lacks the settings that *kind* needs, or *kind* is unknown, as in a
            delivery queued by a newer version.
    """
    if kind not in REGISTRY:
        raise Misconfigured(f'unknown kind of destination "{kind}"')
    return REGISTRY[kind].open(config)
