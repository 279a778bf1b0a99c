"""Handles of jobs and batches that were submitted before, here or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from homa.client.batch_flows import BatchFlows
from homa.client.handles import Batch, Job
from homa.client.job_flows import JobFlows
from homa.drivers.blocking import BlockingDriver
from homa.submit.submitter import Submitter

T = TypeVar("T")


class KnownJobs:
    """Methods of `Homa` that make handles from ids."""

    _driver: BlockingDriver
    _submitter: Submitter

    @overload
    def job(self, job_id: str, *, schema: type[T]) -> Job[T]: ...

    @overload
    def job(self, job_id: str, *, schema: None = None) -> Job[None]: ...

    @overload
    def job(self, job_id: str, *, schema: Mapping[str, Any]) -> Job[Any]: ...

    def job(self, job_id: str, *, schema: Any = None) -> Job[Any]:
        """The handle of a job that was submitted before, here or elsewhere."""
        return Job(self._driver, JobFlows(self._submitter.keys, job_id, schema))

    @overload
    def batch(self, batch_id: str, *, schema: type[T]) -> Batch[T]: ...

    @overload
    def batch(self, batch_id: str, *, schema: None = None) -> Batch[None]: ...

    @overload
    def batch(self, batch_id: str, *, schema: Mapping[str, Any]) -> Batch[Any]: ...

    def batch(self, batch_id: str, *, schema: Any = None) -> Batch[Any]:
        """The handle of a batch that was submitted before, here or elsewhere."""
        return Batch(self._driver, BatchFlows(self._submitter.keys, batch_id, schema))

    def cancel(self, job: Job[Any] | str) -> str:
        """Cancel a job, given its handle or id; see `Job.cancel`."""
        return self.job(job).cancel() if not isinstance(job, Job) else job.cancel()
