"""Verdicts of the evaluator: match, score and spans."""

import gzip
import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.filters import evaluate, parse_filter
from digestbot.model import AnnounceType, Author, DocumentType, Verdict
from digestbot.text import plain
from tests.factories import make_announcement, make_paper


def verdict(data: object, **paper: Any) -> Verdict:
    """Evaluate the filter *data* on a paper with only the fields *paper*."""
    fields = {"title": "", "abstract": "", "comment": None, "authors": ()} | paper
    return evaluate(parse_filter(data), make_announcement(paper=make_paper(**fields)))


@pytest.mark.parametrize("type_", DocumentType)
def test_a_document_type_matches_the_paper(type_: DocumentType) -> None:
    found = verdict({"document": type_.replace("-", " ").upper()}, document_type=type_)
    assert [match.text for match in found.matches] == [type_]
    others = [each.value for each in DocumentType if each is not type_]
    assert not verdict({"document": others}, document_type=type_).matched


@pytest.mark.parametrize("type_", AnnounceType)
def test_a_type_matches_the_announcement(type_: AnnounceType) -> None:
    announcement = make_announcement(type=type_)
    assert evaluate(parse_filter({"type": str(type_)}), announcement).matched
    assert [m.text for m in evaluate(parse_filter({"type": str(type_)}), announcement).matches] == [
        str(type_)
    ]


@pytest.mark.parametrize(
    ("data", "score"),
    [
        ("serverless", 2.0),
        ({"abstract": "serverless"}, 1.0),
        ({"title": "serverless", "weight": 3}, 6.0),
        ({"text": "serverless", "weight": 3}, 6.0),
        ({"text": "latency", "weight": 3}, 3.0),
        ({"text": ["serverless", "latency"], "weight": 0.5}, 1.5),
        (["serverless", "latency"], 3.0),
        (["serverless", "nothing"], 2.0),
        ([{"category": "cs.DC", "weight": 0.5}], 0.5),
        ({"any": ["serverless"], "none": ["nothing"]}, 2.0),
        ([{"title": "serverless", "weight": -1}], -2.0),
        ({"title": ["serverless", "of"], "weight": 2}, 8.0),
        (None, 0.0),
    ],
)
def test_the_score_sums_weights_and_doubles_titles(data: Any, score: float) -> None:
    title, abstract = "Serverless of All", "Latency of serverless."
    assert verdict(data, title=title, abstract=abstract).score == score


@pytest.mark.parametrize(("least", "matched"), [(2, True), (2.1, False), (0, True), (-5, True)])
def test_papers_below_min_score_are_excluded(least: float, matched: bool) -> None:
    assert verdict({"any": ["x"], "min_score": least}, title="x").matched is matched


def test_min_score_zero_excludes_negative_scores() -> None:
    data = {"any": ["x", {"title": "y", "weight": -3}], "min_score": 0}
    assert not verdict(data, title="x y").matched


def test_matches_show_the_first_hit_in_each_field() -> None:
    paper = {"title": "Cold-Starts and cold starts", "abstract": "The cold start"}
    matches = verdict("cold start", **paper).matches
    assert [(m.field, m.term, m.text, m.start, m.end) for m in matches] == [
        ("title", "cold start", "Cold-Starts", 0, 11),
        ("abstract", "cold start", "cold start", 4, 14),
    ]


def test_negated_conditions_report_no_matches() -> None:
    assert verdict({"none": ["x"], "any": ["y"]}, title="x y").matches[0].term == "y"
    assert len(verdict({"none": ["x"], "any": ["y"]}, title="x y").matches) == 1


def test_spans_count_displayed_characters() -> None:
    match = verdict({"regex": "gpu"}, title="Über 𝒪(n) gpu").matches[0]
    assert (match.text, match.start, match.end) == ("gpu", 10, 13)


TITLES = st.text(alphabet="abc xyz-+é机", max_size=30)
ATOM = st.sampled_from(
    [
        "a", "b", "c x", "a*", {"title": "b"}, {"abstract": "x"}, {"exact": "y"}, {"regex": "b.c"},
        {"category": "cs.DC"}, {"author": "Stoica"}, {"title": "z", "weight": 2},
    ]
)  # fmt: skip
TREE = st.recursive(
    ATOM,
    lambda inner: st.dictionaries(
        st.sampled_from(["any", "all", "none"]), st.lists(inner, min_size=1, max_size=4), min_size=1
    ),
    max_leaves=10,
)


def shuffled(data: Any, seed: int) -> Any:
    """Return the same filter with its lists and keys in another order."""
    if isinstance(data, list):
        items = [shuffled(item, seed + i) for i, item in enumerate(data)]
        return random.Random(seed).sample(items, len(items))
    if isinstance(data, dict):
        return {key: shuffled(data[key], seed) for key in sorted(data, reverse=bool(seed % 2))}
    return data


@given(TREE, TITLES, TITLES, st.integers(0, 99))
def test_the_order_of_conditions_does_not_matter(
    data: Any, title: str, abstract: str, seed: int
) -> None:
    one = verdict(data, title=title, abstract=abstract)
    other = verdict(shuffled(data, seed), title=title, abstract=abstract)
    assert (one.matched, one.score) == (other.matched, other.score)
    assert sorted(map(str, one.matches)) == sorted(map(str, other.matches))


@given(TREE, TITLES)
def test_none_is_the_opposite_of_any(data: Any, title: str) -> None:
    assert verdict({"none": [data]}, title=title).matched is not verdict(data, title=title).matched


@given(TREE, TITLES, TITLES)
def test_every_span_contains_its_text(data: Any, title: str, abstract: str) -> None:
    for match in verdict(data, title=title, abstract=abstract).matches:
        shown = {"title": title, "abstract": abstract}.get(match.field, match.text)
        assert shown[match.start : match.end] == match.text


@pytest.mark.corpus
def test_real_papers_match_their_own_words(corpus: Path) -> None:
    path = corpus / "papers" / "arxiv-papers-A.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        papers = [json.loads(line) for line in islice(file, 0, 3000, 10)]
    for paper in papers:
        title, abstract = plain(paper["title"], one_line=True), plain(paper["abstract"])
        authors = tuple(Author(name=name) for name in paper["authors"])
        fields = {"title": title, "abstract": abstract, "authors": authors}
        # Stars, backslashes and dollars left in a title have a meaning in a term.
        if not set(title) & set("*\\$"):
            assert verdict({"title": title[:500]}, **fields).matched or len(title) > 500
        for author in paper["authors"]:
            assert verdict({"author": author}, **fields).matched
        codes = paper["categories"]
        assert verdict({"category": codes}, categories=tuple(codes)).matched


@pytest.mark.corpus
def test_real_keywords_are_valid_filters(corpus: Path) -> None:
    lines = (corpus / "keywords.txt").read_text(encoding="utf-8").splitlines()
    terms = [line.split("\t")[0] for line in lines if line and not line.startswith("#")]
    refused = []
    for term in terms:
        try:
            parse_filter({"any": [term]})
        except ValueError:
            refused.append(term)
    assert len(refused) < len(terms) / 20, refused[:20]
