"""A run from its first row to its last line.

1. What an earlier run of the same output left in the store is collected first.
2. A thread feeds the rows that are missing; this one writes what ends, as it ends.
3. A run ends early by a signal, by failures that look hopeless, by a pause that somebody else ordered, or because its
   workers or its store are gone. Then the batch is paused, calls in flight finish, their results are written.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from homa.batches import BatchSubmission
from homa.blocking import BlockingDriver
from homa.commands.exits import DONE, SOME_FAILED, STUCK
from homa.documents import BadRow, ResultsWriter, Row, look_ahead
from homa.flow import ask_patiently
from homa.local import Place
from homa.running.asking import Asking
from homa.running.earlier import Earlier, take_up
from homa.running.ended import EndedLine, page
from homa.running.feeding import Feeder, Missing
from homa.running.intake import Intake
from homa.running.kept_fields import KeptFields
from homa.running.order import Order
from homa.running.progress import Progress, Standing
from homa.running.runfile import RunFile, RunNote
from homa.running.stopping import Interruption
from homa.running.tally import Tally
from homa.running.workforce import WorkerLost, Workforce
from homa.submission import Submitter
from homa_shared.errors import HomaError, JobNotFound, StoreUnavailable
from homa_shared.money import usd
from homa_shared.records import State
from homa_shared.store import reading, steering

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.2
#: How often queues are asked for what is in flight, s.
_QUEUES_EACH_S = 0.5
#: How long a feeder that was told to stop may take to send its last chunk, s.
_FEEDER_END_S = 30.0


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run ends before its rows do."""

    status: int
    why: str


