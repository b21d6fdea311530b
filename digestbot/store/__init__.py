"""
Everything that outlives a process: one schema, on SQLite or PostgreSQL.

Begin at `open_store`; a `Store` has one part for each subject, such as `Store.papers`.

Threads and processes: a store can be used from any thread. It is synchronous; call it through
``asyncio.to_thread`` from asynchronous code. Any number of processes can share one database.

Transactions: every method that writes is one transaction. It is committed when the method returns,
and undone if the method raises or the process is killed. `Store.together` commits many calls at
once. Iterators use a transaction per chunk.

Time: pass aware datetimes (a naive one raises ValueError); they are returned in UTC. The store
reads no clock.

Text: characters that a database cannot store (NUL, lone surrogates) become U+FFFD.

Errors: `StoreUnavailable` if the database fails (unreachable, locked for longer than *busy_s*, disk
full), on one line, without the password; the transaction is undone.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from digestbot.store.batches import Batches, BatchPaper
from digestbot.store.bounces import Bounces
from digestbot.store.database import BUSY_S, Database, read_url
from digestbot.store.digests import Digests
from digestbot.store.editions import Editions, Envelope
from digestbot.store.enrichments import Enrichments
from digestbot.store.ledger import Ledger, from_line, to_line
from digestbot.store.migrate import upgrade
from digestbot.store.outbox import Outbox
from digestbot.store.papers import Papers
from digestbot.store.pauses import Pauses
from digestbot.store.processes import Processes, current_process
from digestbot.store.sources import Sources
from digestbot.store.subscriptions import Subscriptions
from digestbot.store.tables import PassStatus
from digestbot.store.transitions import AWAITING_OPERATOR
from digestbot.store.values import (
    Attempt,
    Cap,
    Completion,
    DigestState,
    EditionSummary,
    FieldCounts,
    Incomplete,
    Ingested,
    KindPause,
    MailboxState,
    Pass,
    Recovered,
    ServiceState,
    Skipped,
    SourceState,
    Transition,
)
from digestbot.store.works import Decision, Name, Works

__all__ = [
    "AWAITING_OPERATOR",
    "Attempt",
    "BatchPaper",
    "Cap",
    "Completion",
    "Decision",
    "DigestState",
    "EditionSummary",
    "Envelope",
    "FieldCounts",
    "Incomplete",
    "Ingested",
    "KindPause",
    "MailboxState",
    "Name",
    "Pass",
    "PassStatus",
    "Recovered",
    "ServiceState",
    "Skipped",
    "SourceState",
    "Store",
    "Transition",
    "current_process",
    "from_line",
    "open_store",
    "to_line",
]

T = TypeVar("T")


class Store:
    """An open database at the newest revision; use it in a ``with``, or close it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.papers = Papers(database)
        self.enrichments = Enrichments(database)
        self.sources = Sources(database)
        self.batches = Batches(database)
        self.works = Works(database)
        self.digests = Digests(database)
        self.editions = Editions(database)
        self.outbox = Outbox(database)
        self.pauses = Pauses(database)
        self.subscriptions = Subscriptions(database)
        self.bounces = Bounces(database)
        self.ledger = Ledger(database)
        self.processes = Processes(database)

    def together(self, acts: Sequence[Callable[[], T]]) -> list[T | Exception]:
        """
        Call *acts*, each one method of this store, in order in one transaction.

        Returns the result or exception of each. One that raises undoes its own writes only.

        Raises:
            StoreError: The database failed, and none of the acts has happened.
        """
        return self._database.together(acts)

    def find_damage(self) -> str | None:
        """Return the first damage found in the whole file (SQLite); slow if it is large."""
        return self._database.find_damage()

    def close(self) -> None:
        """Close the connections and end the use of this store."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(
    url: str, *, create: bool = True, busy_s: float = BUSY_S, read_only: bool = False
) -> Store:
    """
    Open the store at *url*, with its tables created or upgraded.

    Args:
        url: ``sqlite:///path``, ``sqlite://`` for memory, or ``postgresql://user@host/name``.
        create: Create the tables in a missing or empty database.
        busy_s: Seconds that a statement waits for another process's lock.
        read_only: Refuse every write once the tables are up to date.

    Raises:
        StoreUnavailable: The database cannot be reached, or is empty and *create* is False.
        StoreUnusable: It lacks a table or its version, or the URL has an unknown parameter.
        StoreTooNew: A newer digestbot wrote it.
        ForeignStore: It belongs to another program.
        MissingExtra: PostgreSQL's driver is not installed.
    """
    database = Database(read_url(url), busy_s=busy_s)
    try:
        upgrade(database, create=create)
        store = Store(database)
        store.processes.note_copy()
        if read_only:
            database.make_read_only()
    except BaseException:
        database.close()
        raise
    return store
