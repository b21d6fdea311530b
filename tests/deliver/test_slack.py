"""Channels that the config accepts."""

import pytest

from digestbot.deliver.slack import SLACK


@pytest.mark.parametrize(
    "address",
    [
        *("#papers", "#deep-learning_2", "C0123456789", "G0123456", "D012AB3CD"),
        *("U0123456789", "W0123456789", "ada@example.org"),
    ],
)
def test_channels_and_members_are_accepted(address: str) -> None:
    assert SLACK.check_value(address) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://lab.slack.com/archives/C0123456789", "C0123456789"),
        ("https://lab.slack.com/archives/C0123456789/p1764000000000100?thread_ts=1", "C0123456789"),
        ("https://lab.enterprise.slack.com/archives/G0123456/", "G0123456"),
        ("https://app.slack.com/client/T012/C0123456789", "C0123456789"),
        ("https://lab.slack.com/team/U0123456789", "U0123456789"),
        ("<#C0123456789|papers>", "C0123456789"),
        ("<@U0123456789>", "U0123456789"),
        (" #papers ", "#papers"),
    ],
)
def test_links_and_mentions_become_ids(text: str, address: str) -> None:
    assert SLACK.check_value(text) == address


@pytest.mark.parametrize(
    ("channel", "hint"),
    [
        ("papers", '"papers" is not a channel .*; did you mean "#papers"?'),
        ("# Deep Learning", 'did you mean "#deep-learning"?'),
        ("#", "is not a channel such as"),
        ("@ada", '"@ada" is a display name; use the email address or id'),
        ("ada@", "is not an email address"),
        ("https://slack.com.example.org/archives/C0123456789", "is not a channel such as"),
        ("https://hooks.slack.com/services/T0/B0/x", "is not a channel such as"),
    ],
)
def test_other_text_is_refused_with_a_hint(channel: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        SLACK.check_value(channel)
