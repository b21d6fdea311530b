"""Import and export of suppressed addresses as CSV."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from digestbot import suppressions
from digestbot.csv_files import read_table
from digestbot.errors import InvalidAddress, UsageError
from digestbot.store import Store, open_store
from tests.factories import NOW


@pytest.fixture
def memory() -> Iterator[Store]:
    with open_store("sqlite://") as store:
        yield store


def test_adding_counts_only_new_addresses(memory: Store) -> None:
    assert suppressions.add(memory, ["a@x.org", "b@x.org"], reason="moved", now=NOW) == 2
    assert suppressions.add(memory, ["A@x.org", "c@x.org"], reason="again", now=NOW) == 1
    assert memory.subscriptions.why_suppressed("a@x.org") == "moved"


def test_one_malformed_address_suppresses_none(memory: Store) -> None:
    with pytest.raises(InvalidAddress):
        suppressions.add(memory, ["a@x.org", "nonsense"], reason="moved", now=NOW)
    assert memory.subscriptions.suppressions() == ()


def test_import_keeps_reason_and_date(memory: Store) -> None:
    text = "email,reason,since\na@x.org,bounced,2026-01-02T03:04:05Z\nb@x.org,,\n"
    done = suppressions.import_csv(memory, read_table(text, {"email"}), now=NOW)
    assert (done.added, done.known, done.problems) == (2, 0, ())
    first, second = memory.subscriptions.suppressions()
    assert (first.reason, first.created_at) == (
        "bounced",
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert (second.reason, second.created_at) == (suppressions.IMPORTED, NOW)


def test_import_reports_bad_rows_and_takes_the_others(memory: Store) -> None:
    text = "email,since\nnonsense,\na@x.org,yesterday\nb@x.org,\n"
    done = suppressions.import_csv(memory, read_table(text, {"email"}), now=NOW)
    assert done.added == 1
    assert done.problems[1] == 'line 3: "yesterday" is not a date; write 2026-11-23T08:00:00Z'
    assert done.problems[0].startswith("line 2: ")


def test_import_without_addresses_is_an_error(memory: Store) -> None:
    with pytest.raises(UsageError, match="missing: email"):
        suppressions.open_csv(io.StringIO("name\nAda\n"))


def test_an_export_can_be_imported(memory: Store) -> None:
    suppressions.add(memory, ["a@x.org"], reason="moved", now=NOW)
    found = memory.subscriptions.suppressions()
    with open_store("sqlite://") as other:
        table = read_table(suppressions.export_csv(found), {"email"})
        suppressions.import_csv(other, table, now=NOW)
        assert other.subscriptions.suppressions() == found
