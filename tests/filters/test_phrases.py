"""Phrases in the engine: paths through words, compounds and words written apart."""

import pytest

from digestbot.filters import parse_filter
from digestbot.filters.index import Batch
from tests.filters.engine import expected, index_of, pairs, titled

TEXTS = (
    "vision language pretraining data", "vision-language pre-training data",
    "language pretrainings",
    "a-b-c d", "abc d", "ab-c d", "a bc-d", "pre training-data", "pretraining", "training data",
    "x pretraining", "neural pre", "gamma-ray bursts", "γ-ray-burst", "gammaray burst", "ray burst",
)  # fmt: skip


@pytest.mark.parametrize(
    "term",
    [
        "vision language pretraining data", "language pre training", "language pretraining dat*",
        "pretraining data", "training data", "neural pre", "x pre", "a b c d", "abcd", "ab c d",
        "a bc d", "a b c d*", "gamma ray burst", "gammaray burst*", "vision-language pre-train*",
    ],
)  # fmt: skip
def test_each_path_is_found_as_by_the_evaluator(term: str) -> None:
    numbered = {1: parse_filter(term), 2: parse_filter("pre training"), 3: parse_filter("a b")}
    announced = [titled(text) for text in TEXTS]
    index = index_of(numbered)
    assert pairs(index.match(Batch.of(announced))) == expected(numbered, announced)
    index.merge()
    assert pairs(index.match(Batch.of(announced))) == expected(numbered, announced)


def test_half_of_a_joined_word_is_no_word() -> None:
    announced = [titled("pretraining data"), titled("neural pretraining")]
    numbered = {
        1: parse_filter("pre training"), 2: parse_filter("training data"),
        3: parse_filter("neural pre"),
    }  # fmt: skip
    assert pairs(index_of(numbered).match(Batch.of(announced))) == [(1, 0), (1, 1)]


def test_joins_of_removed_terms_are_dropped() -> None:
    kept = {2: parse_filter("cold"), 3: parse_filter("start")}
    index, other = index_of({1: parse_filter("cold start"), **kept}), index_of(kept)
    index.merge()
    other.merge()
    assert index.size_bytes > other.size_bytes
    index.remove(1)
    index.merge()
    assert index.size_bytes == other.size_bytes
