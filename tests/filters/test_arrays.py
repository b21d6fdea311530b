"""Array operations, against plain Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from digestbot.filters.arrays import (
    combine_hashes,
    contains,
    distinct_rows,
    equal_hash_pairs,
    equal_number_pairs,
    equal_pairs,
    extend_hashes,
    hashes,
    offsets,
    probably_among,
    ranges,
    take_rows,
)

NUMBERS = st.lists(st.integers(0, 9), max_size=12)


def test_hashes_are_stable_and_distinct() -> None:
    """The values are part of the index file: a change requires a new format."""
    assert hashes(["gpu", "tpu"]).tolist() == [10178092462712764661, 8642826353674473542]


def test_combined_hashes_depend_on_the_order() -> None:
    a, b = hashes(["a"]), hashes(["b"])
    assert combine_hashes([a, b]).tolist() == combine_hashes([a, b]).tolist()
    assert combine_hashes([a, b]).tolist() != combine_hashes([b, a]).tolist()


@given(NUMBERS)
def test_offsets_are_running_sums(lengths: list[int]) -> None:
    found = offsets(np.array(lengths, dtype=np.int64)).tolist()
    assert found == [sum(lengths[:i]) for i in range(len(lengths) + 1)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=8))
def test_ranges_are_concatenated(rows: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in rows], dtype=np.int64)
    lengths = np.array([length for _, length in rows], dtype=np.int64)
    expected = [i for start, length in rows for i in range(start, start + length)]
    assert ranges(starts, lengths).tolist() == expected


def test_rows_of_a_ragged_table_are_selected() -> None:
    bounds, places = take_rows(np.array([0, 2, 2, 5]), np.array([2, 0]))
    assert bounds.tolist() == [0, 3, 5]
    assert places.tolist() == [2, 3, 4, 0, 1]


@given(NUMBERS)
def test_no_rows_of_a_table_are_an_empty_table(lengths: list[int]) -> None:
    bounds, places = take_rows(offsets(np.array(lengths, dtype=np.int64)), np.array([], dtype=int))
    assert (bounds.tolist(), places.tolist()) == ([0], [])


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), max_size=30))
def test_distinct_rows_are_the_sorted_set(rows: list[tuple[int, int, int]]) -> None:
    columns = [np.array([row[k] for row in rows], dtype=np.int64) for k in range(3)]
    found = distinct_rows(columns)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == sorted(set(rows))


@given(NUMBERS, NUMBERS)
def test_equal_pairs_are_all_pairs(keys: list[int], wanted: list[int]) -> None:
    keys = sorted(keys)
    expected = [(i, j) for i, a in enumerate(wanted) for j, b in enumerate(keys) if a == b]
    arrays = np.array(keys, dtype=np.int64), np.array(wanted, dtype=np.int64)
    for left, right in (equal_pairs(*arrays), equal_number_pairs(*arrays, 10)):
        assert list(zip(left.tolist(), right.tolist(), strict=True)) == expected


@given(NUMBERS, NUMBERS)
def test_contains_is_membership(keys: list[int], wanted: list[int]) -> None:
    found = contains(np.array(sorted(keys), dtype=np.int64), np.array(wanted, dtype=np.int64))
    assert found.tolist() == [one in keys for one in wanted]


HASHES = st.lists(
    st.one_of(st.integers(0, 9), st.integers(0, 2**64 - 1), st.just(2**64 - 1)), max_size=40
)


@given(HASHES, HASHES)
def test_pairs_of_hashes_equal_those_of_numbers(keys: list[int], wanted: list[int]) -> None:
    table = np.sort(np.array([*keys, *wanted[:3]], dtype=np.uint64))
    asked = np.array(wanted, dtype=np.uint64)
    found, expected = equal_hash_pairs(table, asked), equal_pairs(table, asked)
    assert [column.tolist() for column in found] == [column.tolist() for column in expected]


@given(HASHES, HASHES)
def test_the_preselection_keeps_every_key(keys: list[int], wanted: list[int]) -> None:
    table, asked = np.array(keys, dtype=np.uint64), np.array(wanted, dtype=np.uint64)
    assert probably_among(table, asked)[np.isin(asked, table)].all()


def test_hashes_are_extended_one_by_one() -> None:
    a, b = hashes(["a"]), hashes(["b"])
    assert (
        extend_hashes(extend_hashes(np.uint64(0), a), b).tolist() == combine_hashes([a, b]).tolist()
    )
