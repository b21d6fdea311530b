"""
Read and write CSV for spreadsheets: with line numbers for errors, and safe from formulas.

`open_table` reads what `write_rows` writes, row by row.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import TextIO

from digestbot.errors import UsageError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """CSV file that was checked from end to end. Iterate for the line number and values of rows."""

    stream: TextIO
    separator: str
    columns: tuple[str, ...]
    """Names in lower case, as in the header line; empty for a column without a name."""
    length: int
    """Number of rows."""

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows by column name. Values are put on one line; missing ones are empty."""
        for line, cells in islice(_records(self.stream, self.separator), 1, None):
            values = zip_longest(self.columns, cells[: len(self.columns)], fillvalue="")
            yield line, {name: _bare(value) for name, value in values if name}

    def used(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the columns among *known*."""
        return tuple(name for name in self.columns if name in known)

    def ignored(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the columns that are not among *known*."""
        return tuple(name for name in self.columns if name and name not in known)


def open_table(stream: TextIO, needed: Iterable[str]) -> Table:
    """
    Read the header line of *stream* and check the rows below it; keep none in memory.

    Columns may be separated by commas, or by semicolons or tabs, as spreadsheets write them in many
    countries.

    Args:
        stream: The whole file, seekable, opened with ``newline=""``.
        needed: Required columns.

    Raises:
        UsageError: An open quote, or a header line that lacks a required column or has one twice.
    """
    separator = _separator(stream)
    rows = _records(stream, separator)
    _, header = next(rows, (1, []))
    columns = tuple(name.strip().lower() for name in header)
    missing = ", ".join(sorted(set(needed) - set(columns)))
    if missing:
        raise UsageError(f"the first line must name the columns; missing: {missing}")
    for name in columns:
        if name and columns.count(name) > 1:
            raise UsageError(f'the first line names the column "{name}" more than once; rename one')
    length = sum(1 for _ in rows)
    return Table(stream=stream, separator=separator, columns=columns, length=length)


def read_table(text: str, needed: Iterable[str]) -> Table:
    """Open the table in *text* as `open_table` does."""
    return open_table(io.StringIO(text.removeprefix("\ufeff"), newline=""), needed)


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write CSV with a header line, each value on one line and none that could be a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_inert(value) for value in row] for row in rows)
    return out.getvalue()


def _separator(stream: TextIO) -> str:
    stream.seek(0)
    return max(",;\t", key=stream.readline().count)


def _records(stream: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
    """
    Yield the records of *stream*, each with the line where it begins; skip blank lines.

    Strict, since a quote that is not closed swallows all rows up to the next quote.
    """
    stream.seek(0)
    reader = csv.reader(stream, delimiter=separator, strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(
            f"line {line}: a quote is not closed, or text follows the closing quote; "
            'write " within quotes as ""'
        ) from error


def _inert(text: str) -> str:
    """Quote *text* if a spreadsheet would read it as a formula (OWASP, "CSV injection")."""
    text = " ".join(text.split())
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _bare(text: str) -> str:
    """Return the value that `_inert` quoted."""
    text = " ".join(text.split())
    is_quoted = text.startswith("'") and text.lstrip("'").startswith(_FORMULA)
    return text[1:] if is_quoted else text
