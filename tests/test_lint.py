"""Warnings about valid filters: each kind once, and none about common filters."""

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
from digestbot.lint import (
    BROAD,
    ENOUGH,
    ENOUGH_OF_SOURCE,
    LintWarning,
    lacking_fields,
    lint_filter,
    lint_sources,
)
from digestbot.model import Announcement, Author
from tests.factories import make_announcement, make_paper
from tests.filters.test_index_corpus import real_filters, real_papers


def papers(count: int = ENOUGH) -> Batch:
    """Make *count* papers: two in five on learning, one in five on serverless RAG."""
    titles = ("Deep Learning", "Graphs", "Learning to Rank", "Sorting", "Serverless rag")
    return Batch.of(
        make_announcement(
            seq=n,
            paper=make_paper(id=f"arxiv:2611.{n:05}", title=titles[n % 5], abstract="We study it."),
        )
        for n in range(count)
    )


LOG = papers()
REDUNDANT = "is redundant: it hits only papers that"
NO_HITS = "hits none of the 500 papers tested"
CASES: list[tuple[object, tuple[str | int, ...], str]] = [
    (
        ["serverless", "serverless computing"],
        (1,),
        f'"serverless computing" {REDUNDANT} "serverless" hits; remove one of them',
    ),
    (["gpu", "GPU"], (1,), f'"GPU" {REDUNDANT} "gpu" hits; remove one of them'),
    ([{"title": "sorting"}, "sorting"], (0, "title"), f'"title: sorting" {REDUNDANT} "sorting" '),
    (
        {"any": ["sorting"], "none": ["sorting"]},
        ("any", 0),
        '"sorting" is both included and excluded, so it never matches; remove one of them',
    ),
    (["graph", "wombat"], (1,), f'"wombat" {NO_HITS}; check its spelling'),
    (
        ["graph", {"exact": "RAG"}],
        (1, "exact"),
        f'"exact: RAG" {NO_HITS}; they spell it "rag"',
    ),
    (
        ["graph", "learning"],
        (1,),
        '"learning" alone matches 40% of the papers tested; restrict it to the title, or combine it'
        " with another condition",
    ),
    (["graph", "sortnig"], (1,), f'"sortnig" {NO_HITS}; did you mean "sorting"?'),
    (
        ["graph", "deep sorting"],
        (1,),
        f'"deep sorting" {NO_HITS}; check its spelling, or use a shorter phrase',
    ),
    (
        ["graph", "learning of deep"],
        (1,),
        f'"learning of deep" {NO_HITS}; check its spelling, or use a shorter phrase',
    ),
    (
        ["graph", "learning deep"],
        (1,),
        f'"learning deep" {NO_HITS}; its words are never a phrase; write near: [learning, deep]',
    ),
    (
        ["graph", "sorting or learning"],
        (1,),
        f'"sorting or learning" {NO_HITS}; for a list, write [sorting, learning]',
    ),
    (
        ["graph", {"title": "sorting / learning"}],
        (1, "title"),
        f'"title: sorting / learning" {NO_HITS}; for a list, write title: [sorting, learning]',
    ),
    (["graph", {"exact": "Wombat"}], (1, "exact"), f'"exact: Wombat" {NO_HITS}; check its spell'),
    (["graph", "deep lerning"], (1,), f'"deep lerning" {NO_HITS}; did you mean "learning"?'),
    (
        ["graph", "sorting lerning"],
        (1,),
        f'"sorting lerning" {NO_HITS}; check its spelling, or use a shorter phrase',
    ),
    (
        ["graph", {"type": "replace"}],
        (1, "type"),
        f'"type: replace" {NO_HITS}; check that the sources and types of the digest include it',
    ),
    (["gpus", "a gpu cluster"], (1,), f'"a gpu cluster" {REDUNDANT} "gpus" hits'),
    (["energ*", "energy"], (1,), f'"energy" {REDUNDANT} "energ*" hits'),
    (
        {"category": ["cs.*", "cs.DC"]},
        ("category", 1),
        f'"category: cs.DC" {REDUNDANT} "category: cs.*" hits',
    ),
    (
        {"author": ["Ion Stoica", "Stoica, Ion"]},
        ("author", 1),
        f'"author: Stoica, Ion" {REDUNDANT} "author: Ion Stoica" hits',
    ),
    (
        {"all": ["sorting", {"title": "sorting"}]},
        ("all", 0),
        '"sorting" is redundant: it hits every paper that "title: sorting" hits; remove one of',
    ),
    (
        {"all": [{"type": "new"}, {"type": "cross"}]},
        ("all", 1, "type"),
        '"type: cross" and "type: new" cannot both hold; to accept either, list them under any',
    ),
    (
        {"all": [{"primary": "cs.DC"}, {"primary": "stat.*"}]},
        ("all", 1, "primary"),
        '"primary: stat.*" and "primary: cs.DC" cannot both hold',
    ),
    (
        {"title": "sorting", "none": [{"category": "cs"}, "sorting"]},
        ("title",),
        '"title: sorting" is both included and excluded, so it never matches; remove one of them',
    ),
    (
        {"title": "study"},
        (),
        "matches none of the 500 papers tested; run 'digestbot explain' on a paper that should",
    ),
    (
        {"abstract": "study"},
        (),
        "matches all of the 500 papers tested; add conditions, or remove the filter",
    ),
]


