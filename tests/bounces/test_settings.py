"""Settings of the bounce mailbox."""

import pytest

from digestbot.bounces.settings import BouncesSettings


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        (BouncesSettings(imap="imap.example.org", username="bot"), "bot@imap.example.org/INBOX"),
        (
            BouncesSettings(imap="imap.example.org", username="bot", folder="Bounces"),
            "bot@imap.example.org/Bounces",
        ),
        (BouncesSettings(maildir="/var/mail/bounces"), "/var/mail/bounces"),
    ],
)
def test_a_mailbox_is_named_by_where_it_is(settings: BouncesSettings, place: str) -> None:
    assert settings.place == place
