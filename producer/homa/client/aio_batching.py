"""Batches submitted whole, or filled bit by bit, for event loops."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, TypeVar, Unpack, overload

from homa.client.aio_handles import AsyncBatch, AsyncOpenBatch
from homa.client.aio_known_jobs import AsyncKnownJobs
from homa.client.batch_submission import BatchSubmission, check_requests
from homa.submit.batch_line_options import BatchRequest
from homa.submit.job_options import JobOptions, Schema

T = TypeVar("T")


class AsyncBatching(AsyncKnownJobs):
    """Methods of `AsyncHoma` that submit batches."""

    @overload
    async def submit_batch(
        self,
        requests: Iterable[BatchRequest] | AsyncIterable[BatchRequest],
        *,
        model: str | None = None,
        schema: type[T],
        name: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncBatch[T]: ...

    @overload
    async def submit_batch(
        self,
        requests: Iterable[BatchRequest] | AsyncIterable[BatchRequest],
        *,
        model: str | None = None,
        schema: None = None,
        name: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncBatch[None]: ...

    @overload
    async def submit_batch(
        self,
        requests: Iterable[BatchRequest] | AsyncIterable[BatchRequest],
        *,
        model: str | None = None,
        schema: Mapping[str, Any],
        name: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncBatch[Any]: ...

    async def submit_batch(
        self,
        requests: Iterable[BatchRequest] | AsyncIterable[BatchRequest],
        *,
        model: str | None = None,
        schema: Schema = None,
        name: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncBatch[Any]:
        """Submit any number of requests as one batch; returns when all are accepted.

        Args:
            requests: prompts, mappings of `submit`'s options (`BatchLine`), or lines of OpenAI's batch files.
                They are read once, as they are sent, and never held whole.
            model: for requests that name none.
            schema: for requests that have none.
            name: for people.
            options: as `submit`, for requests that do not say otherwise. `budget_usd` is the most that the whole batch
                may cost; the lane is bulk unless said.

        Raises:
            InvalidRequest, BudgetExceeded, UnknownModel: a request is wrong; it is named by its number, from 0. The
                batch is then cancelled, as it is when `requests` itself fails.
            StoreUnavailable, StoreFull: the store was away, or full, for longer than half a minute.
        """
        check_requests(requests)
        filling = await self.open_batch(model=model, schema=schema, name=name, **options)
        try:
            await filling.add(requests)
            return await filling.seal()
        except BaseException as error:
            await filling.abandon(error)
            raise

    @overload
    async def open_batch(
        self, *, model: str | None = None, schema: type[T], name: str | None = None, **options: Unpack[JobOptions]
    ) -> AsyncOpenBatch[T]: ...

    @overload
    async def open_batch(
        self, *, model: str | None = None, schema: None = None, name: str | None = None, **options: Unpack[JobOptions]
    ) -> AsyncOpenBatch[None]: ...

    @overload
    async def open_batch(
        self,
        *,
        model: str | None = None,
        schema: Mapping[str, Any],
        name: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncOpenBatch[Any]: ...

    async def open_batch(
        self,
        *,
        model: str | None = None,
        schema: Schema = None,
        name: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncOpenBatch[Any]:
        """A batch to be filled bit by bit, and sealed; options as `submit_batch` without the requests."""
        submission = BatchSubmission(self._submitter, {"model": model, "schema": schema, "name": name, **options})
        await self._driver.run(submission.open())
        return AsyncOpenBatch(self._driver, submission, self.batch(submission.id, schema=submission.schema))
