"""Handles of jobs and batches for threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from homa.client.batch_flows import BatchFlows
from homa.client.batch_lines import Line
from homa.client.batch_progress import Progress
from homa.client.batch_submission import BatchSubmission, check_requests
from homa.client.job_flows import JobFlows
from homa.client.management.retries import Retries, retry_lines, retry_one
from homa.client.results import Reply
from homa.client.short_tracebacks import short_tracebacks
from homa.client.streams import Piece, check_event_id
from homa.drivers.blocking import BlockingDriver
from homa.submit.batch_line_options import BatchRequest
from homa_shared.model.records import State

if TYPE_CHECKING:
    from homa_shared.store.reads import JobView

T = TypeVar("T")


@short_tracebacks
class Job(Generic[T]):
    """A submitted job. The handle holds nothing but its id; `homa.job(id)` makes another one anywhere."""

    def __init__(self, driver: BlockingDriver, flows: JobFlows) -> None:
        self._driver, self._flows = driver, flows

    @property
    def id(self) -> str:
        return self._flows.id

    @property
    def schema(self) -> Any:
        """What `Reply.parsed` is made with."""
        return self._flows.schema

    def result(self, timeout: float | None = None) -> Reply[T]:
        """Wait for the reply.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            JobFailed, JobCancelled, JobExpired: it ended without a reply; `.attempts` tells its history.
            BudgetExceeded: a budget left no room for it (also a JobFailed).
            ResultTimeout: it has not ended in time, and goes on.
            JobNotFound: the store does not hold it (any more).
        """
        return self._driver.run(self._flows.result(timeout))

    def stream(self, after: str | None = None) -> Iterator[Piece]:
        """The answer as it is written, from its beginning, or after a piece seen before.

        Args:
            after: id of the last piece seen.

        A piece whose `event` is `restarted` says that what came before is void: another attempt begins anew.

        Raises:
            JobFailed, JobCancelled, JobExpired, JobNotFound: as `result`, after what was written.
        """
        check_event_id(after)
        return self._driver.iterate(self._flows.stream(after))

    def state(self) -> State:
        """Where it is now: queued, due, waiting, running, or how it ended."""
        return self._driver.run(self._flows.state())

    def cancel(self) -> str:
        """Cancel it.

        Returns:
            cancelled; cancelling, where it runs and its worker has been told; or the state in which it had ended.
        """
        return self._driver.run(self._flows.cancel())

    def retry(self) -> Job[T]:
        """Retry it, ended, as a new job; one that was retried before answers with that retry.

        Raises:
            InvalidRequest: it has not ended, or its request is no longer kept.
            JobNotFound: the store does not hold it (any more).
        """
        again = self._driver.run(retry_one(self._flows.keys, self.id))
        return Job(self._driver, JobFlows(self._flows.keys, again, self.schema))

    def view(self) -> JobView:
        """Its record and the history of its attempts."""
        return self._driver.run(self._flows.view())

    def __repr__(self) -> str:
        return f"<Job {self.id}>"


@short_tracebacks
class Batch(Generic[T]):
    """A submitted batch. The handle holds nothing but its id; `homa.batch(id)` makes another one anywhere."""

    def __init__(self, driver: BlockingDriver, flows: BatchFlows) -> None:
        self._driver, self._flows = driver, flows

    @property
    def id(self) -> str:
        return self._flows.id

    def progress(self) -> Progress:
        """How far it has come, and what it has cost."""
        return self._driver.run(self._flows.progress())

    def wait(self, timeout: float | None = None) -> Progress:
        """Wait until every line has ended.

        Raises:
            ResultTimeout: not within `timeout` seconds; it goes on.
        """
        return self._driver.run(self._flows.wait(timeout))

    def results(self, after: int = 0, *, timeout: float | None = None) -> Iterator[Line[T]]:
        """Its lines as they end; a failure is a value. A line that is retried comes again.

        Args:
            after: `position` of the last line seen.
            timeout: seconds without any line after which to give up; None waits as long as it takes.
        """
        return self._driver.iterate(self._flows.results(after, timeout))

    def cancel(self) -> None:
        """End all lines that have not ended; calls in flight are called off."""
        self._driver.run(self._flows.cancel())

    def retry(self, *, failed: bool = True, cancelled: bool = False, expired: bool = False) -> Retries:
        """Retry lines that ended without an answer, each as a new job that its line then points to.

        Args:
            failed: those that failed; likewise the others.

        Raises:
            JobNotFound: the store does not hold the batch (any more).
        """
        wanted = {"failed": failed, "cancelled": cancelled, "expired": expired}
        return self._driver.run(retry_lines(self._flows.keys, self.id, [name for name in wanted if wanted[name]]))

    def pause(self, why: str = "") -> None:
        """Start no further line; calls in flight finish."""
        self._driver.run(self._flows.pause(why))

    def resume(self) -> None:
        """Go on after a pause."""
        self._driver.run(self._flows.resume())

    def __repr__(self) -> str:
        return f"<Batch {self.id}>"


@short_tracebacks
class OpenBatch(Generic[T]):
    """A batch that still takes lines: `add` some, then `seal` it."""

    def __init__(self, driver: BlockingDriver, submission: BatchSubmission, batch: Batch[T]) -> None:
        self._driver, self._submission = driver, submission
        #: The handle, for progress and results while lines are still added.
        self.batch = batch

    def __reduce__(self) -> NoReturn:
        raise TypeError("an open batch cannot be pickled, since it may hold lines: seal it, or pickle its .batch")

    @property
    def id(self) -> str:
        return self._submission.id

    def add(self, requests: Iterable[BatchRequest]) -> None:
        """Submit lines as they are read.

        Raises:
            InvalidRequest: a line is wrong; those before it in its chunk of up to 250 are not yet sent.
            JobCancelled: the batch was cancelled meanwhile.
        """
        check_requests(requests)
        for request in requests:
            if self._submission.add(request):
                self._driver.run(self._submission.flush())

    def flush(self) -> None:
        """Send what has been gathered, without waiting for a chunk to be full."""
        self._driver.run(self._submission.flush())

    def seal(self) -> Batch[T]:
        """No line comes after this: the batch is complete when all have ended."""
        self._driver.run(self._submission.seal())
        return self.batch

    def abandon(self, error: BaseException) -> None:
        """Cancel it, since its lines could not all be read."""
        self._driver.run(self._submission.abandon(error))
