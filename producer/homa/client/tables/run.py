"""One run over a table's rows: what is missing is submitted as a batch, and what ends is collected meanwhile.

1. Rows are taken a piece at a time. With a name, earlier runs are asked first: an answer is used, a job that goes on is
   waited for. The others become lines of one batch, which is opened when the first of them is there.
2. Now and then, when a piece is sent, what has ended is collected; where too many are in flight, until there is room.
3. The batch is sealed, and what is left is collected.

A run that breaks off pauses what it waits for, so that nothing more is paid; the same call with the same name goes on.
Without a name nobody could: its batch is cancelled, as that of `submit_batch` is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from homa.client.batch_submission import BatchSubmission
from homa.client.results import Failure, Reply
from homa.client.tables.answers import Answers
from homa.client.tables.budget import TableBudget
from homa.client.tables.collecting import Collecting
from homa.client.tables.earlier import ORDER, EarlierRuns, Found
from homa.client.tables.order import Order
from homa.client.tables.prompts import Prompt
from homa.drivers.effects import Flow, ask_patiently
from homa.submit.submitter import Submitter
from homa_shared.model.errors import BudgetExceeded, InvalidRequest, JobCancelled, StoreUnavailable
from homa_shared.model.money import usd
from homa_shared.store import reads
from homa_shared.store.transitions import admin

if TYPE_CHECKING:
    from homa.client.tables.progress import Shown

#: Rows of a piece, and the bytes of their prompts: a piece is one chunk of a batch.
_PIECE_ROWS, _PIECE_BYTES = 100, 1_000_000
#: Most rows that are submitted and not yet collected.
IN_FLIGHT = 20_000
#: How often what has ended is collected while rows are read, s.
_COLLECT_EACH_S = 0.5
#: Rows that may be refused before any is accepted: what refuses all of them is no fault of a row.
_MOST_REFUSED = 20
#: How long a name's list of batches outlives the retention of its newest batch's keys, ms.
_LISTED_MS = 30 * 86_400_000

#: Rows by their index, with their prompts.
Piece = list[tuple[int, str]]


class TableRun:
    """One run over rows.

    Args:
        answers: where the ends of rows are noted.
        batches: earlier batches of a table without a name, whose cost counts.
    """

    def __init__(
        self, submitter: Submitter, order: Order, answers: Answers, shown: Shown, batches: list[str] | None = None
    ) -> None:
        self._submitter, self._order, self._answers, self._shown = submitter, order, answers, shown
        self._keys = submitter.keys
        self._earlier = EarlierRuns(self._keys, order) if order.name else None
        self._submission: BatchSubmission | None = None
        self._collecting = Collecting(self._keys, order.schema, self._put, shown)
        #: Batches of the table, this run's included.
        self.batches = [] if batches is None else batches
        #: Those of this run: one, unless another run of the name took it up.
        self._own: list[str] = []
        self._piece: Piece = []
        self._bytes = 0
        self._occurrences: dict[str, int] = {}
        self._accepted = self._refused = 0
        self._last_refusal: InvalidRequest | BudgetExceeded | None = None
        self._budget = None if order.budget is None else TableBudget(self._keys, order.budget)
        self._collected_s = time.monotonic()

    def begin(self) -> Flow[None]:
        """Takes up what earlier runs of the name left."""
        if self._earlier is None:
            return
        for batch_id in (yield from self._earlier.take_up()):
            self._shown.say(f"batch {batch_id} of another order had the name {self._order.name!r}: it is cancelled")

    def take(self, index: int, prompt: Prompt) -> bool:
        """Takes a row; true when `send` is due."""
        if isinstance(prompt, InvalidRequest):
            self._refuse(index, prompt, of_row=True)
            return False
        self._piece.append((index, prompt))
        self._bytes += len(prompt)
        return len(self._piece) >= _PIECE_ROWS or self._bytes >= _PIECE_BYTES

    def send(self) -> Flow[None]:
        """Sends the rows that were taken, and collects what has ended where it is time to."""
        yield from self._send_piece()
        full = self._collecting.waiting >= IN_FLIGHT
        if full or time.monotonic() - self._collected_s >= _COLLECT_EACH_S:
            yield from self._collecting.until(IN_FLIGHT * 9 // 10 if full else None)
            self._collected_s = time.monotonic()

    def finish(self) -> Flow[None]:
        """Sends what is left, waits for all rows, and adds up what they cost."""
        yield from self._send_piece()
        if self._submission is not None:
            yield from self._submission.seal()
        refusal = self._last_refusal
        if refusal is not None and (isinstance(refusal, BudgetExceeded) or self._refused >= _MOST_REFUSED):
            self._raise_if_alone(refusal)
        yield from self._collecting.until(0)
        yield from self._add_cost()

    def leave(self, error: BaseException) -> Flow[None]:
        """Gives the run up: what has not begun is not paid any more."""
        if self._submission is None and not self._collecting.waiting:
            return
        if self._submission is not None and (self._earlier is None or not self._accepted):
            yield from self._submission.abandon(error)
        if self._earlier is None or not self._collecting.waiting:
            return
        try:
            yield from self._submitter.bounded(self._pause())
        except StoreUnavailable:
            error.add_note(f"table {self._order.name!r} could not be paused, and goes on: the same call finds its rows")
        else:
            error.add_note(f"table {self._order.name!r} is paused: the same call goes on with it")

    def close(self) -> None:
        """Shows for the last time how far it has come."""
        self._shown.close()

    def _pause(self) -> Flow[None]:
        own = [] if self._submission is None else [self._submission.id]
        for batch_id in dict.fromkeys([*own, *self._collecting.batches]):
            yield from ask_patiently(admin.pause_batch(self._keys, batch_id, "its table was interrupted"), 1.0)

    def _send_piece(self) -> Flow[None]:
        piece, self._piece, self._bytes = self._piece, [], 0
        if not piece:
            return
        keys = [""] * len(piece)
        if self._earlier is not None:
            piece, keys = yield from self._asked_before(self._earlier, piece)
        if not piece:
            return
        submission = self._submission or (yield from self._open())
        if submission is None:
            assert self._budget is not None
            for index, _ in piece:
                self._refuse(index, self._budget.exceeded())
            return
        try:
            yield from self._submit(submission, piece, keys)
        except JobCancelled:
            if not (yield from self._is_taken_up(submission.id)):
                raise
            # Rows of it that were accepted are found by their keys.
            self._submission = None
            for index, _ in piece:
                self._collecting.forget(submission.id, str(index))
            reopened = yield from self._open()
            if reopened is None:
                raise
            yield from self._submit(reopened, piece, keys)

    def _submit(self, submission: BatchSubmission, piece: Piece, keys: list[str]) -> Flow[None]:
        for (index, prompt), key in zip(piece, keys, strict=True):
            if self._add(submission, index, prompt, key):
                yield from self._flush(submission)
        yield from self._flush(submission)

    def _is_taken_up(self, batch_id: str) -> Flow[bool]:
        """Whether another run of the name sealed this one's batch, as if this one were gone."""
        if self._earlier is None:
            return False
        view = yield from self._earlier.look(batch_id)
        if self._budget is not None:
            self._budget.left = None
        return view is not None and not view.cancel

    def _asked_before(self, earlier: EarlierRuns, piece: Piece) -> Flow[tuple[Piece, list[str]]]:
        """The rows of a piece that are to be asked, and the keys under which; the others are noted."""
        digests = [self._digest(prompt) for _, prompt in piece]
        if not earlier.batches:
            return piece, [f"{self._order.key(digest, 0)} {digest}" for digest in digests]
        left, keys = [], []
        for (index, prompt), digest, found in zip(piece, digests, (yield from earlier.find(digests)), strict=True):
            if found.key:
                left.append((index, prompt))
                keys.append(f"{found.key} {digest}")
            else:
                self._note(index, found)
        return left, keys

    def _note(self, index: int, found: Found) -> None:
        if found.reply is not None:
            self._answers.put(index, found.reply, reused=True)
        else:
            self._collecting.wait_for(found.batch, found.custom_id, index)

    def _digest(self, prompt: str) -> str:
        first = self._order.row_digest(prompt, 0)
        occurrence = self._occurrences.get(first, 0)
        self._occurrences[first] = occurrence + 1
        return first if not occurrence else self._order.row_digest(prompt, occurrence)

    def _open(self) -> Flow[BatchSubmission | None]:
        """Opens the batch; None where earlier ones used up the budget."""
        order = self._order
        options = dict(order.options)
        if self._budget is not None:
            left = self._budget.left
            left = (yield from self._look_at_budget(self._budget)) if left is None else left
            if not left:
                return None
            options["budget_usd"] = usd(left)
        submission = BatchSubmission(self._submitter, options, facts={ORDER: order.mark}, alike=True)
        if self._earlier is not None:
            self._submitter.expect(options["model"], options.get("fallbacks", ()))
            view = yield from self._submitter.view()
            yield from self._earlier.note(submission.id, view.fleet.retention.keys_s * 1000 + _LISTED_MS)
        yield from submission.open()
        self._submission = submission
        self._own.append(submission.id)
        self.batches.append(submission.id)
        return submission

    def _look_at_budget(self, budget: TableBudget) -> Flow[int]:
        """What is left of it. What still goes on is waited for: it may spend, too."""
        if self._earlier is None:
            return (yield from budget.look(self.batches))
        for batch_id in self._earlier.live():
            yield from self._collecting.until_complete(batch_id)
        return (yield from budget.look(list(self._earlier.batches)))

    def _put(self, batch_id: str, index: int, outcome: Reply[Any] | Failure) -> None:
        self._answers.put(index, outcome, of_another=batch_id not in self._own)

    def _add(self, submission: BatchSubmission, index: int, prompt: str, key: str) -> bool:
        custom_id = str(index)
        try:
            due = submission.add_prompt(prompt, custom_id, key)
        except InvalidRequest as error:
            self._refuse(index, error, of_row=not prompt)
            return False
        except BudgetExceeded as error:
            self._refuse(index, error if self._budget is None else self._budget.exceeded(error))
            return False
        self._accepted += 1
        self._collecting.wait_for(submission.id, custom_id, index)
        return due

    def _refuse(self, index: int, error: InvalidRequest | BudgetExceeded, *, of_row: bool = False) -> None:
        """Notes that a row is not asked.

        Args:
            of_row: it is empty or lacks a column, as any number of rows may that come before the first good one.
        """
        self._answers.put(index, error)
        self._refused += 1
        self._last_refusal = error
        if self._refused >= _MOST_REFUSED and not of_row:
            self._raise_if_alone(error)

    def _raise_if_alone(self, error: InvalidRequest | BudgetExceeded) -> None:
        """What refuses every row is no fault of a row."""
        if self._answers.ended == self._refused and not self._accepted:
            raise type(error)(f"{self._refused} rows of {self._refused}: {error}") from error

    def _flush(self, submission: BatchSubmission) -> Flow[None]:
        taken = yield from submission.flush()
        for custom_id, job_id in taken.items():
            # Another run of the name was faster.
            index = self._collecting.forget(submission.id, custom_id)
            assert index is not None
            assert self._earlier is not None
            outcome = yield from self._earlier.outcome(job_id)
            if isinstance(outcome, Found):
                self._note(index, outcome)
            else:
                self._answers.put(index, outcome, reused=isinstance(outcome, Reply))

    def _add_cost(self) -> Flow[None]:
        answers = self._answers
        if self._earlier is not None:
            answers.kept_s = (yield from self._submitter.view()).fleet.retention.results
        for batch_id in self._own:
            view = yield from ask_patiently(reads.batch(self._keys, batch_id))
            if view is not None:
                answers.cost_nano_usd += view.nano_usd
                answers.unresolved_nano_usd += view.unresolved_nano_usd
                answers.unpriced += view.unpriced
