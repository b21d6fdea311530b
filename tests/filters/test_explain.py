"""Explanations: the whole tree of a filter as readable lines."""

from typing import Any

import pytest
from hypothesis import given

from digestbot.filters import evaluate, explain, format_explanation, parse_filter
from tests.factories import make_announcement, make_paper
from tests.filters.test_evaluate import TITLES, TREE

FILTER = {
    "any": ["serverless", {"all": [{"title": "gpu"}, {"abstract": "energ*"}]}],
    "category": ["cs.DC", "cs.OS"],
    "none": [{"title": "survey"}, {"title": "cloud"}],
    "min_score": 3,
}


def explained(data: Any, title: str, abstract: str = "") -> str:
    paper = make_paper(title=title, abstract=abstract)
    return format_explanation(explain(parse_filter(data), make_announcement(paper=paper)))


def test_every_condition_lists_its_hits() -> None:
    assert explained(FILTER, "A Survey of Serverless", "Energy.") == "\n".join(
        [
            "✗ all of these",
            "  ✗ all of these",
            "    ✓ at least one of these",
            "      ✓ serverless: “Serverless” in the title",
            "      ✗ all of these",
            "        ✗ title: gpu: no hit",
            "        ✓ abstract: energ*: “Energy” in the abstract",
            "    ✓ at least one of these",
            "      ✓ category: cs.DC: “cs.DC” in the categories",
            "      ✗ category: cs.OS: no hit",
            "    ✗ excluded by none: title: survey",
            "      ✗ title: survey: “Survey” in the title, which excludes the paper",
            "      ✓ title: cloud: no hit",
            "  ✓ min_score: 3 (score: 4)",
        ]
    )


@pytest.mark.parametrize(
    ("none", "title", "line"),
    [
        (["x"], "y", "✓ not excluded"),
        (["x"], "x", "✗ excluded by none: x"),
        (["x", {"title": "y"}, "z"], "x y", "✗ excluded by none: x, title: y"),
        ([{"all": ["x", {"title": "y"}]}], "x y", "✗ excluded by none: (x and title: y)"),
        ([{"any": ["x", "y", "z"]}], "y x", "✗ excluded by none: (x or y)"),
        ([{"all": ["x", {"none": ["z"]}]}], "x", "✗ excluded by none: (x and not (z))"),
    ],
)
def test_a_negative_group_says_what_excludes(none: Any, title: str, line: str) -> None:
    assert explained({"none": none}, title).splitlines()[0] == line


def test_a_filter_without_conditions_says_so() -> None:
    assert explained(None, "x") == "✓ no conditions: every paper matches"


def test_one_condition_is_one_line() -> None:
    assert explained("x", "y") == "✗ x: no hit"


@pytest.mark.parametrize(
    ("term", "title", "line"),
    [
        ("gamma-ray", "A γ-ray burst", "✓ gamma-ray: “γ-ray” in the title"),
        ("pre-training", "On Pretraining", "✓ pre-training: “Pretraining” in the title"),
        ("behaviour", "A behavior", "✓ behaviour: “behavior” in the title"),
        ("CO2", "Of CO₂ capture", "✓ CO2: “CO₂” in the title"),
        ("Bayes' rule", "Bayes’s Rule", "✓ Bayes' rule: “Bayes’s Rule” in the title"),
    ],
)  # fmt: skip
def test_the_matched_form_is_shown(term: str, title: str, line: str) -> None:
    assert explained({"title": term}, title).replace("title: ", "", 1) == line


@given(TREE, TITLES, TITLES)
def test_an_explanation_agrees_with_the_verdict(data: Any, title: str, abstract: str) -> None:
    filter_ = parse_filter(data)
    announcement = make_announcement(paper=make_paper(title=title, abstract=abstract))
    explanation = explain(filter_, announcement)
    assert explanation.passed is evaluate(filter_, announcement).matched
    assert format_explanation(explanation).startswith("✓" if explanation.passed else "✗")
