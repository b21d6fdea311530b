"""
Digests: how far each has read the log, and when each is due.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from digestbot.model import Origin
from digestbot.store.database import Database
from digestbot.store.tables import digests
from digestbot.store.values import DigestState, skipped_from_json


class Digests:
    """The part of the store with the digests' cursors and due times."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(
        self,
        name: str,
        *,
        origin: Origin,
        fingerprint: str,
        cursor: int,
        next_due_at: datetime | None,
        rescheduled_to: datetime | None,
        now: datetime,
    ) -> DigestState:
        """
        Add the digest, or update the schedule of a known one.

        Args:
            name: Unique.
            origin: Where it is defined.
            fingerprint: Fingerprint of the schedule.
            cursor: Where a new digest begins to read; a known one keeps its own.
            next_due_at: When a new digest is first due; None means never.
            rescheduled_to: Next due time of a known digest whose fingerprint has changed.
            now: When it is added.
        """
        first = {
            "name": name,
            "origin": origin,
            "fingerprint": fingerprint,
            "cursor": cursor,
            "next_due_at": next_due_at,
            "editions": 0,
            "created_at": now,
        }
        schedule = {"fingerprint": fingerprint, "next_due_at": rescheduled_to}
        upsert = self._database.insert(digests).values(first)
        upsert = upsert.on_conflict_do_update(
            index_elements=["name"], set_=schedule, where=digests.c.fingerprint != fingerprint
        )
        with self._database.write() as connection:
            connection.execute(upsert)
            row = connection.execute(select(digests).where(digests.c.name == name)).one()
        return _to_state(row)

    def state(self, name: str) -> DigestState:
        """
        Return the state of a registered digest.

        Raises:
            LookupError: The digest is not registered.
        """
        state = self.find(name)
        if state is None:
            raise LookupError(f'digest "{name}" is not in the store')
        return state

    def find(self, name: str) -> DigestState | None:
        """Return the state of the digest, if it is registered."""
        with self._database.read() as connection:
            row = connection.execute(select(digests).where(digests.c.name == name)).first()
        return _to_state(row) if row else None

    def states(self) -> tuple[DigestState, ...]:
        """List all digests by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(digests).order_by(digests.c.name)).all()
        return tuple(map(_to_state, rows))

    def due(self, now: datetime, limit: int | None = None) -> tuple[DigestState, ...]:
        """List the digests that are due, longest overdue first."""
        query = select(digests).where(digests.c.next_due_at <= now)
        query = query.order_by(digests.c.next_due_at, digests.c.id).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(map(_to_state, rows))

    def set_next_due(self, name: str, when: datetime | None) -> None:
        """Set when the digest is due. None stops it until its schedule changes."""
        self._set(name, next_due_at=when)

    def skip_to(self, name: str, cursor: int) -> None:
        """
        Move the cursor forward to *cursor*; leave one that is further on.

        No edition covers what is skipped.
        """
        here = (digests.c.name == name, digests.c.cursor < cursor)
        moved = {"cursor": cursor, "covered_to": None, "skipped": None}
        with self._database.write() as connection:
            connection.execute(update(digests).where(*here).values(moved))

    def remove(self, name: str) -> None:
        """Mark the digest as removed from the config: never due, its editions kept."""
        self._set(name, fingerprint="", next_due_at=None)

    def set_error(self, name: str, error: str | None) -> None:
        """Set or clear the digest's last error, one line."""
        self._set(name, last_error=error)

    def _set(self, name: str, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(update(digests).where(digests.c.name == name).values(values))


def _to_state(row: Row[Any]) -> DigestState:
    return DigestState(
        id=row.id,
        name=row.name,
        origin=row.origin,
        fingerprint=row.fingerprint,
        cursor=row.cursor,
        covered_to=row.covered_to,
        skipped=skipped_from_json(row.skipped),
        next_due_at=row.next_due_at,
        last_error=row.last_error,
        editions=row.editions,
        last_edition_at=row.last_edition_at,
    )
