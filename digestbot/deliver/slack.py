"""Destination ``slack``: a channel or a member, by a bot token; `slack_sender` posts to it."""

import re
from typing import Final

from digestbot.addresses import check_address
from digestbot.deliver.protocols import DestinationConfig, DestinationType, Sender
from digestbot.deliver.slack_settings import SlackSettings
from digestbot.model import DestinationKind, Form

_NAME: Final = re.compile(r"#[^\s#@,<>]{1,80}")
_ID: Final = re.compile(r"[CGDUW][A-Z0-9]{6,}")
_LINK: Final = re.compile(
    r"https://(?:[\w-]+\.)*slack(?:-gov)?\.com/"
    r"(?:archives|team|client/[ET][A-Z0-9]+)/([CGDUW][A-Z0-9]{6,})(?:[/?#].*)?"
)
"""A link to a channel, a message or a member, as Slack's "Copy link" gives it."""
_MENTION: Final = re.compile(r"<[#@]([CGUW][A-Z0-9]{6,})(?:\|[^<>]*)?>")


def _check_address(text: str) -> str:
    """Return a channel's name, a channel's or member's id, or a member's email address."""
    text = text.strip()
    if found := _LINK.fullmatch(text) or _MENTION.fullmatch(text):
        return found[1]
    if _NAME.fullmatch(text) or _ID.fullmatch(text):
        return text
    if "@" in text[1:]:
        return check_address(text)
    if text.startswith("@"):
        raise ValueError(f'"{text[:80]}" is a display name; use the email address or id (U…)')
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
    description=(
        'A channel (`"#papers"` in quotes, its ID or link) or a member (ID or email address). '
        "Needs `slack: {token: …}`."
    ),
    open=_open,
    forms=frozenset({Form.SLACK}),
    check_value=_check_address,
    if_null='has no value: "#" begins a comment in YAML, so write "#papers" in quotes',
    section="slack",
    settings=SlackSettings,
    requires=("slack", "token"),
    requires_hint='needs a token: add "slack: {token: …}" at the top level',
    is_set_up=_has_token,
)
