"""Mistakes are placed at the line and column that a reader looks for."""

import pytest

from digestbot.config.positions import Flaw, Steps, at, has, path_text, place, problems, within
from digestbot.config.yaml_reader import read_yaml

TEXT = "digests:\n  systems:\n    title: X\n    sources: [a, b]\n"
ROOT, _ = read_yaml(TEXT, "f")


@pytest.mark.parametrize(
    ("steps", "where"),
    [
        (("digests", "systems", "title"), (3, 12)),
        (("digests", "systems", "sources", 1), (4, 18)),
        (("digests", "systems", "sources"), (4, 5)),
        (("digests", "systems", "limit"), (2, 3)),
        ((), (1, 1)),
    ],
)
def test_values_have_places(steps: Steps, where: tuple[int, int]) -> None:
    assert place(ROOT, steps) == where


def test_a_key_has_its_own_place() -> None:
    assert place(ROOT, ("digests", "systems", "title"), at_key=True) == (3, 5)


def test_flaws_become_problems() -> None:
    flaw = Flaw(steps=("digests", "systems", "title"), message="is too long")
    (problem,) = problems("config.yaml", ROOT, [flaw])
    assert str(problem) == "config.yaml:3:12: is too long"


def test_steps_are_written_as_a_path() -> None:
    assert path_text(("digests", "systems", "all", 0)) == "digests.systems.all[0]"
    assert within(()) == "at the top level"


def test_plain_data_is_read_by_steps() -> None:
    data = {"a": [1, {"b": 2}]}
    assert at(data, ("a", 1, "b")) == 2
    assert at(data, ("a", 5)) is None
    assert not has(data, "b")
