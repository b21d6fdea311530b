"""YAML 1.2 is read with lines and columns, and bounded in size and depth while reading."""

import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.config.interpolation import interpolate
from digestbot.config.positions import Steps, place
from digestbot.config.yaml_reader import MAX_DEPTH, MAX_NODES, read_yaml, resolve
from digestbot.errors import ConfigError

TEXT = """\
top: 1
map:
  list: [a, {b: c}]
  block: |
    text
  empty:
other:
  - one
  - two: 2
    three: &x {y: z}
  - *x
"""


@pytest.mark.parametrize(
    ("steps", "at_key", "expected", "reason"),
    [
        (("top",), False, (1, 6), "a scalar has its own place"),
        (("top",), True, (1, 1), "its key has another"),
        (("map",), False, (2, 1), "a mapping stands where its key is"),
        (("map", "list"), False, (3, 3), "and so does a list"),
        (("map", "list", 0), False, (3, 10), "one of a list has its own place"),
        (("map", "list", 1), False, (3, 13), "a mapping in a list has no key"),
        (("map", "list", 1, "b"), False, (3, 17), "inside flow style"),
        (("map", "list", 7, "b"), False, (3, 3), "as far as the steps lead"),
        (("map", "nothing"), True, (2, 1), "a missing key is missed at its mapping"),
        (("map", "block"), False, (4, 10), "a block begins at its sign"),
        (("map", "empty"), False, (6, 3), "nothing stands where its key is"),
        (("other", 1), False, (9, 5), "a block mapping in a list"),
        (("other", 1, "three", "y"), False, (10, 19), "behind an anchor"),
        (("other", 2, "y"), False, (10, 19), "an alias leads to what it stands for"),
        ((), False, (1, 1), "everything"),
    ],
)
def test_lines_and_columns(
    steps: Steps, at_key: bool, expected: tuple[int, int], reason: str
) -> None:
    root, problems = read_yaml(TEXT, "x")
    assert not problems
    assert place(root, steps, at_key=at_key) == expected, reason


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("nULL", "nULL"),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("on", "on"),
        ("0", 0),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0xfF", 255),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("2603.20940", 2603.2094),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        (".", "."),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("٣", "٣"),
        ("9" * 301, "9" * 301),
    ],
)
def test_unquoted_scalars(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert isinstance(found, type(value))
    assert value is None or isinstance(value, bool) or str(found) == text


def test_nan_is_a_number() -> None:
    found = resolve(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


def test_quoted_scalars_are_text(tmp_path: Path) -> None:
    root, _ = read_yaml("[1, '1', \"null\", !!str 2, ! 3]", "x")
    assert interpolate(root, {}, tmp_path).data == [1, "1", "null", "2", "3"]


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40)]
    begin = time.perf_counter()
    with pytest.raises(ConfigError, match="more than 100,000 values, after expanding aliases"):
        read_yaml("\n".join(lines), "x")
    assert time.perf_counter() - begin < 2


def test_the_largest_allowed_size() -> None:
    root, _ = read_yaml("a: &a [" + "1," * 999 + "]\nb: [" + "*a," * 98 + "]", "x")
    assert place(root, ("b", 97)) is not None
    with pytest.raises(ConfigError):
        read_yaml("a: &a [" + "1," * 999 + "]\nb: [" + "*a," * 100 + "]", "x")
    assert MAX_NODES == 100_000


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_bounded_before_recursion(opening: str) -> None:
    with pytest.raises(ConfigError, match=f"nested more than {MAX_DEPTH} levels deep"):
        read_yaml(opening * 50_000, "x")


def test_aliases_count_towards_the_depth() -> None:
    nest = "[" * 40 + "]" * 40
    read_yaml(f"a: &a {nest}\nb: {'[' * 20}*a{']' * 20}", "x")
    with pytest.raises(ConfigError, match="levels deep"):
        read_yaml(f"a: &a {nest}\nb: {'[' * 40}*a{']' * 40}", "x")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_yaml(text, "x")
    except ConfigError as error:
        (problem,) = error.problems
        assert problem.line >= 1
        assert problem.column >= 1
