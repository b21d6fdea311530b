"""
Layers: imports go down only, never sideways between rooms, and never in a circle within one.

A module outside the map fails, so that every new module is given its layer here.
"""

import ast
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "digestbot"

# From the bottom up. A module may import modules of lower layers, and itself. Modules of
# the layers in SHARED may import one another.
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
            "arxiv_calendar",
            "batch_words",
            "text",
            "net",
            "status_codes",
            "oauth",
            "ping",
            "csv_files",
            "atomic_files",
            "languages",
            "daemon_threads",
            "stopping",
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
            "batches",
            "awaiting",
            "status",
            "backtest",
            "lint",
            "spellings",
        ),
    ),
    ("top", ("cli", "demo", "scheduler")),
)
SHARED = {"ground", "stages", "top"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Return the first name below ``digestbot`` of every import, TYPE_CHECKING included."""
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
    for level, (_, rooms) in enumerate(LAYERS):
        if room in rooms:
            return level
    raise AssertionError(f"digestbot/{room} has no layer: add it to LAYERS in {__file__}")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    room = room_of(path)
    if room in {"__init__", "__main__"}:
        return
    level = layer_of(room)
    for other in imported_rooms(path) - {room}:
        there = layer_of(other)
        same_layer = there == level and LAYERS[level][0] in SHARED
        assert there < level or same_layer, f"{room} must not import {other}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imported_modules(path: Path, known: Collection[str]) -> set[str]:
    """Return the modules of the package that *path* imports, those in functions left out."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found.intersection(known)


def test_rooms_have_no_import_cycles() -> None:
    """A package's ``__init__`` may import its modules; they import one another, never it."""
    names = {module_name(path): path for path in modules()}
    packages = {module_name(path) for path in modules() if path.name == "__init__.py"}
    graph = {
        name: {
            other
            for other in imported_modules(path, names)
            if other != name and not (other in packages and name.startswith(f"{other}."))
        }
        for name, path in names.items()
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_modules_of_a_room_leave_its_front_door_alone() -> None:
    """A module that imports its own package's ``__init__`` makes a hidden cycle."""
    found = [
        f"{name} imports {package}"
        for path in modules()
        if path.name != "__init__.py"
        for name in [module_name(path)]
        for package in imported_packages(path)
        if name.startswith(f"{package}.") and package != "digestbot"
    ]
    assert not found


def imported_packages(path: Path) -> set[str]:
    """Return the packages from whose ``__init__`` *path* takes a name that is no module."""
    names = {module_name(each) for each in modules()}
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in names:
            is_package = (ROOT.parent / Path(*node.module.split("."))).is_dir()
            from_init = [a.name for a in node.names if f"{node.module}.{a.name}" not in names]
            if is_package and from_init:
                found.add(node.module)
    return found


def test_every_module_of_the_map_exists() -> None:
    missing = [
        room
        for _, rooms in LAYERS
        for room in rooms
        if not (ROOT / room).is_dir() and not (ROOT / f"{room}.py").is_file()
    ]
    assert not missing


def test_no_module_is_a_catch_all() -> None:
    names = {path.stem for path in modules()}
    assert not names & {"utils", "helpers", "common", "misc", "manager", "handlers"}
