"""
Many rows given to one statement, which then runs once and not, like an executemany, for each.

On PostgreSQL each run would read the table's CHECKs and indexes anew, which takes longer than to
change a row. On SQLite the driver would let the other threads run after each, with the write lock
held, and then wait for its turn (make bench: 4 ms for a transaction of 1 ms).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Dialect, bindparam, column, func, select
from sqlalchemy.types import TypeEngine


class BulkValues:
    """The rows that a statement is given, each with the same columns."""

    def __init__(self, dialect: Dialect, **types: TypeEngine[Any]) -> None:
        self._types = types
        self._is_sqlite = dialect.name == "sqlite"
        processors = (kind.dialect_impl(dialect).bind_processor(dialect) for kind in types.values())
        self._processors = tuple(processors)
        self.columns = _of_json(types) if self._is_sqlite else _of_arrays(types)
        """To be used in the statement as if the rows were a table of it."""

    def parameters(self, rows: Sequence[Sequence[Any]]) -> Mapping[str, Any]:
        """What the statement is run with; *rows* in the order of the columns."""
        by_column = zip(*rows, strict=True)
        if not self._is_sqlite:
            return dict(zip(self._types, map(list, by_column), strict=True))
        given = [
            values if process is None else map(process, values)
            for process, values in zip(self._processors, by_column, strict=True)
        ]
        return {"rows": json.dumps(list(zip(*given, strict=True)))}


def _of_arrays(types: Mapping[str, TypeEngine[Any]]) -> Mapping[str, ColumnElement[Any]]:
    """One array for each column, side by side."""
    arrays = (bindparam(name, type_=ARRAY(kind)) for name, kind in types.items())
    columns = (column(name, kind) for name, kind in types.items())
    rows = func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
    return {name: rows.c[name] for name in types}


def _of_json(types: Mapping[str, TypeEngine[Any]]) -> Mapping[str, ColumnElement[Any]]:
    """A JSON array of rows, each an array."""
    row = func.json_each(bindparam("rows")).table_valued("value", name="row").c.value
    values = (
        func.json_extract(row, f"$[{place}]", type_=kind).label(name)
        for place, (name, kind) in enumerate(types.items())
    )
    rows = select(*values).subquery("given")
    return {name: rows.c[name] for name in types}
