"""
Connections to one database: transactions, the differences between the two databases, and errors.

`Database.read` and `Database.write` are the only ways to a connection. SQL that only one of the
databases understands is here and in `bulk_values`, each in a function with its reason.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
    ProgrammingError,
)
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from sqlalchemy.types import TypeEngine

from digestbot.errors import (
    ForeignStore,
    MissingExtra,
    StoreError,
    StoreReplaced,
    StoreUnavailable,
    StoreUnusable,
)
from digestbot.store.bulk_values import BulkValues

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

BUSY_S: Final = 30
"""Default seconds that a statement waits for another process's lock."""

WAIT_S: Final = 0.001
"""Pause between two tries to take SQLite's write lock."""

SWITCH_S: Final = 0.05
"""Pause between two tries to switch a new SQLite file to WAL."""

IDLE_S: Final = 1.0
"""Idle seconds after which a PostgreSQL connection is tested: a restart may have closed it. One
that dies sooner is an error; callers retry, as after one that dies during a statement."""

CHUNK: Final = 500
"""Values per statement; far below SQLite's limit of 32,766 variables."""

# First part of PostgreSQL's two-part advisory locks. The second is a hash of the schema, so that
# two schemas in one database do not wait for each other.
INGEST_LOCK: Final = 0x64690001
MIGRATE_LOCK: Final = 0x64690002

_ADVICE: Final = {
    "database or disk is full": "free some space; nothing is lost",
    "disk I/O error": "check whether the disk is full or broken",
    "attempt to write a readonly database": "make it writable for the user of digestbot",
}
"""Advice for some of SQLite's messages."""

_READ_ONLY: Final = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET default_transaction_read_only = on",
}

T = TypeVar("T")


def chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """Yield *values* in order, *size* at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def read_url(text: str) -> URL:
    """
    Parse a store URL: ``sqlite:///path`` or ``postgresql://user@host/name``.

    Raises:
        StoreUnavailable: *text* is another kind of URL.
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
    raise StoreUnavailable(f'store: cannot use "{kind}"; write sqlite:///path or postgresql://…')


def _require_psycopg() -> None:
    try:
        import psycopg  # noqa: F401  # an optional extra
    except ImportError as error:
        raise MissingExtra("a store on PostgreSQL", "postgres") from error


def shown(url: URL) -> str:
    """Format *url* for messages. Omits the password, and the query, which may contain one."""
    bare = url.set(query={}).set(drivername=url.get_backend_name())
    return bare.render_as_string(hide_password=True)


