"""Settings of the Slack app."""

from datetime import timedelta

from digestbot.deliver.slack_settings import SlackSettings
from digestbot.secret import Secret
from tests.planted import MARK


def test_the_pace_is_slacks_and_the_token_stays_hidden() -> None:
    settings = SlackSettings(token=Secret(MARK))
    assert settings.interval == timedelta(seconds=1)
    assert MARK not in repr(settings)
