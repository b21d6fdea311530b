"""
The ledger: what has been offered, sent and refused, in rows that another store can take in.

Not the papers that nobody was offered, nor the bodies of what was sent: the log beyond the digests'
cursors, every edition with what it held, every delivery with its end, subscriptions, suppressions,
bounces, and what the sources remember. All keys stay as they are, since Message-IDs and bounce
addresses are made of them. A delivery that was not done is exported as held, with its bodies: so
the store that takes it in sends nothing by itself that the old one may have sent.

Begin at `Ledger.rows`, which gives what `Ledger.take` takes.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Enum,
    Float,
    Integer,
    Select,
    Table,
    func,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, StatementError

from digestbot.errors import LedgerError
from digestbot.model import Body, DeliveryState, Form
from digestbot.store import renditions as forms
from digestbot.store.database import Database
from digestbot.store.tables import (
    HEAD,
    StoredText,
    UtcDateTime,
    announcements,
    bounces,
    days,
    deliveries,
    delivery_attempts,
    digests,
    edition_papers,
    editions,
    fragments,
    mailboxes,
    pacing,
    papers,
    passes,
    renditions,
    sources,
    subscriptions,
    suppressions,
    volumes,
)
from digestbot.store.transitions import IMPORTED_AS, to_exported

NAMED_BY: Final[Mapping[Table, tuple[str, ...]]] = {
    sources: ("name",),
    papers: ("paper_id", "version"),
    announcements: ("source", "paper_id", "version"),
    digests: ("name", "created_at"),
    subscriptions: ("digest", "kind", "address_key"),
    suppressions: ("address",),
    editions: ("digest_id", "number"),
    edition_papers: ("edition_id", "paper_id", "version"),
    renditions: ("edition_id", "form"),
    deliveries: ("edition_id", "kind", "address"),
    delivery_attempts: ("delivery_id", "attempt"),
    bounces: ("fingerprint",),
    mailboxes: ("name",),
    volumes: ("day",),
}
"""The tables in the order in which their rows refer to one another, and what makes two rows one."""
STAYING: Final = frozenset({passes, pacing, fragments, days})
"""Of one machine and its day; fragments go along in the bodies that are made of them."""

_BY_NAME = {table.name: table for table in NAMED_BY}
_DONE = (DeliveryState.SENT, DeliveryState.CANCELLED)
_FETCH = 1000
_ADVICE = "import into a new store, before anything is fetched or sent"

_TYPES: Final[tuple[tuple[type, type | tuple[type, ...]], ...]] = (
    (Boolean, bool),
    (Integer, int),
    (Float, (float, int)),
    (UtcDateTime, str),
    (StoredText, str),
    (Enum, str),
)
"""What JSON has for each type of column; StoredJson holds anything."""

Row = dict[str, Any]
"""Of JSON values: the columns of a row, under the name of its table."""


class Ledger:
    """The part of the store that goes from one machine to another."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self) -> Iterator[tuple[str, Row]]:
        """The head, then every row with its table's name, all of one moment."""
        with self._database.read() as connection:
            if not self._database.is_sqlite:  # which sees one moment anyway
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield "ledger", {"revision": HEAD, "head": _head(connection)}
            for table in NAMED_BY:
                if table is renditions:
                    for row in connection.execute(_wanted(connection, table)).all():
                        yield table.name, _rendition(connection, row.edition_id, row.form)
                    continue
                query = _wanted(connection, table).execution_options(yield_per=_FETCH)
                for row in connection.execute(query):
                    values = dict(row._mapping)
                    values = to_exported(values) if table is deliveries else values
                    yield table.name, {key: _to_json(value) for key, value in values.items()}

    def take(self, rows: Iterable[tuple[str, Row]]) -> int:
        """
        Put in what is not there yet, all or nothing; gives how many rows that were.

        What is there already stays as it is, so that a ledger may be taken in twice.

        Args:
            rows: As `rows` gives them.

        Raises:
            LedgerError: The row of that number, from 1, is none, or contradicts what is there.
        """
        added = 0
        with self._database.write() as connection:
            head = number = 0
            for number, (name, row) in enumerate(rows, start=1):
                try:
                    if number == 1:
                        head = _check_head(name, row)
                        _check_new(connection)
                    else:
                        added += self._take(connection, name, row)
                except LedgerError as error:
                    raise LedgerError(str(error), number) from error
                except (IntegrityError, StatementError, TypeError, ValueError, KeyError) as error:
                    why = str(getattr(error, "orig", None) or error).splitlines()[0]
                    raise LedgerError(f"no row of {name}: {why}", number) from error
            if not number:
                raise LedgerError("empty: no ledger", 1)
            _count_on(self._database, connection, head)
        return added

    def _take(self, connection: Connection, name: str, row: Row) -> bool:
        """Whether the row is new."""
        table = _BY_NAME.get(name)
        if table is None:
            raise LedgerError(f"no table {name[:40]!r} in a ledger")
        if set(row) != {column.name for column in table.c}:
            raise LedgerError(f"not the columns of {name}")
        if table is renditions:
            return self._take_rendition(connection, row)
        values = {column.name: _from_json(column, row[column.name]) for column in table.c}
        if table is deliveries and values["state"] not in IMPORTED_AS:
            raise LedgerError(f"a delivery cannot be imported as {values['state']!r}")
        new = self._database.insert(table).values(values).on_conflict_do_nothing()
        if connection.execute(new.returning(*table.primary_key)).first() is not None:
            return True
        _check_same(connection, table, values)
        return False

    def _take_rendition(self, connection: Connection, row: Row) -> bool:
        edition_id, form = int(row["edition_id"]), Form(row["form"])
        if forms.read(connection, {edition_id}, {form}):
            return False
        forms.keep(self._database, connection, edition_id, {form: _body(row)})
        return True


