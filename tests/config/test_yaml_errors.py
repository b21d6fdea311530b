"""Explanations of YAML errors; most cases are in the table of `test_refused`."""

import pytest

from digestbot.config.yaml_reader import read_yaml
from digestbot.errors import ConfigError

CONFIG = "sources: {}\ndigests: {}\n"


def explained(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "x")
    return "\n".join(f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems)


@pytest.mark.parametrize(
    "text",
    [
        'smtp: {password: "hunter2" x}\n',
        "smtp:\n  password: hunter2: x\n",
        "smtp:\n  password:\n    hunter2: x: y\n",
        "slack:\n  token: @hunter2\n",
        "slack:\n  token: 'hunter2's\n",
        "slack:\n  token: 'hunter2\n",
        'slack:\n  token: "\\hunter2"\n',
        "slack:\n  token: [hunter2] x\n",
    ],
)
def test_a_secret_is_not_shown(text: str) -> None:
    assert "hunter2" not in explained(CONFIG + text)


def test_a_file_that_is_no_config_is_not_shown() -> None:
    assert explained("a: hunter2: x\n") == "1:11: text with a colon needs quotes"


@pytest.mark.parametrize("sign", ["\u2003", "\u3000", "\u200b", "\u202f"])
def test_other_spaces_in_the_indentation_are_named(sign: str) -> None:
    found = explained(f"a:\n{sign} b: 1\n")
    assert (
        found == f"2:1: special space (U+{ord(sign):04X}) in the indentation; use ordinary spaces"
    )


def test_every_line_with_no_break_spaces_is_reported() -> None:
    told = explained("a:\n" + "\u00a0 b: 1\n" * 30).splitlines()
    assert len(told) == 20
    assert told[-1].startswith("21:1: ")


def test_carriage_returns_do_not_shift_columns() -> None:
    assert explained("a: 1\r\nb: c: d\r\n") == "2:5: text with a colon needs quotes"


def test_a_no_break_space_within_a_text_is_accepted() -> None:
    assert read_yaml("a: cold\u00a0start\n", "x")[1] == []
