"""Readers as CSV: bad rows are told of, the others go in."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from digestbot import subscriptions
from digestbot.errors import UsageError
from digestbot.store import Store, open_store

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def memory() -> Iterator[Store]:
    with open_store("sqlite://") as store:
        yield store


def imported(store: Store, text: str, digest: str | None = None) -> subscriptions.Imported:
    return subscriptions.import_csv(store, text, digests={"d", "e"}, digest=digest, now=NOW)


def test_no_cell_is_a_formula(memory: Store) -> None:
    subscriptions.add(memory, "d", "=cmd@example.org", name='=HYPERLINK("x")', now=NOW)
    row = subscriptions.export_csv(memory.subscriptions.list()).splitlines()[1]
    assert row.startswith("d,'=cmd@example.org,")
    assert "\"'=HYPERLINK(" in row


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_of_any_country_are_read(memory: Store, separator: str) -> None:
    text = separator.join(("digest", "email")) + "\n" + separator.join(("d", "r@example.org"))
    assert imported(memory, text).added == 1


def test_bad_rows_are_told_of_and_the_others_go_in(memory: Store) -> None:
    text = "\ufeffEmail,Digest\nr@example.org,d\nno mail,d\nr@example.org,x\nr@example.org,d\n"
    done = imported(memory, text)
    assert (done.added, done.known) == (1, 1)
    assert [problem.partition(":")[0] for problem in done.problems] == ["line 3", "line 4"]


def test_without_the_columns_nothing_is_read(memory: Store) -> None:
    with pytest.raises(UsageError, match="missing: digest, email"):
        imported(memory, "name\nAda\n")


def test_who_left_is_not_taken_in_by_a_file(memory: Store) -> None:
    memory.subscriptions.suppress("r@example.org", "unsubscribed", NOW)
    done = imported(memory, "email\nr@example.org\n", digest="d")
    assert done.added == 0
    assert "suppressed" in done.problems[0]
