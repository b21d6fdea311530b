"""The docs say what the program does: help texts are fresh, every command and key is there."""

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from digestbot import __version__
from digestbot.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
MADE_BY_USERS = {"digestbot.db", "config.yaml", "digestbot/locales/fr/LC_MESSAGES/digestbot.po"}
"""Files that the docs speak of and the project does not contain."""


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


PATHS = re.compile(
    r"(?:digestbot|docs|templates|tests)/[\w./-]*"  # a path from the root
    r"|[\w-]+(?:/[\w.-]+)*\.(?:py|md|toml|yaml)"  # a file, perhaps inside the package
    r"|digestbot(?:\.[a-z_]+)+"  # a module, or a name in one
)


def paths_in(text: str) -> set[str]:
    """Return the project paths and modules that *text* names in backquotes."""
    words = re.findall(r"`([^`\s]+)`", text)
    return {word for word in words if "NAME" not in word and PATHS.fullmatch(word)}


def exists(word: str, page: Path) -> bool:
    """Return True if *word* is a file, a folder, a module or a public name of a module."""
    if word.startswith("digestbot."):
        parts = word.split(".")
        module, name = ROOT.joinpath(*parts[:-1]), parts[-1]
        if ROOT.joinpath(*parts).is_dir() or ROOT.joinpath(*parts).with_suffix(".py").is_file():
            return True
        source = module.with_suffix(".py")
        return source.is_file() and bool(
            re.search(rf"^(?:def|class) {name}\b", source.read_text(), re.M)
        )
    return any((base / word).exists() for base in (ROOT, ROOT / "digestbot", page.parent))


def test_every_path_and_module_in_the_docs_exists() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    missing = [
        f"{page.name}: {word}"
        for page in pages
        for word in sorted(paths_in(page.read_text()))
        if not exists(word, page) and word not in MADE_BY_USERS
    ]
    assert not missing


def test_every_recipe_names_a_commit_that_exists() -> None:
    recipes = (ROOT / "docs" / "contributing.md").read_text().partition("## Recipes")[2]
    rows = re.findall(r"^\| (a\w? [^|]+) \| `([0-9a-f]{7,})`: ", recipes, re.M)
    table = (
        (ROOT / "docs" / "architecture.md").read_text().partition("## Where to make a change")[2]
    )
    assert [what for what, _ in rows] == re.findall(r"^\| (an? [^|]+) \|", table, re.M)
    shallow = ["git", "rev-parse", "--is-shallow-repository"]
    answer = subprocess.run(shallow, cwd=ROOT, check=False, capture_output=True, text=True)
    if answer.stdout.strip() != "false":
        pytest.skip("not a full git clone")
    for _, commit in rows:
        shown = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
        assert subprocess.run(shown, cwd=ROOT, check=False).returncode == 0, commit


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
