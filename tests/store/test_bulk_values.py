"""Rows as parameters of one statement, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Integer, select

from digestbot.store import Store
from digestbot.store.tables import ShortUtcDateTime, StoredText
from tests.store.samples import NOW

Rows = list[tuple[Any, ...]]


def round_trip(store: Store, rows: Rows) -> Rows:
    """Select *rows* from a statement that has them as parameters."""
    bulk = store._database.bulk_values(number=Integer(), text=StoredText(), at=ShortUtcDateTime())
    query = select(*bulk.columns.values()).order_by(bulk.columns["number"])
    with store._database.read() as connection:
        return [tuple(row) for row in connection.execute(query, bulk.parameters(rows))]


@pytest.mark.parametrize("count", [1, 2, 3000])
def test_rows_round_trip(store: Store, count: int) -> None:
    rows = [(n, f"text {n}", NOW + timedelta(microseconds=n)) for n in range(count)]
    assert round_trip(store, rows) == rows


def test_special_values_round_trip(store: Store) -> None:
    rows: Rows = [(1, None, None), (2, 'a "quote" \\ {1,2}', NOW), (3, "☃ 😀", NOW)]
    assert round_trip(store, rows) == rows


def test_unstorable_text_is_replaced(store: Store) -> None:
    assert round_trip(store, [(1, "a\0b\udcff", NOW)]) == [(1, "a\ufffdb\ufffd", NOW)]
