"""
The daily cap: how many deliveries one destination has had on its latest day.

A delivery counts on the day of its first attempt; retries do not count again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, select, update

from digestbot.store.database import Database, chunks
from digestbot.store.tables import days, deliveries
from digestbot.store.transitions import set_each
from digestbot.store.values import Cap


def apply_cap(
    database: Database, connection: Connection, rows: Sequence[Row[Any]], cap: Cap
) -> list[Row[Any]]:
    """
    Count and return the deliveries within *cap*, and postpone the others.

    The first statement of each count locks its row, so that two claims at once cannot both use
    the last of the cap.
    """
    first: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        if row.attempts == 0:
            first[row.address.lower()].append(row)
    beyond: list[Row[Any]] = []
    for address, waiting in sorted(first.items()):
        counts = {"kind": waiting[0].kind, "address": address, "day": cap.day}
        added = len(waiting)
        again = case((days.c.day == cap.day, days.c.deliveries + added), else_=added)
        upsert = database.insert(days).values(**counts, deliveries=added)
        upsert = upsert.on_conflict_do_update(
            index_elements=["kind", "address"], set_={"day": cap.day, "deliveries": again}
        )
        total = connection.execute(upsert.returning(days.c.deliveries)).scalar_one()
        late = waiting[max(0, cap.per_day - (total - added)) :]
        _change_count(connection, **counts, by=-len(late))
        beyond += late
    error = f"reached the limit of {cap.per_day} on {cap.day}; waits for the next day"
    postponed = {"next_at": cap.next_at, "last_error": error}
    set_each(connection, ({"key": row.id, **postponed} for row in beyond))
    ids = {row.id for row in beyond}
    return [row for row in rows if row.id not in ids]


def uncount(
    connection: Connection, rows: Sequence[Row[Any]], cap_day: Callable[[datetime], str]
) -> None:
    """Subtract released first attempts from the counts of their days."""
    begun = {row.id: row.begun_at for row in rows}
    places: Counter[tuple[str, str, str]] = Counter()
    for some in chunks(sorted(begun)):
        query = select(deliveries.c.id, deliveries.c.kind, deliveries.c.address)
        for row in connection.execute(query.where(deliveries.c.id.in_(some))):
            places[row.kind, row.address.lower(), cap_day(begun[row.id])] += 1
    # In the order in which a claim of one kind locks them.
    for (kind, address, day), number in sorted(places.items()):
        _change_count(connection, kind, address, day, by=-number)


def _change_count(connection: Connection, kind: str, address: str, day: str, *, by: int) -> None:
    """Change the count of *day*, if it is the destination's latest."""
    if by:
        counted = (days.c.kind == kind, days.c.address == address, days.c.day == day)
        change = update(days).where(*counted).values(deliveries=days.c.deliveries + by)
        connection.execute(change)
