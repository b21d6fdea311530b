"""Import and export of subscribers as CSV."""

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


def test_exported_cells_are_never_formulas(memory: Store) -> None:
    subscriptions.add(memory, "d", "=cmd@example.org", name='=HYPERLINK("x")', now=NOW)
    row = subscriptions.export_csv(memory.subscriptions.list()).splitlines()[1]
    assert row.startswith("d,'=cmd@example.org,")
    assert "\"'=HYPERLINK(" in row


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_import_accepts_any_separator(memory: Store, separator: str) -> None:
    text = separator.join(("digest", "email")) + "\n" + separator.join(("d", "r@example.org"))
    assert imported(memory, text).added == 1


def test_import_reports_bad_rows_and_takes_the_others(memory: Store) -> None:
    text = "\ufeffEmail,Digest\nr@example.org,d\nno mail,d\nr@example.org,x\nr@example.org,d\n"
    done = imported(memory, text)
    assert (done.added, done.known) == (1, 1)
    assert [problem.partition(":")[0] for problem in done.problems] == ["line 3", "line 4"]


def test_import_without_its_columns_is_an_error(memory: Store) -> None:
    with pytest.raises(UsageError, match="missing: digest, email"):
        imported(memory, "name\nAda\n")


def test_import_skips_suppressed_addresses(memory: Store) -> None:
    memory.subscriptions.suppress("r@example.org", "unsubscribed", NOW)
    done = imported(memory, "email\nr@example.org\n", digest="d")
    assert done.added == 0
    assert "suppressed" in done.problems[0]
