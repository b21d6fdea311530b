"""Destination ``slack``: one channel, by a bot token; `slack_sender` posts to it."""

import re
from typing import Final

from digestbot.deliver.protocols import DestinationConfig, DestinationType, Sender
from digestbot.deliver.slack_settings import SlackSettings
from digestbot.model import DestinationKind, Form


def _check_channel(text: str) -> str:
    if re.fullmatch(r"#[^\s#@,<>]{1,80}|[CGD][A-Z0-9]{6,}", text):
        return text
    suggestion = re.sub(r"[\s#@,<>]+", "-", text).strip("-").lower()
    hint = f'; did you mean "#{suggestion}"?' if suggestion else ""
    raise ValueError(f'"{text[:80]}" is not a channel such as "#papers" or C0123456789{hint}')


def _open(config: DestinationConfig) -> Sender:
    from digestbot.deliver.slack_sender import SlackSender  # most commands send nothing

    return SlackSender(config.section(SlackSettings) or SlackSettings())


def _has_token(config: DestinationConfig) -> bool:
    settings = config.section(SlackSettings)
    return settings is not None and bool(settings.token)


SLACK: Final = DestinationType(
    kind=DestinationKind.SLACK,
    description='A channel, `"#papers"` in quotes, or its ID. Needs `slack: {token: …}`.',
    open=_open,
    forms=frozenset({Form.SLACK}),
    check_value=_check_channel,
    if_null='has no value: "#" begins a comment in YAML, so write "#papers" in quotes',
    section="slack",
    settings=SlackSettings,
    requires=("slack", "token"),
    requires_hint='needs a token: add "slack: {token: …}" at the top level',
    is_set_up=_has_token,
)
