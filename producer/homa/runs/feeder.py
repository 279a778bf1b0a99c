"""The thread that reads rows and submits them, never far ahead of what has ended.

What cannot be sent goes to the collecting side as a line of its own, since one thread writes the results. The window
bounds what the store holds of a run and what is held of its inputs here.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from homa.client.batch_submission import BatchSubmission
from homa.drivers.blocking import BlockingDriver
from homa.files import BadRow, Digests, HomaPart, Row, Unanswered, bad_row_line, result_line
from homa.files.identity import row_digest, with_digest
from homa.files.kept_fields import KeptFields
from homa.runs.citing import CitedRows
from homa.runs.long.aside import LongRows
from homa.runs.long.ways import DIVIDED
from homa.runs.row_request import RequestBuilder
from homa_shared.model.errors import BudgetExceeded, InvalidRequest

#: Most lines that are submitted and not yet written.
WINDOW = 20_000
#: Most refused rows that wait to be written.
_MOST_REFUSED = 1000
#: Their error code, where it is the budget that refuses them; a job's that the store refuses has the same.
OVER_BUDGET = "budget"
_NAP_S = 0.05


class MissingRows:
    """The rows of a run that have no line yet."""

    def __init__(self, rows: Iterable[Row | BadRow], done: Digests) -> None:
        self._rows, self._done = rows, done
        #: Rows that were left out so far.
        self.skipped = 0

    def __iter__(self) -> Iterator[Row | BadRow]:
        for row in self._rows:
            if row.custom_id in self._done:
                self.skipped += 1
            else:
                yield row


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be sent."""

    bad: BadRow
    #: What is left of the budget is too little for one call of it.
    over_budget: bool = False
    #: Its columns.
    fields: Mapping[str, Any] = field(default_factory=dict)
    #: Its digest, and that of the order; empty where it did not come so far.
    row: str = ""
    order: str = ""

    @property
    def custom_id(self) -> str:
        return self.bad.custom_id

    @property
    def line(self) -> dict[str, Any]:
        """Its line of the results file."""
        part = HomaPart(row=self.row, order=self.order)
        if self.over_budget:
            return result_line(self.custom_id, Unanswered(OVER_BUDGET, str(self.bad), part))
        return bad_row_line(self.bad, part)


class Feeder:
    """Submits the rows of a run to one batch.

    Args:
        driver: of its own, since a thread waits in it.
        submission: an opened batch; sealed at the end of the rows.
        rows: good and bad ones.
        builder: how rows become requests.
        order: digest of what is asked of all rows.
        kept: where the fields of rows are put for the results; None where nobody wants them.
        cited: where their texts are put for the quotes of answers.
        window: most lines that are submitted and not yet written; None for no bound.
        aside: where documents are put that take several calls; None where there are none.
    """

    def __init__(
        self,
        driver: BlockingDriver,
        submission: BatchSubmission,
        rows: Iterable[Row | BadRow],
        builder: RequestBuilder,
        *,
        order: str = "",
        kept: KeptFields | None = None,
        cited: CitedRows | None = None,
        window: int | None = WINDOW,
        aside: LongRows | None = None,
    ) -> None:
        self._driver, self._submission, self._rows = driver, submission, rows
        self._builder, self._order, self._kept, self._window = builder, order, kept, window
        self._cited = cited
        self._aside = aside
        self._refused: queue.Queue[Refused] = queue.Queue(_MOST_REFUSED)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        #: Rows that became jobs.
        self.submitted = 0
        #: Lines of this batch that are written; set by the collecting side.
        self.written = 0
        #: The batch is sealed: every row was read.
        self.finished = False
        #: What ended the feeding early.
        self.error: BaseException | None = None

    def start(self) -> None:
        """Feeds in a thread of its own."""
        self._thread = threading.Thread(target=self._guarded, name="homa-feeder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Reads no further row; what is submitted stays submitted."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout_s)

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def refused(self) -> list[Refused]:
        """Rows that could not be sent since the last time that this was asked."""
        found: list[Refused] = []
        while len(found) < _MOST_REFUSED:
            try:
                found.append(self._refused.get_nowait())
            except queue.Empty:
                break
        return found

    def feed(self, on_refused: Callable[[Refused], None]) -> None:
        """Submits all rows and seals the batch, unless it is told to stop.

        Args:
            on_refused: is given the rows that cannot be sent.
        """
        for row in self._rows:
            if self._stopping.is_set():
                break
            refused = Refused(row) if isinstance(row, BadRow) else self._add(row)
            if refused is not None:
                on_refused(refused)
        if self._stopping.is_set():
            self._driver.run(self._submission.flush())
            return
        self._driver.run(self._submission.seal())
        self.finished = True

    def _add(self, row: Row) -> Refused | None:
        request = self._builder.request(row)
        if isinstance(request, BadRow):
            return Refused(request, fields=row.fields)
        digest = row_digest(request)
        # Kept before it is sent: its end may be there before this thread goes on.
        if self._kept is not None:
            self._kept.put(row.custom_id, row.fields, digest)
        if self._cited is not None:
            self._cited.keep(row, digest)
        if DIVIDED in request and self._aside is not None:
            self._aside.put(row, digest)
            return None
        try:
            due = self._submission.add(with_digest(request, digest))
        except (InvalidRequest, BudgetExceeded) as error:
            over_budget = isinstance(error, BudgetExceeded)
            return Refused(row.rejected(str(error)), over_budget, row.fields, digest, self._order)
        self.submitted += 1
        if due or self._is_full():
            self._driver.run(self._submission.flush())
            while self._is_full() and not self._stopping.is_set():
                self._stopping.wait(_NAP_S)
        return None

    def _is_full(self) -> bool:
        return self._window is not None and self.submitted - self.written >= self._window

    def _guarded(self) -> None:
        try:
            self.feed(self._hand_over)
        except BaseException as error:
            self.error = error
        finally:
            self._driver.close()

    def _hand_over(self, refused: Refused) -> None:
        while not self._stopping.is_set():
            try:
                self._refused.put(refused, timeout=_NAP_S)
            except queue.Full:
                continue
            return
