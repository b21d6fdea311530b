"""Every registered kind of destination keeps the contract of `DestinationType`."""

import pytest

from digestbot.deliver import REGISTRY
from digestbot.model import Form


@pytest.mark.parametrize("name", REGISTRY)
def test_each_kind_is_complete(name: str) -> None:
    kind = REGISTRY[name]
    assert kind.kind == name
    assert kind.description.endswith(".")
    assert kind.forms <= set(Form)
    assert kind.forms
    assert bool(kind.section) == bool(kind.settings)
    assert bool(kind.requires) == bool(kind.requires_hint)


def test_archives_have_no_reader() -> None:
    assert not any(kind.is_archive and kind.is_personal for kind in REGISTRY.values())
