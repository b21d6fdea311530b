"""What holds for every kind of destination; a new one joins by its line in the registry."""

from typing import Any

import pytest

from digestbot.deliver import REGISTRY, SlackSettings, SmtpSettings, open_sender
from digestbot.errors import Misconfigured
from digestbot.model import DestinationKind
from digestbot.secret import Secret

EVERYTHING: dict[str, Any] = {
    "smtp": SmtpSettings(),
    "slack": SlackSettings(token=Secret("xoxb-x")),
    "webhooks": {},
}


def test_every_kind_has_a_sender() -> None:
    assert set(REGISTRY) == set(DestinationKind)


@pytest.mark.parametrize("kind", list(DestinationKind))
def test_a_sender_is_of_its_class_and_says_which_forms_it_needs(kind: DestinationKind) -> None:
    sender = open_sender(kind, **EVERYTHING)
    assert type(sender) is REGISTRY[kind]
    assert sender.forms


@pytest.mark.parametrize("kind", [DestinationKind.EMAIL, DestinationKind.SLACK])
def test_missing_settings_stop_their_kind(kind: DestinationKind) -> None:
    with pytest.raises(Misconfigured, match="in the config"):
        open_sender(kind, smtp=None, slack=None, webhooks={})


def test_settings_print_no_secret() -> None:
    shown = repr(SmtpSettings(username="bot", password=Secret("pl4nted")))
    assert "pl4nted" not in shown + repr(EVERYTHING)
    assert "xoxb" not in repr(EVERYTHING)
