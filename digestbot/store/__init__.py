"""
Everything that must outlive a process: one schema, on SQLite or PostgreSQL.

`open_store` is the door; a `Store` has one part for each stage's questions.

Threads: a store may be used from any thread; it is synchronous, and asynchronous callers go through
``asyncio.to_thread``. Processes: any number may use one database at once.

Transactions: every method that changes something is one transaction. It is committed when the
method returns and leaves nothing behind if it raises or the process is killed. Iterators read a
chunk per transaction.

Time: datetimes go in aware and come out in UTC; a naive one is a ValueError. The store never looks
at a clock.

Text: what a database cannot hold (NUL, lone surrogates) is stored as U+FFFD.

Errors: `StoreUnavailable` for all that the world does to a database (gone, locked for longer than
*busy_s*, disk full), one line, without the password; what was being written is undone.
"""

from types import TracebackType
from typing import Self

from digestbot.store.bounces import Bounces
from digestbot.store.database import BUSY_S, Database, read_url
from digestbot.store.digests import Digests
from digestbot.store.editions import Editions, Envelope
from digestbot.store.ledger import Ledger, line_of, row_of
from digestbot.store.migrate import bring_to_head
from digestbot.store.outbox import FOR_A_PERSON, Outbox
from digestbot.store.papers import Papers
from digestbot.store.sources import Sources
from digestbot.store.subscriptions import Subscriptions
from digestbot.store.tables import PassStatus
from digestbot.store.values import (
    Attempt,
    Cap,
    DigestState,
    EditionSummary,
    Ingested,
    MailboxState,
    Pass,
    Recovered,
    SourceState,
    Transition,
)

__all__ = [
    "FOR_A_PERSON",
    "Attempt",
    "Cap",
    "DigestState",
    "EditionSummary",
    "Envelope",
    "Ingested",
    "MailboxState",
    "Pass",
    "PassStatus",
    "Recovered",
    "SourceState",
    "Store",
    "Transition",
    "line_of",
    "open_store",
    "row_of",
]


class Store:
    """An open database at the newest revision; close it, or use it in a ``with``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.papers = Papers(database)
        self.sources = Sources(database)
        self.digests = Digests(database)
        self.editions = Editions(database)
        self.outbox = Outbox(database)
        self.subscriptions = Subscriptions(database)
        self.bounces = Bounces(database)
        self.ledger = Ledger(database)

    def close(self) -> None:
        """Close the connections; the store must not be used afterwards."""
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
    The store at *url*, its tables made or brought up to date if need be.

    Args:
        url: ``sqlite:///path``, ``sqlite://`` for one in memory, or ``postgresql://user@host/name``.
        create: Whether a database that is not there or empty is to be filled with tables.
        busy_s: How long a statement waits for another process's lock before it gives up.
        read_only: Refuse every write once the tables are up to date.

    Raises:
        StoreUnavailable: It cannot be reached, or it is empty and *create* is false.
        StoreTooNew: It was written by a newer digestbot.
        ForeignStore: It holds something else.
        MissingExtra: PostgreSQL's driver is not installed.
    """
    database = Database(read_url(url), busy_s=busy_s)
    try:
        bring_to_head(database, create=create)
        if read_only:
            database.make_read_only()
    except BaseException:
        database.close()
        raise
    return Store(database)
