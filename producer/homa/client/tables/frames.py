"""A result as a table of pandas, polars or Arrow. One of the same kind as the rows' keeps their columns as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from homa.client.tables.sources import ArrowSource, PandasSource, PolarsSource, Source
from homa.files.rows import as_text
from homa.files.writers.columns import Kind
from homa_shared.model.errors import MissingExtra

if TYPE_CHECKING:
    from homa.client.tables.table import Answered

#: Nano-dollars are dollars with nine places.
_DIGITS, _PLACES = 38, 9


def to_pandas(table: Answered, source: Source) -> Any:
    """Raises MissingExtra where pandas is not installed."""
    pandas = _library("pandas")
    index, names = None, list(source.columns)
    if isinstance(source, PandasSource):
        found = source.table
        index, names = found.index, list(found.columns)
        own = found
    else:
        own = pandas.DataFrame({name: source.column(name) for name in names}, columns=names)
    added = {
        column.name: pandas.Series(values, index=index, dtype=_PANDAS_TYPES[column.kind])
        for column, values in zip(table.result_columns, table.values(), strict=True)
    }
    return pandas.concat([own, pandas.DataFrame(added, index=own.index)], axis=1)


def to_polars(table: Answered, source: Source) -> Any:
    """Raises MissingExtra where polars is not installed."""
    polars = _library("polars")
    if isinstance(source, PolarsSource):
        own = source.table
    else:
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


def to_arrow(table: Answered, source: Source) -> Any:
    """Raises MissingExtra where pyarrow is not installed."""
    arrow = _library("pyarrow")
    if isinstance(source, ArrowSource):
        own = {name: source.table.column(name) for name in source.columns}
    else:
        own = {name: _array(arrow, source.column(name), None) for name in source.columns}
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


#: Types that have a value for what is missing; whole numbers stay whole.
_PANDAS_TYPES: Mapping[Kind, str] = {
    Kind.INTEGER: "Int64",
    Kind.NUMBER: "Float64",
    Kind.BOOLEAN: "boolean",
    Kind.USD: "object",
    Kind.TEXT: "object",
}


def _array(arrow: Any, values: Sequence[Any], kind: Any) -> Any:
    """A column; nested values of one shape have its type, of several they are JSON text."""
    if kind is None and all(value is None or isinstance(value, str) for value in values):
        kind = arrow.string()
    try:
        return arrow.array(values, kind)
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, arrow.ArrowNotImplementedError, OverflowError):
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