@pytest.mark.parametrize(("data", "path", "message"), CASES)
def test_a_warning_names_its_place_and_reason(
    data: object, path: tuple[str | int, ...], message: str
) -> None:
    found = lint_filter(parse_filter(data), LOG)
    assert any(each.path == path and each.message.startswith(message) for each in found), found


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
def test_sensible_filters_have_no_warnings(data: object) -> None:
    found = lint_filter(parse_filter(data), LOG)
    assert [each for each in found if "alone matches" not in each.message] == []


@pytest.mark.corpus
def test_warnings_about_real_filters_are_true(corpus: Path) -> None:
    """Verify each warning with the evaluator, on papers from the years of the filters."""
    pool = Batch.of(real_papers(corpus, ENOUGH))
    written = [one for one in real_filters(corpus) if len(one.atoms()) > 1]
    warnings = [(one, warning) for one in written for warning in lint_filter(one, pool)]
    assert len(written) > 50
    assert warnings
    for one, warning in warnings:
        assert is_true(one, warning, pool.announcements), (one.describe(), warning)


def is_true(filter_: Filter, warning: LintWarning, rows: Sequence[Announcement]) -> bool:
    atom = next((atom for atom in filter_.atoms() if atom.path == warning.path), None)
    if "matches none" in warning.message:
        return not any(evaluate(filter_, one).matched for one in rows)
    assert atom is not None
    if " misses " in warning.message:
        return True  # tests/test_spellings.py verifies the counts
    if "hits none" in warning.message:
        return not any(hits(atom, one) for one in rows)
    rest = replace(filter_, root=without(filter_.root, warning.path))
    lost = [
        one
        for one in rows
        if hits(atom, one) and evaluate(filter_, one).matched and not evaluate(rest, one).matched
    ]
    return len(lost) / len(rows) > BROAD if "alone matches" in warning.message else not lost


def without(node: Node, path: tuple[str | int, ...]) -> Node:
    """Return the tree without the condition at *path*."""
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
    """Stand-in for `lint._Keyed` that compares all pairs."""

    def __init__(self, nodes: Sequence[Node], keys: object) -> None:
        self._places = list(range(len(nodes)))

    def sharing(self, keys: object) -> list[int]:
        return self._places


@given(st.sampled_from(["any", "all", "none"]), st.lists(TERMS, min_size=2, max_size=8), st.data())
def test_indexed_search_equals_comparing_all_pairs(
    group: str, terms: list[object], data: st.DataObject
) -> None:
    written = {group: terms, "none" if group != "none" else "any": data.draw(st.lists(TERMS))}
    filter_ = parse_filter({key: value for key, value in written.items() if value})
    by_keys = lint_filter(filter_, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lint, "_Keyed", AllPairs)
        assert lint_filter(filter_, None) == by_keys


