"""References are filled from the environment and files, and stay hidden."""

from pathlib import Path

from digestbot.config.interpolation import Filled, interpolate
from digestbot.config.yaml_reader import read_yaml


def filled(text: str, folder: Path, **environ: str) -> Filled:
    root, problems = read_yaml(text, "config.yaml")
    assert not problems
    return interpolate(root, environ, folder)


def test_variables_and_files_are_filled(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from the file\n")
    found = filled('a: "x${NAME}y"\nb: ["${file:key}"]\nc: "$${NAME}"', tmp_path, NAME="v")
    assert found.data == {"a": "xvy", "b": ["from the file"], "c": "${NAME}"}
    assert not found.flaws


def test_filled_values_are_hidden(tmp_path: Path) -> None:
    found = filled('a: "${NAME}"\nb: plain', tmp_path, NAME="v")
    assert set(found.hidden) == {("a",)}


def test_missing_values_are_named_with_their_place(tmp_path: Path) -> None:
    found = filled('a: "${GONE}"\nb: "${EMPTY}"\nc: "${file:gone}"', tmp_path, EMPTY="")
    assert [flaw.steps for flaw in found.flaws] == [("a",), ("b",), ("c",)]
    messages = [flaw.message for flaw in found.flaws]
    assert messages[0] == "a: the environment variable GONE is not set"
    assert messages[1] == "b: the environment variable EMPTY is empty"
    assert "gone" in messages[2]
