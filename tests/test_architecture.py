"""
The layers of the house: arrows go down only, never sideways between rooms.

A module that stands in no layer fails, so that a new one has to be given its place here.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "digestbot"

# From the bottom up. A module may import modules of lower layers, and itself. Layers that are
# marked as one building are floors whose modules know each other.
LAYERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "ground",
        (
            "model",
            "errors",
            "secret",
            "addresses",
            "ids",
            "taxonomy",
            "text",
            "net",
            "status_codes",
            "oauth",
            "csv_files",
            "languages",
            "daemon_threads",
        ),
    ),
    (
        "rooms",
        (
            "sources",
            "filters",
            "editions",
            "render",
            "deliver",
            "bounces",
            "sending_limits",
            "store",
            "schedule",
        ),
    ),
    ("config", ("config",)),
    (
        "stages",
        (
            "pipeline",
            "syncing",
            "subscriptions",
            "suppressions",
            "audit",
            "status",
            "backtest",
            "lint",
        ),
    ),
    ("top", ("cli", "demo", "scheduler")),
)
ONE_BUILDING = {"ground", "stages", "top"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The first name below ``digestbot`` of every import, those under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            name = node.module or ""
            if name == "digestbot":
                found |= {alias.name for alias in node.names if (ROOT / alias.name).exists()}
                found |= {a.name for a in node.names if (ROOT / f"{a.name}.py").exists()}
            elif name.startswith("digestbot."):
                found.add(name.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("digestbot.")}
    return found


def layer_of(room: str) -> int:
    for height, (_, rooms) in enumerate(LAYERS):
        if room in rooms:
            return height
    raise AssertionError(f"digestbot/{room} stands in no layer: give it its place in {__file__}")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    room = room_of(path)
    if room in {"__init__", "__main__"}:
        return
    height = layer_of(room)
    for other in imported_rooms(path) - {room}:
        there = layer_of(other)
        same_floor = there == height and LAYERS[height][0] in ONE_BUILDING
        assert there < height or same_floor, f"{room} may not import {other}"


def test_every_room_of_the_map_is_there() -> None:
    missing = [
        room
        for _, rooms in LAYERS
        for room in rooms
        if not (ROOT / room).is_dir() and not (ROOT / f"{room}.py").is_file()
    ]
    assert not missing


def test_there_is_no_cellar() -> None:
    names = {path.stem for path in modules()}
    assert not names & {"utils", "helpers", "common", "misc", "manager", "handlers"}
