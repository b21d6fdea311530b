"""Channels that the config accepts."""

import pytest

from digestbot.deliver.slack import SLACK


@pytest.mark.parametrize("channel", ["#papers", "#deep-learning_2", "C0123456789", "G0123456"])
def test_channels_are_accepted(channel: str) -> None:
    assert SLACK.check_value(channel) == channel


@pytest.mark.parametrize(
    ("channel", "hint"),
    [
        ("papers", '"papers" is not a channel .*; did you mean "#papers"?'),
        ("# Deep Learning", 'did you mean "#deep-learning"?'),
        ("#", "is not a channel such as"),
    ],
)
def test_other_text_is_refused_with_a_hint(channel: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        SLACK.check_value(channel)
