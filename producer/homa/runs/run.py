"""A run from its first row to its last line.

1. What an earlier run of the same output left in the store is collected first.
2. A thread feeds the rows that are missing; this one writes what ends, as it ends.
"""

from __future__ import annotations

from collections.abc import Iterator

from homa.client.batch_submission import BatchSubmission
from homa.drivers.blocking import BlockingDriver
from homa.files import BadRow, Row, look_ahead
from homa.runs.checkpoint import Checkpoint
from homa.runs.collector import Collector
from homa.runs.feeder import Feeder, MissingRows
from homa.runs.resume_batch import EarlierBatch, take_up
from homa.runs.run_state import RunParts, RunState, StopReason
from homa_shared.model.money import usd

#: How long a feeder that was told to stop may take to send its last chunk, s.
_FEEDER_END_S = 30.0


class BatchRun:
    """One run.

    Args:
        parts: what it works with.
        state: how far it has come.
    """

    def __init__(self, parts: RunParts, state: RunState) -> None:
        self.parts, self.state = parts, state
        self._collector = Collector(parts, state)

    def go(self, *, resume: bool) -> None:
        """Runs to the end, or until something stops it (`state.stop`)."""
        try:
            if resume:
                self._collect_earlier()
            if self.state.stop is None:
                self._run_missing()
        finally:
            feeder = self.state.feeder
            if feeder is not None:
                feeder.stop()
                feeder.join(_FEEDER_END_S)

    def _collect_earlier(self) -> None:
        parts, state = self.parts, self.state
        note = parts.checkpoint_file.read()
        if note is None:
            return
        state.note = note
        earlier = parts.session.driver.run(take_up(parts.session.keys, note, parts.run_options.digest))
        if earlier is None:
            parts.progress.say(f"batch {note.batch} of the earlier run is not in this store: going by the output")
            return
        if earlier.live:
            done = "what had not begun is cancelled" if earlier.cancelled else "it goes on"
            parts.progress.say(f"collecting batch {earlier.id} of the earlier run: {done}")
            parts.workers.start()
        self._keep_fields(earlier)
        state.batch = earlier.id
        self._collector.until_over(earlier)

    def _keep_fields(self, earlier: EarlierBatch) -> None:
        """Fields of every row without a line: rows that could not be sent may stand before those that were."""
        parts = self.parts
        if parts.kept is None or not earlier.submitted:
            return
        for row in MissingRows(parts.run_inputs.rows(), parts.writer.done):
            if isinstance(row, Row):
                parts.kept.put(row.custom_id, row.fields)

    def _run_missing(self) -> None:
        parts, state = self.parts, self.state
        state.missing = MissingRows(parts.run_inputs.rows(), parts.writer.done)
        head, rows = look_ahead(state.missing, 1)
        if not head:
            return
        before = state.spent_before()
        if parts.run_options.budget is not None and parts.run_options.budget <= before.cost + before.unresolved:
            state.stop = StopReason(f"the budget of ${usd(parts.run_options.budget)} is used up: raise --budget")
            return
        spent = before.cost + before.unresolved
        submission = BatchSubmission(parts.session.submitter, parts.run_options.batch_options(parts.name, spent))
        state.batch, state.view = submission.id, None
        # The checkpoint first: a batch that nobody knows of would be paid for and never collected.
        state.note = Checkpoint(
            submission.id, parts.run_options.digest, before.cost, before.unresolved, before.unpriced
        )
        parts.checkpoint_file.write(state.note)
        parts.session.driver.run(submission.open())
        parts.workers.start()
        self._feed(submission, rows)
        self._collector.until_over(None)

    def _feed(self, submission: BatchSubmission, rows: Iterator[Row | BadRow]) -> None:
        parts = self.parts
        self.state.feeder = Feeder(
            BlockingDriver(parts.session.context),
            submission,
            rows,
            parts.builder,
            kept=parts.kept,
            window=parts.window,
        )
        self.state.feeder.start()
