"""The demo: one digest of the bundled page in a folder."""

from pathlib import Path

import pytest

from digestbot.demo import CONFIG, run_demo
from digestbot.errors import UsageError
from tests.factories import NOW


def test_demo_writes_one_edition_in_every_form(tmp_path: Path) -> None:
    made = run_demo(tmp_path / "new", NOW)
    assert (made.fetched, made.papers) == (15, 6)
    for path in (made.html, made.text, made.slack, made.json, made.eml):
        assert path.is_file()
        assert path.name.startswith("systems-0001-2026-11-23.")
    assert made.config.read_text() == CONFIG


def test_second_run_starts_over(tmp_path: Path) -> None:
    first = run_demo(tmp_path, NOW)
    first.config.write_text(f"{CONFIG}# edited\n")
    assert run_demo(tmp_path, NOW) == first
    assert first.config.read_text() == CONFIG


def test_another_config_is_left_alone(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("# Config of `digestbot`.\n")
    with pytest.raises(UsageError, match="is not from the demo; choose another folder with --out"):
        run_demo(tmp_path, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