class Database:
    """
    Connections to one database, for use from any thread.

    On SQLite the writing threads of this process queue for a lock, since SQLite itself waits by
    sleeping up to 100 ms. Other processes are waited for, up to *busy_s* seconds.
    """

    def __init__(self, url: URL, *, busy_s: float = BUSY_S) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        make_engine = _sqlite_engine if self.is_sqlite else _postgresql_engine
        self._engine = make_engine(url, busy_s)
        event.listen(self._engine, "handle_error", self._explain)
        self._writer = self._engine.execution_options(digestbot_writes=True)
        self._turn = threading.Lock()
        self._group = _Group()
        name = url.database if self.is_sqlite else None
        self._path = Path(name) if name and name != ":memory:" else None
        self._file: tuple[int, int] | None = None
        """Device and inode of SQLite's file, once it has been opened."""
        self.lacks_wal = False
        """True if SQLite's file was in WAL mode, but without the file of its latest changes.

        SQLite deletes that file when the last process closes the store, with nothing left in it."""
        if self._path is not None:
            event.listen(self._engine, "connect", self._check_file)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """
        Open a transaction that only reads.

        Raises:
            StoreReplaced: The file was deleted, moved or replaced since it was opened.
        """
        if self._group.connection is not None:
            yield self._group.connection
            return
        self._check_file()
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """
        Open a transaction. It is committed at the end, and undone if the block raises.

        Raises:
            StoreReplaced: The file was deleted, moved or replaced since it was opened.
        """
        if self._group.connection is not None:
            yield self._group.connection
            return
        self._check_file()
        if not self.is_sqlite:
            with self._writer.begin() as connection:
                yield connection
            return
        with self._turn, self._writer.begin() as connection:
            yield connection

    def together(self, acts: Sequence[Callable[[], T]]) -> list[T | Exception]:
        """Call *acts* in one transaction that their reads and writes join; see `Store.together`."""
        with self.write() as connection:
            self._group.connection = connection
            try:
                return [_outcome(connection, act) for act in acts]
            finally:
                self._group.connection = None

    def _check_file(self, *_: object) -> None:
        """
        Compare the file at the path with the one that was opened first.

        SQLite would go on with the file that has no name any more, and record there what is sent.
        """
        if self._path is None:
            return
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = None
        except OSError:
            return  # SQLite will report it better
        here = (found.st_dev, found.st_ino) if found else None
        if self._file is None:
            self._file = here
            self.lacks_wal = here is not None and _lacks_wal(self._path)
        elif here != self._file:
            what = "was replaced" if here else "was deleted or moved"
            advice = "restore it if that was a mistake, then start again"
            raise StoreReplaced(f"{shown(self.url)}: {what} while digestbot was using it; {advice}")

    @property
    def file_number(self) -> str | None:
        """
        Number of SQLite's file, which a copy does not share; None without a file.

        The device is left out: its number can change when the file system is mounted again.
        """
        return str(self._file[1]) if self._file else None

    def checkpoint(self) -> None:
        """Move SQLite's latest changes into its main file, unless a reader needs the old ones."""
        if self.is_sqlite:
            with self.read() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    def find_damage(self) -> str | None:
        """Read the whole SQLite file; return the first damage. PostgreSQL checks its own pages."""
        if not self.is_sqlite:
            return None
        with self.read() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        return None if found == "ok" else str(found).splitlines()[-1]

    def make_read_only(self) -> None:
        """Let the database refuse every write, on the connections of now and of later."""
        sql = _READ_ONLY[self.url.get_backend_name()]

        def refuse_writes(connection: Any, record: object) -> None:
            connection.execute(sql)
            if not self.is_sqlite:
                connection.commit()

        event.listen(self._engine, "connect", refuse_writes)
        # The one that `bring_to_head` has used waits in the pool.
        with self._engine.connect() as used:
            refuse_writes(used.connection.driver_connection, None)

    def close(self) -> None:
        """Close all idle connections."""
        self._engine.dispose()

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """Build an INSERT with ON CONFLICT: the same SQL, but two classes in SQLAlchemy."""
        if self.is_sqlite:
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # here: costs users of SQLite 15 ms

        return postgresql.insert(table)

    def bulk_values(self, **types: TypeEngine[Any]) -> BulkValues:
        """Prepare the rows of one statement, with these columns."""
        return BulkValues(self._engine.dialect, **types)

    def take_lock(self, connection: Connection, lock: int) -> None:
        """
        Take *lock* until the transaction ends.

        PostgreSQL releases an advisory lock after the commit is visible, so that the next holder
        sees what the previous one wrote. SQLite has one writer anyway (BEGIN IMMEDIATE).
        """
        if not self.is_sqlite:
            schema = func.hashtext(func.current_schema())
            connection.execute(select(func.pg_advisory_xact_lock(lock, schema)))

    def _with_advice(self, cause: str) -> str:
        """Add a reason or advice to SQLite's message."""
        file = Path(self.url.database or ".")
        if cause == "unable to open database file":
            if not file.parent.is_dir():
                return f"the folder {file.parent} does not exist"
            if file.is_dir():
                return "this is a folder; name a file"
            return f"{cause}; make it and its folder writable for the user of digestbot"
        return f"{cause}; {advice}" if (advice := _ADVICE.get(cause)) else cause

    def _explain(self, context: ExceptionContext) -> Exception | None:
        """Translate a failure of the database to a `StoreError`, and leave bugs alone."""
        error = context.sqlalchemy_exception or context.original_exception
        cause = next(iter(str(context.original_exception).strip().splitlines()), "no reason given")
        if isinstance(error, DBAPIError) and _is_missing(context.original_exception, cause):
            return StoreUnusable(f"{shown(self.url)}: {cause}; restore a backup")
        if isinstance(error, ProgrammingError) and context.connection is None:
            return StoreUnusable(f"{shown(self.url)}: {cause}; correct the URL of the store")
        if isinstance(error, OperationalError | InterfaceError):
            return StoreUnavailable(f"{shown(self.url)}: {self._with_advice(cause)}")
        if isinstance(error, DBAPIError) and "file is not a database" in cause:
            return ForeignStore(f"{shown(self.url)}: {cause}; name another file, or move it away")
        if isinstance(error, DBAPIError) and "malformed" in cause:
            advice = "the file is damaged: restore a backup, or move it away to start afresh"
            return StoreUnusable(f"{shown(self.url)}: {cause}; {advice}")
        return None


