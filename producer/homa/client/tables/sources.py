"""What rows may be: texts, mappings, tables, and iterables of these, whose rows are kept as they came."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from io import IOBase
from typing import Any

from homa.client.tables.known_tables import ArrowSource, PandasSource, PolarsSource, Source, is_missing
from homa_shared.model.errors import InvalidRequest, MissingExtra

#: Column of rows that are texts.
TEXT = "text"


class ReadSource(Source):
    """Rows of an iterable, kept as they are read; read once, and in the thread that asks for them.

    Args:
        rows: texts, mappings, or tables whose rows follow one another.
    """

    def __init__(self, rows: Iterable[object] | AsyncIterable[object]) -> None:
        self._rows = rows
        self._kept: list[object] = []
        self._columns: dict[str, None] = {}

    @property
    def columns(self) -> Sequence[str]:
        return list(self._columns)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        if isinstance(self._rows, AsyncIterable):
            raise InvalidRequest("rows is an async iterable: expected AsyncHoma for it, or a plain iterable")
        for item in self._rows:
            yield from self._keep(item)

    async def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        if isinstance(self._rows, AsyncIterable):
            async for item in self._rows:
                for row in self._keep(item):
                    yield row
        else:
            for item in self._rows:
                for row in self._keep(item):
                    yield row

    @property
    def expected(self) -> int | None:
        """How many there will be, where the iterable says so."""
        return len(self._rows) if isinstance(self._rows, Sequence) else None

    def rows(self) -> Iterator[Mapping[str, Any]]:
        return map(_fields, self._kept)

    def row(self, index: int) -> Mapping[str, Any]:
        return _fields(self._kept[index])

    def column(self, name: str) -> list[Any]:
        return [_fields(item).get(name) for item in self._kept]

    def _keep(self, item: object) -> Iterator[Mapping[str, Any]]:
        if isinstance(item, str) or is_missing(item):
            self._kept.append(item)
            self._columns.setdefault(TEXT)
            yield {TEXT: item}
        elif isinstance(item, Mapping):
            # A copy: whoever made it may fill the same one again for the next row.
            row: Mapping[str, Any] = {str(name): value for name, value in item.items()}
            self._kept.append(row)
            if row.keys() != self._columns.keys():
                self._columns.update(dict.fromkeys(row))
            yield row
        elif (table := table_of(item)) is not None:
            for row in table:
                yield from self._keep(row)
        else:
            raise InvalidRequest(f"row {len(self)} is {item!r:.80}: expected text, a mapping of columns, or a table")


def _fields(item: object) -> Mapping[str, Any]:
    return item if isinstance(item, Mapping) else {TEXT: item}


def source_of(rows: object) -> Source:
    """The rows that `map` was given.

    Raises:
        InvalidRequest: they are nothing that has rows.
        MissingExtra: only Arrow reads a table of this kind, and pyarrow is not installed.
    """
    if isinstance(rows, str | bytes | Mapping):
        raise InvalidRequest(f"rows is {rows!r:.80}: expected a table, or a list of rows, such as [it]")
    if isinstance(rows, IOBase):
        raise InvalidRequest(
            f"rows is an open file ({getattr(rows, 'name', '?')!s:.80}): expected rows, such as map(json.loads, file) "
            "for a JSON Lines file, list(file) for lines of text, or `homa run FILE`"
        )
    table = table_of(rows)
    if table is not None:
        return table
    if not isinstance(rows, Iterable | AsyncIterable):
        raise InvalidRequest(f"rows is {rows!r:.80}: expected texts, mappings, or a table of pandas, polars or Arrow")
    return ReadSource(rows)


def table_of(value: object) -> Source | None:
    """A table, or a column by itself, known by its methods; None for what is neither."""
    if isinstance(value, list | tuple):
        return None
    if hasattr(value, "to_frame") and not hasattr(value, "columns"):  # a Series of pandas or polars
        return table_of(_framed(value))
    if hasattr(value, "iter_rows") and hasattr(value, "columns"):
        return PolarsSource(value)
    if hasattr(value, "itertuples") and hasattr(value, "iloc"):
        return PandasSource(value)
    if hasattr(value, "to_pylist"):  # pyarrow: tables and record batches, else a column by itself
        return ArrowSource(value) if hasattr(value, "column_names") else ReadSource(value.to_pylist())
    if any(hasattr(value, protocol) for protocol in ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__")):
        return ArrowSource(_arrow_table(value))
    return None


def _framed(series: Any) -> Any:
    name = series.name if isinstance(series.name, str) and series.name else TEXT
    return series.to_frame(name=name)


def _arrow_table(value: Any) -> Any:
    """A table of another library, by the protocols that Arrow and data frames agreed on."""
    try:
        import pyarrow as arrow
    except ImportError:
        raise MissingExtra(f"reading rows of a {type(value).__name__}", "documents") from None
    if hasattr(value, "__arrow_c_stream__"):
        return arrow.table(value)
    if hasattr(value, "__arrow_c_array__"):
        return arrow.record_batch(value)
    from pyarrow.interchange import from_dataframe

    return from_dataframe(value)
