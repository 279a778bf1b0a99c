"""A run from its first row to its last line.

1. What an earlier run of the same output left in the store is collected first.
2. All rows are held against the lines of earlier runs: what is new or changed is to be asked (plan.py).
3. A thread feeds these rows; this one writes what ends, as it ends.
"""

from __future__ import annotations

from collections.abc import Iterator

from homa.client.batch_submission import BatchSubmission
from homa.drivers.blocking import BlockingDriver
from homa.drivers.effects import ask_patiently
from homa.files import BadRow, Digests, Row, look_ahead
from homa.files.identity import OrderDigest, row_digest
from homa.files.writers.earlier import EarlierLines
from homa.runs.checkpoint import Checkpoint
from homa.runs.collector import Collector
from homa.runs.feeder import Feeder, MissingRows
from homa.runs.long.aside import LongRows
from homa.runs.long.asking import LongAsking
from homa.runs.plan import EQUAL, LEFT_FAILED, Plan
from homa.runs.plan_words import other_order, planned, told
from homa.runs.resume_batch import ORDER, EarlierBatch, order_of, take_up
from homa.runs.run_state import RunParts, RunState, StopReason
from homa_shared.model.money import usd
from homa_shared.model.records import State
from homa_shared.store import reads

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
            if self.state.stop is None and self.state.aside:
                self._ask_about_long()
        finally:
            feeder = self.state.feeder
            if feeder is not None:
                feeder.stop()
                feeder.join(_FEEDER_END_S)
            if self.state.plan is not None:
                self.state.plan.close()
            if self.state.aside is not None:
                self.state.aside.close()

    def _ask_about_long(self) -> None:
        fitting, aside = self.parts.builder.fitting, self.state.aside
        if fitting is not None and fitting.division is not None and aside is not None:
            LongAsking(self.parts, self.state, self._collector, fitting.division, aside).ask()

    def _collect_earlier(self) -> None:
        parts, state = self.parts, self.state
        note = parts.checkpoint_file.read()
        if note is None:
            return
        state.note = note
        for run in note.runs:
            if (view := parts.session.driver.run(ask_patiently(reads.batch(parts.session.keys, run.id)))) is not None:
                state.flows[run.id] = view
        state.order = parts.session.driver.run(order_of(parts.session.keys, note))
        self._refuse_other_order(state.order)
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

    def _refuse_other_order(self, order: str) -> None:
        """An order that goes on is looked at before anything of it is cancelled."""
        other, mine = OrderDigest.parse(order), self.parts.run_options.order
        if other is not None and other != mine and not self.parts.resumption.changed:
            raise other_order(other.changed(mine), "the earlier run was")

    def _keep_fields(self, earlier: EarlierBatch) -> None:
        """Fields, texts of all rows without a line: those that could not be sent may stand before those that were."""
        parts = self.parts
        if (parts.kept is None and parts.cited is None) or not earlier.submitted:
            return
        for row in MissingRows(parts.run_inputs.rows(), parts.writer.done):
            if isinstance(row, Row):
                request = parts.builder.request(row)
                digest = "" if isinstance(request, BadRow) else row_digest(request)
                if parts.kept is not None:
                    parts.kept.put(row.custom_id, row.fields, digest)
                if parts.cited is not None and digest:
                    parts.cited.keep(row, digest)

    def _rows(self) -> Iterator[Row | BadRow]:
        """The rows to be asked: all of them, or what is left when they are held against the lines of earlier runs."""
        parts, state = self.parts, self.state
        if parts.writer.earlier is None or not parts.writer.earlier.count:
            state.missing = MissingRows(parts.run_inputs.rows(), parts.writer.done)
            return iter(state.missing)
        state.plan = plan = self._planned(parts.writer.earlier)
        parts.progress.say(told(plan, parts.resumption))
        parts.writer.revise(str(parts.run_options.order))
        state.missing = MissingRows(plan.rows(), Digests())
        state.missing.skipped = plan.kept
        tally = state.tally
        tally.earlier = plan.counts[EQUAL] - tally.ends[State.SUCCEEDED]
        tally.failed_before = plan.counts[LEFT_FAILED]
        tally.cut, tally.unverified = plan.cut, plan.unverified
        return iter(state.missing)

    def _planned(self, earlier: EarlierLines) -> Plan:
        parts = self.parts
        return planned(
            earlier,
            parts.builder,
            parts.run_options.order,
            parts.run_inputs,
            parts.resumption,
            inputs=parts.writer.inputs_digest,
            output=parts.output,
        )

    def _run_missing(self) -> None:
        parts, state = self.parts, self.state
        head, rows = look_ahead(self._rows(), 1)
        if not head:
            return
        before, all_spent = state.spent_before(), state.spent()
        spent = all_spent.cost + all_spent.unresolved
        if parts.run_options.budget is not None and parts.run_options.budget <= spent:
            state.stop = StopReason(f"the budget of ${usd(parts.run_options.budget)} is used up: raise --budget")
            return
        state.order = str(parts.run_options.order)
        submission = BatchSubmission(
            parts.session.submitter,
            parts.run_options.batch_options(parts.name, spent),
            facts={ORDER: state.order},
        )
        state.batch, state.view = submission.id, None
        if state.note is not None:
            parts.writer.save()
        # The checkpoint first: a batch that nobody knows of would be paid for and never collected.
        state.note = Checkpoint(
            submission.id, parts.run_options.digest, before.cost, before.unresolved, before.unpriced, before.runs
        )
        parts.checkpoint_file.write(state.note)
        parts.session.driver.run(submission.open())
        parts.workers.start()
        self._feed(submission, rows)
        self._collector.until_over(None)

    def _feed(self, submission: BatchSubmission, rows: Iterator[Row | BadRow]) -> None:
        parts = self.parts
        fitting = parts.builder.fitting
        if fitting is not None and fitting.division is not None:
            self.state.aside = LongRows()
        self.state.feeder = Feeder(
            BlockingDriver(parts.session.context),
            submission,
            rows,
            parts.builder,
            order=self.state.order,
            kept=parts.kept,
            cited=parts.cited,
            window=parts.window,
            aside=self.state.aside,
        )
        self.state.feeder.start()
