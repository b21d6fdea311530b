"""
Read and write CSV for spreadsheets: with line numbers for errors, and safe from formulas.

`read_rows` reads what `write_rows` writes.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from digestbot.errors import UsageError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def read_rows(text: str, needed: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """
    Return the rows below the header line by column name, each with its line number.

    Column names become lower case, values are put on one line. Columns may be separated by commas,
    or by semicolons or tabs, as spreadsheets write them in many countries.

    Args:
        text: The whole file.
        needed: Required columns.

    Raises:
        UsageError: Invalid CSV, or a required column is missing in the header line.
    """
    text = text.removeprefix("\ufeff")
    reader = csv.DictReader(io.StringIO(text), delimiter=_separator(text))
    try:
        missing = set(needed) - {name.strip().lower() for name in reader.fieldnames or ()}
        rows = list(_rows(reader))
    except csv.Error as error:
        raise UsageError(f"invalid CSV after line {reader.line_num}: {error}") from error
    if missing:
        words = ", ".join(sorted(missing))
        raise UsageError(f"the first line must name the columns; missing: {words}")
    return rows


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write CSV with a header line, each value on one line and none that could be a formula."""
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
    """Quote *text* if a spreadsheet would read it as a formula (OWASP, "CSV injection")."""
    text = " ".join(text.split())
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _bare(text: str) -> str:
    """Return the value that `_inert` quoted."""
    text = " ".join(text.split())
    is_quoted = text.startswith("'") and text.lstrip("'").startswith(_FORMULA)
    return text[1:] if is_quoted else text
