"""The docs say what the program does: help texts are fresh, every command and key is there."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from digestbot import __version__
from digestbot.cli import COMMANDS

ROOT = Path(__file__).parents[2]


def test_the_commands_page_is_fresh() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "commands.md").read_text() == module.commands_page(), "make docs"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"digestbot {command}" in (ROOT / "README.md").read_text()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[\[<>=]", line)[0].lower() for line in project["dependencies"]}
    why = (ROOT / "docs" / "why.md").read_text().lower()
    assert not {name for name in names if f"| {name}" not in why}


def test_changelog_and_version_agree() -> None:
    newest = re.search(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest is not None
    assert newest[1] == __version__


def test_no_page_links_to_nothing() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_no_file_names_a_registry_or_a_machine() -> None:
    words = ["p" + "ypi.org", "python" + "hosted", "npm" + "js.", "deb." + "debian", "/wo" + "rk/"]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for folder in ("digestbot", "docs", "templates", "tests", ".ci")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix in {".py", ".md", ".html", ".txt", ".yaml", ".sh", ""}
        for word in words
        if word in path.read_text(errors="ignore")
    ]
    assert not found
