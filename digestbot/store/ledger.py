"""
The ledger: an export of what was offered and sent, for import into another store.

It has the log beyond the digests' cursors, all editions with their papers, all deliveries with
their outcomes, subscriptions, suppressions, bounces, and the memories of the sources. Papers that
were never offered and the bodies of sent deliveries are left out. All keys are kept, since
Message-IDs and bounce addresses contain them. An unfinished delivery is exported as held, with its
bodies: the old store may have sent it, so the new one sends it only if the operator releases it.

Begin at `Ledger.export_rows`; `Ledger.import_rows` reads its result.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
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
from digestbot.store.database import Database
from digestbot.store.renditions import insert_forms, read_forms
from digestbot.store.tables import (
    HEAD,
    StoredText,
    UtcDateTime,
    announcements,
    bounces,
    channel_checks,
    days,
    deliveries,
    delivery_attempts,
    digests,
    edition_papers,
    editions,
    enrichment_services,
    enrichments,
    fragments,
    mailboxes,
    pacing,
    paper_aliases,
    papers,
    passes,
    pauses,
    renditions,
    sources,
    subscriptions,
    suppressions,
    volumes,
    word_rebuilds,
)
from digestbot.store.transitions import IMPORTED_AS, to_exported

IDENTIFIED_BY: Final[Mapping[Table, tuple[str, ...]]] = {
    sources: ("name",),
    papers: ("paper_id", "version"),
    enrichments: ("paper_id", "version"),
    announcements: ("source", "paper_id", "version"),
    paper_aliases: ("alias",),
    channel_checks: ("source", "announced_on", "channel"),
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
"""The exported tables, referenced ones first, and the columns that identify a row."""
EXCLUDED: Final = frozenset(
    {passes, pacing, fragments, days, pauses, word_rebuilds, enrichment_services}
)
"""Tables of one machine and day; fragments are exported within the bodies."""

_BY_NAME = {table.name: table for table in IDENTIFIED_BY}
_DONE = (DeliveryState.SENT, DeliveryState.CANCELLED)
_FETCH = 1000
_ADVICE = "import into a new store, before the first fetch"

_TYPES: Final[tuple[tuple[type, type | tuple[type, ...]], ...]] = (
    (Boolean, bool),
    (Integer, int),
    (Float, (float, int)),
    (UtcDateTime, str),
    (Date, str),
    (StoredText, str),
    (Enum, str),
)
"""JSON type of each column type; StoredJson allows any."""

Row = dict[str, Any]
"""Columns of a row, with JSON values."""


class Ledger:
    """The part of the store that exports to another machine and imports from it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def export_rows(self) -> Iterator[tuple[str, Row]]:
        """Yield a header, then each row with its table's name. All are from one snapshot."""
        with self._database.read() as connection:
            if not self._database.is_sqlite:  # a read transaction of SQLite is a snapshot
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield "ledger", {"revision": HEAD, "head": _head(connection)}
            for table in IDENTIFIED_BY:
                if table is renditions:
                    for row in connection.execute(_exported(connection, table)).all():
                        yield table.name, _rendition(connection, row.edition_id, row.form)
                    continue
                query = _exported(connection, table).execution_options(yield_per=_FETCH)
                for row in connection.execute(query):
                    values = dict(row._mapping)
                    values = to_exported(values) if table is deliveries else values
                    yield table.name, {key: _to_json(value) for key, value in values.items()}

    def import_rows(self, rows: Iterable[tuple[str, Row]]) -> int:
        """
        Insert the missing rows in one transaction; return their number.

        Existing rows are kept, so that a ledger can be imported twice.

        Args:
            rows: Rows of `export_rows`.

        Raises:
            LedgerError: A row is malformed, or conflicts with one in this store.
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
                        added += self._insert(connection, name, row)
                except LedgerError as error:
                    raise LedgerError(str(error), number) from error
                except (IntegrityError, StatementError, TypeError, ValueError, KeyError) as error:
                    why = str(getattr(error, "orig", None) or error).splitlines()[0]
                    raise LedgerError(f"not a row of {name}: {why}", number) from error
            if not number:
                raise LedgerError("the ledger is empty", 1)
            _continue_keys(self._database, connection, head)
        return added

    def _insert(self, connection: Connection, name: str, row: Row) -> bool:
        """Insert a row; return False if it exists."""
        table = _BY_NAME.get(name)
        if table is None:
            raise LedgerError(f'unknown table "{name[:40]}"')
        if set(row) != {column.name for column in table.c}:
            raise LedgerError(f"the columns are not those of {name}")
        if table is renditions:
            return self._insert_rendition(connection, row)
        values = {column.name: _from_json(column, row[column.name]) for column in table.c}
        if table is deliveries and values["state"] not in IMPORTED_AS:
            raise LedgerError(f"a delivery cannot be imported as {values['state']}")
        new = self._database.insert(table).values(values).on_conflict_do_nothing()
        if connection.execute(new.returning(*table.primary_key)).first() is not None:
            return True
        _check_same(connection, table, values)
        return False

    def _insert_rendition(self, connection: Connection, row: Row) -> bool:
        edition_id, form = int(row["edition_id"]), Form(row["form"])
        if read_forms(connection, {edition_id}, {form}):
            return False
        insert_forms(self._database, connection, edition_id, {form: _body(row)})
        return True


def _head(connection: Connection) -> int:
    return connection.execute(select(func.max(announcements.c.seq))).scalar() or 0


def _exported(connection: Connection, table: Table) -> Select[Any]:
    """Select the rows of *table* to export, by key."""
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
    body = read_forms(connection, {edition_id}, {form}).get((edition_id, form))
    row = {"edition_id": edition_id, "form": form, "body": None, "fragments": None}
    if isinstance(body, tuple):
        return row | {"fragments": [b64encode(part).decode("ascii") for part in body]}
    return row | {"body": body}


# Bodies are not checked again before they are sent (`OutgoingMessage.mime`), so check them here.
_ENDS_MESSAGE = re.compile(rb"(?m)^\.|\r(?!\n)|(?<!\r)\n")


def _body(row: Row) -> Body:
    """
    Return the body in *row*.

    Raises:
        LedgerError: A fragment could end its message early on the wire.
    """
    if row["fragments"] is None:
        return str(row["body"])
    body = tuple(b64decode(part, validate=True) for part in row["fragments"])
    if any(map(_ENDS_MESSAGE.search, body)):
        raise LedgerError("an email has a bare line break, or a dot at the start of a line")
    return body


def _to_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _from_json(column: Column[Any], value: Any) -> Any:
    """
    Check the type of a column's value: SQLite would store any.

    Raises:
        ValueError: The value has another type.
    """
    expected = next((python for kind, python in _TYPES if isinstance(column.type, kind)), object)
    if value is None and column.nullable:
        return None
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"{column.name} is {type(value).__name__}")
    if isinstance(column.type, UtcDateTime):
        return datetime.fromisoformat(str(value))
    if isinstance(column.type, Date):
        return date.fromisoformat(str(value))
    return value


def _check_head(name: str, row: Row) -> int:
    """
    Return the head of the log that the cursors refer to.

    Raises:
        LedgerError: The file is not a ledger, or belongs to another version of digestbot.
    """
    if name != "ledger" or not isinstance(row.get("head"), int):
        raise LedgerError("not a ledger; write one with 'digestbot deliveries export'")
    if row.get("revision") != HEAD:
        raise LedgerError(
            f"the ledger has revision {row.get('revision')}, this version of digestbot {HEAD}; "
            "export it again with the same version"
        )
    return int(row["head"])


def _check_new(connection: Connection) -> None:
    """
    Check that the log is empty, since imported cursors would skip it.

    Raises:
        LedgerError: It has a log but no digests. With digests, `_check_same` compares them.
    """
    has_log = connection.execute(select(announcements.c.seq).limit(1)).first()
    if has_log and connection.execute(select(digests.c.id).limit(1)).first() is None:
        raise LedgerError(f"this store already has papers; {_ADVICE}")


def _check_same(connection: Connection, table: Table, values: Row) -> None:
    """
    Check that the existing row is the same.

    Raises:
        LedgerError: It is another row.
    """
    names = IDENTIFIED_BY[table]
    here = [table.c[name] == values[name] for name in names]
    keys = tuple(table.primary_key)
    found = connection.execute(select(*keys).where(*here)).first()
    if found is None or any(found[n] != values[key.name] for n, key in enumerate(keys)):
        named = " ".join(str(values[name]) for name in names)
        raise LedgerError(f'{table.name} "{named}" differs in this store; {_ADVICE}')


def _continue_keys(database: Database, connection: Connection, head: int) -> None:
    """
    Make the database generate keys beyond the imported ones.

    SQLite does so anyway, except for the log, where a cursor can be beyond the imported rows.
    PostgreSQL's sequences ignore keys that they have not generated.
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
    for table in IDENTIFIED_BY:
        (key, *others) = table.primary_key
        if others or key.name not in {"id", "seq"}:
            continue
        highest = connection.execute(select(func.max(key))).scalar() or 0
        highest = max(highest, head if table is announcements else 0)
        sequence = func.pg_get_serial_sequence(table.name, key.name)
        if highest:
            connection.execute(select(func.setval(sequence, highest)))


def to_line(name: str, row: Row) -> str:
    """Encode a row as a line of a ledger file."""
    return json.dumps({"table": name, **row}, ensure_ascii=False, separators=(",", ":"))


def from_line(line: str) -> tuple[str, Row]:
    """
    Decode a line of `to_line`.

    Raises:
        ValueError: The line is not from a ledger.
    """
    row = json.loads(line)
    if not isinstance(row, dict) or not isinstance(row.get("table"), str):
        raise ValueError('expected a JSON object with a "table"')
    return row.pop("table"), row
