"""Doubts about valid filters: each kind once, and none about filters that people use."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot import lint
from digestbot.filters import Filter, evaluate, hits, parse_filter
from digestbot.filters.index import Batch
from digestbot.filters.tree import AllOf, AnyOf, Node, NoneOf
from digestbot.lint import ENOUGH, LOUD, Doubt, doubts
from digestbot.model import Announcement
from tests.factories import make_announcement, make_paper
from tests.filters.test_index_corpus import real_filters, real_papers


def papers(count: int = ENOUGH) -> Batch:
    """Half of them about learning, one in ten about serverless RAG."""
    titles = ("Deep Learning", "Graphs", "Learning to Rank", "Sorting", "Serverless rag")
    return Batch.of(
        make_announcement(
            seq=n,
            paper=make_paper(id=f"arxiv:2611.{n:05}", title=titles[n % 5], abstract="We study it."),
        )
        for n in range(count)
    )


LOG = papers()
CASES = [
    (["serverless", "serverless computing"], ((1,), '"serverless computing" hits only where')),
    (["gpu", "GPU"], ((1,), '"GPU" hits only where "gpu" does; one of them is enough')),
    (
        [{"title": "sorting"}, "sorting"],
        ((0, "title"), '"title: sorting" hits only where "sorting" does'),
    ),
    (
        {"any": ["sorting"], "none": ["sorting"]},
        (("any", 0), '"sorting" is asked for and excluded: it brings nothing'),
    ),
    (["graph", "wombat"], ((1,), '"wombat" hit none of 500 papers')),
    (
        ["graph", {"exact": "RAG"}],
        ((1, "exact"), '"exact: RAG" hit none of 500 papers; in another form it does: "rag"'),
    ),
    (["graph", "learning"], ((1,), '"learning" alone brings 40% of all papers; look for it in')),
    (["graph", "sortnig"], ((1,), '"sortnig" hit none of 500 papers; did you mean "sorting"?')),
    (["graph", "deep sorting"], ((1,), '"deep sorting" hit none of 500 papers; its words are')),
    (["graph", {"type": "replace"}], ((1, "type"), '"type: replace" hit none of 500 papers; see')),
    (["gpus", "a gpu cluster"], ((1,), '"a gpu cluster" hits only where "gpus" does')),
    (["energ*", "energy"], ((1,), '"energy" hits only where "energ*" does')),
    (
        {"category": ["cs.*", "cs.DC"]},
        (("category", 1), '"category: cs.DC" hits only where "category: cs.*" does'),
    ),
    (
        {"author": ["Ion Stoica", "Stoica, Ion"]},
        (("author", 1), '"author: Stoica, Ion" hits only where "author: Ion Stoica" does'),
    ),
    (
        {"all": ["sorting", {"title": "sorting"}]},
        (("all", 0), '"sorting" hits wherever "title: sorting" does; one of them is enough'),
    ),
    (
        {"all": [{"type": "new"}, {"type": "cross"}]},
        (("all", 1, "type"), '"type: cross" and "type: new" never hold together; a list'),
    ),
    (
        {"all": [{"primary": "cs.DC"}, {"primary": "stat.*"}]},
        (("all", 1, "primary"), '"primary: stat.*" and "primary: cs.DC" never hold together'),
    ),
    (
        {"title": "sorting", "none": [{"category": "cs"}, "sorting"]},
        (("title",), '"title: sorting" is asked for and excluded: it brings nothing; remove one'),
    ),
    ({"title": "study"}, ((), "matches none of 500 papers")),
    ({"abstract": "study"}, ((), "matches every one of 500 papers")),
]


@pytest.mark.parametrize(("data", "expected"), CASES)
def test_a_doubt_names_its_place_and_what_is_doubted(
    data: object, expected: tuple[tuple[str | int, ...], str]
) -> None:
    found = doubts(parse_filter(data), LOG)
    path, message = expected
    assert any(d.path == path and d.message.startswith(message) for d in found), found


@pytest.mark.parametrize(
    "data",
    [
        ["serverless", "graph"],
        [{"title": "graph", "weight": 3}, "graph"],
        ["rank", "learning*"],
        {"any": ["sorting", {"title": "sorting"}], "min_score": 4},
        ["graph", {"author": "Nobody Yet"}, {"query": "submittedDate:[20990101 TO *]"}],
        {"title": "graph", "all": [{"category": "cs.DC"}, {"category": "cs.LG"}]},
        [{"title": "sorting"}, {"title": "rank", "none": ["sorting"]}],
        {"any": ["serverless"], "none": [{"title": "survey"}]},
        {"all": [{"any": ["serverless", "graph"]}, {"category": "cs.*"}]},
    ],
)
def test_there_is_none_about_a_filter_that_is_meant(data: object) -> None:
    loud = [d for d in doubts(parse_filter(data), LOG) if "alone brings" not in d.message]
    assert loud == []


@pytest.mark.corpus
def test_no_alarm_is_false_about_filters_that_people_wrote(corpus: Path) -> None:
    """Each doubt is checked against the evaluator, on papers of the years they were written in."""
    pool = Batch.of(real_papers(corpus, ENOUGH))
    written = [one for one in real_filters(corpus) if len(one.atoms()) > 1]
    told = [(one, doubt) for one in written for doubt in doubts(one, pool)]
    assert len(written) > 50
    assert told
    for one, doubt in told:
        assert is_true(one, doubt, pool.announcements), (one.in_words(), doubt)


def is_true(filter_: Filter, doubt: Doubt, told: Sequence[Announcement]) -> bool:
    atom = next((atom for atom in filter_.atoms() if atom.path == doubt.path), None)
    if "matches none" in doubt.message:
        return not any(evaluate(filter_, one).matched for one in told)
    assert atom is not None
    if "hit none" in doubt.message:
        return not any(hits(atom, one) for one in told)
    rest = replace(filter_, root=without(filter_.root, doubt.path))
    lost = [
        one
        for one in told
        if hits(atom, one) and evaluate(filter_, one).matched and not evaluate(rest, one).matched
    ]
    return len(lost) / len(told) > LOUD if "alone brings" in doubt.message else not lost


def without(node: Node, path: tuple[str | int, ...]) -> Node:
    """The tree without the condition at that place."""
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        kept = (without(child, path) for child in node.children if child.path != path)
        return replace(node, children=tuple(kept))
    return node


TERMS = st.sampled_from(
    [
        *(
            "graph",
            "graphs",
            "gra*",
            "graphs learning",
            "graph learning",
            "a graph learn*",
            "learn*",
        ),
        *("programmatically", "programmatic*", "programmatical*", "programm*", "program"),
        *("learning", "matrix", "matrices", "matri*", "deep matrix", "GPU", "gpus", "c++"),
        *({"title": "graph"}, {"title": "graphs learning"}, {"category": "cs.*"}),
        *({"category": "cs.DC"}, {"category": "cs.DC", "any": ["graph"]}, {"primary": "cs.DC"}),
        *({"author": "Ion Stoica"}, {"author": "Stoica, Ion"}, {"exact": "RAG"}, {"exact": "rag"}),
    ]
)


class AllPairs:
    """What `lint._Keyed` spares us."""

    def __init__(self, nodes: Sequence[Node], keys: object) -> None:
        self._places = list(range(len(nodes)))

    def that_share(self, keys: object) -> list[int]:
        return self._places


@given(st.sampled_from(["any", "all", "none"]), st.lists(TERMS, min_size=2, max_size=8), st.data())
def test_what_is_sought_by_keys_is_all_that_pair_by_pair_finds(
    group: str, terms: list[object], data: st.DataObject
) -> None:
    written = {group: terms, "none" if group != "none" else "any": data.draw(st.lists(TERMS))}
    filter_ = parse_filter({key: value for key, value in written.items() if value})
    by_keys = doubts(filter_, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lint, "_Keyed", AllPairs)
        assert doubts(filter_, None) == by_keys


def test_few_papers_are_no_evidence() -> None:
    assert doubts(parse_filter(["wombat"]), papers(ENOUGH - 1)) == ()


def test_no_filter_no_doubt() -> None:
    assert doubts(parse_filter(None), LOG) == ()


def test_doubts_come_in_the_order_of_the_yaml() -> None:
    found = doubts(parse_filter(["wombat", "graph", "yeti"]), LOG)
    assert [d.path for d in found] == [(0,), (2,)]
    assert all(isinstance(d, Doubt) for d in found)
