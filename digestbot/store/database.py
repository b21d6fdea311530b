"""
One engine and its manners: how a transaction begins, where the two databases differ, what breaks.

`Database.read` and `Database.write` are the only ways to a connection. All that must be said in one
database's own words stands here and in `rows`, each in a function with its reason.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    Table,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from sqlalchemy.types import TypeEngine

from digestbot.errors import ForeignStore, MissingExtra, StoreUnavailable
from digestbot.store.bulk_values import BulkValues

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

BUSY_S: Final = 30
"""How long a statement waits for another process's lock before it gives up, if nobody says more."""

WAIT_S: Final = 0.001
"""Between two looks whether another process has ended its transaction."""

SWITCH_S: Final = 0.05
"""Between two tries to switch a new SQLite file to WAL."""

IDLE_S: Final = 1.0
"""After so long without use a connection to PostgreSQL is asked whether it lives: it may have died
with a restart. One that dies sooner is an error, and whoever has it tries again, as with one that
dies in the midst of a statement."""

CHUNK: Final = 500
"""Values per statement: far below SQLite's limit of 32,766 variables."""

# PostgreSQL's two-part advisory locks: what for, and a hash of the schema, so that two schemas of
# one database do not wait for each other.
INGEST_LOCK: Final = 0x64690001
MIGRATE_LOCK: Final = 0x64690002

_ADVICE: Final = {
    "database or disk is full": "free some space; nothing is lost",
    "disk I/O error": "look whether the disk is full or broken",
    "attempt to write a readonly database": "whoever runs this must be able to write to it",
}
"""What to do about some of SQLite's messages."""

T = TypeVar("T")


def chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """*values* in order, *size* at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def read_url(text: str) -> URL:
    """
    The database that *text* names: ``sqlite:///path`` or ``postgresql://user@host/name``.

    Raises:
        StoreUnavailable: It is no such URL.
        MissingExtra: PostgreSQL's driver is not installed.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreUnavailable("store: not a URL; write sqlite:///path or postgresql://…") from None
    kind = url.drivername.partition("+")[0]
    if kind == "sqlite":
        return url.set(drivername="sqlite+pysqlite")
    if kind in {"postgresql", "postgres"}:
        _require_psycopg()
        return url.set(drivername="postgresql+psycopg")
    raise StoreUnavailable(f"store: cannot use {kind!r}; write sqlite:///path or postgresql://…")


def _require_psycopg() -> None:
    try:
        import psycopg  # noqa: F401  # an optional extra: asked for only when it is needed
    except ImportError as error:
        raise MissingExtra("a store on PostgreSQL", "postgres") from error


def shown(url: URL) -> str:
    """*url* for people and logs: without the password and without the query, which may hold one."""
    bare = url.set(query={}).set(drivername=url.get_backend_name())
    return bare.render_as_string(hide_password=True)


class Database:
    """
    The connections to one database; may be used from any thread.

    On SQLite the writers of this process take turns on a lock of their own, since SQLite's waiting
    is a sleep of up to 100 ms; other processes are waited for, *busy_s* seconds.
    """

    def __init__(self, url: URL, *, busy_s: float = BUSY_S) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        make_engine = _sqlite_engine if self.is_sqlite else _postgresql_engine
        self._engine = make_engine(url, busy_s)
        event.listen(self._engine, "handle_error", self._explain)
        self._writer = self._engine.execution_options(digestbot_writes=True)
        self._turn = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in a transaction that only reads."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a transaction: committed at the end, undone if the block raises."""
        if not self.is_sqlite:
            with self._writer.begin() as connection:
                yield connection
            return
        with self._turn, self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT that knows ON CONFLICT: the same words, but two classes in SQLAlchemy."""
        if self.is_sqlite:
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # here: costs users of SQLite 15 ms

        return postgresql.insert(table)

    def bulk_values(self, **types: TypeEngine[Any]) -> BulkValues:
        """Rows of these columns, to be given to one statement."""
        return BulkValues(self._engine.dialect, **types)

    def take_lock(self, connection: Connection, lock: int) -> None:
        """
        Make the holders of *lock* follow one another until the transaction ends.

        PostgreSQL frees an advisory lock after the commit is visible, so who comes next sees what
        its predecessor wrote. SQLite has one writer anyway (BEGIN IMMEDIATE).
        """
        if not self.is_sqlite:
            schema = func.hashtext(func.current_schema())
            connection.execute(select(func.pg_advisory_xact_lock(lock, schema)))

    def _in_words(self, cause: str) -> str:
        """SQLite's words with the reason that it does not tell, or what to do."""
        file = Path(self.url.database or ".")
        if cause == "unable to open database file":
            if not file.parent.is_dir():
                return f"the folder {file.parent} does not exist"
            if file.is_dir():
                return "it is a folder; name a file"
            return f"{cause}; it and its folder must be writable for whoever runs this"
        return f"{cause}; {advice}" if (advice := _ADVICE.get(cause)) else cause

    def _explain(self, context: ExceptionContext) -> Exception | None:
        """What the world did to the database as a `StoreError`; None for a bug, left as it is."""
        error = context.sqlalchemy_exception or context.original_exception
        cause = next(iter(str(context.original_exception).strip().splitlines()), "no reason given")
        if isinstance(error, OperationalError | InterfaceError):
            return StoreUnavailable(f"{shown(self.url)}: {self._in_words(cause)}")
        if isinstance(error, DBAPIError) and "file is not a database" in cause:
            return ForeignStore(f"{shown(self.url)}: {cause}; name another file, or move it away")
        if isinstance(error, DBAPIError) and "malformed" in cause:
            advice = "the file is damaged: put a copy back, or move it away to begin anew"
            return StoreUnavailable(f"{shown(self.url)}: {cause}; {advice}")
        return None


