"""
Sources: their state, the log of passes over them, and the pace of requests to a server.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from digestbot.store.database import Database, chunks
from digestbot.store.tables import PassStatus, pacing, passes, sources
from digestbot.store.values import FieldCounts, Pass, SourceState

KEEP_PASSES: Final = timedelta(days=90)
"""Age at which passes are deleted; a source fetched every five minutes makes 26,000 by then."""

_NO_COUNTS: Final = {"pages": 0, "entries": 0, "new": 0}
_SUCCESS: Final = {PassStatus.OK, PassStatus.EMPTY}


class Sources:
    """The part of the store with the state of the sources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, name: str) -> SourceState:
        """Return the state of the source. It is ``never`` before the first fetch."""
        with self._database.read() as connection:
            row = connection.execute(select(sources).where(sources.c.name == name)).first()
        return _to_state(row) if row else _never(name)

    def states(self) -> tuple[SourceState, ...]:
        """List all sources ever fetched, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(sources).order_by(sources.c.name)).all()
        return tuple(map(_to_state, rows))

    def begin_pass(self, name: str, now: datetime, *, asked: str | None = None) -> int:
        """Begin a pass over *name*; return its id for `end_pass`. See `begin_passes`."""
        return self.begin_passes({name: asked}, now)[name]

    def begin_passes(self, asked: Mapping[str, str | None], now: datetime) -> dict[str, int]:
        """
        Begin a pass over each source; return their ids by source. Deletes very old passes.

        Args:
            asked: Source → fingerprint of its options, to notice when they change.
            now: When the passes begin.
        """
        if not asked:
            return {}
        rows = [
            {"source": name, "started_at": now, "status": PassStatus.RUNNING, **_NO_COUNTS}
            for name in asked
        ]
        begin = insert(passes).returning(passes.c.source, passes.c.id)
        with self._database.write() as connection:
            self._touch(connection, asked, now)
            for some in chunks(list(asked)):
                old = (passes.c.source.in_(some), passes.c.started_at < now - KEEP_PASSES)
                connection.execute(delete(passes).where(*old))
            made = connection.execute(begin, rows).all()
        return {row.source: row.id for row in made}

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
        Record the outcome of a pass.

        Args:
            pass_id: From `begin_pass`.
            status: ``ok`` and ``empty`` are successes; any other is a failure.
            pages: Pages stored.
            entries: Papers on these pages.
            new: Announcements appended to the log.
            error: One line for the operator; None for no error.
            note: What is missing, for readers; None for nothing.
            next_try_at: Earliest time of the next try; None for any time.
            now: When the pass ended.

        Raises:
            ValueError: The status or the pass is unknown.
        """
        status = PassStatus(status)
        ended = {"ended_at": now, "status": status, "error": error, "note": note}
        counts = {"pages": pages, "entries": entries, "new": new}
        state: dict[str, Any] = {"status": status, "last_error": error, "note": note}
        state["next_try_at"] = next_try_at
        state["failures"] = 0 if status in _SUCCESS else sources.c.failures + 1
        if status in _SUCCESS:
            state["last_ok_at"] = now
        if new:
            state["last_new_at"] = now
        with self._database.write() as connection:
            change = update(passes).where(passes.c.id == pass_id).values(ended | counts)
            name = connection.execute(change.returning(passes.c.source)).scalar()
            if name is None:
                raise ValueError(f"unknown pass {pass_id}")
            connection.execute(update(sources).where(sources.c.name == name).values(state))

    def passes(self, name: str, limit: int = 20) -> tuple[Pass, ...]:
        """List the latest passes over *name*, newest first."""
        query = select(passes).where(passes.c.source == name).order_by(passes.c.id.desc())
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit)).all()
        return tuple(Pass(**row._mapping) for row in rows)

    def pace(self, group: str, interval_s: float, lease_s: float, now: datetime) -> float:
        """
        Lease *group* for a request, or return the seconds to wait.

        If this returns 0, send the request and then call `release_pace`. If the process dies
        instead, the next request can start *lease_s* seconds from now. All processes on this store
        share one row per group.

        Args:
            group: Servers that share a pace, such as ``arxiv.org``.
            interval_s: Seconds between the end of one request and the start of the next.
            lease_s: Longest time of a request in seconds; at least *interval_s* is used.
            now: This process's clock. If it was set back, the wait is at most the last lease.
        """
        with self._database.write() as connection:
            row = self._locked_pace(connection, group, now)
            ahead_s = (row.next_at - now).total_seconds()
            if ahead_s <= 0:
                _write_pace(connection, group, max(lease_s, interval_s), now)
                return 0.0
            if ahead_s > row.span_s:
                _write_pace(connection, group, row.span_s, now)
            return float(min(ahead_s, row.span_s))

    def is_free(self, group: str, now: datetime) -> bool:
        """Return True if no request or pause reserves *group*."""
        query = select(pacing.c.next_at).where(pacing.c.group_name == group)
        with self._database.read() as connection:
            next_at = connection.execute(query).scalar()
        return next_at is None or next_at <= now

    def release_pace(self, group: str, interval_s: float, now: datetime) -> None:
        """End a request: the next one can start *interval_s* seconds from now."""
        with self._database.write() as connection:
            self._locked_pace(connection, group, now)
            _write_pace(connection, group, interval_s, now)

    def _touch(
        self, connection: Connection, asked: Mapping[str, str | None], now: datetime
    ) -> None:
        first: dict[str, Any] = {"memory": {}, "fields": {}, "status": PassStatus.NEVER}
        first |= {"failures": 0, "last_try_at": now}
        rows = [{"name": name, "asked": each, **first} for name, each in asked.items()]
        insert = self._database.insert(sources)
        values = {key: insert.excluded[key] for key in ("last_try_at", "asked")}
        touch = insert.on_conflict_do_update(index_elements=["name"], set_=values)
        connection.execute(touch, rows)

    def _locked_pace(self, connection: Connection, group: str, now: datetime) -> Row[Any]:
        """Lock and return the group's row, created on first use."""
        row = self._database.insert(pacing).values(group_name=group, next_at=now, span_s=0.0)
        connection.execute(row.on_conflict_do_nothing())
        query = select(pacing).where(pacing.c.group_name == group).with_for_update()
        return connection.execute(query).one()


def _write_pace(connection: Connection, group: str, span_s: float, now: datetime) -> None:
    values = {"next_at": now + timedelta(seconds=span_s), "span_s": span_s}
    connection.execute(update(pacing).where(pacing.c.group_name == group).values(values))


def _to_state(row: Row[Any]) -> SourceState:
    return SourceState(**{**row._mapping, "fields": FieldCounts(**row.fields)})


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
        fields=FieldCounts(),
    )
