"""English plurals: a table of pairs, and symmetry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.text.plurals import plural_forms
from tests.text.tables import table


@pytest.mark.parametrize(
    ("singular", "plural", "paired"),
    [pytest.param(*row[:3], id=f"{row[3]}: {row[0]}") for row in table("plurals.tsv")],
)
def test_plurals_are_paired_with_their_singulars(singular: str, plural: str, paired: str) -> None:
    assert (plural in plural_forms(singular)) is (paired == "yes")
    assert (singular in plural_forms(plural)) is (paired == "yes")


@given(
    st.from_regex(
        r"[a-z]{1,6}(s|es|ies|ses|sis|us|is|ices|x|y|ch|a|i|um|on|f|ves)?", fullmatch=True
    )
)
def test_plurals_are_symmetric(word: str) -> None:
    assert word in plural_forms(word)
    assert all(word in plural_forms(other) for other in plural_forms(word))
