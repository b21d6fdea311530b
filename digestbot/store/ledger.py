"""
The ledger: an export of what was seen, offered and sent, for import into another store.

It has the whole log with its papers, all editions, all deliveries with their outcomes,
subscriptions, suppressions, bounces, and the memories of the sources. Left out are the bodies of
sent deliveries, and columns that follow from others. All keys are kept, since Message-IDs and
bounce addresses contain them. An unfinished delivery is exported as held, with its bodies: the old
store may have sent it, so the new one sends it only if the operator releases it.

Begin at `Ledger.export_rows`; `Ledger.import_rows` reads its result.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import groupby, islice
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    Enum,
    Float,
    Integer,
    Table,
    func,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, StatementError

from digestbot.errors import LedgerError
from digestbot.model import Body, DeliveryState, Form
from digestbot.store.database import CHUNK, Database
from digestbot.store.papers import PlainTexts
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
    merges,
    pacing,
    paper_aliases,
    papers,
    passes,
    pauses,
    processes,
    renditions,
    sources,
    subscriptions,
    suppressions,
    volumes,
    word_rebuilds,
    works,
)
from digestbot.store.transitions import IMPORTED_AS, to_exported

IDENTIFIED_BY: Final[Mapping[Table, tuple[str, ...]]] = {
    sources: ("name",),
    papers: ("paper_id", "version"),
    enrichments: ("paper_id", "version"),
    announcements: ("source", "paper_id", "version", "type"),
    paper_aliases: ("alias",),
    works: ("paper_id",),
    merges: ("paper_id", "other_id"),
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
    {passes, pacing, fragments, days, pauses, processes, word_rebuilds, enrichment_services}
)
"""Tables of one machine and day; fragments are exported within the bodies."""

DERIVED: Final = frozenset(
    {papers.c.title, papers.c.abstract, papers.c.title_words, papers.c.abstract_words}
)
"""Columns that the import computes from others; they are more than half of a paper."""

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
"""Columns of a row."""
_Numbered = tuple[int, Row]
"""A row with its place in the ledger, from 1."""


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
                    for edition_id, form in _unfinished_forms(connection):
                        yield table.name, _rendition(connection, edition_id, form)
                    continue
                query = select(*_columns(table)).order_by(*table.primary_key)
                for row in connection.execute(query.execution_options(yield_per=_FETCH)):
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
        numbered = enumerate(rows, start=1)
        with self._database.write() as connection:
            head = _read_head(numbered)
            for table, some in _batches(numbered):
                added += self._insert(connection, table, some, head)
            _continue_keys(self._database, connection, head)
        return added

    def _insert(
        self, connection: Connection, table: Table, rows: Sequence[_Numbered], head: int
    ) -> int:
        """Insert the missing ones of *rows*; return their number."""
        if table is renditions:
            return sum(self._insert_rendition(connection, *row) for row in rows)
        try:
            with connection.begin_nested():
                return self._insert_together(connection, table, rows, head)
        except (IntegrityError, StatementError):  # again, to find which one
            return sum(self._insert_one(connection, table, row, head) for row in rows)

    def _insert_one(self, connection: Connection, table: Table, row: _Numbered, head: int) -> int:
        with _located(table.name, row[0]):
            return self._insert_together(connection, table, [row], head)

    def _insert_together(
        self, connection: Connection, table: Table, rows: Sequence[_Numbered], head: int
    ) -> int:
        """Insert the missing ones of *rows* in one statement; return their number."""
        new = self._database.insert(table).on_conflict_do_nothing().returning(*table.primary_key)
        added = {tuple(row) for row in connection.execute(new, [values for _, values in rows])}
        names = [column.name for column in table.primary_key]
        for number, values in rows:
            if tuple(values[name] for name in names) not in added:
                with _located(table.name, number):
                    _check_same(connection, table, values, head)
        return len(added)

    def _insert_rendition(self, connection: Connection, number: int, row: Row) -> bool:
        with _located(renditions.name, number):
            edition_id, form = int(row["edition_id"]), Form(row["form"])
            if read_forms(connection, {edition_id}, {form}):
                return False
            insert_forms(self._database, connection, edition_id, {form: _body(row)})
            return True


@contextmanager
def _located(name: str, number: int) -> Iterator[None]:
    """Raise errors about a row as `LedgerError` with its number."""
    try:
        yield
    except LedgerError as error:
        raise LedgerError(str(error), number) from error
    except (IntegrityError, StatementError, TypeError, ValueError, KeyError) as error:
        why = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise LedgerError(f"not a row of {name}: {why}", number) from error


def _read_head(numbered: Iterator[tuple[int, tuple[str, Row]]]) -> int:
    """
    Read the header; return the head of the log that the cursors refer to.

    Raises:
        LedgerError: The file is empty, not a ledger, or of another version of digestbot.
    """
    for number, (name, row) in numbered:
        with _located(name, number):
            return _check_head(name, row)
    raise LedgerError("the ledger is empty", 1)


def _batches(
    numbered: Iterator[tuple[int, tuple[str, Row]]],
) -> Iterator[tuple[Table, list[_Numbered]]]:
    """Yield up to `CHUNK` decoded rows of one table at a time."""
    for name, group in groupby(numbered, key=lambda each: each[1][0]):
        decoded = (_decode(number, name, row) for number, (_, row) in group)
        while some := list(islice(decoded, CHUNK)):
            yield _BY_NAME[name], some


def _decode(number: int, name: str, row: Row) -> _Numbered:
    with _located(name, number):
        return number, _values(name, row)


def _values(name: str, row: Row) -> Row:
    """
    Return the columns for a row of the table *name*.

    Raises:
        LedgerError: Table, columns or state are not those of an export.
        ValueError: A value has another type than its column.
    """
    table = _BY_NAME.get(name)
    if table is None:
        raise LedgerError(f'unknown table "{name[:40]}"')
    if set(row) != {column.name for column in _columns(table)}:
        raise LedgerError(f"the columns are not those of {name}")
    if table is renditions:
        return row
    values = {column.name: _from_json(column, row[column.name]) for column in _columns(table)}
    if table is deliveries and values["state"] not in IMPORTED_AS:
        raise LedgerError(f"a delivery cannot be imported as {values['state']}")
    return PlainTexts().add_to(values) if table is papers else values


def _head(connection: Connection) -> int:
    return connection.execute(select(func.max(announcements.c.seq))).scalar() or 0


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if column not in DERIVED]


def _unfinished_forms(connection: Connection) -> list[tuple[int, Form]]:
    """List the forms of editions with deliveries that are not done, by key."""
    undone = select(deliveries.c.edition_id).where(deliveries.c.state.not_in(_DONE))
    keys = (renditions.c.edition_id, renditions.c.form)
    query = select(*keys).where(renditions.c.edition_id.in_(undone)).order_by(*keys)
    return [(row.edition_id, row.form) for row in connection.execute(query)]


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


def _check_same(connection: Connection, table: Table, values: Row, head: int) -> None:
    """
    Check that the existing row is the same.

    A row of the log beyond *head* has replaced the imported one: a source announced a paper of its
    backlog since then.

    Raises:
        LedgerError: It is another row.
    """
    names = IDENTIFIED_BY[table]
    here = [table.c[name] == values[name] for name in names]
    keys = tuple(table.primary_key)
    found = connection.execute(select(*keys).where(*here)).first()
    if found is not None and table is announcements and found.seq > head:
        return
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
