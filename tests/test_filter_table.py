"""The tables in docs/filters.md say what the program finds and what the sample shows."""

from collections import Counter
from pathlib import Path

import pytest

from tests.filter_hits import papers
from tests.filter_table import BEFORE, FIELDS, NEW_HITS, RULES, hit_table, precision_table, rows_of

DOCS = Path(__file__).parents[1] / "docs" / "filters.md"
SAMPLED = 50
"""New hits of each rule."""


def test_each_rule_has_its_sample_of_different_hits() -> None:
    rows = rows_of(NEW_HITS)
    rules = [f"{number}" for number in range(1, len(RULES) + 1)]
    assert Counter(rule for rule, *_ in rows) == dict.fromkeys(rules, SAMPLED)
    assert {verdict for *_, verdict in rows} <= {"right", "wrong"}
    assert len({(rule, term, paper) for rule, term, paper, *_ in rows}) == len(rows)
    for rule in rules:
        assert len({term for number, term, *_ in rows if number == rule}) >= 20


def test_the_documented_precision_is_that_of_the_sample() -> None:
    assert "\n".join(precision_table()) in DOCS.read_text(encoding="utf-8")


def test_each_field_has_five_terms_that_were_counted_before() -> None:
    assert {len(set(terms)) for terms in FIELDS.values()} == {5}
    terms = [term for terms in FIELDS.values() for term in terms]
    assert len(set(terms)) == 40
    assert [term for term, _ in rows_of(BEFORE)] == terms


@pytest.mark.corpus
def test_the_documented_hits_are_those_of_the_program(corpus: Path) -> None:
    """After an intended change, run ``python -m tests.filter_table`` and replace the table."""
    assert "\n".join(hit_table(papers(corpus))) in DOCS.read_text(encoding="utf-8")
