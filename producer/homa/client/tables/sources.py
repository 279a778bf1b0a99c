"""What rows may be, and how they are read: one after another, by row, by column.

Tables are known by the methods that they have; no table library is imported here that the caller has not imported. A
table that is given whole is kept as it is, so that the result has its columns with their types; rows of anything else
are kept as they came.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from io import IOBase
from typing import Any

from homa_shared.model.errors import InvalidRequest, MissingExtra

#: Column of rows that are texts.
TEXT = "text"
#: Types of values that stand for nothing in a table of pandas, by name: pandas may not be imported.
_MISSING = ("NAType", "NaTType")
#: Rows of an Arrow table that are made Python objects at once.
_SLICE = 1000


class Source(ABC):
    """The rows of a table, known or still to be read."""

    #: The table that was given, for a result of the same kind; None where there is none.
    table: Any = None

    @property
    @abstractmethod
    def columns(self) -> Sequence[str]:
        """Names of the columns; of rows still to be read, those seen so far."""

    @abstractmethod
    def __len__(self) -> int:
        """Rows read so far, or all of a table."""

    @abstractmethod
    def __iter__(self) -> Iterator[Mapping[str, Any]]: ...

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """The rows that are known, without reading on."""
        return iter(self)

    @abstractmethod
    def row(self, index: int) -> Mapping[str, Any]: ...

    @abstractmethod
    def column(self, name: str) -> list[Any]:
        """Values of all rows; None where a row has none."""


class TableSource(Source):
    """A table that is there whole.

    Raises:
        InvalidRequest: two of its columns have the same name.
    """

    def __init__(self, table: Any, columns: Iterable[Any]) -> None:
        self.table = table
        self._columns = [str(name) for name in columns]
        double = {name for name in self._columns if self._columns.count(name) > 1}
        if double:
            raise InvalidRequest(f"rows has two columns {min(double)!r}: expected one of each name")

    @property
    def columns(self) -> Sequence[str]:
        return self._columns

    def __len__(self) -> int:
        return len(self.table)


class PandasSource(TableSource):
    """A pandas DataFrame, or one that has the same methods. Its index is the result's."""

    def __init__(self, table: Any) -> None:
        # Columns that are added to the caller's table later are not the result's.
        super().__init__(table.copy(deep=False), table.columns)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for values in self.table.itertuples(index=False, name=None):
            yield dict(zip(self._columns, values, strict=True))

    def row(self, index: int) -> Mapping[str, Any]:
        (values,) = self.table.iloc[index : index + 1].itertuples(index=False, name=None)
        return dict(zip(self._columns, values, strict=True))

    def column(self, name: str) -> list[Any]:
        values: list[Any] = self.table.iloc[:, self._columns.index(name)].tolist()
        return [None if is_missing(value) else value for value in values]


class PolarsSource(TableSource):
    """A polars DataFrame."""

    def __init__(self, table: Any) -> None:
        super().__init__(table.clone(), table.columns)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        yield from self.table.iter_rows(named=True)

    def row(self, index: int) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.table.row(index, named=True)
        return found

    def column(self, name: str) -> list[Any]:
        values: list[Any] = self.table.get_column(name).to_list()
        return values


class ArrowSource(TableSource):
    """An Arrow table or record batch; its columns have no length of their own to go by, hence `num_rows`."""

    def __init__(self, table: Any) -> None:
        super().__init__(table, table.column_names)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for begin in range(0, len(self), _SLICE):
            yield from self.table.slice(begin, _SLICE).to_pylist()

    def row(self, index: int) -> Mapping[str, Any]:
        (found,) = self.table.slice(index, 1).to_pylist()
        row: Mapping[str, Any] = found
        return row

    def column(self, name: str) -> list[Any]:
        values: list[Any] = self.table.column(name).to_pylist()
        return values


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
        if isinstance(item, str):
            self._kept.append(item)
            self._columns.setdefault(TEXT)
            yield {TEXT: item}
        elif isinstance(item, Mapping):
            row = item if all(isinstance(name, str) for name in item) else {str(name): item[name] for name in item}
            self._kept.append(row)
            if row.keys() != self._columns.keys():
                self._columns.update(dict.fromkeys(row))
            yield row
        elif (table := table_of(item)) is not None:
            for row in table:
                yield from self._keep(row)
        else:
            raise InvalidRequest(f"row {len(self)} is {item!r:.80}: expected text, a mapping of columns, or a table")


def is_missing(value: object) -> bool:
    """Whether a cell has no value; pandas has several of that kind."""
    return value is None or type(value).__name__ in _MISSING or (isinstance(value, float) and math.isnan(value))


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
