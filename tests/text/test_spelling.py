"""British and American spellings: pairs are in terms.tsv; here are their properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.text.spelling import spellings

STEMS = (
    "behavi", "col", "tum", "hum", "general", "anal", "catal", "cent", "fib", "kilomet", "dial",
    "model", "label", "equal", "haem", "hem", "paed", "ped", "oestr", "gr", "sulph", "sulf", "four",
    "h", "anaesthet", "decol", "man", "def", "judg", "fulfil",
)  # fmt: skip
ENDS = (
    "our", "or", "ours", "oural", "ise", "ize", "isations", "yse", "yzed", "re", "er", "red",
    "ered", "ring", "ogue", "og", "ogues", "ling", "lling", "led", "lled", "oglobin", "iatric",
    "ogen", "ey", "ay", "ur", "ence", "ense", "ement", "ment", "euver", "oeuvre", "l", "",
)  # fmt: skip


@given(st.sampled_from(STEMS), st.sampled_from(ENDS))
def test_spellings_are_symmetric(stem: str, end: str) -> None:
    word = stem + end
    assert word in spellings(word)
    assert all(spellings(other) == spellings(word) for other in spellings(word))


def test_several_rules_apply_to_one_word() -> None:
    assert spellings("anaesthetise") == {
        "anaesthetise", "anaesthetize", "anesthetise", "anesthetize",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["hour", "four", "genre", "filling", "rise", "c++", "γ", "2nd"])
def test_other_words_have_one_spelling(word: str) -> None:
    assert spellings(word) == {word}
