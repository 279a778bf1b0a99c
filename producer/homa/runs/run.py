"""A run from its first row to its last line.

1. What an earlier run of the same output left in the store is collected first.
2. A thread feeds the rows that are missing; this one writes what ends, as it ends.
"""

from __future__ import annotations

from collections.abc import Iterator

from homa.client.batch_submission import BatchSubmission
from homa.drivers.blocking import BlockingDriver
from homa.files import BadRow, Row, look_ahead
from homa.runs.checkpoint import RunNote
from homa.runs.collector import Gathering
from homa.runs.feeder import Feeder, Missing
from homa.runs.resume_batch import Earlier, take_up
from homa.runs.run_state import Course, Means, Stop
from homa_shared.model.money import usd

#: How long a feeder that was told to stop may take to send its last chunk, s.
_FEEDER_END_S = 30.0


class Run:
    """One run.

    Args:
        means: what it works with.
        course: how far it has come.
    """

    def __init__(self, means: Means, course: Course) -> None:
        self.means, self.course = means, course
        self._gathering = Gathering(means, course)

    def go(self, *, resume: bool) -> None:
        """Runs to the end, or until something stops it (`course.stop`)."""
        try:
            if resume:
                self._collect_earlier()
            if self.course.stop is None:
                self._run_missing()
        finally:
            feeder = self.course.feeder
            if feeder is not None:
                feeder.stop()
                feeder.join(_FEEDER_END_S)

    def _collect_earlier(self) -> None:
        means, course = self.means, self.course
        note = means.runfile.read()
        if note is None:
            return
        course.note = note
        earlier = means.session.driver.run(take_up(means.session.keys, note, means.order.digest))
        if earlier is None:
            means.progress.say(f"batch {note.batch} of the earlier run is not in this store: going by the output")
            return
        if earlier.live:
            done = "what had not begun is cancelled" if earlier.cancelled else "it goes on"
            means.progress.say(f"collecting batch {earlier.id} of the earlier run: {done}")
            means.workers.start()
        self._keep_fields(earlier)
        course.batch = earlier.id
        self._gathering.until_over(earlier)

    def _keep_fields(self, earlier: Earlier) -> None:
        """Fields of every row without a line: rows that could not be sent may stand before those that were."""
        means = self.means
        if means.kept is None or not earlier.submitted:
            return
        for row in Missing(means.intake.rows(), means.writer.done):
            if isinstance(row, Row):
                means.kept.put(row.custom_id, row.fields)

    def _run_missing(self) -> None:
        means, course = self.means, self.course
        course.missing = Missing(means.intake.rows(), means.writer.done)
        head, rows = look_ahead(course.missing, 1)
        if not head:
            return
        before = course.spent_before()
        if means.order.budget is not None and means.order.budget <= before.cost + before.unresolved:
            course.stop = Stop(f"the budget of ${usd(means.order.budget)} is used up: raise --budget")
            return
        spent = before.cost + before.unresolved
        submission = BatchSubmission(means.session.submitter, means.order.batch_arguments(means.name, spent))
        course.batch, course.view = submission.id, None
        # The note first: a batch that nobody knows of would be paid and never collected.
        course.note = RunNote(submission.id, means.order.digest, before.cost, before.unresolved, before.unpriced)
        means.runfile.write(course.note)
        means.session.driver.run(submission.open())
        means.workers.start()
        self._feed(submission, rows)
        self._gathering.until_over(None)

    def _feed(self, submission: BatchSubmission, rows: Iterator[Row | BadRow]) -> None:
        means = self.means
        self.course.feeder = Feeder(
            BlockingDriver(means.session.context),
            submission,
            rows,
            means.asking,
            kept=means.kept,
            window=means.window,
        )
        self.course.feeder.start()
