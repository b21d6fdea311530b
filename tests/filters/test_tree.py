"""Descriptions of filters, and the atoms of a tree."""

import pytest

from digestbot.filters import parse_filter
from digestbot.filters.tree import AllOf, AnyOf, NoneOf, atoms


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"any": ["a", "b"], "all": ["c", "d"]}, "(a or b) and c and d"),
        ({"none": ["a", {"all": ["b", "c"]}]}, "not (a or (b and c))"),
        ({"not": {"any": ["a"]}}, "not a"),
        ({"all": []}, "everything"),
    ],
)
def test_groups_are_bracketed_where_needed(data: object, text: str) -> None:
    assert parse_filter(data).describe() == text


def test_empty_groups_have_a_description() -> None:
    assert AllOf(children=()).describe() == "everything"
    assert AnyOf(children=()).describe() == "nothing"


def test_two_negations_cancel_out() -> None:
    root = parse_filter({"any": ["a"], "none": ["b", {"none": ["c"]}]}).root
    assert [(atom.describe(), negated) for atom, negated in atoms(root)] == [
        ("a", False),
        ("b", True),
        ("c", False),
    ]


def test_the_place_is_ignored_in_comparisons() -> None:
    first, second = parse_filter(["a", "a"]).atoms()
    assert first.path != second.path
    assert first == second
    assert NoneOf(children=(first,), path=(1,)) == NoneOf(children=(second,), path=(2,))