ABBREVIATED = Batch.of(
    make_announcement(
        seq=n,
        paper=make_paper(
            id=f"arxiv:2611.{n:05}",
            title=("Mixture of experts (MoE)", "MoE", "Sorting")[n % 3],
            abstract="",
        ),
    )
    for n in range(ENOUGH)
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["mixture of experts", "x"], "write [mixture of experts, MoE]"),
        ([{"title": "mixture of experts"}, "x"], "write title: [mixture of experts, MoE]"),
        ([{"query": 'ti:"mixture of experts"'}, "x"], 'add OR ti:"MoE" to it'),
        ([{"query": 'all:"mixture of experts"'}, "x"], 'add OR all:"MoE" to it'),
    ],
)
def test_a_missed_spelling_is_a_warning(data: object, message: str) -> None:
    filter_ = parse_filter(data)
    term = filter_.atoms()[0].describe()
    told = [each.message for each in lint_filter(filter_, ABBREVIATED)]
    missed = f'"{term}" misses 167 of the 500 papers tested: they write "MoE"; {message}'
    assert missed in told


@pytest.mark.parametrize("data", [["mixture of experts", "MoE"], {"none": ["mixture of experts"]}])
def test_a_spelling_that_is_listed_or_excluded_is_not_missed(data: object) -> None:
    found = lint_filter(parse_filter(data), ABBREVIATED)
    assert not [each for each in found if "misses" in each.message]


def test_few_papers_give_no_warnings() -> None:
    assert lint_filter(parse_filter(["wombat"]), papers(ENOUGH - 1)) == ()


def test_an_empty_filter_has_no_warnings() -> None:
    assert lint_filter(parse_filter(None), LOG) == ()


def test_warnings_are_in_yaml_order() -> None:
    found = lint_filter(parse_filter(["wombat", "graph", "yeti"]), LOG)
    assert [d.path for d in found] == [(0,), (2,)]
    assert all(isinstance(d, LintWarning) for d in found)


# Fields that a source does not have.

ADVICE = "; add a condition that works there, such as a title"
NO_AUTHORS = '"author: Ada Xu" cannot match in tpami: its feed has no authors'
WHOLE = ", so none of its papers can pass the filter"
FIELD_CASES: list[tuple[object, list[str]]] = [
    ({"all": [{"author": "Ada Xu"}]}, [NO_AUTHORS + WHOLE + ADVICE]),
    ({"any": [{"author": "Ada Xu"}]}, [NO_AUTHORS + WHOLE + ADVICE]),
    ({"any": [{"author": "Ada Xu"}, "graph"]}, [NO_AUTHORS + ADVICE]),
    ({"any": ["graph"], "none": [{"author": "Ada Xu"}]}, []),
    ({"any": [{"abstract": "graph"}, {"title": "graph"}]}, []),
    (
        {"any": [{"comment": "accepted"}, "graph"]},
        [f'"comment: accepted" cannot match in tpami: its feed has no comments{ADVICE}'],
    ),
    (
        {"any": [{"primary": "cs.CV"}, "graph"]},
        [f'"primary: cs.CV" cannot match in tpami: its feed has no primary categories{ADVICE}'],
    ),
    (
        {"any": [{"doi": "10.1000/1"}, "graph"]},
        [f'"doi: 10.1000/1" cannot match in tpami: its feed has no DOIs{ADVICE}'],
    ),
    ({"any": [{"query": "all:xu"}]}, []),
    ({"any": [{"query": "co:accepted OR ti:graph"}]}, [
        f'"comment: accepted" cannot match in tpami: its feed has no comments{ADVICE}']),
    ({"any": [{"all": [{"source": "arxiv"}, {"author": "Ada Xu"}]}, {"title": "graph"}]}, []),
    ({"any": [{"author": "Ada Xu"}], "none": [{"source": "tpami"}]}, []),
    (
        {"any": [{"author": f"Ada X{n}"} for n in "abcdefgh"], "all": ["graph"]},
        [NO_AUTHORS.replace('Ada Xu"', 'Ada Xa" and 7 more') + WHOLE + ADVICE],
    ),
]  # fmt: skip


