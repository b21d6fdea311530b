"""Descriptions that hold citations; each row of the table names the publisher."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.sources.citations import Description, parse_description
from tests.filters.tables import table
from tests.growth import is_linear

ROWS = table("citations.tsv")


def shown(found: Description) -> list[str]:
    day = found.published.at.date().isoformat() if found.published else ""
    authors = " | ".join(found.authors)
    return [found.abstract, authors, found.journal or "", found.doi or "", day]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[-1])
def test_citations_become_fields(row: list[str]) -> None:
    text, *expected, _ = (cell.replace("⏎", "\n") for cell in row)
    assert shown(parse_description(text)) == expected


@given(st.text(max_size=300))
def test_any_text_is_read_without_error(text: str) -> None:
    parse_description(text)


@pytest.mark.parametrize(
    "unit",
    ["a, ", "J. ", "Volume ", "10.1234/", "doi: ", "x, volume ", "[a 1] ", "A. 2026 ", "\n", "a\n"],
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    assert is_linear(lambda size: (unit * size)[:size], parse_description, 50_000)