def _head(connection: Connection) -> int:
    return connection.execute(select(func.max(announcements.c.seq))).scalar() or 0


def _wanted(connection: Connection, table: Table) -> Select[Any]:
    """The rows of *table* that belong into a ledger, in the order of their keys."""
    query = select(table).order_by(*table.primary_key)
    read_by_all = connection.execute(select(func.min(digests.c.cursor))).scalar()
    beyond = announcements.c.seq > (read_by_all if read_by_all is not None else _head(connection))
    if table is announcements:
        return query.where(beyond)
    if table is papers:
        offered = select(edition_papers.c.paper_id, edition_papers.c.version)
        unread = select(announcements.c.paper_id, announcements.c.version).where(beyond)
        kept = offered.union(unread).subquery()
        mine = (papers.c.paper_id == kept.c.paper_id) & (papers.c.version == kept.c.version)
        return query.join_from(papers, kept, mine)
    if table is renditions:
        undone = select(deliveries.c.edition_id).where(deliveries.c.state.not_in(_DONE))
        keys = (renditions.c.edition_id, renditions.c.form)
        return select(*keys).where(renditions.c.edition_id.in_(undone)).order_by(*keys)
    return query


def _rendition(connection: Connection, edition_id: int, form: Form) -> Row:
    body = forms.read(connection, {edition_id}, {form}).get((edition_id, form))
    row = {"edition_id": edition_id, "form": form, "body": None, "pieces": None}
    if isinstance(body, tuple):
        return row | {"pieces": [b64encode(piece).decode("ascii") for piece in body]}
    return row | {"body": body}


# What is sent is not looked through again (`Letter.message`), so here nothing gets in.
_ENDS_A_MAIL = re.compile(rb"(?m)^\.|\r(?!\n)|(?<!\r)\n")


def _body(row: Row) -> Body:
    """
    Raises:
        LedgerError: A piece that no mail of ours has, and that could end one before its end.
    """
    if row["pieces"] is None:
        return str(row["body"])
    pieces = tuple(b64decode(piece, validate=True) for piece in row["pieces"])
    if any(map(_ENDS_A_MAIL.search, pieces)):
        raise LedgerError("a mail with a bare line break, or a dot at a line's beginning")
    return pieces