class _Group(threading.local):
    """Transaction that the current thread's reads and writes join."""

    connection: Connection | None = None


def _outcome(connection: Connection, act: Callable[[], T]) -> T | Exception:
    try:
        with connection.begin_nested():
            return act()
    except StoreError:
        raise  # the transaction may be lost
    except Exception as error:
        return error


def _is_missing(error: BaseException, cause: str) -> bool:
    """Return True if a table or column is missing; SQLite has no code for that."""
    is_missing = getattr(error, "sqlstate", None) in {"42P01", "42703"}
    return is_missing or cause.startswith(("no such table", "no such column"))


def _lacks_wal(path: Path) -> bool:
    """Return True if the file's header demands a -wal file and it is missing."""
    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError:
        return False  # SQLite will report it better
    return header[18:19] == b"\x02" and not path.with_name(f"{path.name}-wal").exists()


def _sqlite_engine(url: URL, busy_s: float) -> Engine:
    options: dict[str, Any] = {"connect_args": {"timeout": busy_s, "check_same_thread": False}}
    if url.database in {None, "", ":memory:"}:
        # A database in memory belongs to its connection, which all threads must share.
        options |= {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_engine(url, **options)
    event.listen(engine, "connect", partial(_prepare_sqlite, busy_s))
    event.listen(engine, "begin", partial(_begin_sqlite, busy_s))
    return engine


def _prepare_sqlite(busy_s: float, connection: Any, record: object) -> None:
    """Set WAL and FULL. Readers can read during a write, and commits survive a power cut."""
    # Python's driver would begin transactions late, and only before some statements.
    connection.isolation_level = None
    _switch_to_wal(connection, busy_s)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(connection: Any, busy_s: float) -> None:
    """Switch to WAL, with retries. SQLite's busy timeout does not cover this switch."""
    for _ in range(int(busy_s / SWITCH_S) + 1):
        if connection.execute("PRAGMA journal_mode").fetchone() != ("delete",):
            return
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                return  # read-only or full: the first write reports it
        time.sleep(SWITCH_S)


def _begin_sqlite(busy_s: float, connection: Connection) -> None:
    """Take the write lock at once: taken later it fails if another process has written."""
    if not connection.get_execution_options().get("digestbot_writes"):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        _take_write_lock(driver, busy_s)
        # Again through SQLAlchemy, whose error names the database.
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(busy_s * 1000)}")


def _take_write_lock(driver: Any, busy_s: float) -> None:
    """
    Begin when the other processes have stopped writing.

    Tries for *busy_s* seconds. SQLite's own wait sleeps for up to 100 ms: two sending processes
    would mostly sleep (make bench: together no faster than one).
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
    event.listen(engine, "checkout", _test_idle)
    return engine


def _note_idle(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


def _test_idle(connection: Any, record: ConnectionPoolEntry, proxy: object) -> None:
    """
    Test a connection that was idle for `IDLE_S`, and let the pool replace a dead one.

    The pool's own test runs at each use, which adds a tenth to the cost of a message (make bench).
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
