"""Import and export of subscribers as CSV."""

import io
import tracemalloc
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
    rows = subscriptions.open_csv(io.StringIO(text.removeprefix("\ufeff"), ""), digest=digest)
    return subscriptions.import_csv(store, rows, digests={"d", "e"}, digest=digest, now=NOW)


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


def test_import_counts_what_became_of_each_row(memory: Store) -> None:
    imported(memory, "email,name\na@x.org,Ana\nb@x.org,Bea\n", digest="d")
    text = "Email,Phone,Name\nA@x.org,1,\nb@x.org,2,Beatrice\nc@x.org,3,\nc@x.org,4,\nbad,5,\n"
    done = imported(memory, text, digest="d")
    assert (done.used, done.ignored) == (("email", "name"), ("phone",))
    assert (done.added, done.changed, done.unchanged, len(done.problems)) == (1, 1, 2, 1)
    names = {s.destination.address: s.name for s in memory.subscriptions.list()}
    assert names == {"a@x.org": "Ana", "b@x.org": "Beatrice", "c@x.org": ""}


class Interrupted(Exception):
    """The operator pressed Ctrl-C."""


def test_an_interrupted_import_continues(memory: Store) -> None:
    """Batches are committed one by one, and a repeated row changes nothing."""
    number = 2 * subscriptions.BATCH + 7
    text = "email,digest\n" + "".join(f"r{n}@example.org,d\n" for n in range(number))

    def interrupt(done: int) -> None:
        raise Interrupted

    rows = subscriptions.open_csv(io.StringIO(text), digest=None)
    with pytest.raises(Interrupted):
        subscriptions.import_csv(
            memory, rows, digests={"d"}, digest=None, now=NOW, progress=interrupt
        )
    assert len(memory.subscriptions.list()) == subscriptions.BATCH
    done = imported(memory, text)
    assert (done.added, done.unchanged) == (number - subscriptions.BATCH, subscriptions.BATCH)
    assert len(memory.subscriptions.list()) == number


def test_import_keeps_no_rows_in_memory(memory: Store) -> None:
    peaks = []
    for number in (1, 4):
        rows = (f"r{n}@{number}.example.org,d\n" for n in range(number * subscriptions.BATCH))
        stream = io.StringIO("email,digest\n" + "".join(rows))
        table = subscriptions.open_csv(stream, digest=None)
        tracemalloc.start()
        subscriptions.import_csv(memory, table, digests={"d"}, digest=None, now=NOW)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
