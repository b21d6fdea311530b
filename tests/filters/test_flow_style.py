"""Values in one line of YAML, which reads them back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.config.interpolation import interpolate
from digestbot.config.yaml_reader import read_yaml
from digestbot.filters.flow_style import flow_style

TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12) | st.sampled_from(
    [
        "true",
        "null",
        "~",
        "1e5",
        "a: b",
        "a #b",
        "- a",
        "it's",
        '"',
        "a, b",
        "[a]",
        "{a}",
        "!a",
        "x",
    ]
)
VALUES = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("any"), inner, min_size=1),
    max_leaves=5,
)


@given(VALUES)
def test_yaml_reads_the_value_back(value: object) -> None:
    root, problems = read_yaml(flow_style(value), "x")
    assert not problems
    assert interpolate(root, {}, Path()).data == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("deep learning", "deep learning"),
        ("C++", "C++"),
        ("Crohn's disease", "Crohn's disease"),
        ("it's: so", '"it\'s: so"'),
        (r"\bGPT\b", r"'\bGPT\b'"),
        ("007", "'007'"),
        ("true", "'true'"),
        ({"none": [{"title": "survey"}]}, "none: [{title: survey}]"),
        ({"any": ["a"], "none": ["b"]}, "{any: [a], none: [b]}"),
        ("a\nb", "a b"),
        ({"near": ["a", "b"], "within": 5}, "{near: [a, b], within: 5}"),
    ],
)
def test_quotes_are_added_where_needed(value: object, text: str) -> None:
    assert flow_style(value) == text
