"""Words with their positions, and folding."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.text import Word, fold, folded_words, words

SPLIT = [
    ("Cold-start", ["cold", "start"]),
    ("read/write a_b it’s", ["read", "write", "a", "b", "it", "s"]),
    ("C++, C# and F#.", ["c++", "c#", "and", "f#"]),
    ("C++11 x+y #1", ["c", "11", "x", "y", "1"]),
    ("GPT-4o 3D", ["gpt", "4o", "3d"]),
    ("H₂O at 10⁻³ is 𝒪(n)", ["h2o", "at", "10", "3", "is", "o", "n"]),
    ("Erdős Straße Møller Łódź", ["erdos", "strasse", "moller", "lodz"]),
    ("ﬁne ½ Na⁺", ["fine", "1", "2", "na+"]),
    ("机器学习 ab", ["机", "器", "学", "习", "ab"]),
    ("ガスｶﾞ", ["ガ", "ス", "ガ"]),
    ("한국어", ["한", "국", "어"]),
    ("हिन्दी में", ["हिन्दी", "में"]),
    ("e\u0301te\u0301", ["ete"]),
    ("—…·", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "found"), SPLIT)
def test_text_splits_into_folded_words(text: str, found: list[str]) -> None:
    assert [word.text for word in words(text)] == found


@given(st.one_of(st.text(), st.text(alphabet="aB9+# -_'\x1f\x85é")))
def test_folded_words_equal_words(text: str) -> None:
    assert folded_words(text) == [word.text for word in words(text)]


def test_words_have_their_position_in_the_text() -> None:
    text = "Über ﬁne C++"
    assert [text[word.start : word.end] for word in words(text)] == ["Über", "ﬁne", "C++"]
    assert words("a b")[1] == Word("b", 2, 3)


@given(st.text(max_size=80))
def test_words_are_in_order_and_free_of_spaces(text: str) -> None:
    found = words(text)
    assert all(word.text and not re.search(r"\s", word.text) for word in found)
    assert all(0 <= word.start < word.end <= len(text) for word in found)
    assert all(a.end <= b.start or a[1:] == b[1:] for a, b in pairwise(found))


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.from_regex(r"[A-Za-z0-9 ,.+#-]{0,40}", fullmatch=True))
def test_splitting_a_word_again_changes_nothing(text: str) -> None:
    assert all(words(word.text)[0].text == word.text for word in words(text))
