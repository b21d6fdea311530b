"""Passages that a term finds: the same as the oracle's, at the right place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.filters.conditions import READERS
from digestbot.filters.passages import passages
from digestbot.filters.tree import Words
from tests.filters.oracle import finds
from tests.filters.strategies import WORDS
from tests.filters.tables import table

JOINTS = (" ", " ", "-", "-", "'s ", "_", ", ", "\n", "/", "")
TEXTS = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(JOINTS)), max_size=8).map(
    lambda pieces: "".join(word + joint for word, joint in pieces)
)


def words_of(text: str) -> Words:
    atom = READERS[""](text, "", 1.0, ())
    assert isinstance(atom, Words)
    return atom


def found(term: str, text: str) -> list[str]:
    atom = words_of(term)
    return [
        text[passage.start : passage.end]
        for passage in passages(atom.words, text, is_prefix=atom.is_prefix)
    ]


@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), st.sampled_from((" ", "-")), TEXTS,
    st.booleans(),
)  # fmt: skip
def test_terms_find_what_the_oracle_finds(
    pieces: list[str], joint: str, text: str, is_prefix: bool
) -> None:
    atom = words_of(joint.join(pieces))
    wanted = finds(atom.words, text, is_prefix=is_prefix)
    assert any(True for _ in passages(atom.words, text, is_prefix=is_prefix)) is wanted


@pytest.mark.parametrize(("term", "text"), [row[:2] for row in table("terms.tsv")])
def test_cases_agree_with_the_oracle(term: str, text: str) -> None:
    atom = words_of(term)
    assert bool(found(term, text)) is finds(atom.words, text, is_prefix=atom.is_prefix)


@pytest.mark.parametrize(
    ("term", "text", "passage"),
    [
        ("gamma-ray", "A $γ$-ray burst", "γ$-ray"),
        ("gamma-ray", "γ-ray burst", "γ-ray"),
        ("pre-training", "On pretraining", "pretraining"),
        ("pretraining", "Vision-language pre-training-based", "pre-training"),
        ("H_0", "the H₀ tension", "H₀"),
        ("N_eff", "and N_eff = 3", "N_eff"),
        ("TNF-alpha", "of TNFα in", "TNFα"),
        ("TNF", "of TNFα in", "TNF"),
        ("Alzheimer disease", "In Alzheimer’s disease", "Alzheimer’s disease"),
        ("UNet", "a UNet++ model", "UNet++"),
        ("ResNet", "a ResNet50 model", "ResNet"),
        ("C II", "the [CII] line", "CII"),
        ("neutrinoless double beta", "Neutrinoless double-β decay", "Neutrinoless double-β"),
    ],
)
def test_a_passage_spans_the_matched_words(term: str, text: str, passage: str) -> None:
    assert found(term, text) == [passage]


def test_every_passage_is_found_the_shortest_at_each_place() -> None:
    assert found("cold start", "cold start, cold-starts, coldstart") == [
        "cold start", "cold-starts", "coldstart",
    ]  # fmt: skip
