"""Tables that are there whole: of pandas, of polars, of Arrow.

They are known by the methods that they have; no table library is imported that the caller has not imported. A table is
kept as it is, so that the result has its columns with their types.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from homa_shared.model.errors import InvalidRequest

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
        double = min((name for name, count in Counter(self._columns).items() if count > 1), default=None)
        if double is not None:
            raise InvalidRequest(f"rows has two columns {double!r}: expected one of each name")

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


def is_missing(value: object) -> bool:
    """Whether a cell has no value; pandas has several of that kind."""
    if value is None or type(value).__name__ in _MISSING:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, Decimal):
        return value.is_nan()
    # A scalar of numpy, whatever its width, that is no number or no time differs from itself.
    return getattr(value, "ndim", None) == 0 and bool(value != value)
