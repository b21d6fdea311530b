"""
Destination ``webhook``: a Slack channel or workflow by its webhook; `webhook_sender` posts to it.

Its URL is a secret: the store and all output identify it by its `fingerprint`.
"""

import hashlib
from typing import Final

from digestbot.deliver.protocols import DestinationConfig, DestinationType, Sender
from digestbot.errors import DiscreetError
from digestbot.model import DestinationKind, Form
from digestbot.secret import Secret, is_private


def fingerprint(url: str) -> str:
    """Return twelve hexadecimal digits that identify *url* but do not reveal it."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def _check_url(url: Secret) -> Secret:
    if not is_private(url.reveal()):
        raise DiscreetError("must be an https address")
    return url


def _open(config: DestinationConfig) -> Sender:
    from digestbot.deliver.webhook_sender import WebhookSender  # most commands send nothing

    return WebhookSender(config.secret_addresses)


WEBHOOK: Final = DestinationType(
    kind=DestinationKind.WEBHOOK,
    description="A Slack webhook, incoming or of a workflow; write `${SLACK_WEBHOOK_URL}`.",
    open=_open,
    forms=frozenset({Form.SLACK}),
    value=Secret,
    check_value=_check_url,
    address=lambda url, folder: fingerprint(url.reveal()),
)
