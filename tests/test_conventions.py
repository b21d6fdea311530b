"""Conventions that a reviewer would otherwise check: logs, names of tests, where tests are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
WITHOUT_TESTS = {"__init__", "__main__", "env"}
"""Modules that only re-export or start; migrations are tested by the store's."""


def calls_of_log(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        target = node.func.value
        if isinstance(target, ast.Name) and target.id == "log" and node.func.attr in LEVELS:
            yield node


def is_event(call: ast.Call) -> bool:
    """Return True if *call* has one constant event name and its facts in ``extra``."""
    event = call.args[0] if len(call.args) == 1 else None
    if not (isinstance(event, ast.Constant) and isinstance(event.value, str)):
        return False
    return "%" not in event.value and {k.arg for k in call.keywords} <= {"extra", "exc_info"}


def test_logs_have_constant_events() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sorted((ROOT / "digestbot").rglob("*.py"))
        for call in calls_of_log(ast.parse(path.read_text(encoding="utf-8")))
        if not is_event(call)
    ]
    assert not found


def test_a_formatted_log_is_recognized() -> None:
    calls = ast.parse('log.info("a %s", x)\nlog.info(f"{x}")\nlog.info("done", extra={})')
    assert [is_event(call) for call in calls_of_log(calls)] == [False, False, True]


def test_test_names_are_short() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and len(node.name) >= 60
    ]
    assert not found


def test_every_module_has_its_tests() -> None:
    package = ROOT / "digestbot"
    missing = [
        str(path.relative_to(ROOT))
        for path in sorted(package.rglob("*.py"))
        if path.stem not in WITHOUT_TESTS
        and not re.match(r"r\d{4}_", path.stem)
        and not (
            ROOT / "tests" / path.parent.relative_to(package) / f"test_{path.stem}.py"
        ).is_file()
    ]
    assert not missing