def _to_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _from_json(column: Column[Any], value: Any) -> Any:
    """
    The value of a column, of the type that it must have: SQLite would take any.

    Raises:
        ValueError: It has another one.
    """
    wanted = next((python for kind, python in _TYPES if isinstance(column.type, kind)), object)
    if value is None and column.nullable:
        return None
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise ValueError(f"{column.name} is {type(value).__name__}")
    if isinstance(column.type, UtcDateTime):
        return datetime.fromisoformat(str(value))
    return value


def _check_head(name: str, row: Row) -> int:
    """
    The head of the log that the ledger's cursors belong to.

    Raises:
        LedgerError: It is no ledger, or one of another version.
    """
    if name != "ledger" or not isinstance(row.get("head"), int):
        raise LedgerError("no ledger: write one with 'digestbot deliveries export'")
    if row.get("revision") != HEAD:
        raise LedgerError(
            f"a ledger of revision {row.get('revision')!r}, this digestbot has {HEAD}: "
            "export it with the same version"
        )
    return int(row["head"])


def _check_new(connection: Connection) -> None:
    """
    That no log of its own lies below the cursors that are to come: nobody would ever read it.

    Raises:
        LedgerError: There is one. Where digests are, too, `_check_same` tells whether it is ours.
    """
    has_log = connection.execute(select(announcements.c.seq).limit(1)).first()
    if has_log and connection.execute(select(digests.c.id).limit(1)).first() is None:
        raise LedgerError(f"the store has papers of its own: {_ADVICE}")


def _check_same(connection: Connection, table: Table, values: Row) -> None:
    """
    That the row which is in the way is this very row.

    Raises:
        LedgerError: It is another one.
    """
    names = NAMED_BY[table]
    here = [table.c[name] == values[name] for name in names]
    keys = tuple(table.primary_key)
    found = connection.execute(select(*keys).where(*here)).first()
    if found is None or any(found[n] != values[key.name] for n, key in enumerate(keys)):
        named = " ".join(str(values[name]) for name in names)
        raise LedgerError(f"{table.name} {named!r} is another one in this store: {_ADVICE}")


def _count_on(database: Database, connection: Connection, head: int) -> None:
    """
    Let the databases give keys beyond those that were put in.

    SQLite does so by itself, but for the log: a cursor may stand beyond the rows that came along.
    PostgreSQL's sequences know nothing of keys that they have not given.
    """
    if database.is_sqlite:
        known = connection.execute(
            text("SELECT seq FROM sqlite_sequence WHERE name = 'announcements'")
        ).scalar()
        if known is None:
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES ('announcements', :head)"),
                {"head": head},
            )
        elif known < head:
            connection.execute(
                text("UPDATE sqlite_sequence SET seq = :head WHERE name = 'announcements'"),
                {"head": head},
            )
        return
    for table in NAMED_BY:
        (key, *others) = table.primary_key
        if others or key.name not in {"id", "seq"}:
            continue
        highest = connection.execute(select(func.max(key))).scalar() or 0
        highest = max(highest, head if table is announcements else 0)
        sequence = func.pg_get_serial_sequence(table.name, key.name)
        if highest:
            connection.execute(select(func.setval(sequence, highest)))


def line_of(name: str, row: Row) -> str:
    """One line of a ledger's file."""
    return json.dumps({"table": name, **row}, ensure_ascii=False, separators=(",", ":"))


def row_of(line: str) -> tuple[str, Row]:
    """
    What `line_of` wrote.

    Raises:
        ValueError: It is no such line.
    """
    row = json.loads(line)
    if not isinstance(row, dict) or not isinstance(row.get("table"), str):
        raise ValueError("no line of a ledger")
    return row.pop("table"), row
