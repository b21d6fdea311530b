"""Destination ``email``: one mail per recipient over SMTP, by `smtp_sender`."""

from typing import Final

from digestbot.addresses import check_address
from digestbot.deliver.protocols import DestinationConfig, DestinationType, Sender
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import Misconfigured
from digestbot.model import DestinationKind, Form


def _open(config: DestinationConfig) -> Sender:
    settings = config.section(SmtpSettings)
    if settings is None:
        raise Misconfigured('email needs a mail server: set "smtp" in the config')
    from digestbot.deliver.smtp_sender import SmtpSender  # most commands send nothing

    return SmtpSender(settings)


EMAIL: Final = DestinationType(
    kind=DestinationKind.EMAIL,
    description="One email address or a list of them; each gets a separate mail. Needs `smtp:`.",
    open=_open,
    forms=frozenset({Form.EML}),
    takes_list=True,
    check_value=check_address,
    address=lambda value, folder: str(value),
    section="smtp",
    settings=SmtpSettings,
    requires=("smtp",),
    requires_hint='needs a mail server: add "smtp:" at the top level',
    is_set_up=lambda config: config.section(SmtpSettings) is not None,
    is_personal=True,
)