def journal_papers(count: int, source: str = "tpami", **fields: object) -> list[Announcement]:
    """Make *count* papers of a feed with title, abstract and date only."""
    bare = {"authors": (), "comment": None, "primary_category": None, "doi": None}
    return [
        make_announcement(
            seq=n, source=source, paper=make_paper(id=f"feed:{n}", **{**bare, **fields})
        )
        for n in range(count)
    ]


@pytest.mark.parametrize(("written", "messages"), FIELD_CASES, ids=lambda value: str(value)[:60])
def test_conditions_on_fields_that_a_feed_lacks(written: object, messages: list[str]) -> None:
    lacking = lacking_fields(journal_papers(ENOUGH_OF_SOURCE))
    assert [each.message for each in lint_sources(parse_filter(written), lacking)] == messages


def test_a_lack_needs_enough_papers_and_no_exception() -> None:
    assert lacking_fields(journal_papers(ENOUGH_OF_SOURCE - 1)) == {}
    rows = [*journal_papers(ENOUGH_OF_SOURCE), *journal_papers(1, authors=make_paper().authors)]
    assert "author" not in lacking_fields(rows)["tpami"]


def test_what_authors_may_leave_out_is_no_lack_of_arxiv() -> None:
    rows = [
        make_announcement(paper=make_paper(id=f"arxiv:2611.{n:05}", comment=None))
        for n in range(ENOUGH_OF_SOURCE)
    ]
    assert lacking_fields(rows) == {}


def test_sources_with_the_same_lack_share_a_warning() -> None:
    rows = [*journal_papers(20), *journal_papers(20, source="tgrs")]
    (found,) = lint_sources(parse_filter([{"author": "Ada Xu"}, "graph"]), lacking_fields(rows))
    assert found.path == (0, "author")
    assert "cannot match in tpami, tgrs: their feeds have no authors" in found.message


FIELD_TERMS = st.sampled_from(
    [
        *("graph", {"title": "graph"}, {"abstract": "graph"}, {"author": "Ada Xu"}),
        *({"comment": "page"}, {"journal": "nature"}, {"doi": "10.1000/1"}, {"category": "cs.DC"}),
        *({"primary": "cs.DC"}, {"source": "tpami"}, {"source": "arxiv"}, {"query": "all:xu"}),
    ]
)
FIELD_FILTERS = st.recursive(
    FIELD_TERMS,
    lambda inner: st.dictionaries(
        st.sampled_from(["any", "all", "none"]),
        st.lists(inner, min_size=1, max_size=3),
        min_size=1,
        max_size=2,
    ),
    max_leaves=8,
)
RICH: dict[str, object] = {
    "title": "graph nature", "abstract": "graph page", "authors": (Author(name="Ada Xu"),),
    "comment": "one page", "journal_ref": "Nature", "doi": "10.1000/1", "categories": ("cs.DC",),
    "primary_category": "cs.DC", "id": "feed:1",
}  # fmt: skip
EMPTY: dict[str, object] = {
    "authors": (), "comment": None, "journal_ref": None, "doi": None, "categories": (),
    "primary_category": None, "abstract": "",
}  # fmt: skip


@given(st.lists(FIELD_FILTERS, min_size=1, max_size=3), st.sets(st.sampled_from(sorted(EMPTY))))
def test_a_filter_called_hopeless_matches_nothing(written: list[object], empty: set[str]) -> None:
    """And no term called idle matches, in a paper that has every other field."""
    fields = RICH | {name: EMPTY[name] for name in empty}
    row = make_announcement(source="tpami", paper=make_paper(**fields))
    filter_ = parse_filter({"any": written})
    found = lint_sources(filter_, lacking_fields([row] * ENOUGH_OF_SOURCE))
    if any("can pass" in each.message for each in found):
        assert not evaluate(filter_, row).matched
    matched = {match.term for match in evaluate(filter_, row).matches}
    idle = {each.message.split('"')[1] for each in found}
    assert not idle & matched