def _sqlite_engine(url: URL, busy_s: float) -> Engine:
    options: dict[str, Any] = {"connect_args": {"timeout": busy_s, "check_same_thread": False}}
    if url.database in {None, "", ":memory:"}:
        # A database in memory belongs to its connection: all threads take turns on one.
        options |= {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_engine(url, **options)
    event.listen(engine, "connect", partial(_prepare_sqlite, busy_s))
    event.listen(engine, "begin", partial(_begin_sqlite, busy_s))
    return engine


def _prepare_sqlite(busy_s: float, connection: Any, record: object) -> None:
    """WAL lets readers read while one writes; FULL: what was committed survives a power cut."""
    # Python's driver begins transactions late and only before some statements: it must not at all.
    connection.isolation_level = None
    _switch_to_wal(connection, busy_s)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(connection: Any, busy_s: float) -> None:
    """SQLite's busy timeout does not cover this switch: two first openings meet here."""
    for _ in range(int(busy_s / SWITCH_S) + 1):
        if connection.execute("PRAGMA journal_mode").fetchone() != ("delete",):
            return
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                return  # read-only, or full: whoever writes first is told
        time.sleep(SWITCH_S)


def _begin_sqlite(busy_s: float, connection: Connection) -> None:
    """A writer takes the lock at once: to take it in mid-transaction fails if another wrote."""
    if not connection.get_execution_options().get("digestbot_writes"):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        _take_write_lock(driver, busy_s)
        # Once more in the words of SQLAlchemy, which names the database in the error.
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(busy_s * 1000)}")


def _take_write_lock(driver: Any, busy_s: float) -> None:
    """
    Begin, as soon as no other process writes; look for *busy_s* seconds.

    Not by SQLite's own waiting: it looks again after up to 100 ms, and two processes that send
    mail would mostly sleep (make bench: together no faster than one).
    """
    until = time.monotonic() + busy_s
    while time.monotonic() < until:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                return
            time.sleep(WAIT_S)
        else:
            return


def _postgresql_engine(url: URL, busy_s: float) -> Engine:
    from digestbot.store.tables import set_postgresql_options

    set_postgresql_options()
    settings = {"connect_timeout": 10, "fallback_application_name": "digestbot"}
    arguments = {key: value for key, value in settings.items() if key not in url.query}
    engine = create_engine(url, connect_args=arguments)
    event.listen(engine, "connect", partial(_prepare_postgresql, busy_s))
    event.listen(engine, "checkin", _note_idle)
    event.listen(engine, "checkout", _ask_idle)
    return engine


def _note_idle(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


def _ask_idle(connection: Any, record: ConnectionPoolEntry, proxy: object) -> None:
    """
    Whether a connection that nobody has used for `IDLE_S` still lives; the pool then opens another.

    Not at each use, as the pool would do it: that is a tenth of what a mail costs (make bench).
    """
    if time.monotonic() - record.info.get("idle_since", math.inf) < IDLE_S:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        raise DisconnectionError from error


def _prepare_postgresql(busy_s: float, connection: Any, record: object) -> None:
    connection.execute(f"SET lock_timeout = '{int(busy_s * 1000)}ms'")
    connection.commit()
