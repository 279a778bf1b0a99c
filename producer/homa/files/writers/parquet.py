"""Results as Parquet: columns with types, in row groups.

A Parquet file cannot be appended to and is nothing until its last byte is written. So a run appends to a journal beside
it (`out.parquet.journal.jsonl`, the same lines as a JSON Lines file with the input's fields) and makes the Parquet file
from it when it closes: into a temporary file, a row group at a time, renamed at the end. Killed at any moment, the
journal has every answer. It is removed when every input has a whole answer; while any is missing, failed or cut, it
stays, and `--resume` goes on from it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from homa.files.digests import Digests
from homa.files.readers.jsonl import EXACT_BOUND
from homa.files.writers.base import ResultsWriter
from homa.files.writers.columns import Column, Kind, Layout, cell_text
from homa.files.writers.jsonl import JsonlRecords, JsonlResults, read_line
from homa.files.writers.output_file import OutputFile, rewrite
from homa_shared.model.errors import MissingExtra
from homa_shared.model.json_safe import valid_text

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: A row group ends at this many rows or bytes of text, whichever comes first.
GROUP_ROWS = 10_000
GROUP_BYTES = 64 * 1024 * 1024


def journal_path(path: Path) -> Path:
    """The journal of a Parquet file."""
    return path.with_name(path.name + ".journal.jsonl")


def check_parquet() -> None:
    """Raise MissingExtra unless Parquet files can be written."""
    _pyarrow()


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet  # here: it takes longer to import than all the rest
    except ImportError:
        raise MissingExtra("Writing Parquet files", "documents") from None
    return pyarrow


class ParquetResults(ResultsWriter):
    """Journals each line; the Parquet file is made at the end."""

    def __init__(self, journal: JsonlResults, path: Path, layout: Layout) -> None:
        super().__init__(journal.done, JsonlRecords())
        self._journal = journal
        self._path = path
        self._layout = layout
        self._left_out: set[str] = set()
        self._closed = False

    @property
    def left_out(self) -> frozenset[str]:
        return frozenset(self._left_out)

    def lines_file(self) -> OutputFile:
        return self._journal.lines_file()

    def _append(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._journal.write(line, fields)
        self._left_out |= self._layout.left_out(fields)

    def _close(self, *, finished: bool) -> None:
        if self._closed:
            return
        self._closed = True
        try:  # under the journal's lock, so that no other run adds to it what would then be lost
            self._journal.sync()
            rewrite_parquet(self._path, journal_path(self._path), self._layout)
            if finished and not self.failed and not self.cut:
                journal_path(self._path).unlink()
        finally:
            self._journal.close()


class ParquetStream(ResultsWriter):
    """Parquet straight to standard output, a row group at a time; it cannot be resumed."""

    def __init__(self, output: OutputFile, layout: Layout) -> None:
        super().__init__(Digests())
        self._output = output
        self._groups = RowGroups(_Forward(output), layout)
        self._closed = False

    def _append(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._groups.add(line, fields)

    def _close(self, *, finished: bool) -> None:
        if not self._closed:
            self._closed = True
            self._groups.close()
            self._output.close()


class _Forward(io.RawIOBase):
    """An output as the file object that pyarrow wants."""

    def __init__(self, output: OutputFile) -> None:
        self._output = output

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        block = bytes(data)
        self._output.append(block)
        return len(block)


def rewrite_parquet(path: Path, journal: Path, layout: Layout) -> None:
    """Make the Parquet file from its journal, in place of any earlier one, in one step."""
    with journal.open("rb") as lines:
        rewrite(path, lambda out: _fill(RowGroups(out, layout), lines)).close()


def _fill(groups: RowGroups, lines: Iterator[bytes]) -> None:
    for raw in lines:
        line = read_line(raw)
        if line is not None:  # the run's own journal: only a write that failed half-way leaves anything else
            groups.add(line, _exact(line["input"], raw))
    groups.close()


def _exact(fields: dict[str, Any], raw: bytes) -> dict[str, Any]:
    """A journal line's input, read anew where it holds a number that a float stands in for."""
    if not any(type(value) is float and abs(value) >= EXACT_BOUND for value in fields.values()):
        return fields
    exact: dict[str, Any] = json.loads(raw)["input"]
    return exact


class RowGroups:
    """Collects records and writes them a row group at a time."""

    def __init__(self, stream: IO[bytes] | io.RawIOBase, layout: Layout) -> None:
        self._pyarrow = _pyarrow()
        self._layout = layout
        types = [(column.name, _arrow_type(self._pyarrow, column.kind)) for column in layout.columns]
        self._schema = self._pyarrow.schema(types)
        self._writer = self._pyarrow.parquet.ParquetWriter(stream, self._schema, compression="zstd")
        self._cells: list[list[Any]] = [[] for _ in layout.columns]
        self._bytes = 0

    def add(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        values = map(_typed, self._layout.columns, self._layout.record(line, fields))
        for cells, value in zip(self._cells, values, strict=True):
            cells.append(value)
            self._bytes += len(value) if isinstance(value, str) else 8
        if len(self._cells[0]) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._cells[0]:
            columns = [
                self._pyarrow.array(cells, each.type) for cells, each in zip(self._cells, self._schema, strict=True)
            ]
            self._writer.write_table(self._pyarrow.Table.from_arrays(columns, schema=self._schema))
        self._cells = [[] for _ in self._layout.columns]
        self._bytes = 0


def _arrow_type(pyarrow: Any, kind: Kind) -> Any:
    types: dict[Kind, Callable[[], Any]] = {
        Kind.TEXT: pyarrow.string,
        Kind.INTEGER: pyarrow.int64,
        Kind.NUMBER: pyarrow.float64,
        Kind.BOOLEAN: pyarrow.bool_,
        Kind.USD: lambda: pyarrow.decimal128(38, 9),  # nano-dollars, exact
    }
    return types[kind]()


def _typed(column: Column, value: Any) -> Any:
    """A JSON value as the column's type wants it."""
    if value is None:
        return None
    match column.kind:
        case Kind.TEXT:
            return valid_text(cell_text(value))
        case Kind.NUMBER:
            return float(value)
        case Kind.USD:
            return Decimal(value)
    return value
