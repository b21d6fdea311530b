"""Author lists of feeds; the table says why each row is there."""

from functools import partial
from operator import mul

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.sources.author_lists import MAX_LENGTH, MAX_NAME, split_affiliated, split_authors
from tests.filters.tables import table
from tests.growth import is_linear

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
    assert is_linear(lambda size: (unit * size)[:size], split_authors, MAX_LENGTH // 4)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Deepti, Sheza Munir", ["Deepti", "Sheza Munir"]),
        ("Deepti, A. Bee", ["Deepti", "A. Bee"]),
        ("X Collaboration: A. Bee, C. Dee (Y, Z)", ["X Collaboration", "A. Bee", "C. Dee"]),
        ("A. Bee (U. of X, C. Dee, E. Fee (Y)", ["A. Bee", "C. Dee", "E. Fee"]),
    ],
)
def test_names_in_natural_order_are_kept(text: str, names: list[str]) -> None:
    """arXiv's feeds name people as on the paper; a single name is a whole one."""
    assert split_authors(text, is_natural=True) == names


NATURAL = ("Ada Bee", "C. M. Dee", "Li", "Jr.", "MD", "Ph. D", "and", "und", ",", ", and", ", ",
           "X Collaboration", "et al.", "\\'E. {\\L}ee", "By", "...", " ", "Bee and Dee", "Fee-Gee",
           "The Study", "’", "x" * 201, "Anders Others", "-", "Vincent")  # fmt: skip


@given(st.lists(st.sampled_from(NATURAL), max_size=8), st.sampled_from([" ", ", ", ","]))
def test_plain_lists_are_split_like_all_others(parts: list[str], separator: str) -> None:
    """A bracket makes a list less plain without changing its names."""
    line = separator.join(parts)
    assert split_authors(line, is_natural=True) == split_authors(f"{line} (x)", is_natural=True)


@given(st.text(alphabet="AaÖ .,and-'\\{}Jr", max_size=60))
def test_any_plain_list_is_split_like_all_others(line: str) -> None:
    assert split_authors(line, is_natural=True) == split_authors(f"{line} (x)", is_natural=True)


@pytest.mark.parametrize(
    ("text", "authors"),
    [
        (
            "A. Bee (1), C. Dee (1 and 2), E. Fee (2,1) ((1) Univ. of X, Y (Z), (2) W)",
            [
                ("A. Bee", ("Univ. of X, Y (Z)",)),
                ("C. Dee", ("Univ. of X, Y (Z)", "W")),
                ("E. Fee", ("W", "Univ. of X, Y (Z)")),
            ],
        ),
        ("A. Bee (a), Jr. (b) ((a) X, (b) Y)", [("A. Bee Jr.", ("Y",))]),
        ("A. Bee(1)(2), C. Dee ((1) X, (2) Y)", [("A. Bee", ("X", "Y")), ("C. Dee", ())]),
        ("A. Bee and C. Dee (MIT)", [("A. Bee", ("MIT",)), ("C. Dee", ("MIT",))]),
        ("A. Bee (MIT), C. Dee", [("A. Bee", ("MIT",)), ("C. Dee", ())]),
        ("X Collaboration: A. Bee (Y)", [("X Collaboration", ()), ("A. Bee", ("Y",))]),
        ("A. Bee (1), C. Dee (2)", [("A. Bee", ()), ("C. Dee", ())]),
        ("A. Bee (), C. Dee", [("A. Bee", ()), ("C. Dee", ())]),
        ("A. Bee, C. Dee", [("A. Bee", ()), ("C. Dee", ())]),
    ],
)  # fmt: skip
def test_affiliations_of_arxivs_lists_are_read(
    text: str, authors: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert split_affiliated(text) == authors


@given(st.text(alphabet="AaÖ .,;()[]&-12*'@:|\U000f0000", max_size=80))
def test_affiliations_cost_no_name(text: str) -> None:
    authors = split_affiliated(text)
    assert all(any(map(str.isalpha, name)) for name, _ in authors)
    assert all(any(map(str.isalnum, place)) for _, places in authors for place in places)
    assert "(" in text or [name for name, _ in authors] == split_authors(text, is_natural=True)


@pytest.mark.parametrize("unit", ["A (1), ", "(", "A((", "A(1 ", "A(x)) "])
def test_time_for_affiliations_grows_with_the_length_only(unit: str) -> None:
    whole = partial(mul, unit)  # cut within a unit, the last list would need the longer way
    assert is_linear(whole, split_affiliated, MAX_LENGTH // 4 // len(unit))
