"""
Pauses: which kinds of destination wait because their server refuses us.

A reply about us concerns every delivery of its kind, so it is kept once, for all processes, and
not with the deliveries.
"""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, select

from digestbot.store.database import Database
from digestbot.store.tables import pauses
from digestbot.store.values import KindPause


class Pauses:
    """The part of the store with the kinds of destination that are paused."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, kind: str) -> KindPause | None:
        """Return the pause of *kind*, which may be over; the next success ends it."""
        with self._database.read() as connection:
            row = connection.execute(select(pauses).where(pauses.c.kind == kind)).first()
        return KindPause(**row._mapping) if row else None

    def list(self, now: datetime) -> tuple[KindPause, ...]:
        """List the pauses that last beyond *now*."""
        query = select(pauses).where(pauses.c.until > now).order_by(pauses.c.kind)
        with self._database.read() as connection:
            return tuple(KindPause(**row._mapping) for row in connection.execute(query))

    def begin(self, pause: KindPause) -> None:
        """Record *pause*; a later end, set by another process meanwhile, stays."""
        new = self._database.insert(pauses).values(asdict(pause))
        later = new.on_conflict_do_update(
            index_elements=["kind"],
            set_={name: new.excluded[name] for name in asdict(pause) if name != "kind"},
            where=pauses.c.until <= new.excluded.until,
        )
        with self._database.write() as connection:
            connection.execute(later)

    def end(self, kind: str) -> None:
        """End the pause of *kind*: a delivery has succeeded."""
        with self._database.write() as connection:
            connection.execute(delete(pauses).where(pauses.c.kind == kind))

    def lift(self, *, only_operator: bool = False) -> int:
        """
        Lift the pauses, since the operator is at work. Return their number.

        Args:
            only_operator: Lift only those that wait for the operator; quotas and back-offs stay.
        """
        lifted = delete(pauses)
        if only_operator:
            lifted = lifted.where(pauses.c.needs_operator)
        with self._database.write() as connection:
            return connection.execute(lifted).rowcount
