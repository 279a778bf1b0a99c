"""Results as Parquet: columns with types, in row groups."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from homa.files.digests import Digests
from homa.files.writers.base import ResultsWriter
from homa.files.writers.columns import Column, Kind, Layout, cell_text
from homa.files.writers.journaled import Record, journal_path, records_of, typed
from homa.files.writers.output_file import OutputFile, rewrite
from homa.files.writers.resume import no_table
from homa_shared.model.errors import MissingExtra
from homa_shared.model.json_safe import valid_text
from homa_shared.model.money import usd

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: A row group ends at this many rows or bytes of text, whichever comes first.
GROUP_ROWS = 10_000
GROUP_BYTES = 64 * 1024 * 1024


def check_parquet() -> None:
    """Raise MissingExtra unless Parquet files can be written."""
    _pyarrow()


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet  # here: it takes longer to import than all the rest
    except ImportError:
        raise MissingExtra("Writing Parquet files", "documents") from None
    return pyarrow


class ParquetTable:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name, self.journal = str(path), journal_path(path)

    def check(self, layout: Layout) -> None:
        check_parquet()

    def exists(self) -> bool:
        return self._path.exists()

    def make(self, layout: Layout) -> bool:
        rewrite_parquet(self._path, self.journal, layout)
        return True

    def read(self, layout: Layout) -> Iterator[Mapping[str, Any]]:
        pyarrow = _pyarrow()
        try:
            with pyarrow.parquet.ParquetFile(self._path) as file:
                if not {"custom_id", "homa_job"} <= set(file.schema_arrow.names):
                    raise no_table(self.name, "has no columns of a results file")
                for batch in file.iter_batches(1000):
                    for record in batch.to_pylist():
                        cost = record.get("homa_cost_usd")
                        yield {**record, "homa_cost_usd": None if cost is None else usd(int(cost * 10**9))}
        except (pyarrow.ArrowException, OSError) as error:
            raise no_table(self.name, f"is not a readable Parquet file ({error!s:.200})") from None


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
    known = typed(layout, journal)
    rewrite(path, lambda out: _fill(RowGroups(out, known), records_of(journal))).close()


def _fill(groups: RowGroups, records: Iterator[Record]) -> None:
    for line, fields in records:
        groups.add(line, fields)
    groups.close()


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
