"""CSV and TSV: a header, then one row a record; a record may span lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from homa.files.readers.lines import LIMIT_BYTES, Text, undecodable
from homa.files.rows import BadRow, Registrar, Row, bad_row


def table_rows(path: str, text: Text, registrar: Registrar, delimiter: str) -> Iterator[Row | BadRow]:
    """A row per record, under the line on which it starts; blank lines are passed over."""
    # The module's own bound, 128 KiB for a field, is global and too small for documents.
    csv.field_size_limit(max(csv.field_size_limit(), LIMIT_BYTES))
    records = _records(_LineSource(text), delimiter)
    line, header = next(records, (None, "is empty"))
    columns = header if isinstance(header, str) else _columns(header, registrar.id_column)
    if isinstance(columns, str):
        yield bad_row(path, line, columns)
        return
    empty = True
    for line, record in records:
        empty = False
        if isinstance(record, str):
            yield bad_row(path, line, record)
        elif len(record) != len(columns):
            yield bad_row(path, line, _misfit(record, columns))
        else:
            yield registrar.admit(path, line, dict(zip(columns, record, strict=True)))
    if empty:
        yield bad_row(path, None, "has a header but no rows")


def _columns(header: list[str], id_column: str | None) -> list[str] | str:
    """The columns' names, or what is wrong with the header."""
    columns = [name.strip() or f"column_{number}" for number, name in enumerate(header, 1)]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        return f"header names {twice[0]!r} twice: expected a name of its own for each column"
    if id_column is not None and id_column not in columns:
        return f"header has no column {id_column!r} (--id-column); its columns: {', '.join(columns)}"
    return columns


def _misfit(record: list[str], columns: list[str]) -> str:
    return f"has {len(record)} columns: expected {len(columns)} ({', '.join(columns):.200})"


def _records(lines: _LineSource, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """The line on which each record starts, and its cells or what is wrong with it."""
    reader = None
    while True:
        start = lines.number + 1
        try:
            if reader is None:
                lines.first = next(lines)
                lines.number -= 1
                reader = csv.reader(lines, delimiter=_delimiter(lines.first, delimiter), strict=True)
            record = next(reader)
        except StopIteration:
            return
        except _BadLine as error:
            yield lines.number, str(error)
        except csv.Error as error:
            yield start, _complaint(error, lines.number)
        else:
            if record:
                yield start, record


def _delimiter(header: str, delimiter: str) -> str:
    """Spreadsheets write `;` where the comma is the decimal sign."""
    return ";" if delimiter == "," and "," not in header and ";" in header else delimiter


def _complaint(error: csv.Error, last_line: int) -> str:
    if "unexpected end of data" in str(error):
        return f"opens a quote that is never closed: all up to the last line, {last_line}, belongs to this row"
    return f"is not valid CSV: {error} (line {last_line}); quotes within a quoted cell are doubled"


class _BadLine(Exception):
    """A line that cannot be read; the record that it belongs to is lost, the next one starts after it."""


class _LineSource:
    """Decoded lines for csv.reader. Not a generator: that would end with the first line that is bad."""

    def __init__(self, text: Text) -> None:
        self._lines = text.lines()
        self._encoding = text.encoding
        #: Lines given out so far.
        self.number = 0
        #: The header, looked at for the delimiter and then given out again.
        self.first: str | None = None

    def __iter__(self) -> _LineSource:
        return self

    def __next__(self) -> str:
        if self.first is not None:
            line, self.first, self.number = self.first, None, self.number + 1
            return line
        self.number, raw = next(self._lines)
        if isinstance(raw, str):
            raise _BadLine(raw)
        if b"\0" in raw:
            raise _BadLine("holds a NUL: expected text")
        try:
            return raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise _BadLine(undecodable(error)) from None
