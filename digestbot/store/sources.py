"""
How each source stands, the log of passes over it, and the pace at which a server may be asked.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from digestbot.store.database import Database
from digestbot.store.tables import PassStatus, pacing, passes, sources
from digestbot.store.values import Pass, SourceState

KEEP_PASSES: Final = timedelta(days=90)
"""How long a pass is remembered; a source asked every five minutes makes 26,000 in that time."""

_WELL: Final = {PassStatus.OK, PassStatus.EMPTY}


class Sources:
    """The part of the store that says what sources remember and when they answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, name: str) -> SourceState:
        """How the source stands; ``never`` with an empty memory if it was not asked yet."""
        with self._database.read() as connection:
            row = connection.execute(select(sources).where(sources.c.name == name)).first()
        return _to_state(row) if row else _never(name)

    def states(self) -> tuple[SourceState, ...]:
        """All that were ever asked, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(sources).order_by(sources.c.name)).all()
        return tuple(map(_to_state, rows))

    def begin_pass(self, name: str, now: datetime, *, asked: str | None = None) -> int:
        """
        Note that *name* is asked now; gives the pass for `end_pass`. Drops very old passes.

        Args:
            asked: Stands for the options that it is asked with, so that a change of them shows.
        """
        with self._database.write() as connection:
            self._touch(connection, name, now, asked)
            old = (passes.c.source == name, passes.c.started_at < now - KEEP_PASSES)
            connection.execute(delete(passes).where(*old))
            row = {"source": name, "started_at": now, "status": PassStatus.RUNNING}
            counts = {"pages": 0, "entries": 0, "new": 0}
            made = connection.execute(insert(passes).values(row | counts).returning(passes.c.id))
            key: int = made.scalar_one()
        return key

    def end_pass(
        self,
        pass_id: int,
        *,
        status: PassStatus | str,
        pages: int,
        entries: int,
        new: int,
        error: str | None,
        note: str | None,
        next_try_at: datetime | None,
        now: datetime,
    ) -> None:
        """
        Note how the pass went, in its own row and in the source's.

        Args:
            pass_id: From `begin_pass`.
            status: ``ok`` and ``empty`` are good ends; every other counts as a failure.
            pages: Pages stored.
            entries: Papers on them.
            new: Of these, announcements appended.
            error: One line for people; None if there was none.
            note: What is missing, for readers; None if nothing is.
            next_try_at: Not before then; None if at any time.
            now: When it ended.

        Raises:
            ValueError: No such status, or no such pass.
        """
        status = PassStatus(status)
        ended = {"ended_at": now, "status": status, "error": error, "note": note}
        counts = {"pages": pages, "entries": entries, "new": new}
        state: dict[str, Any] = {"status": status, "last_error": error, "note": note}
        state["next_try_at"] = next_try_at
        state["failures"] = 0 if status in _WELL else sources.c.failures + 1
        if status in _WELL:
            state["last_ok_at"] = now
        if new:
            state["last_new_at"] = now
        with self._database.write() as connection:
            change = update(passes).where(passes.c.id == pass_id).values(ended | counts)
            name = connection.execute(change.returning(passes.c.source)).scalar()
            if name is None:
                raise ValueError(f"no pass {pass_id}")
            connection.execute(update(sources).where(sources.c.name == name).values(state))

    def passes(self, name: str, limit: int = 20) -> tuple[Pass, ...]:
        """The last passes over *name*, newest first."""
        query = select(passes).where(passes.c.source == name).order_by(passes.c.id.desc())
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit)).all()
        return tuple(Pass(**row._mapping) for row in rows)

    def pace(self, group: str, interval_s: float, hold_s: float, now: datetime) -> float:
        """
        Take the right to ask a server of *group* now, or say how long to wait for it.

        Who gets 0 asks at once and then calls `release_pace`; if it dies instead, the next may ask
        *hold_s* seconds from now. All processes on this store share one row a group.

        Args:
            group: What is asked no faster than its interval, such as ``arxiv.org``.
            interval_s: Seconds between the end of one request and the begin of the next.
            hold_s: Seconds that a request can last at the most; taken for *interval_s* if less.
            now: This process's clock. If it was set back, nobody waits longer than whoever asked
                last had meant to hold.
        """
        with self._database.write() as connection:
            row = self._locked_pace(connection, group, now)
            ahead_s = (row.next_at - now).total_seconds()
            if ahead_s <= 0:
                _write_pace(connection, group, max(hold_s, interval_s), now)
                return 0.0
            if ahead_s > row.span_s:
                _write_pace(connection, group, row.span_s, now)
            return float(min(ahead_s, row.span_s))

    def release_pace(self, group: str, interval_s: float, now: datetime) -> None:
        """The request has ended: the next may begin *interval_s* seconds from now."""
        with self._database.write() as connection:
            self._locked_pace(connection, group, now)
            _write_pace(connection, group, interval_s, now)

    def _touch(self, connection: Connection, name: str, now: datetime, asked: str | None) -> None:
        values = {"last_try_at": now, "asked": asked}
        first = {"name": name, "memory": {}, "status": PassStatus.NEVER, "failures": 0}
        row = self._database.insert(sources).values(first | values)
        connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))

    def _locked_pace(self, connection: Connection, group: str, now: datetime) -> Row[Any]:
        """The group's row, made if need be, that no other transaction can change meanwhile."""
        row = self._database.insert(pacing).values(group_name=group, next_at=now, span_s=0.0)
        connection.execute(row.on_conflict_do_nothing())
        query = select(pacing).where(pacing.c.group_name == group).with_for_update()
        return connection.execute(query).one()


def _write_pace(connection: Connection, group: str, span_s: float, now: datetime) -> None:
    values = {"next_at": now + timedelta(seconds=span_s), "span_s": span_s}
    connection.execute(update(pacing).where(pacing.c.group_name == group).values(values))


def _to_state(row: Row[Any]) -> SourceState:
    return SourceState(**row._mapping)


def _never(name: str) -> SourceState:
    return SourceState(
        name=name,
        memory={},
        asked=None,
        status=PassStatus.NEVER,
        last_try_at=None,
        last_ok_at=None,
        last_new_at=None,
        next_try_at=None,
        failures=0,
        last_error=None,
        note=None,
    )
