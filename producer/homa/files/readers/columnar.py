"""Parquet and Arrow: a prompt a row, read a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from homa.files.readers.content import Head
from homa.files.readers.csv_dialect import Header
from homa.files.readers.document import Document, Found, Opened, ReadOptions, Remark, Unreadable

_PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"
#: How a stream of Arrow's begins: a marker, then the length of its schema.
_ARROW_STREAM = b"\xff\xff\xff\xff"
_STREAM_SUFFIXES = (".arrow", ".arrows", ".feather", ".ipc")
#: Rows that are held as Python values.
_BATCH_ROWS = 1000


class ParquetReader:
    """A row a document."""

    name = "parquet"
    needs: tuple[str, ...] = ("pyarrow",)
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        return head.data.startswith(_PARQUET)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        from pyarrow import parquet

        file = parquet.ParquetFile(opened.stream)
        yield from _rows(file.schema_arrow.names, file.iter_batches(_BATCH_ROWS), options)


class ArrowReader:
    """A row a document, of Arrow's file and stream formats (Feather 2 is the former)."""

    name = "arrow"
    needs: tuple[str, ...] = ("pyarrow",)
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        stream = head.data.startswith(_ARROW_STREAM) and (head.suffix in _STREAM_SUFFIXES or head.nameless)
        return stream or head.data.startswith(_ARROW_FILE)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        from pyarrow import ipc

        head = opened.stream.read(len(_ARROW_FILE))
        opened.stream.seek(0)
        if head == _ARROW_FILE:
            file = ipc.open_file(opened.stream)
            batches: Iterable[Any] = (file.get_batch(at) for at in range(file.num_record_batches))
            names = file.schema.names
        else:
            stream = ipc.open_stream(opened.stream)
            batches, names = stream, stream.schema.names
        small = (part for batch in batches for part in _sliced(batch))
        yield from _rows(names, small, options)


def _sliced(batch: Any) -> Iterator[Any]:
    for start in range(0, batch.num_rows, _BATCH_ROWS):
        yield batch.slice(start, _BATCH_ROWS)


def _rows(names: list[str], batches: Iterable[Any], options: ReadOptions) -> Iterator[Found]:
    header = Header.of(names, options.id_column)
    if isinstance(header, str):
        raise Unreadable(header)
    if header.renamed:
        yield Remark(header.renamed)
    number = 0
    for batch in batches:
        for fields in _whole_microseconds(batch.rename_columns(header.columns)).to_pylist():
            number += 1
            yield Document(None, fields, number)
    if not number:
        raise Unreadable("has no rows")


def _whole_microseconds(batch: Any) -> Any:
    """The same rows without nanoseconds, which no time of Python's has."""
    import pyarrow

    for at, field in enumerate(batch.schema):
        if pyarrow.types.is_timestamp(field.type) and field.type.unit == "ns":
            coarse = pyarrow.timestamp("us", field.type.tz)
            batch = batch.set_column(at, field.name, batch.column(at).cast(coarse, safe=False))
    return batch
