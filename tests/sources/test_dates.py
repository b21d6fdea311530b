"""Dates of feeds; the table says why each row is there."""

from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.sources.dates import Moment, parse_date
from tests.filters.tables import table

ROWS = table("dates.tsv")
EARLIEST, LATEST = datetime.fromisoformat("1950-01-02"), datetime.fromisoformat("2199-12-30")


def expected(text: str) -> Moment | None:
    if text == "-":
        return None
    return Moment(datetime.fromisoformat(text).replace(tzinfo=UTC), is_date="T" not in text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[-1])
def test_a_date_is_right_or_absent(row: list[str]) -> None:
    text, moment, _ = row
    assert parse_date(text) == expected(moment)


@given(st.text(max_size=70))
def test_any_text_is_read_without_error(text: str) -> None:
    parse_date(text)


@given(st.datetimes(EARLIEST, LATEST))
def test_what_programs_write_is_read_back(at: datetime) -> None:
    at = at.replace(microsecond=0, tzinfo=UTC)
    moment = Moment(at, is_date=at.time() == time())
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%a, %d %b %Y %H:%M:%S GMT", "%d %B %Y %H:%M:%S +0000"):
        assert parse_date(at.strftime(form)) == moment
