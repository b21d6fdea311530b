"""Symbols of LaTeX macros, alphabets, and the lazy import of their table."""

import subprocess
import sys

import pytest

from digestbot.text.symbols import is_between, names, styled, symbol


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alpha", "α"),  # from pylatexenc
        ("epsilon", "ϵ"),  # overridden: pylatexenc has ε
        ("Msun", "M⊙"),  # added
        ("cite", None),  # hidden: takes arguments
        ("nonsense", None),
    ],
)
def test_a_macro_has_one_symbol(name: str, text: str | None) -> None:
    assert symbol(name) == text


@pytest.mark.parametrize(
    ("alphabet", "char", "shown"),
    [
        ("SCRIPT", "A", "𝒜"),
        ("SCRIPT", "L", "ℒ"),  # outside the block of mathematical letters
        ("DOUBLE-STRUCK", "R", "ℝ"),
        ("DOUBLE-STRUCK", "1", "𝟙"),
        ("FRAKTUR", "C", "ℭ"),
        ("FRAKTUR", "1", "1"),  # Unicode has no Fraktur digits
        ("SCRIPT", "α", "α"),
    ],
)
def test_letters_change_alphabet_if_unicode_has_them(alphabet: str, char: str, shown: str) -> None:
    assert styled(alphabet, char) == shown


@pytest.mark.parametrize(
    ("text", "is_binary"), [("≤", True), ("×", True), ("→", True), ("∞", False), ("x", False)]
)
def test_binary_signs_are_recognized(text: str, is_binary: bool) -> None:
    assert is_between(text) is is_binary


def test_names_are_split_at_whitespace() -> None:
    assert names("a b\n c") == {"a", "b", "c"}


def test_text_without_macros_imports_no_latex_table() -> None:
    script = (
        "import sys; from digestbot.text import plain;"
        "plain('A title with $n$ in it, 5% & \"more\" -- <b>');"
        "assert not [m for m in sys.modules if m.startswith('pylatexenc')]"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
