"""Cases of the engine that the properties in test_index rarely reach."""

import pytest

from digestbot.filters import Filter, evaluate, matching, parse_filter
from digestbot.filters.evaluate import hits
from digestbot.filters.index import Batch
from digestbot.filters.tree import AllOf, AnyOf, Atom, Node, NoneOf
from digestbot.model import Announcement, Author, Match
from tests.filters.engine import expected, index_of, pairs, titled


def test_a_batch_may_have_any_size() -> None:
    announced = [titled("even" if i % 2 == 0 else "odd one") for i in range(2500)]
    index = index_of({7: parse_filter("even"), 3: parse_filter({"none": ["even"]})})
    found = pairs(index.match(Batch.of(announced)))
    assert found == [(3, i) for i in range(1, 2500, 2)] + [(7, i) for i in range(0, 2500, 2)]
    assert pairs(index.match(Batch.of([]))) == []


def test_a_phrase_stays_within_one_text() -> None:
    announced = [titled("cold"), titled("start", abstract="cold"), titled("start")]
    index = index_of({1: parse_filter("cold start"), 2: parse_filter("cold sta*")})
    assert pairs(index.match(Batch.of(announced))) == []


@pytest.mark.parametrize("size", range(1, 9))
def test_long_terms_are_compared_to_their_last_word(size: int) -> None:
    words = [f"word{i}x" for i in range(size)]
    right, wrong = titled(" ".join(words)), titled(" ".join([*words[:-1], "other"]))
    index = index_of({1: parse_filter(" ".join(words)), 2: parse_filter(" ".join(words) + "*")})
    assert pairs(index.match(Batch.of([wrong, right]))) == [(1, 1), (2, 1)]


def test_words_that_share_a_plural_are_distinct() -> None:
    announced = [titled("a base line"), titled("a basis line"), titled("all bases line")]
    index = index_of({1: parse_filter("base line"), 2: parse_filter("basis line")})
    assert pairs(index.match(Batch.of(announced))) == [(1, 0), (1, 2), (2, 1), (2, 2)]


def test_names_of_any_length_are_compared() -> None:
    crowd = " ".join(f"Name{chr(97 + i % 26)}" for i in range(60))
    announced = [
        titled("x", authors=(Author(name=f"Ion Stoica, {crowd}"), Author(name="Ion Stoica")))
    ]
    announced.append(titled("y", authors=(Author(name=crowd),)))
    index = index_of({1: parse_filter({"author": "Stoica"}), 2: parse_filter({"author": crowd})})
    numbered = {1: parse_filter({"author": "Stoica"}), 2: parse_filter({"author": crowd})}
    assert pairs(index.match(Batch.of(announced))) == expected(numbered, announced)


def test_scores_equal_the_evaluator_exactly() -> None:
    weights = [0.1, 0.2, 0.3, 1e-9, 1e9, -1e9, 0.7]
    announced = titled(" ".join(f"w{i}x" for i in range(len(weights))))
    terms = [{"title": f"w{i}x", "weight": weight} for i, weight in enumerate(weights)]
    score = evaluate(parse_filter({"any": terms}), announced).score
    near = {i: score + step for i, step in enumerate((-1e-9, 0.0, 1e-9, 1.0))}
    numbered = {i: parse_filter({"any": terms, "min_score": least}) for i, least in near.items()}
    assert pairs(index_of(numbered).match(Batch.of([announced]))) == [(0, 0), (1, 0)]


def test_a_deep_tree_is_matched_level_by_level() -> None:
    node: Node = AllOf(children=())
    deep = parse_filter("deep").root
    for i in range(40):
        extra = parse_filter(f"w{i}x").root
        node = AnyOf(children=(AllOf(children=(deep, node)), NoneOf(children=(node,)), extra))
        node = node.children[i % 2]
    announced = [titled("deep"), titled("shallow")]
    numbered = {1: Filter(root=node)}
    assert pairs(index_of(numbered).match(Batch.of(announced))) == expected(numbered, announced)


def test_near_is_checked_only_where_all_terms_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    announced = [titled("a loss"), titled("gas and loss"), titled("gas", abstract="losses")]
    index = index_of({1: parse_filter({"near": ["gas", "loss"]})})
    asked = []

    def counted(atom: Atom, announcement: Announcement) -> tuple[Match, ...]:
        asked.append(announcement)
        return hits(atom, announcement)

    monkeypatch.setattr(matching, "hits", counted)
    assert pairs(index.match(Batch.of(announced))) == [(1, 1)]
    assert asked == announced[1:]
