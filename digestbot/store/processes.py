"""
Processes that send from a store, recorded to recognize a copy of its SQLite file.

Two machines that run on copies of one file would send everything twice. Each process records its
host and the number of the file, and renews the record while it runs. A copy is another file: if it
has the record of a process that never ended, it was copied from under that process. The same file
under another host name, such as a volume of a container, is fine. PostgreSQL is shared anyway.

Begin at `Processes.using`.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, update

from digestbot.errors import StoreCopied, StoreError
from digestbot.store.database import Database, shown
from digestbot.store.tables import processes

RECENT: Final = timedelta(hours=1)
"""Age up to which a record of another host means that the process may still run. `serve` renews it
every minute; a machine that replaces a dead one waits this long at most."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that sends from the store."""

    host: str
    pid: int


def current_process() -> Process:
    """Return this process."""
    return Process(socket.gethostname(), os.getpid())


class Processes:
    """The part of the store with the processes that send from it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def using(self, process: Process, clock: Callable[[], datetime]) -> Iterator[None]:
        """
        Record *process* for the duration of the block.

        Raises:
            StoreCopied: The file was copied while another process used it; see `objection`.
        """
        self.begin(process, clock())
        try:
            yield
        finally:
            with suppress(StoreError):  # the record gets old
                self._remove(process)

    def begin(self, process: Process, now: datetime) -> None:
        """
        Record *process*, and remove the records of dead ones.

        Raises:
            StoreCopied: The file was copied while another process used it.
        """
        file = self._database.file_number
        if file is None:
            return
        with self._database.write() as connection:
            if why := self._objection(connection, process, now):
                raise StoreCopied(f"{shown(self._database.url)}: {why}")
            is_dead = (processes.c.file != file) | (processes.c.seen_at < now - RECENT)
            connection.execute(delete(processes).where(is_dead))
            self._record(connection, process, file, now)
        self._database.checkpoint()  # a copy of the main file alone must have the record

    def note_copy(self) -> None:
        """Note that a copy came with its latest changes: closing it removes its -wal file."""
        file = self._database.file_number
        if file is None or self._database.lacks_wal:
            return
        new = (processes.c.file != file, ~processes.c.is_complete)
        with self._database.read() as connection:
            if connection.execute(select(processes.c.pid).where(*new)).first() is None:
                return
        with suppress(StoreError), self._database.write() as connection:
            connection.execute(update(processes).where(*new).values(is_complete=True))

    def beat(self, process: Process, now: datetime) -> None:
        """Renew the record of *process*."""
        file = self._database.file_number
        if file is not None:
            with self._database.write() as connection:
                self._record(connection, process, file, now)

    def objection(self, process: Process, now: datetime) -> str | None:
        """Return why *process* should not use this copy of a store, if it is one."""
        with self._database.read() as connection:
            return self._objection(connection, process, now)

    def adopt(self) -> int:
        """Forget the processes of the file that this one was copied from; return their number."""
        file = self._database.file_number
        if file is None:
            return 0
        with self._database.write() as connection:
            return connection.execute(delete(processes).where(processes.c.file != file)).rowcount

    def _objection(self, connection: Connection, process: Process, now: datetime) -> str | None:
        file = self._database.file_number
        if file is None:
            return None
        query = select(processes).order_by(processes.c.seen_at.desc())
        rows = [row for row in connection.execute(query) if row.file != file]
        return objection(rows, process.host, now)

    def _record(self, connection: Connection, process: Process, file: str, now: datetime) -> None:
        values = {"file": file, "is_complete": False, "seen_at": now}
        new = self._database.insert(processes).values(host=process.host, pid=process.pid, **values)
        renew = new.on_conflict_do_update(index_elements=["host", "pid"], set_=values)
        connection.execute(renew)

    def _remove(self, process: Process) -> None:
        if self._database.file_number is None:
            return
        this = (processes.c.host == process.host, processes.c.pid == process.pid)
        with self._database.write() as connection:
            connection.execute(delete(processes).where(*this))


def objection(copied: Sequence[Row[Any]], host: str, now: datetime) -> str | None:
    """
    Return why this machine should not use a store that was copied, if it should not.

    Args:
        copied: Processes that used the original when it was copied, the last one first.
        host: Name of this machine.
        now: Current time.
    """
    for row in copied:
        if not row.is_complete:
            return (
                f"copied without its -wal file while {row.host} used it, or after a crash there, "
                "so it may lack what was sent last; stop digestbot there and copy all files, "
                "or run 'digestbot deliveries adopt' to accept this one"
            )
        if row.host != host and row.seen_at > now - RECENT:
            return (
                f"copied while digestbot ran on {row.host} (process {row.pid}, last seen "
                f"{row.seen_at:%Y-%m-%d %H:%M} UTC); if both run, everything is sent twice: stop "
                "it there, then run 'digestbot deliveries adopt' here"
            )
    return None
