"""Handles of jobs and batches that were submitted before, for event loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from homa.client.aio_handles import AsyncBatch, AsyncJob
from homa.client.batch_flows import BatchFlows
from homa.client.job_flows import JobFlows
from homa.drivers.aio import AwaitingDriver
from homa.submit.submitter import Submitter

T = TypeVar("T")


class AsyncKnownJobs:
    """Methods of `AsyncHoma` that make handles from ids."""

    _driver: AwaitingDriver
    _submitter: Submitter

    @overload
    def job(self, job_id: str, *, schema: type[T]) -> AsyncJob[T]: ...

    @overload
    def job(self, job_id: str, *, schema: None = None) -> AsyncJob[None]: ...

    @overload
    def job(self, job_id: str, *, schema: Mapping[str, Any]) -> AsyncJob[Any]: ...

    def job(self, job_id: str, *, schema: Any = None) -> AsyncJob[Any]:
        """The handle of a job that was submitted before, here or elsewhere."""
        return AsyncJob(self._driver, JobFlows(self._submitter.keys, job_id, schema))

    @overload
    def batch(self, batch_id: str, *, schema: type[T]) -> AsyncBatch[T]: ...

    @overload
    def batch(self, batch_id: str, *, schema: None = None) -> AsyncBatch[None]: ...

    @overload
    def batch(self, batch_id: str, *, schema: Mapping[str, Any]) -> AsyncBatch[Any]: ...

    def batch(self, batch_id: str, *, schema: Any = None) -> AsyncBatch[Any]:
        """The handle of a batch that was submitted before, here or elsewhere."""
        return AsyncBatch(self._driver, BatchFlows(self._submitter.keys, batch_id, schema))

    async def cancel(self, job: AsyncJob[Any] | str) -> str:
        """Cancel a job, given its handle or id; see `Job.cancel`."""
        return await (self.job(job).cancel() if not isinstance(job, AsyncJob) else job.cancel())
