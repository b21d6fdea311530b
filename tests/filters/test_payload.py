"""Conditions as JSON and back."""

import json

from hypothesis import given

from digestbot.filters import Filter, parse_filter
from digestbot.filters.payload import decode, encode
from digestbot.filters.tree import atoms
from tests.filters.strategies import filters


@given(filters)
def test_conditions_survive_encoding(filter_: Filter) -> None:
    for atom, _ in atoms(filter_.root):
        assert decode(encode(atom)) == atom


def test_equal_conditions_have_equal_bytes() -> None:
    first, second = parse_filter([{"title": "gpu"}, {"title": "gpu"}]).atoms()
    assert first.path != second.path
    assert encode(first) == encode(second)


def test_the_encoding_is_json_with_the_class_name() -> None:
    (atom,) = parse_filter({"exact": "RAG"}).atoms()
    assert json.loads(encode(atom))["is"] == "Exact"
