"""The engine gives what the evaluator gives: for any filters, in whatever state it is."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from digestbot.errors import InvalidIndex
from digestbot.filters import Filter, evaluate, matching, parse_filter, saving
from digestbot.filters.authors import family_letters, name_letters, name_matches, parse_name
from digestbot.filters.builder import family_keys, name_keys
from digestbot.filters.evaluate import hits
from digestbot.filters.index import Batch, Hits, Index
from digestbot.filters.payload import decode, encode
from digestbot.filters.tree import AllOf, AnyOf, Atom, Node, NoneOf, atoms
from digestbot.model import Announcement, Author, Match
from digestbot.text.tokens import RULES
from tests.factories import make_announcement, make_paper
from tests.filters.strategies import NAMES, announcements, filters

Pair = tuple[int, int]


def pairs(found: Hits) -> list[Pair]:
    return list(zip(found.keys.tolist(), found.places.tolist(), strict=True))


def expected(all_filters: Mapping[int, Filter], batch: Iterable[Announcement]) -> list[Pair]:
    """What the evaluator says, one by one."""
    told = tuple(batch)
    return [
        (key, place)
        for key, filter_ in sorted(all_filters.items())
        for place, announcement in enumerate(told)
        if evaluate(filter_, announcement).matched
    ]


def index_of(all_filters: Mapping[int, Filter]) -> Index:
    index = Index()
    for key, filter_ in all_filters.items():
        index.put(key, filter_)
    return index


def titled(title: str, **fields: Any) -> Announcement:
    """An announcement with this title and nothing else to be found."""
    empty = {"abstract": "", "comment": None, "authors": (), "categories": ()}
    return make_announcement(paper=make_paper(**(empty | {"title": title} | fields)))


@given(
    st.lists(filters, max_size=12), st.lists(announcements(), max_size=8), st.sampled_from((0, 99))
)
def test_it_gives_what_the_evaluator_gives(
    given_filters: list[Filter], told: list[Announcement], few_authors: int
) -> None:
    numbered = dict(enumerate(given_filters))
    index = index_of(numbered)
    wanted = expected(numbered, told)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "FEW_AUTHORS", few_authors)
        assert pairs(index.match(Batch.of(told))) == wanted
    index.merge()
    assert pairs(index.match(Batch.of(told))) == wanted


class AnyLife(RuleBasedStateMachine):
    """Filters come, change and go; the index is merged, saved and opened in between."""

    folder: tempfile.TemporaryDirectory[str]

    @initialize(told=st.lists(announcements(), min_size=1, max_size=4))
    def begin(self, told: list[Announcement]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.told = told
        self.batch = Batch.of(told)
        self.index = Index()
        self.filters: dict[int, Filter] = {}

    @rule(key=st.integers(-2, 5), filter_=filters)
    def put(self, key: int, filter_: Filter) -> None:
        self.index.put(key, filter_)
        self.filters[key] = filter_

    @rule(key=st.integers(-2, 5))
    def remove(self, key: int) -> None:
        if key in self.filters:
            self.index.remove(key)
            del self.filters[key]
        else:
            with pytest.raises(KeyError):
                self.index.remove(key)

    @rule()
    def merge(self) -> None:
        self.index.merge()

    @rule()
    def save_and_open(self) -> None:
        path = Path(self.folder.name) / "index"
        self.index.save(path)
        self.index = Index.open(path)

    @invariant()
    def matches_as_the_evaluator(self) -> None:
        assert len(self.index) == len(self.filters)
        assert all((key in self.index) == (key in self.filters) for key in range(-2, 6))
        found = pairs(self.index.match(self.batch))
        assert found == expected(self.filters, self.told)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


AnyLife.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
test_equality_survives_any_life = AnyLife.TestCase


def test_any_number_of_papers_is_a_batch() -> None:
    told = [titled("even" if i % 2 == 0 else "odd one") for i in range(2500)]
    index = index_of({7: parse_filter("even"), 3: parse_filter({"none": ["even"]})})
    found = pairs(index.match(Batch.of(told)))
    assert found == [(3, i) for i in range(1, 2500, 2)] + [(7, i) for i in range(0, 2500, 2)]
    assert pairs(index.match(Batch.of([]))) == []


def test_hits_are_given_by_key() -> None:
    told = [titled("a loss"), titled("a gain"), titled("losses and gains")]
    index = index_of({5: parse_filter("loss"), 2: parse_filter("gain"), 9: parse_filter("x")})
    found = index.match(Batch.of(told))
    assert found.of(5) == (told[0], told[2])
    assert found.of(9) == found.of(1) == ()
    assert dict(found.by_key()) == {2: (told[1], told[2]), 5: (told[0], told[2])}
    assert len(found) == 4


def test_no_hits_are_given_by_no_key() -> None:
    found = index_of({1: parse_filter("wombat")}).match(Batch.of([titled("a paper")]))
    assert (len(found), dict(found.by_key()), found.of(1)) == (0, {}, ())


def test_a_term_does_not_reach_over_the_end_of_a_text() -> None:
    told = [titled("cold"), titled("start", abstract="cold"), titled("start")]
    index = index_of({1: parse_filter("cold start"), 2: parse_filter("cold sta*")})
    assert pairs(index.match(Batch.of(told))) == []


@pytest.mark.parametrize("size", range(1, 9))
def test_long_terms_are_compared_to_their_last_word(size: int) -> None:
    words = [f"word{i}x" for i in range(size)]
    right, wrong = titled(" ".join(words)), titled(" ".join([*words[:-1], "other"]))
    index = index_of({1: parse_filter(" ".join(words)), 2: parse_filter(" ".join(words) + "*")})
    assert pairs(index.match(Batch.of([wrong, right]))) == [(1, 1), (2, 1)]


def test_words_that_share_a_plural_are_kept_apart() -> None:
    told = [titled("a base line"), titled("a basis line"), titled("all bases line")]
    index = index_of({1: parse_filter("base line"), 2: parse_filter("basis line")})
    assert pairs(index.match(Batch.of(told))) == [(1, 0), (1, 2), (2, 1), (2, 2)]


def test_stored_words_spare_taking_a_text_apart_unless_their_rules_have_changed() -> None:
    index = index_of({1: parse_filter("kept"), 2: parse_filter("written")})
    paper = make_paper(title="written", abstract="", title_words=f"{RULES} kept")
    other = replace(paper, title_words="0/1.0 kept")
    told = [make_announcement(paper=one) for one in (paper, other)]
    assert pairs(index.match(Batch.of(told))) == [(1, 0), (2, 1)]


def test_names_of_any_length_are_compared() -> None:
    crowd = " ".join(f"Name{chr(97 + i % 26)}" for i in range(60))
    told = [titled("x", authors=(Author(name=f"Ion Stoica, {crowd}"), Author(name="Ion Stoica")))]
    told.append(titled("y", authors=(Author(name=crowd),)))
    index = index_of({1: parse_filter({"author": "Stoica"}), 2: parse_filter({"author": crowd})})
    numbered = {1: parse_filter({"author": "Stoica"}), 2: parse_filter({"author": crowd})}
    assert pairs(index.match(Batch.of(told))) == expected(numbered, told)


PIECES = st.sampled_from((
    "Ma", "Wei-Ying", "van", "van der", "Vander", "Berg", "Vandenberg", "J.", "J.P.", "de", "José",
    "O'Neil", "Jr.", "The", "ATLAS", "Collaboration", "E", "李明", r"M\"uller", "Müller", ",", "+",
))  # fmt: skip
ANY_NAME = st.one_of(
    st.sampled_from(NAMES), st.lists(PIECES, min_size=1, max_size=4).map(" ".join), st.text()
)


@given(ANY_NAME, ANY_NAME, st.booleans())
def test_who_may_be_an_author_shares_a_family_key_and_its_letters(
    wanted: str, author: str, same: bool
) -> None:
    author = " ".join(reversed(wanted.split())) if same else author
    name = parse_name(wanted)
    if name.family and name_matches(name, author):
        assert family_keys(name) & name_keys(parse_name(author))
        assert family_letters(name) in (name_letters(author) or family_letters(name))


def test_the_score_is_the_evaluators_to_the_last_bit() -> None:
    weights = [0.1, 0.2, 0.3, 1e-9, 1e9, -1e9, 0.7]
    told = titled(" ".join(f"w{i}x" for i in range(len(weights))))
    terms = [{"title": f"w{i}x", "weight": weight} for i, weight in enumerate(weights)]
    score = evaluate(parse_filter({"any": terms}), told).score
    near = {i: score + step for i, step in enumerate((-1e-9, 0.0, 1e-9, 1.0))}
    numbered = {i: parse_filter({"any": terms, "min_score": least}) for i, least in near.items()}
    assert pairs(index_of(numbered).match(Batch.of([told]))) == [(0, 0), (1, 0)]


@given(filters)
def test_a_condition_can_be_written_and_read(filter_: Filter) -> None:
    for atom, _ in atoms(filter_.root):
        assert decode(encode(atom)) == atom


def test_a_deep_tree_is_matched_level_by_level() -> None:
    node: Node = AllOf(children=())
    deep = parse_filter("deep").root
    for i in range(40):
        extra = parse_filter(f"w{i}x").root
        node = AnyOf(children=(AllOf(children=(deep, node)), NoneOf(children=(node,)), extra))
        node = node.children[i % 2]
    told = [titled("deep"), titled("shallow")]
    numbered = {1: Filter(root=node)}
    assert pairs(index_of(numbered).match(Batch.of(told))) == expected(numbered, told)


def test_what_nobody_asks_for_any_more_is_dropped() -> None:
    index = index_of({1: parse_filter({"any": ["one two", {"all": ["three", "four"]}]})})
    index.merge()
    empty_size = _merged_size({})
    for i in range(20):
        index.put(1, parse_filter({"any": [f"word{i} more", {"all": [f"w{i}x", "b*"]}]}))
        index.merge()
    index.remove(1)
    index.merge()
    assert len(index) == 0
    assert index.size_bytes == empty_size


def _merged_size(all_filters: Mapping[int, Filter]) -> int:
    index = index_of({9: parse_filter("gone"), **all_filters})
    index.remove(9)
    index.merge()
    return index.size_bytes


def test_many_changes_are_merged_by_themselves() -> None:
    index = Index()
    for i in range(5000):
        index.put(i % 3, parse_filter(f"word{i}"))
    told = [titled("word4999"), titled("word4998"), titled("word4990")]
    assert pairs(index.match(Batch.of(told))) == [(0, 1), (1, 0)]
    assert len(index) == 3


# files


def test_a_saved_index_is_opened_without_reading_it_all(tmp_path: Path) -> None:
    numbered = {i: parse_filter({"any": [f"word{i}", "a b"], "none": ["no"]}) for i in range(50)}
    index_of(numbered).save(tmp_path / "index")
    opened = Index.open(tmp_path / "index")
    opened.put(3, parse_filter("changed"))
    opened.remove(4)
    told = [titled("word3"), titled("changed"), titled("word4 word5")]
    assert pairs(opened.match(Batch.of(told))) == [(3, 1), (5, 2)]
    assert list(tmp_path.iterdir()) == [tmp_path / "index"]


def test_an_open_index_outlives_its_successor(tmp_path: Path) -> None:
    index_of({1: parse_filter("old")}).save(tmp_path / "index")
    opened = Index.open(tmp_path / "index")
    index_of({1: parse_filter("new")}).save(tmp_path / "index")
    assert pairs(opened.match(Batch.of([titled("old"), titled("new")]))) == [(1, 0)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: b"", "not a filter index"),
        (lambda text: b"%PDF" + text[4:], "not a filter index"),
        (lambda text: text[:60], "not a filter index"),
        (lambda text: text[:50] + b"X" + text[51:], "damaged filter index"),
        (lambda text: text[:-1], "filter index of the wrong length"),
        (lambda text: text + b"\0", "filter index of the wrong length"),
    ],
    ids=["empty", "other", "only a head", "changed", "shorter", "longer"],
)
def test_a_file_that_is_no_index_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    path = tmp_path / "index"
    index_of({1: parse_filter("a")}).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidIndex, match=f"index: .*{message}.*; rebuild it"):
        Index.open(path)


def test_an_index_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_of({1: parse_filter("a")}).save(tmp_path / "index")
    monkeypatch.setitem(saving.VERSIONS, "format", 0)
    with pytest.raises(InvalidIndex, match="filter index of another version; rebuild it"):
        Index.open(tmp_path / "index")


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "index"
    index_of({1: parse_filter("a")}).save(path)
    before = path.read_bytes()
    path.with_name(f"index.{os.getpid()}.new").mkdir()
    with pytest.raises(OSError, match="new"):
        index_of({1: parse_filter("b")}).save(path)
    assert path.read_bytes() == before


def test_small_commands_do_not_load_numpy() -> None:
    code = "import sys, digestbot.filters, digestbot.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_near_terms_are_asked_about_only_where_each_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [titled("a loss"), titled("gas and loss"), titled("gas", abstract="losses")]
    index = index_of({1: parse_filter({"near": ["gas", "loss"]})})
    asked = []

    def counted(atom: Atom, announcement: Announcement) -> tuple[Match, ...]:
        asked.append(announcement)
        return hits(atom, announcement)

    monkeypatch.setattr(matching, "hits", counted)
    assert pairs(index.match(Batch.of(told))) == [(1, 1)]
    assert asked == told[1:]
