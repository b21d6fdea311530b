"""
Many rows as the parameters of one statement, which runs once for all of them.

An executemany runs it once per row. On PostgreSQL each run reads the table's CHECKs and indexes
again, which takes longer than changing a row. On SQLite the driver lets other threads run after
each, with the write lock held, and waits for its turn (make bench: 4 ms instead of 1 ms).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Dialect, bindparam, column, func, select
from sqlalchemy.types import TypeEngine


class BulkValues:
    """Rows with the same columns, as parameters of one statement."""

    def __init__(self, dialect: Dialect, **types: TypeEngine[Any]) -> None:
        self._types = types
        self._is_sqlite = dialect.name == "sqlite"
        processors = (kind.dialect_impl(dialect).bind_processor(dialect) for kind in types.values())
        self._processors = tuple(processors)
        self.columns = _of_json(types) if self._is_sqlite else _of_arrays(types)
        """Columns to use in the statement, as if the rows were a table."""

    def parameters(self, rows: Sequence[Sequence[Any]]) -> Mapping[str, Any]:
        """Encode *rows* as parameters. Their values are in the order of the columns."""
        by_column = zip(*rows, strict=True)
        if not self._is_sqlite:
            return dict(zip(self._types, map(list, by_column), strict=True))
        converted = [
            values if process is None else map(process, values)
            for process, values in zip(self._processors, by_column, strict=True)
        ]
        return {"rows": json.dumps(list(zip(*converted, strict=True)))}


def _of_arrays(types: Mapping[str, TypeEngine[Any]]) -> Mapping[str, ColumnElement[Any]]:
    """Pass one array per column."""
    arrays = (bindparam(name, type_=ARRAY(kind)) for name, kind in types.items())
    columns = (column(name, kind) for name, kind in types.items())
    rows = func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
    return {name: rows.c[name] for name in types}


def _of_json(types: Mapping[str, TypeEngine[Any]]) -> Mapping[str, ColumnElement[Any]]:
    """Pass one JSON array of rows."""
    row = func.json_each(bindparam("rows")).table_valued("value", name="row").c.value
    values = (
        func.json_extract(row, f"$[{place}]", type_=kind).label(name)
        for place, (name, kind) in enumerate(types.items())
    )
    rows = select(*values).subquery("given")
    return {name: rows.c[name] for name in types}
