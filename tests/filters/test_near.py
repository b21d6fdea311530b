"""Terms near each other: the window, the marked text, and errors."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.filters import check_filter, evaluate, parse_filter
from digestbot.model import Verdict
from digestbot.text import words
from tests.factories import make_announcement, make_paper
from tests.filters.tables import table


def verdict(data: object, title: str = "", abstract: str = "") -> Verdict:
    paper = make_paper(title=title, abstract=abstract)
    return evaluate(parse_filter(data), make_announcement(paper=paper))


@pytest.mark.parametrize(
    ("terms", "within", "text", "marked"),
    [pytest.param(*row[:4], id=f"{row[2]}: {row[4]}") for row in table("near.tsv")],
)
def test_terms_in_one_window(terms: str, within: str, text: str, marked: str) -> None:
    data = {"near": terms.split(", "), "within": int(within)}
    found = verdict(data, abstract=text)
    assert [match.text for match in found.matches] == [m for m in marked.split(" | ") if m]
    assert found.matched is bool(marked)


def test_all_terms_must_be_in_one_field() -> None:
    assert not verdict({"near": ["gpu", "energy"]}, title="GPU", abstract="energy").matched


def test_the_default_window_is_ten_words() -> None:
    data = {"near": ["a", "b"]}
    assert verdict(data, title="a 2 3 4 5 6 7 8 9 b").matched
    assert not verdict(data, title="a 2 3 4 5 6 7 8 9 10 b").matched


def test_near_counts_once_and_twice_in_the_title() -> None:
    data = {"near": ["a", "b"], "weight": 3}
    assert verdict(data, abstract="a b").score == 3
    assert verdict(data, title="a b", abstract="a b").score == 6
    assert len(verdict(data, title="a b", abstract="a b").matches) == 4


def test_near_has_a_description() -> None:
    filter_ = parse_filter([{"near": ["gpu", "cold start"], "within": 12}, "x"])
    assert filter_.describe() == "near: gpu, cold start (within 12 words) or x"
    assert verdict({"near": ["a", "b"]}, "b a").matches[0].term == "near: a, b (within 10 words)"


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        ({"near": "a b"}, ("near",), "near must be a list of 2 to 8 terms"),
        ({"near": ["a"]}, ("near",), "near must be a list of 2 to 8 terms"),
        ({"near": list("abcdefghi")}, ("near",), "near must be a list of 2 to 8 terms"),
        ({"near": ["a", "--"]}, ("near", 1), '"--" has no letters or digits to search for'),
        ({"near": ["a", ["b"]]}, ("near", 1), "a condition must be text, not a list"),
        (
            {"near": ["a", None]},
            ("near", 1),
            "a condition is empty; to search for the word null, write",
        ),
        ({"near": ["a", {"title": "b"}]}, ("near", 1), "a condition must be text, not a mapping"),
        ({"near": ["a", "b", "A"]}, ("near", 2), '"A" repeats an earlier term; remove it'),
        (
            {"near": ["cold starts", "cold start"]},
            ("near", 1),
            '"cold start" repeats an earlier term',
        ),
        ({"near": ["a*", "b", "a*"]}, ("near", 2), '"a*" repeats an earlier term'),
        (
            {"near": ["a b c", "d"], "within": 2},
            ("near", 0),
            'within: 2 is too small: "a b c" has 3 words',
        ),
        ({"near": ["a", "b"], "within": 0}, ("within",), "within must be a number of words from 1"),
        ({"near": ["a", "b"], "within": 101}, ("within",), "a number of words from 1 to 100"),
        ({"near": ["a", "b"], "within": 2.5}, ("within",), "a number of words from 1 to 100"),
        ({"near": ["a", "b"], "within": True}, ("within",), "a number of words from 1 to 100"),
        ({"near": ["a", "b"], "within": "5"}, ("within",), "a number of words from 1 to 100"),
        ({"title": "a", "within": 5}, ("within",), "within is valid only next to near"),
        ({"within": 5}, ("within",), "within is valid only next to near"),
        ({"any": ["a"], "within": 5}, ("within",), "within is valid only next to near"),
        ({"naer": ["a", "b"]}, ("naer",), 'did you mean "near"?'),
    ],
)
def test_an_error_has_a_place_and_a_reason(
    data: object, path: tuple[Any, ...], message: str
) -> None:
    found, errors = check_filter(data)
    assert found is None
    assert message in str(errors[0])
    assert errors[0].path == path


TEXT = st.lists(st.sampled_from(["a", "b", "c", "x"]), max_size=14).map(" ".join)
TERMS = st.lists(
    st.sampled_from(["a", "b", "c", "a b", "b c", "x*"]), min_size=2, max_size=4, unique=True
)


@given(TERMS, st.integers(2, 9), TEXT)
def test_near_equals_searching_every_window(terms: list[str], within: int, text: str) -> None:
    tokens = [word.text for word in words(text)]
    windows = (" ".join(tokens[i : i + within]) for i in range(len(tokens)))
    seen = any(all(verdict(term, window).matched for term in terms) for window in windows)
    found = verdict({"near": terms, "within": within}, title=text)
    assert found.matched is seen
    if found.matches:
        first, last = found.matches[0].start, max(match.end for match in found.matches)
        assert len(words(text[first:last])) <= within
