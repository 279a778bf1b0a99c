"""How each row of a table ended: its answer and what it cost, or why it has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa.client.results import Failure, Reply
from homa.files.writers.columns import Column, reply_cells, schema_columns
from homa.submit.response_format import response_format
from homa_shared.model.errors import HomaError


@dataclass(frozen=True, slots=True)
class Answer:
    """A row's answer."""

    #: Its text; with a schema only where the schema's columns do not hold all of it.
    text: str | None
    #: In the order of the schema's columns.
    cells: Sequence[Any]
    job_id: str
    #: `provider:model`.
    model: str
    cost_nano_usd: int | None


@dataclass(frozen=True, slots=True)
class RowFailure:
    """A row without an answer."""

    #: Its place among the rows, from 0.
    index: int
    #: Its columns.
    row: Mapping[str, Any]
    #: JobFailed, JobCancelled or JobExpired; InvalidRequest where it could not be sent.
    error: HomaError


#: How a row ended; None: it has not.
End = Answer | Failure | HomaError | None


class Answers:
    """How the rows of one table ended, in their order.

    Args:
        schema: that the answers fit; None for text.
    """

    def __init__(self, schema: Any = None) -> None:
        self.columns: Sequence[Column] = () if schema is None else schema_columns(response_format(schema))
        self._ends: list[End] = []
        #: Rows that failed or were refused.
        self.failed = 0
        #: Rows that have ended.
        self.ended = 0
        #: Rows that earlier runs of the same name had answered.
        self.reused = 0
        #: Known cost, what attempts of unknown outcome may have cost, nano-dollars; attempts without a known price.
        self.cost_nano_usd = self.unresolved_nano_usd = self.unpriced = 0
        #: How long after its end an answer is found by later runs of the name, s; None without a name.
        self.kept_s: float | None = None
        #: Known cost of the answers alone, nano-dollars; it is there while a run goes on.
        self.answers_nano_usd = 0

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> End:
        return self._ends[index]

    def __iter__(self) -> Iterator[End]:
        return iter(self._ends)

    def expect(self) -> int:
        """Makes room for the next row; its index."""
        self._ends.append(None)
        return len(self._ends) - 1

    def put(
        self,
        index: int,
        outcome: Reply[Any] | Failure | HomaError,
        *,
        reused: bool = False,
        of_another: bool = False,
    ) -> None:
        """Notes how a row ended; the body of a reply is not kept.

        Args:
            reused: it had ended before this run looked for it.
            of_another: it ended in a batch of another run, whose cost is not added as a whole.
        """
        before = self._ends[index]
        self.ended += before is None
        self.failed -= isinstance(before, Failure | HomaError)
        if not isinstance(outcome, Reply):
            self.failed += 1
            self._ends[index] = outcome
            return
        self.answers_nano_usd += outcome.cost_nano_usd or 0
        self.reused += reused
        if reused or of_another:
            self.cost_nano_usd += outcome.cost_nano_usd or 0
            self.unpriced += outcome.cost_nano_usd is None
        *cells, text = reply_cells(outcome.text, self.columns) if self.columns else [outcome.text]
        model = f"{outcome.provider}:{outcome.model}"
        self._ends[index] = Answer(text, cells, outcome.job_id, model, outcome.cost_nano_usd)

    def failures(self) -> Iterator[tuple[int, HomaError]]:
        """Rows without an answer, each with the reason."""
        for index, end in enumerate(self._ends):
            if isinstance(end, Failure):
                yield index, end.error()
            elif isinstance(end, HomaError):
                yield index, end
