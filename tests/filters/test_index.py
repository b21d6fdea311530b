"""The index equals the evaluator for any filters and after any changes."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from digestbot.filters import Filter, matching, parse_filter
from digestbot.filters.index import Batch, Index
from digestbot.model import Announcement
from tests.filters.engine import expected, index_of, pairs, titled
from tests.filters.strategies import announcements, filters


@given(
    st.lists(filters, max_size=12), st.lists(announcements(), max_size=8), st.sampled_from((0, 99))
)
def test_the_engine_equals_the_evaluator(
    given_filters: list[Filter], announced: list[Announcement], few_authors: int
) -> None:
    numbered = dict(enumerate(given_filters))
    index = index_of(numbered)
    wanted = expected(numbered, announced)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "FEW_AUTHORS", few_authors)
        assert pairs(index.match(Batch.of(announced))) == wanted
    index.merge()
    assert pairs(index.match(Batch.of(announced))) == wanted


class AnyHistory(RuleBasedStateMachine):
    """Filters are added, replaced and removed; the index is merged, saved and reopened."""

    folder: tempfile.TemporaryDirectory[str]

    @initialize(announced=st.lists(announcements(), min_size=1, max_size=4))
    def begin(self, announced: list[Announcement]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.announced = announced
        self.batch = Batch.of(announced)
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
        assert found == expected(self.filters, self.announced)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


AnyHistory.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
test_equal_to_the_evaluator_after_any_history = AnyHistory.TestCase


def test_hits_are_grouped_by_key() -> None:
    announced = [titled("a loss"), titled("a gain"), titled("losses and gains")]
    index = index_of({5: parse_filter("loss"), 2: parse_filter("gain"), 9: parse_filter("x")})
    found = index.match(Batch.of(announced))
    assert found.of(5) == (announced[0], announced[2])
    assert found.of(9) == found.of(1) == ()
    assert dict(found.by_key()) == {
        2: (announced[1], announced[2]),
        5: (announced[0], announced[2]),
    }
    assert len(found) == 4


def test_an_index_without_hits_yields_nothing() -> None:
    found = index_of({1: parse_filter("wombat")}).match(Batch.of([titled("a paper")]))
    assert (len(found), dict(found.by_key()), found.of(1)) == (0, {}, ())


def test_unused_atoms_are_dropped() -> None:
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


def test_many_changes_are_merged_automatically() -> None:
    index = Index()
    for i in range(5000):
        index.put(i % 3, parse_filter(f"word{i}"))
    announced = [titled("word4999"), titled("word4998"), titled("word4990")]
    assert pairs(index.match(Batch.of(announced))) == [(0, 1), (1, 0)]
    assert len(index) == 3


def test_small_commands_do_not_load_numpy() -> None:
    code = "import sys, digestbot.filters, digestbot.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
