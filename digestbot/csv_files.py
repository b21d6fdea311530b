"""
CSV as people and spreadsheets write it: read with its lines, written so that nothing is a formula.

Begin at `read_rows`; `write_rows` gives what it reads.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from digestbot.errors import UsageError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def read_rows(text: str, needed: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """
    The rows below the head line, by the names of their columns, each with its line number.

    Names are taken in lower case, values on one line; the columns may be parted by commas, or by
    the semicolons or tabs that spreadsheets of many countries write.

    Args:
        text: The whole file.
        needed: Columns that must be there.

    Raises:
        UsageError: No CSV, or no head line with the columns that are needed.
    """
    text = text.removeprefix("\ufeff")
    reader = csv.DictReader(io.StringIO(text), delimiter=_separator(text))
    try:
        missing = set(needed) - {name.strip().lower() for name in reader.fieldnames or ()}
        rows = list(_rows(reader))
    except csv.Error as error:
        raise UsageError(f"no CSV after line {reader.line_num}: {error}") from error
    if missing:
        words = ", ".join(sorted(missing))
        raise UsageError(f"the first line must name the columns; missing: {words}")
    return rows


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A CSV with a head line, each value on one line and none that a spreadsheet computes."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_inert(value) for value in row] for row in rows)
    return out.getvalue()


def _separator(text: str) -> str:
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


def _rows(reader: "csv.DictReader[str]") -> Iterator[tuple[int, dict[str, str]]]:
    for row in reader:
        yield (
            reader.line_num,
            {key.strip().lower(): _bare(value or "") for key, value in row.items() if key},
        )


def _inert(text: str) -> str:
    """A value on one line that no spreadsheet takes for a formula (OWASP, "CSV injection")."""
    text = " ".join(text.split())
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _bare(text: str) -> str:
    """The value before `_inert`."""
    text = " ".join(text.split())
    is_quoted = text.startswith("'") and text.lstrip("'").startswith(_FORMULA)
    return text[1:] if is_quoted else text
