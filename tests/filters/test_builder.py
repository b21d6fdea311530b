"""Filters added one by one, and the keys by which authors are looked up."""

from hypothesis import given
from hypothesis import strategies as st

from digestbot.filters import parse_filter
from digestbot.filters.authors import (
    name_matches,
    printed_keys,
    printed_letters,
    readings,
    wanted_keys,
    wanted_letters,
)
from digestbot.filters.builder import Builder
from tests.filters.strategies import NAMES

PIECES = st.sampled_from((
    "Ma", "Wei-Ying", "van", "van der", "Vander", "Berg", "Vandenberg", "J.", "J.P.", "de", "José",
    "O'Neil", "Jr.", "The", "ATLAS", "Collaboration", "E", "李明", r"M\"uller", "Müller", ",", "+",
))  # fmt: skip
ANY_NAME = st.one_of(
    st.sampled_from(NAMES), st.lists(PIECES, min_size=1, max_size=4).map(" ".join), st.text()
)


@given(ANY_NAME, ANY_NAME, st.booleans())
def test_matching_names_share_a_family_key(wanted: str, author: str, same: bool) -> None:
    author = " ".join(reversed(wanted.split())) if same else author
    if readings(wanted) and name_matches(wanted, author):
        assert wanted_keys(wanted) & printed_keys(author)
        letters = printed_letters(author)
        assert not letters or any(run in letters for run in wanted_letters(wanted))


def test_equal_atoms_of_different_filters_are_stored_once() -> None:
    builder = Builder()
    builder.put(1, parse_filter(["gpu", "energy"]))
    builder.put(2, parse_filter({"title": "x", "any": ["gpu"]}))
    assert len(builder.segment().digests) == 3


def test_the_latest_filter_under_a_key_counts() -> None:
    builder = Builder()
    builder.put(1, parse_filter("old"))
    builder.put(1, parse_filter("new"))
    assert (len(builder), builder.length, list(builder.keys())) == (1, 2, [1])
    assert builder.segment().keys.tolist() == [1]


def test_a_removed_filter_leaves_the_segment() -> None:
    builder = Builder()
    builder.put(1, parse_filter("gpu"))
    builder.remove(1)
    builder.remove(2)
    assert 1 not in builder
    assert len(builder.segment().keys) == len(builder.segment().digests) == 0
