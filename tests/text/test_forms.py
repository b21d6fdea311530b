"""Forms: plurals in both spellings."""

from hypothesis import given
from hypothesis import strategies as st

from digestbot.text import NOTE, forms
from tests.text.test_spelling import ENDS, STEMS


def test_a_symbol_has_no_plural() -> None:
    assert forms("tc~_Tc") == {"tc~_Tc", "tc~=Tc"}
    assert forms("h2s") == {"h2s", "h2s~"}
    assert forms("a100~=A100") == {"a100", "a100s", "a100~A100"}, "of a model there are several"


def test_plurals_and_spellings_combine() -> None:
    assert forms("behaviours") == {"behaviour", "behaviours", "behavior", "behaviors"}
    assert forms("base") == {"base", "bases"}, "only one step from a word to its forms"


@given(st.sampled_from(STEMS), st.sampled_from(ENDS), st.sampled_from(("", "s", "es")))
def test_forms_are_symmetric(stem: str, end: str, plural: str) -> None:
    word = stem + end + plural
    assert word in forms(word)
    assert all(word in forms(other) for other in forms(word) if NOTE not in other)
