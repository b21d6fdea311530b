"""Titles found by their words: the best match wins, equal ones are all returned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.text.title_search import best_titles

TITLES = (
    ("a", "Serverless Inference"),
    ("b", "Serverless Inference at Scale"),
    ("c", "Inference for Serverless Functions"),
    ("d", "Schrödinger's Cat: A Survey"),
    ("d", "Schrödinger's Cat"),
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("serverless inference", ("a",)),
        ("serverless inference at", ("b",)),
        ("inference for functions", ("c",)),
        ("inference", ("a", "b", "c")),
        ("functions serverless", ("c",)),
        ("schrodinger cat survey", ("d",)),
        ("Serverless, inference: at scale!", ("b",)),
        ("serverless inference quantum", ("a", "b", "c")),
        ("serverless quantum", ()),
        ("wombat", ()),
        ("--", ()),
    ],
)
def test_the_best_titles_are_found(wanted: str, found: tuple[str, ...]) -> None:
    assert best_titles(wanted, TITLES) == found


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(alphabet="xyz ", max_size=9))))
def test_a_whole_title_finds_its_paper(titles: list[tuple[str, str]]) -> None:
    for key, title in titles:
        assert not title.split() or key in best_titles(title, titles)
