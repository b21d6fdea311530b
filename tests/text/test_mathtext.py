"""Formulas on one line: what `plain` shows of them is in latex.tsv; here are the functions."""

import pytest

from digestbot.text.mathtext import NotPlain, accented, formula, knows, script


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("10^{-3}", "10⁻³"),
        (r"\frac{a+b}{c}", "(a+b)/c"),
        (r"\sqrt{n}", "√n"),
        (r"x \in \mathbb{R}^d", "x ∈ ℝᵈ"),
        (r"\ours{x^2}+1", r"\ours{x²}+1"),
    ],
)
def test_a_formula_becomes_one_line(source: str, shown: str) -> None:
    assert formula(source) == shown


@pytest.mark.parametrize("source", ["{a", "a}", "x^", r"\newcommand{\x}{y}", "{" * 40 + "}" * 40])
def test_a_formula_without_one_line_is_refused(source: str) -> None:
    with pytest.raises(NotPlain):
        formula(source)


@pytest.mark.parametrize(
    ("text", "up", "shown"),
    [
        ("2", True, "²"),
        ("2", False, "₂"),
        ("BH", False, "_BH"),
        ("a+b", True, "ᵃ⁺ᵇ"),
        ("α+b", True, "^(α+b)"),
        ("∘", True, "°"),
    ],
)
def test_scripts_use_unicode_where_it_has_them(text: str, up: bool, shown: str) -> None:
    assert script(text, up=up) == shown


def test_accents_are_composed_with_their_letter() -> None:
    assert accented("o", "\u0308") == "ö"
    assert accented("ı", "\u0301") == "í"


def test_known_macros_are_those_with_a_form() -> None:
    assert knows("frac")
    assert knows("operatorname*")
    assert not knows("ours")
