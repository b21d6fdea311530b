"""Saved indexes: mapped, replaced atomically, and refused when unusable."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from digestbot.errors import InvalidIndex
from digestbot.filters import parse_filter, saving
from digestbot.filters.index import Batch, Index
from tests.filters.engine import index_of, pairs, titled


def test_a_saved_index_can_be_opened_and_changed(tmp_path: Path) -> None:
    numbered = {i: parse_filter({"any": [f"word{i}", "a b"], "none": ["no"]}) for i in range(50)}
    index_of(numbered).save(tmp_path / "index")
    opened = Index.open(tmp_path / "index")
    opened.put(3, parse_filter("changed"))
    opened.remove(4)
    announced = [titled("word3"), titled("changed"), titled("word4 word5")]
    assert pairs(opened.match(Batch.of(announced))) == [(3, 1), (5, 2)]
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
def test_damaged_files_are_refused(
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


def test_a_save_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index"
    index_of({1: parse_filter("a")}).save(path)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda descriptor: os.close(-1))
    with pytest.raises(OSError, match="Bad file descriptor"):
        index_of({1: parse_filter("b")}).save(path)
    assert path.read_bytes() == before
