"""The config key ``slack:``."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from digestbot.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """Your Slack app: the config key ``slack:``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    token: Secret | None = None
    """
    Bot token (`xoxb-…`, scope chat:write); write `${SLACK_BOT_TOKEN}`, or `${file:PATH}`, which
    SIGHUP reads again.
    """
    url: str = "https://slack.com/api/"
    """Slack's Web API, or a test server."""
    interval: timedelta = timedelta(seconds=1)
    """Pause between two messages to one channel; Slack takes about one a second."""
    timeout: timedelta = timedelta(seconds=30)
    """How long to wait for a reply."""
