"""Author lists of feeds; the table says why each row is there."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.sources.author_lists import MAX_LENGTH, MAX_NAME, split_authors
from tests.filters.tables import table

ROWS = table("author_lists.tsv")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[-1])
def test_lists_are_split_into_names(row: list[str]) -> None:
    text, names, is_one, _ = row
    expected = names.split(" | ") if names else []
    assert split_authors(text, is_one=is_one == "yes") == expected


@given(st.text(alphabet="AaÖ .,;()[]&-1*'@:|", max_size=80))
def test_any_text_gives_bounded_names_once(text: str) -> None:
    names = split_authors(text)
    assert len(set(names)) == len(names)
    assert all(0 < len(name) <= 3 * MAX_NAME for name in names)


@given(st.lists(st.sampled_from(["Ada Bee", "Carl M. Dee", "Eve Fee-Gee", "J. Li"]), unique=True))
def test_a_list_survives_every_separator(names: list[str]) -> None:
    for separator in (", ", "; ", " | "):
        assert split_authors(separator.join(names)) == names


@pytest.mark.parametrize(
    "unit", ["a", "@", "é b ", "(", ")", "A. ", "and ", "; ", ", ", "Bee, A., ", " & ", "1,", "J.-"]
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    """The shortest of several runs, so that other work on the machine does not count."""
    times = []
    for length in (MAX_LENGTH // 4, MAX_LENGTH // 2, MAX_LENGTH):
        text = (unit * length)[:length]
        runs = []
        for _ in range(3):
            start = time.process_time()
            split_authors(text)
            runs.append(time.process_time() - start)
        times.append(min(runs))
    assert all(after <= max(2.5 * before, 0.02) for before, after in pairwise(times))
