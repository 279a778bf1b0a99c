"""A result as a table of pandas, polars or Arrow. One of the same kind as the rows' keeps their columns as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from homa.client.tables.known_tables import ArrowSource, PandasSource, PolarsSource, Source
from homa.files.rows import as_text
from homa.files.writers.columns import Kind
from homa_shared.model.errors import MissingExtra

if TYPE_CHECKING:
    from homa.client.tables.table import MappedRows

#: Nano-dollars are dollars with nine places.
_DIGITS, _PLACES = 38, 9


def to_pandas(table: MappedRows, source: Source) -> Any:
    """Raises MissingExtra where pandas is not installed."""
    pandas = _library("pandas")
    own = _own(source, lambda: _pandas_of(source))
    if own is None:
        own = pandas.DataFrame({name: source.column(name) for name in source.columns}, columns=list(source.columns))
    added = {
        column.name: pandas.Series(values, index=own.index, dtype=_PANDAS_TYPES[column.kind])
        for column, values in zip(table.result_columns, table.values(), strict=True)
    }
    return pandas.concat([own, pandas.DataFrame(added, index=own.index)], axis=1)


def to_polars(table: MappedRows, source: Source) -> Any:
    """Raises MissingExtra where polars is not installed."""
    polars = _library("polars")
    own = _own(source, lambda: _polars_of(polars, source))
    if own is None:
        own = polars.DataFrame([_series(polars, name, source.column(name)) for name in source.columns])
    types = {
        Kind.INTEGER: polars.Int64,
        Kind.NUMBER: polars.Float64,
        Kind.BOOLEAN: polars.Boolean,
        Kind.USD: polars.Decimal(_DIGITS, _PLACES),
        Kind.TEXT: None,
    }
    added = [
        _series(polars, column.name, values, types[column.kind])
        for column, values in zip(table.result_columns, table.values(), strict=True)
    ]
    return own.hstack(added)


def to_arrow(table: MappedRows, source: Source) -> Any:
    """Raises MissingExtra where pyarrow is not installed."""
    arrow = _library("pyarrow")
    known = _own(source, lambda: _arrow_of(arrow, source))
    if known is None:
        own = {name: _array(arrow, source.column(name), None) for name in source.columns}
    else:
        own = {name: known.column(name) for name in source.columns}
    types = {
        Kind.INTEGER: arrow.int64(),
        Kind.NUMBER: arrow.float64(),
        Kind.BOOLEAN: arrow.bool_(),
        Kind.USD: arrow.decimal128(_DIGITS, _PLACES),
        Kind.TEXT: None,
    }
    added = {
        column.name: _array(arrow, values, types[column.kind])
        for column, values in zip(table.result_columns, table.values(), strict=True)
    }
    return arrow.table(own | added)


def _own(source: Source, convert: Callable[[], Any]) -> Any:
    """The rows' own columns as their library converts them; None where it cannot, or where they came one by one."""
    if source.table is None:
        return None
    try:
        return convert()
    except ImportError:  # pandas and polars convert into each other by pyarrow alone
        return None


def _pandas_of(source: Source) -> Any:
    return source.table if isinstance(source, PandasSource) else source.table.to_pandas()


def _polars_of(polars: Any, source: Source) -> Any:
    if isinstance(source, PolarsSource):
        return source.table
    if isinstance(source, PandasSource):
        try:
            return polars.from_pandas(source.table.set_axis(source.columns, axis=1))
        except (TypeError, ValueError, polars.exceptions.PolarsError):  # as in `_arrow_of`
            return polars.from_arrow(_arrow_of(import_module("pyarrow"), source))
    return polars.from_arrow(source.table)


def _arrow_of(arrow: Any, source: Source) -> Any:
    if isinstance(source, ArrowSource):
        return source.table
    if isinstance(source, PandasSource):
        table = source.table.set_axis(source.columns, axis=1)
        try:
            return arrow.Table.from_pandas(table, preserve_index=False)
        except arrow.ArrowException:  # a column of objects of several kinds: it alone becomes JSON text
            columns = (_arrow_column(arrow, table[name], source, name) for name in source.columns)
            return arrow.table(dict(zip(source.columns, columns, strict=True)))
    return source.table.to_arrow()


def _arrow_column(arrow: Any, series: Any, source: Source, name: str) -> Any:
    try:
        return arrow.Array.from_pandas(series)
    except arrow.ArrowException:
        return _array(arrow, source.column(name), None)


#: Types that have a value for what is missing; whole numbers stay whole. None: as pandas has texts and objects.
_PANDAS_TYPES: Mapping[Kind, str | None] = {
    Kind.INTEGER: "Int64",
    Kind.NUMBER: "Float64",
    Kind.BOOLEAN: "boolean",
    Kind.USD: "object",
    Kind.TEXT: None,
}


def _array(arrow: Any, values: Sequence[Any], kind: Any) -> Any:
    """A column; nested values of one shape have its type, of several they are JSON text."""
    if kind is None and all(value is None or isinstance(value, str) for value in values):
        kind = arrow.string()
    try:
        return arrow.array(values, kind)
    except (arrow.ArrowException, OverflowError, TypeError):
        return arrow.array(_texts(values), arrow.string())


def _series(polars: Any, name: str, values: Sequence[Any], kind: Any = None) -> Any:
    if kind is None and all(value is None or isinstance(value, str) for value in values):
        kind = polars.String
    try:
        return polars.Series(name, values, dtype=kind)
    except (TypeError, ValueError, OverflowError, polars.exceptions.PolarsError):
        return polars.Series(name, _texts(values), dtype=polars.String)


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else as_text(value) for value in values]


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise MissingLibrary(name) from None


class MissingLibrary(MissingExtra):
    """A table library is not installed; the message carries the install line."""

    def __init__(self, name: str) -> None:
        self.what, self.extra = f"to_{name.removeprefix('py')}()", name
        super(MissingExtra, self).__init__(f"{self.what} needs {name}, which is not installed: pip install {name}")
