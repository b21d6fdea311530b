"""Values that compute something, and rules that all states must keep."""

import ast
from dataclasses import replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

import pytest

from digestbot import model
from digestbot.model import AnnounceType, DeliveryState, Destination, DestinationKind
from digestbot.store import tables
from digestbot.store.tables import PassStatus
from tests.store.samples import edition, fetched


def test_edition_is_named_after_its_digest() -> None:
    assert edition(digest="systems", number=12).name == "systems/12"


def test_destination_prints_its_kind_and_address() -> None:
    destination = Destination(kind=DestinationKind.SLACK, address="#papers")
    assert str(destination) == "slack:#papers"


def test_announce_types_are_ordered_best_first() -> None:
    assert list(AnnounceType) == [
        "new",
        "cross",
        "replace",
        "replace-cross",
        "notice",
        "published",
    ]


def test_values_are_frozen() -> None:
    paper = fetched()
    with pytest.raises(AttributeError):
        paper.title = "other"  # type: ignore[misc]  # the test of just that
    assert replace(paper, title="other").title == "other"


def undocumented(path: Path, enum: str) -> list[str]:
    """Return the members of a class that no docstring follows."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (found,) = (n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == enum)
    body = [*found.body, None]
    return [
        ast.unparse(member.targets[0])
        for member, after in pairwise(body)
        if isinstance(member, ast.Assign) and not isinstance(after, ast.Expr)
    ]


@pytest.mark.parametrize(
    ("module", "enum"), [(model, DeliveryState), (tables, PassStatus)], ids=["delivery", "pass"]
)
def test_every_state_is_documented(module: object, enum: type[StrEnum]) -> None:
    path = Path(str(getattr(module, "__file__", "")))
    assert undocumented(path, enum.__name__) == []
