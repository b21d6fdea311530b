"""`demo`: the whole pipeline, without network or setup."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Bot

FILES = ("html", "text", "slack", "json", "e-mail", "config")


@pytest.fixture(autouse=True)
def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail any test that opens a connection."""

    def refuse(*args: object) -> None:
        raise AssertionError(f"a connection to {args[1:]}")

    monkeypatch.setattr("socket.socket.connect", refuse)


def test_demo_writes_every_file_it_lists(bot: Bot) -> None:
    called = bot("demo", "--json")
    assert (called.code, called.err) == (0, "")
    facts = json.loads(called.out)
    assert facts["fetched"] == 15
    assert 0 < facts["papers"] <= 15
    assert all(Path(facts[name]).stat().st_size > 100 for name in FILES)
    edition = json.loads(Path(facts["json"]).read_text())
    assert len(edition["papers"]) == facts["papers"]
    messages = json.loads(Path(facts["slack"]).read_text())
    assert messages[0]["text"]


def test_demo_suggests_next_steps(bot: Bot) -> None:
    called = bot("demo")
    assert "demo-out/systems-0001-2026-11-23.html" in called.out
    assert "digestbot init" in called.out


def test_demo_can_be_repeated(bot: Bot) -> None:
    first, second = bot("demo", "--json"), bot("demo", "--json")
    assert (second.code, second.out) == (0, first.out)


def test_demo_config_works_with_preview(bot: Bot) -> None:
    bot("demo", "--out", "there")
    called = bot("--config", "there/config.yaml", "preview", "systems", "--since", "7d", "--json")
    assert called.code == 0
    assert json.loads(called.out)["papers"]


@pytest.mark.parametrize("place", ["taken", "taken/inner"], ids=["a file", "below a file"])
def test_unwritable_folder_is_reported(bot: Bot, place: str) -> None:
    Path("taken").write_text("a file")
    called = bot("demo", "--out", place)
    assert called.code == 2
    assert place in called.err
    assert "bug" not in called.err


def test_foreign_config_is_not_overwritten(bot: Bot) -> None:
    Path("config.yaml").write_text("mine: true\n")
    called = bot("demo", "--out", ".")
    assert called.code == 2
    assert "config.yaml is not from the demo; choose another folder with --out" in called.err
    assert Path("config.yaml").read_text() == "mine: true\n"


def test_check_marks_are_escaped_on_legacy_code_pages(tmp_path: Path) -> None:
    """On Windows, pipes use a code page without ✓."""
    done = subprocess.run(
        [sys.executable, "-m", "digestbot", "check", "--config", "demo-out/config.yaml"],
        env={"PYTHONIOENCODING": "cp1252"},
        cwd=_with_demo(tmp_path),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u2713" in done.stdout


@pytest.mark.parametrize("is_on_path", [True, False])
def test_next_steps_name_a_callable_program(tmp_path: Path, is_on_path: bool) -> None:
    """`make demo` calls the program in a venv that is not activated."""
    scripts = Path(sys.executable).parent
    done = subprocess.run(
        [scripts / "digestbot", "demo"],
        env={"PATH": str(scripts) if is_on_path else "/usr/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    name = "digestbot" if is_on_path else scripts / "digestbot"
    assert f"\n  {name} init " in done.stdout


def _with_demo(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "digestbot", "demo"], cwd=folder, check=True, capture_output=True
    )
    return folder