@dataclass(slots=True)
class Run:
    """One run.

    Args:
        place: store and settings; the feeding thread connects by itself.
        writer: the open results file.
        kept: where rows' fields wait for their line; None for results that do not repeat them.
        window: most lines that are submitted and not yet written.
    """

    place: Place
    driver: BlockingDriver
    submitter: Submitter
    order: Order
    intake: Intake
    asking: Asking
    writer: ResultsWriter
    runfile: RunFile
    workforce: Workforce
    tally: Tally
    progress: Progress
    interruption: Interruption
    name: str
    window: int
    kept: KeptFields | None = None
    #: Inputs, about; None while nobody knows.
    estimate: int | None = None
    #: The batch that runs now, or ran last.
    batch: str | None = None
    stop: Stop | None = None
    _note: RunNote | None = None
    _view: reading.BatchView | None = None
    _feeder: Feeder | None = None
    _missing: Missing | None = None
    _running: int = 0
    _asked_queues_s: float = 0.0

    # -- the phases --------------------------------------------------------------------------------------------------

    def go(self, *, resume: bool) -> None:
        """Runs to the end, or until something stops it (`stop`)."""
        try:
            if resume:
                self._collect_earlier()
            if self.stop is None:
                self._run_missing()
        finally:
            if self._feeder is not None:
                self._feeder.stop()
                self._feeder.join(_FEEDER_END_S)

    def _collect_earlier(self) -> None:
        note = self.runfile.read()
        if note is None:
            return
        self._note = note
        earlier = self.driver.run(take_up(self.submitter.keys, note, self.order.digest))
        if earlier is None:
            self.progress.say(f"batch {note.batch} of the earlier run is not in this store: going by the output")
            return
        if earlier.live:
            done = "what had not begun is cancelled" if earlier.cancelled else "it goes on"
            self.progress.say(f"collecting batch {earlier.id} of the earlier run: {done}")
            self.workforce.start()
        self._keep_fields(earlier)
        self.batch = earlier.id
        self._gather(earlier)

    def _keep_fields(self, earlier: Earlier) -> None:
        """The rows that the earlier run submitted and that have no line are among the first that have none."""
        if self.kept is None:
            return
        kept = 0
        for row in Missing(self.intake.rows(), self.writer.done):
            if kept >= earlier.submitted:
                break
            if isinstance(row, Row):
                self.kept.put(row.custom_id, row.fields)
                kept += 1

    def _run_missing(self) -> None:
        self._missing = Missing(self.intake.rows(), self.writer.done)
        head, rows = look_ahead(self._missing, 1)
        if not head:
            return
        before = self._spent_before()
        if self.order.budget is not None and self.order.budget <= before.cost + before.unresolved:
            self.stop = Stop(STUCK, f"the budget of ${usd(self.order.budget)} is used up: raise --budget")
            return
        spent = before.cost + before.unresolved
        submission = BatchSubmission(self.submitter, self.order.batch_arguments(self.name, spent))
        self.batch, self._view = submission.id, None
        # The note first: a batch that nobody knows of would be paid and never collected.
        self._note = RunNote(submission.id, self.order.digest, before.cost, before.unresolved, before.unpriced)
        self.runfile.write(self._note)
        self.driver.run(submission.open())
        self.workforce.start()
        self._feed(submission, rows)
        self._gather(None)

    def _feed(self, submission: BatchSubmission, rows: Iterator[Row | BadRow]) -> None:
        self._feeder = Feeder(
            BlockingDriver(self.place), submission, rows, self.asking, kept=self.kept, window=self.window
        )
        self._feeder.start()

    def _spent_before(self) -> RunNote:
        """What earlier parts of the run cost."""
        note, view = self._note or RunNote("", ""), self._view
        if view is None:
            return note
        return RunNote(
            view.id,
            note.asked,
            note.cost + view.nano_usd,
            note.unresolved + view.unresolved_nano_usd,
            note.unpriced + view.unpriced,
        )

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _gather(self, earlier: Earlier | None) -> None:
        """Writes the lines of the batch that runs now until it is complete, or until a stop has come to rest."""
        after, pause_s = 0, _FIRST_PAUSE_S
        while True:
            # Looked at before the list is read, so that what is over has nothing left behind it.
            at_rest = self.stop is not None and self._at_rest()
            view = self._look()
            over = view.complete and (self._feeder is None or not self._feeder.running)
            found = self.driver.run(
                page(self.submitter.keys, view.id, after, unless=self.writer.done if earlier else None)
            )
            for position, line in found.lines:
                self._take(line, redone=earlier is not None and (earlier.cancelled or position < earlier.known))
            after += found.length
            wrote = self._take_refused() or found.length
            self._show(view)
            if not wrote and (over or at_rest):
                break
            self._watch(view)
            pause_s = _FIRST_PAUSE_S if wrote else min(_LONGEST_PAUSE_S, pause_s * 2)
            if not wrote:
                time.sleep(pause_s)
        self._raise_feeders_error()
        if self._nothing_left(view):
            # What asked for a stop came when there was nothing left to stop: the run has simply ended.
            self.stop = None

    def _nothing_left(self, view: reading.BatchView) -> bool:
        """Every input was submitted or refused, every job has ended, and each has its line."""
        return self._feeder is not None and self._feeder.finished and view.complete

    def _take(self, line: EndedLine, *, redone: bool) -> None:
        """Writes a line, unless its input has one.

        Args:
            redone: without an answer it will be tried anew, and so gets no line yet.
        """
        if (redone and line.state is not State.SUCCEEDED) or not self.writer.done.add(line.custom_id):
            return
        fields = self.kept.pop(line.custom_id) if self.kept is not None else {}
        self.writer.write(line.line, fields)
        self.tally.count(line)
        if self._feeder is not None:
            self._feeder.written += 1

    def _take_refused(self) -> int:
        rows = self._feeder.refused() if self._feeder is not None else []
        for refused in rows:
            if self.writer.done.add(refused.custom_id):
                self.writer.write(refused.line)
                self.tally.count_bad(str(refused.bad), over_budget=refused.over_budget)
        return len(rows)

    def _look(self) -> reading.BatchView:
        assert self.batch is not None
        view = self.driver.run(ask_patiently(reading.batch(self.submitter.keys, self.batch)))
        if view is None:
            raise JobNotFound(f"batch {self.batch} is not in the store any more: go on with --resume")
        self._view = view
        return view

    def _watch(self, view: reading.BatchView) -> None:
        """Begins to stop where there is a reason to."""
        if self.stop is not None:
            return
        status = self.interruption.status
        if status is not None and not self._nothing_left(view):
            self._stop(Stop(status, "interrupted"), view)
            return
        try:
            self.workforce.check()
        except WorkerLost as error:
            self._stop(Stop(error.status, str(error)), view)
            return
        if view.paused:
            self._stop(Stop(STUCK, f"the batch was paused: {view.paused_why or 'by somebody'}"), view)
        elif self._more_to_come(view) and (why := self.tally.too_many()):
            self._stop(Stop(STUCK, why), view)
        elif self._feeder is not None and self._feeder.error is not None and not view.complete:
            self._stop(Stop(STUCK, str(self._feeder.error) or repr(self._feeder.error)), view)

    def _more_to_come(self, view: reading.BatchView) -> bool:
        """Whether there is anything left to pause."""
        feeder = self._feeder
        return view.live > 0 if feeder is None else feeder.running or feeder.submitted > feeder.written

    def _stop(self, stop: Stop, view: reading.BatchView) -> None:
        self.stop = stop
        if self._feeder is not None:
            self._feeder.stop()
        if not view.complete and not view.paused:
            with contextlib.suppress(StoreUnavailable):
                why = stop.why.splitlines()[0]
                self.driver.run(ask_patiently(steering.pause_batch(self.submitter.keys, view.id, why), 5.0))
        self.workforce.drain()
        if self.workforce.alive:
            self.progress.say("stopping: calls in flight finish; Ctrl-C once more to stop at once")

    def _at_rest(self) -> bool:
        """Nothing of this run's own is in flight. What other workers have in flight is collected by --resume."""
        return not self.workforce.alive and (self._feeder is None or not self._feeder.running)

    def _raise_feeders_error(self) -> None:
        error = self._feeder.error if self._feeder is not None else None
        if error is not None and not isinstance(error, HomaError):
            raise error
        if error is not None and self.stop is None:
            # The batch was cancelled while it was fed, and is over already.
            self.stop = Stop(STUCK, str(error))

    # -- what is told ------------------------------------------------------------------------------------------------

    def _show(self, view: reading.BatchView) -> None:
        now_s = time.monotonic()
        if now_s - self._asked_queues_s >= _QUEUES_EACH_S:
            self._asked_queues_s = now_s
            rows = self.driver.run(ask_patiently(reading.queues(self.submitter.keys)))
            self._running = sum(row.running for row in rows if row.lane == self.order.lane)
        before = self._note or RunNote("", "")
        total, about = self.total
        self.progress.show(
            Standing(
                ended=self.tally.ended,
                fresh=self.tally.ended - self.tally.earlier,
                failed=self.tally.unsuccessful,
                total=total,
                about=about,
                in_flight=min(view.live, self._running),
                cost=before.cost + view.nano_usd,
                unresolved=before.unresolved + view.unresolved_nano_usd,
                unpriced=before.unpriced + view.unpriced,
                note="finishing calls in flight" if self.stop is not None else "",
            )
        )

    @property
    def total(self) -> tuple[int | None, bool]:
        """Inputs, and whether that is an estimate."""
        if self._missing is None:
            return (None if self.estimate is None else max(self.estimate, self.tally.ended)), True
        seen = self._missing.skipped + self.tally.bad + (self._feeder.submitted if self._feeder is not None else 0)
        if self._feeder is None or self._feeder.finished:
            return seen, False
        return (None if self.estimate is None else max(self.estimate, seen)), True

    @property
    def status(self) -> int:
        """The exit status."""
        if self.stop is not None:
            return self.stop.status
        if self.tally.over_budget:
            return STUCK
        return SOME_FAILED if self.tally.unsuccessful else DONE

    def summary(self, seconds: float, output: str) -> dict[str, Any]:
        """What `--json` prints: counts of the whole run, parts before a resumption included."""
        costs = self._spent_before()
        total = self.total[0]
        return {
            "batch": self.batch,
            "total": self.tally.ended if total is None else total,
            "succeeded": self.tally.succeeded,
            "failed": self.tally.failed,
            "cancelled": self.tally.ends[State.CANCELLED],
            "expired": self.tally.ends[State.EXPIRED],
            "cost_usd": usd(costs.cost),
            "unresolved_usd": usd(costs.unresolved),
            "unpriced_jobs": costs.unpriced,
            "seconds": round(seconds, 3),
            "output": output,
        }
