"""
Suppressed addresses managed by the operator: add, import, export.

The list is checked in the transaction that claims a delivery (`store.outbox`), so an entry stops
every delivery, queued or not. It is independent of subscriptions and outlives them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from digestbot.addresses import check_address
from digestbot.csv_files import Table, open_table, write_rows
from digestbot.errors import InvalidValue
from digestbot.model import Suppression
from digestbot.store import Store
from digestbot.subscriptions import iso_utc

COLUMNS = ("email", "reason", "since")
"""Columns that `export_csv` writes; `import_csv` needs the first."""
BY_HAND = "by hand"
IMPORTED = "imported"
"""Reason of a row that lacks one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Result of importing a CSV."""

    used: tuple[str, ...]
    """Columns that were read."""
    ignored: tuple[str, ...]
    """Columns without a meaning here."""
    added: int
    known: int
    problems: tuple[str, ...]
    """One line per row left out, with its line number."""


def add(store: Store, addresses: Collection[str], *, reason: str, now: datetime) -> int:
    """
    Suppress *addresses*; return how many are new on the list.

    Raises:
        InvalidAddress: One of them is not an email address; then none is suppressed.
    """
    return store.subscriptions.suppress_all(
        [Suppression(address=check_address(a), reason=reason, created_at=now) for a in addresses]
    )


def open_csv(stream: TextIO) -> Table:
    """
    Open a CSV of suppressions.

    Raises:
        UsageError: It is not a CSV, or it lacks the column ``email``.
    """
    return open_table(stream, {"email"})


def import_csv(store: Store, rows: Table, *, now: datetime) -> Imported:
    """
    Suppress every valid row of a CSV; report the others.

    An address already on the list keeps its reason and date.

    Args:
        store: Receives the suppressions.
        rows: The column ``email``; optionally ``reason`` and ``since`` (ISO 8601).
        now: The date of rows that have none.
    """
    valid, problems = [], []
    for line, row in rows:
        try:
            valid.append(_suppression(row, now))
        except InvalidValue as error:
            problems.append(f"line {line}: {error}")
    added = store.subscriptions.suppress_all(valid)
    return Imported(
        used=rows.used(COLUMNS),
        ignored=rows.ignored(COLUMNS),
        added=added,
        known=len(valid) - added,
        problems=tuple(problems),
    )


def _suppression(row: dict[str, str], now: datetime) -> Suppression:
    """
    Raises:
        InvalidValue: The address or the date is malformed.
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
        raise InvalidValue(f'"{text[:40]}" is not a date; write 2026-11-23T08:00:00Z') from error
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def export_csv(suppressions: Collection[Suppression]) -> str:
    """Write *suppressions* as a CSV that `import_csv` reads."""
    rows = ((s.address, s.reason, iso_utc(s.created_at)) for s in suppressions)
    return write_rows(COLUMNS, rows)
