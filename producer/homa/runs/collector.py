"""Writing lines as they end, until the batch is complete, or stopped with nothing left in flight.

A run ends early by a signal, by failures that look hopeless, by a pause that somebody else ordered, or because its
workers or its store are gone. Then the batch is paused, calls in flight finish, their results are written.
"""

from __future__ import annotations

import contextlib
import time

from homa.client.batch_lines import read_page
from homa.drivers.effects import ask_patiently
from homa.files.writers.earlier_line import INVALID, TRUNCATED
from homa.runs.feeder import Refused
from homa.runs.result_lines import ResultLine, result_lines
from homa.runs.resume_batch import EarlierBatch
from homa.runs.run_state import RunParts, RunState, StopReason
from homa.supervision.errors import WorkerLost
from homa_shared.backoff import Backoff
from homa_shared.model.errors import HomaError, JobNotFound, StoreUnavailable
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions import admin

#: Between looks at a batch while nothing ends.
_PAUSES = Backoff(first_s=0.02, longest_s=0.2, jitter=0)
#: How often queues are asked for what is in flight, s.
_QUEUES_EACH_S = 0.5


class Collector:
    """The loop over the batch that runs now.

    Args:
        state: shared with the rest of the run.
    """

    def __init__(self, parts: RunParts, state: RunState) -> None:
        self._state = state
        self._driver, self._keys, self._lane = parts.session.driver, parts.session.keys, parts.run_options.lane
        self._writer, self._kept, self._cited = parts.writer, parts.kept, parts.cited
        self._workers, self._progress, self._interruption = parts.workers, parts.progress, parts.interruption
        self._retry = parts.resumption.retry
        self._running = 0
        self._asked_queues_s = 0.0

    def until_over(self, earlier: EarlierBatch | None) -> None:
        """Writes the lines of the batch that runs now until it is complete, or stopped with nothing left in flight."""
        after, looks = 0, 0
        while True:
            # Looked at before the list is read, so that a batch that is over has no line left to read.
            at_rest = self._state.stop is not None and self._at_rest()
            view = self._look()
            over = view.complete and (self._state.feeder is None or not self._state.feeder.running)
            page = self._driver.run(
                read_page(self._keys, view.id, after, unless=self._writer.done if earlier else None)
            )
            for line in self._driver.run(result_lines(self._keys, page.lines, self._state.order)):
                self.take(line, redone=earlier is not None and (earlier.cancelled or line.position <= earlier.known))
            wrote = self._take_refused() or page.cursor > after
            after = page.cursor
            self._show(view)
            if not wrote and (over or at_rest):
                break
            self.watch(view)
            looks = 0 if wrote else looks + 1
            if looks:
                time.sleep(_PAUSES.pause_s(looks))
        self._raise_feeders_error()
        if self._state.nothing_left(view):
            # What asked for a stop came when there was nothing left to stop: the run has simply ended.
            self._state.stop = None

    def take(self, line: ResultLine, *, redone: bool) -> None:
        """Writes a line, unless its input has one.

        Args:
            redone: without an answer it will be tried anew, and so gets no line yet.
        """
        if self._cited is not None:
            line = self._cited.told(line)
        unfinished = line.state is not State.SUCCEEDED or (TRUNCATED in self._retry and line.cut)
        unfinished = unfinished or (INVALID in self._retry and line.unverified > 0)
        if (redone and unfinished) or not self._writer.done.add(line.custom_id):
            return
        row = line.document["homa"].get("row", "")
        fields = self._kept.pop(line.custom_id, row) if self._kept is not None else {}
        self._writer.write(line.document, fields)
        self._state.tally.count(line)
        if self._state.feeder is not None:
            self._state.feeder.written += 1

    def _take_refused(self) -> int:
        rows = self._state.feeder.refused() if self._state.feeder is not None else []
        for refused in rows:
            self.refuse(refused)
        return len(rows)

    def refuse(self, refused: Refused) -> None:
        """Writes the line of a row that cannot be sent."""
        if self._writer.done.add(refused.custom_id):
            self._writer.write(refused.line, refused.fields)
            self._state.tally.count_bad(str(refused.bad), over_budget=refused.over_budget, skipped=refused.bad.skipped)

    def _look(self) -> reads.BatchView:
        assert self._state.batch is not None
        view = self._driver.run(ask_patiently(reads.batch(self._keys, self._state.batch)))
        if view is None:
            raise JobNotFound(f"batch {self._state.batch} is not in the store any more: go on with --resume")
        self._state.view = view
        return view

    def watch(self, view: reads.BatchView) -> None:
        """Begins to stop where there is a reason to."""
        if self._state.stop is not None:
            return
        signal = self._interruption.signal
        if signal is not None and not self._state.nothing_left(view):
            self.stop(StopReason("interrupted", signal=signal), view)
            return
        try:
            self._workers.check()
        except WorkerLost as error:
            self.stop(StopReason(str(error), misconfigured=error.misconfigured), view)
            return
        if view.paused:
            self.stop(StopReason(f"the batch was paused: {view.paused_why or 'by somebody'}"), view)
        elif self._state.more_to_come(view) and (why := self._state.tally.too_many()):
            self.stop(StopReason(why), view)
        elif self._state.feeder is not None and self._state.feeder.error is not None and not view.complete:
            self.stop(StopReason(str(self._state.feeder.error) or repr(self._state.feeder.error)), view)

    def stop(self, stop: StopReason, view: reads.BatchView) -> None:
        """Begins to stop: nothing further is sent, and what waits is paused."""
        self._state.stop = stop
        if self._state.feeder is not None:
            self._state.feeder.stop()
        if not view.complete and not view.paused:
            with contextlib.suppress(StoreUnavailable):
                why = stop.why.splitlines()[0]
                self._driver.run(ask_patiently(admin.pause_batch(self._keys, view.id, why), 5.0))
        self._workers.drain()
        if self._workers.alive:
            self._progress.say("stopping: calls in flight finish; Ctrl-C once more to stop at once")

    def _at_rest(self) -> bool:
        """Nothing of this run's own is in flight. What other workers have in flight is collected by --resume."""
        return not self._workers.alive and (self._state.feeder is None or not self._state.feeder.running)

    def _raise_feeders_error(self) -> None:
        error = self._state.feeder.error if self._state.feeder is not None else None
        if error is not None and not isinstance(error, HomaError):
            raise error
        if error is not None and self._state.stop is None:
            # The batch was cancelled while it was fed, and is over already.
            self._state.stop = StopReason(str(error))

    def _show(self, view: reads.BatchView) -> None:
        now_s = time.monotonic()
        if now_s - self._asked_queues_s >= _QUEUES_EACH_S:
            self._asked_queues_s = now_s
            rows = self._driver.run(ask_patiently(reads.queues(self._keys)))
            self._running = sum(row.running for row in rows if row.lane == self._lane)
        # What runs was counted some seconds ago; of a batch that is complete nothing does.
        self._progress.show(self._state.progress(view, 0 if view.complete else self._running))
