"""Rules for every kind of destination; a new kind joins by its line in the registry."""

import asyncio
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from digestbot.deliver import REGISTRY, SlackSettings, SmtpSettings, open_sender
from digestbot.errors import Misconfigured
from digestbot.model import DestinationKind
from digestbot.secret import Secret

T = TypeVar("T")


@dataclass(frozen=True)
class Sections:
    """The part of a config that senders read."""

    sections: tuple[object, ...] = ()
    secret_addresses: dict[str, Secret] = field(default_factory=dict)

    def section(self, settings: type[T]) -> T | None:
        return next((found for found in self.sections if isinstance(found, settings)), None)


COMPLETE = Sections((SmtpSettings(), SlackSettings(token=Secret("xoxb-x"))))


@pytest.mark.parametrize("kind", REGISTRY)
def test_each_kind_is_registered_under_its_name(kind: str) -> None:
    assert REGISTRY[kind].kind == kind
    assert REGISTRY[kind].forms
    assert REGISTRY[kind].description.endswith(".")


@pytest.mark.parametrize("kind", REGISTRY)
def test_each_kind_opens_a_sender_without_connecting(kind: str) -> None:
    asyncio.run(open_sender(kind, COMPLETE).close())


@pytest.mark.parametrize("kind", REGISTRY)
def test_required_settings_have_a_section_and_a_hint(kind: str) -> None:
    destination = REGISTRY[kind]
    assert bool(destination.requires) == bool(destination.requires_hint)
    assert bool(destination.section) == bool(destination.settings)
    if destination.requires:
        assert destination.requires[0] == destination.section


@pytest.mark.parametrize("kind", [DestinationKind.EMAIL, DestinationKind.SLACK])
def test_missing_settings_stop_their_kind(kind: str) -> None:
    assert not REGISTRY[kind].is_set_up(Sections())
    assert REGISTRY[kind].is_set_up(COMPLETE)
    with pytest.raises(Misconfigured, match="in the config"):
        open_sender(kind, Sections())


def test_unknown_kind_stops_itself_only() -> None:
    with pytest.raises(Misconfigured, match='unknown kind of destination "pigeon"'):
        open_sender("pigeon", COMPLETE)


def test_settings_print_no_secret() -> None:
    shown = repr(SmtpSettings(username="bot", password=Secret("pl4nted")))
    assert "pl4nted" not in shown + repr(COMPLETE)
    assert "xoxb" not in repr(COMPLETE)
