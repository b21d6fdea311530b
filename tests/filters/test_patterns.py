"""RE2 expressions: what is refused, and with what reason."""

import pytest

from digestbot.filters.patterns import MAX_PROGRAM, check_pattern, compiled, steps


@pytest.mark.parametrize("pattern", ["gpu", "(?i)kv.?cache", r"\bRAG\b", "学.", "a|b"])
def test_valid_expressions_are_accepted(pattern: str) -> None:
    assert check_pattern(pattern) is None
    assert 0 < steps(pattern) <= MAX_PROGRAM


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("a*", "it matches the empty text and so every paper"),
        (".{900}", "it is too large; use smaller repetitions"),
        ("\ud800", "it contains half of a surrogate pair"),
        ("(", "missing ): ("),
        (r"(a)\1", r"invalid escape sequence: \1"),
    ],
)
def test_invalid_expressions_have_a_reason(pattern: str, problem: str) -> None:
    assert check_pattern(pattern) == problem


def test_a_compiled_expression_searches() -> None:
    assert compiled("b+").search("abbc").span() == (1, 3)
