"""Plain text: whitespace, control characters, emphasis, and any input."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.text import emphases, plain

LINE_ENDS = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
UNWANTED = (
    "\x00\x1b\x7f\x9b\xad\u200b\u2060\ufeff\u202e\u2069\ud800\ue000\uf8ff\ufdd0\uffff\U000f0001"
)


@pytest.mark.parametrize("char", LINE_ENDS + UNWANTED)
def test_each_unwanted_character_is_found(char: str) -> None:
    """A quick check decides which texts need cleaning: it must notice every such character."""
    assert plain(f"a{char}b\n\nc {char} d") == ("a b\nc d" if char in LINE_ENDS else "ab\nc d")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Wrapped\n  at seventy\ncolumns", "Wrapped at seventy columns"),
        ("One.\n\nTwo.\r\n \r\nThree.", "One.\nTwo.\nThree."),
        (" \t blanks \u00a0 and\u2003more ", "blanks and more"),
        ("nul\x00 esc\x1b[31m c1\x9b del\x7f", "nul esc[31m c1 del"),
        ("bidi \u202eover\u202c \u2066isolate\u2069", "bidi over isolate"),
        ("private \ue000\uf8ff\U000f0001 use", "private use"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("non\ufffe\uffffcharacter soft\u00adhyphen", "noncharacter softhyphen"),
        ("机器学习 👩‍🔬 naïve", "机器学习 👩‍🔬 naïve"),
        ("", ""),
        ("\n\n \n", ""),
    ],
)
def test_whitespace_and_controls_are_normalized(raw: str, shown: str) -> None:
    assert plain(raw) == shown


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (r"\textit{E. coli} and \textbf{B. subtilis}", [("E. coli", False), ("B. subtilis", True)]),
        (r"{\em Gaia} saw {\bf $10^{-3}$}", [("Gaia", False), ("10⁻³", True)]),
        (r"a $\textit{Planck}$ map", [("Planck", False)]),
        (r"\emph{one \textbf{two} three}", [("one two three", False)]),  # only the outer emphasis
        (r"one\n\n\emph{two}", [("two", False)]),
        (r"\textsc{Sherlock} and $\mathbf{x}$", []),  # not emphasis, or mathematics
        (r"\emph{open", []),
        (r"\emph{}", []),
        ("plain", []),
    ],
)
def test_italics_and_bold_have_their_positions(raw: str, expected: list[tuple[str, bool]]) -> None:
    raw = raw.replace(r"\n", "\n")
    text = plain(raw)
    found = emphases(raw, text)
    assert [(text[start:end], is_bold) for start, end, is_bold in found] == expected
    assert emphases(raw, text + ".") == ()


EMPHASIS_PARTS = st.sampled_from([r"\emph{", r"\textbf{", r"{\it ", "}", "$", "a", " "])


@given(st.lists(EMPHASIS_PARTS).map("".join))
def test_emphases_are_in_order_and_within_the_text(raw: str) -> None:
    text = plain(raw)
    found = emphases(raw, text)
    edges = [edge for start, end, _ in found for edge in (start, end)]
    assert edges == sorted(edges)
    assert all(0 <= start < end <= len(text) for start, end, _ in found)


def test_one_line_joins_paragraphs() -> None:
    assert plain("One.\n\nTwo $x\n$.", one_line=True) == "One. Two x."


@given(st.text(max_size=300))
def test_any_text_becomes_plain(raw: str) -> None:
    shown = plain(raw)
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\ue000-\uf8ff]", shown
    )
    assert plain(raw, one_line=True).count("\n") == 0


@given(st.text(alphabet="abc XYZ,.;:()<>&%#@!?\"'/|=+*_^[]\n0123456789éß机"))
def test_text_without_latex_is_unchanged(raw: str) -> None:
    if "''" not in raw:
        assert plain(raw, one_line=True) == " ".join(raw.split())
