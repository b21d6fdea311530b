"""The sample of new hits can be drawn again, and each hit belongs to one rule."""

import pytest

from tests.factories import make_announcement, make_paper
from tests.filter_table import NEW_HITS, RULES, rows_of
from tests.new_hits import TERMS, drawn, is_plain_hit, new_hits, rule_of


@pytest.mark.parametrize(
    ("term", "text", "after", "rule"),
    [
        ("pre-training", "pretraining", "", 1),
        ("gamma-ray", "γ-ray", "", 2),
        ("H_0", "H₀", " tension", 3),
        ("behaviour", "behavior", "", 4),
        ("Alzheimer disease", "Alzheimer's disease", "", 5),
        ("k-means", "k-means++", "", 6),
        ("ResNet", "ResNet", "50", 7),
    ],
)
def test_a_hit_belongs_to_the_rule_that_explains_it(
    term: str, text: str, after: str, rule: int
) -> None:
    assert rule_of(term, text, after) == rule


def test_a_sample_has_only_new_hits_in_a_fixed_order() -> None:
    titles = ("A Behavior", "Behaviour", "Behaviors", "A Tumor", "Tumours")
    announced = [make_announcement(paper=make_paper(title=title, abstract="")) for title in titles]
    assert [is_plain_hit("tumour", one) for one in announced] == [False] * 4 + [True]
    found = new_hits(["behaviour", "tumour"], 4, announced)
    assert {term: [hit.text for hit in hits] for term, hits in found.items()} == {
        "behaviour": ["Behavior", "Behaviors"],
        "tumour": ["Tumor"],
    }
    sample = [hit.text for hit in drawn(found, 50, 1)]
    assert sorted(sample) == ["Behavior", "Behaviors", "Tumor"]
    assert sample == [hit.text for hit in drawn(found, 50, 1)]
    assert "Tumor" in sample[:2], "terms come in turn"


def test_each_sampled_term_is_listed_with_its_rule() -> None:
    listed = {(rule, term) for rule, term in rows_of(TERMS)}
    assert {rule for rule, _ in listed} == {f"{number}" for number in range(1, len(RULES) + 1)}
    sampled = {(rule, term) for rule, term, *_ in rows_of(NEW_HITS)}
    assert sampled <= listed
