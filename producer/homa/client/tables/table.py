"""The result of `map`: the rows with their own columns, and what came of each beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, overload

from homa.client.management.units import usd_of
from homa.client.results import Failure
from homa.client.short_tracebacks import short_tracebacks
from homa.client.tables.answers import Answer, Answers, End, RowFailure
from homa.client.tables.known_tables import Source
from homa.client.tables.order import Order
from homa.client.tables.progress import shown
from homa.client.tables.prompts import Prompt, Prompts
from homa.client.tables.run import TableRun
from homa.client.tables.sources import ReadSource
from homa.files.writers.columns import Column, Kind
from homa_shared.model.money import usd

if TYPE_CHECKING:
    from homa.drivers.blocking import BlockingDriver
    from homa.submit.submitter import Submitter

#: Columns behind those of the answer.
_BESIDE = (
    Column("error"),
    Column("homa_job"),
    Column("homa_model"),
    Column("homa_cost_usd", Kind.USD),
)


@dataclass(slots=True)
class Made:
    """What a table is made of."""

    submitter: Submitter
    source: Source
    prompts: Prompts
    order: Order
    #: None: where somebody can see it.
    progress: bool | None
    answers: Answers
    #: Batches that brought it.
    batches: list[str]

    def run(self, *, total: int | None) -> TableRun:
        """A run over rows of it."""
        return TableRun(
            self.submitter, self.order, self.answers, shown(self.progress, self.answers, total), self.batches
        )

    def total(self) -> int | None:
        """How many rows there will be, where that is known."""
        return self.source.expected if isinstance(self.source, ReadSource) else len(self.source)


class MappedRows(Sequence[dict[str, Any]]):
    """Rows in their order, each with its own columns, its answer, and how it ended.

    The answer is the column `answer`, or with a schema the columns of its fields, behind which `answer` has the text of
    replies that these do not hold completely. `error` says why a row has none; `homa_job`, `homa_model` and
    `homa_cost_usd` say where it comes from. A result's column whose name the rows have, too, gets `reply_` in front.
    """

    def __init__(self, made: Made) -> None:
        self._made = made

    @property
    def columns(self) -> list[str]:
        """Names of the rows' own columns, then of the result's."""
        return [*self._made.source.columns, *(column.name for column in self.result_columns)]

    @property
    def result_columns(self) -> list[Column]:
        """The result's own columns under the names that they have here."""
        taken, found = set(self._made.source.columns), []
        for column in (*self._made.answers.columns, Column("answer"), *_BESIDE):
            name = column.name
            while name in taken:
                name = f"reply_{name}"
            taken.add(name)
            found.append(Column(name, column.kind))
        return found

    def __len__(self) -> int:
        return len(self._made.answers)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = self.columns
        for row, end in zip(self._made.source.rows(), self._made.answers, strict=False):
            yield self._joined(names, row, end)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | Sequence[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        place = range(len(self))[index]
        return self._joined(self.columns, self._made.source.row(place), self._made.answers[place])

    def _joined(self, names: Sequence[str], row: Mapping[str, Any], end: End) -> dict[str, Any]:
        own = [row.get(name) for name in self._made.source.columns]
        return dict(zip(names, [*own, *self._values(end)], strict=True))

    def values(self) -> list[list[Any]]:
        """The result's columns, each with the values of all rows."""
        rows = [self._values(end) for end in self._made.answers]
        return [[row[at] for row in rows] for at in range(len(self.result_columns))]

    @property
    def failures(self) -> list[RowFailure]:
        """Rows without an answer: index, row and error."""
        row = self._made.source.row
        return [RowFailure(index, row(index), error) for index, error in self._made.answers.failures()]

    @property
    def cost_usd(self) -> Decimal:
        """Known cost in dollars, exact: of the answers, those of earlier runs too, and of this run's failures."""
        return usd_of(self._made.answers.cost_nano_usd)

    @property
    def unresolved_usd(self) -> Decimal:
        """What attempts of unknown outcome may have cost at most, in dollars."""
        return usd_of(self._made.answers.unresolved_nano_usd)

    @property
    def unpriced(self) -> int:
        """Attempts without a known price: their cost is not in the sum."""
        return self._made.answers.unpriced

    @property
    def reused(self) -> int:
        """Rows that earlier runs of the same name had answered."""
        return self._made.answers.reused

    @property
    def kept_s(self) -> float | None:
        """How long after its end an answer is found by later runs of the name, s (`retention.results`).

        None without a name.
        """
        return self._made.answers.kept_s

    @property
    def batches(self) -> list[str]:
        """Ids of the batches that were made for it."""
        return list(self._made.batches)

    def to_pandas(self) -> Any:
        """As a pandas DataFrame; that of a DataFrame has its index, and its columns with their types.

        Raises:
            MissingExtra: pandas is not installed.
        """
        from homa.client.tables.frames import to_pandas

        return to_pandas(self, self._made.source)

    def to_polars(self) -> Any:
        """As a polars DataFrame; columns of one keep their types.

        Raises:
            MissingExtra: polars is not installed.
        """
        from homa.client.tables.frames import to_polars

        return to_polars(self, self._made.source)

    def to_arrow(self) -> Any:
        """As an Arrow table; columns of one keep their types.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        from homa.client.tables.frames import to_arrow

        return to_arrow(self, self._made.source)

    def _values(self, end: End) -> list[Any]:
        width = len(self._made.answers.columns)
        if isinstance(end, Answer):
            cost = None if end.cost_nano_usd is None else usd_of(end.cost_nano_usd)
            return [*end.cells, end.text, None, end.job_id, end.model, cost]
        why = "not asked" if end is None else f"{end.kind}: {end.message}" if isinstance(end, Failure) else str(end)
        job_id = end.job_id if isinstance(end, Failure) else None
        return [*[None] * width, None, why, job_id, None, None]

    def __repr__(self) -> str:
        answers, name = self._made.answers, self._made.order.name
        told = [f"{len(answers)} rows", f"{answers.failed} failed", f"${usd(answers.cost_nano_usd)}"]
        told += [f"{answers.reused} answered before"] if answers.reused else []
        return f"<{type(self).__name__}{f' {name!r}' if name else ''}: {', '.join(told)}>"


@short_tracebacks
class Table(MappedRows):
    """A table that `Homa.map` made."""

    def __init__(self, driver: BlockingDriver, made: Made) -> None:
        super().__init__(made)
        self._driver = driver

    def retry(self) -> Table:
        """Do the rows without an answer anew, under what is left of the budget; wait for them.

        Returns:
            the same table.
        """
        failed = [index for index, _ in self._made.answers.failures()]
        _carry_out(self._driver, self._made.run(total=len(self)), self._made.prompts.of(failed))
        return self


def fill(driver: BlockingDriver, made: Made) -> Table:
    """The table whose rows are all asked."""
    rows = ((made.answers.expect(), prompt) for prompt in made.prompts)
    _carry_out(driver, made.run(total=made.total()), rows)
    return Table(driver, made)


def _carry_out(driver: BlockingDriver, run: TableRun, rows: Iterator[tuple[int, Prompt]]) -> None:
    try:
        driver.run(run.begin())
        for index, prompt in rows:
            if run.take(index, prompt):
                driver.run(run.send())
        driver.run(run.finish())
    except BaseException as error:
        driver.run(run.leave(error))
        raise
    finally:
        run.close()
