"""
The addresses that must not be written to any more: by hand, and as CSV.

The list is asked in the transaction that claims a delivery (`store.outbox`), so a line in it holds
for everything, queued or not. It outlives subscriptions: nothing here looks at who reads what.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from digestbot.addresses import check_address
from digestbot.csv_files import read_rows, write_rows
from digestbot.errors import InvalidValue
from digestbot.model import Suppression
from digestbot.store import Store
from digestbot.subscriptions import iso_utc

COLUMNS = ("email", "reason", "since")
"""Of the CSV that `export_csv` writes; `import_csv` needs the first."""
BY_HAND = "by hand"
IMPORTED = "imported"
"""The reason of a row that gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a CSV."""

    added: int
    known: int
    problems: tuple[str, ...]
    """One line for each row that was left out, with its line number."""


def add(store: Store, addresses: Collection[str], *, reason: str, now: datetime) -> int:
    """
    Suppress *addresses*; gives how many were not suppressed before.

    Raises:
        InvalidAddress: One is no address; then none is suppressed.
    """
    return store.subscriptions.suppress_all(
        [Suppression(address=check_address(a), reason=reason, created_at=now) for a in addresses]
    )


def import_csv(store: Store, text: str, *, now: datetime) -> Imported:
    """
    Suppress every row of a CSV with a head line; bad rows are told of and the others go in.

    What is suppressed already keeps its reason and its date.

    Args:
        text: The column ``email``; ``reason`` and ``since`` (ISO 8601) if there are any.
        now: The date of rows without one.

    Raises:
        UsageError: No CSV, or no column ``email``.
    """
    good, problems = [], []
    for line, row in read_rows(text, {"email"}):
        try:
            good.append(_suppression(row, now))
        except InvalidValue as error:
            problems.append(f"line {line}: {error}")
    added = store.subscriptions.suppress_all(good)
    return Imported(added=added, known=len(good) - added, problems=tuple(problems))


def _suppression(row: dict[str, str], now: datetime) -> Suppression:
    """
    Raises:
        InvalidValue: Its ``email`` is no address, or its ``since`` no date.
    """
    return Suppression(
        address=check_address(row["email"]),
        reason=row.get("reason") or IMPORTED,
        created_at=_moment(row.get("since", ""), now),
    )


def _moment(text: str, now: datetime) -> datetime:
    if not text:
        return now
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidValue(f'"{text[:40]}" is no date; write 2026-11-23T08:00:00Z') from error
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def export_csv(suppressions: Collection[Suppression]) -> str:
    """*suppressions* as a CSV that `import_csv` reads."""
    rows = ((s.address, s.reason, iso_utc(s.created_at)) for s in suppressions)
    return write_rows(COLUMNS, rows)
