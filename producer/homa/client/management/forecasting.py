"""`estimate` of `Homa` and `AsyncHoma`: what would be, without a call."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from decimal import Decimal
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from homa.client.batch_submission import check_requests
from homa.client.management.estimates import Estimate
from homa.client.management.estimating import Estimating, is_flow
from homa.drivers.blocking import BlockingDriver
from homa.drivers.context import Context
from homa.submit.batch_line_options import BatchRequest
from homa.submit.job_options import JobOptions, Schema
from homa.submit.submitter import Submitter

if TYPE_CHECKING:
    from homa.client.flows.estimates import FlowEstimate
    from homa.drivers.aio import AwaitingDriver
    from homa.flows.flow import Flow


class Forecasting:
    """Estimates, for threads."""

    _context: Context
    _driver: BlockingDriver
    _submitter: Submitter

    @overload
    def estimate(
        self,
        requests: Flow,
        inputs: Iterable[Mapping[str, Any] | str | PathLike[str]] | str | PathLike[str],
        *,
        budget_usd: str | int | float | Decimal | None = None,
        tenant: str | None = None,
        tags: Mapping[str, str] | None = None,
        lane: Literal["high", "default", "bulk"] | None = None,
    ) -> FlowEstimate: ...

    @overload
    def estimate(
        self,
        requests: str | Iterable[BatchRequest] | None = None,
        *,
        model: str | None = None,
        schema: Schema = None,
        **options: Unpack[JobOptions],
    ) -> Estimate: ...

    def estimate(
        self,
        requests: Flow | str | Iterable[BatchRequest] | None = None,
        inputs: Any = None,
        *,
        model: str | None = None,
        schema: Schema = None,
        **options: Any,
    ) -> Estimate | FlowEstimate:
        """What requests would cost and how long they would take, without calling a provider or submitting anything.

        Args:
            requests: a prompt, or requests as `submit_batch` takes them, which are read once; or `messages`; or a flow.
            inputs: of a flow: as `run` takes them, which are read once and cut as there.
            model: as `submit`; for requests that name none.
            schema: likewise.
            options: as `submit`; of a flow `budget_usd`, `tenant`, `tags` and `lane`, as `run`.

        Raises:
            InvalidRequest, UnknownModel, BudgetExceeded: the one request or the run of the flow would be refused, or
                what all share would be. One of many is counted (`bad_rows`).
            StoreUnavailable: there is a store, and it cannot be asked. Without one this process's settings count.
        """
        shared: dict[str, Any] = {"model": model, "schema": schema, **options}
        if is_flow(requests, inputs):
            from homa.client.flows.estimating import estimated

            return estimated(self._driver, self._submitter, self._context, requests, inputs, shared)
        if one := requests is None or isinstance(requests, str):
            shared["prompt"] = requests
        else:
            check_requests(requests)
        making = Estimating(self._submitter, self._context, shared, many=not one)
        estimator = self._driver.run(making.begin())
        if requests is None or isinstance(requests, str):
            making.add_one(estimator)
            return estimator.estimate()
        for request in requests:
            self._driver.run(making.read(estimator, request))
            making.add(estimator, request)
        return estimator.estimate()


class AsyncForecasting:
    """Estimates, for event loops."""

    _context: Context
    _driver: AwaitingDriver
    _submitter: Submitter

    @overload
    async def estimate(
        self,
        requests: Flow,
        inputs: Iterable[Mapping[str, Any] | str | PathLike[str]]
        | AsyncIterable[Mapping[str, Any]]
        | str
        | PathLike[str],
        *,
        budget_usd: str | int | float | Decimal | None = None,
        tenant: str | None = None,
        tags: Mapping[str, str] | None = None,
        lane: Literal["high", "default", "bulk"] | None = None,
    ) -> FlowEstimate: ...

    @overload
    async def estimate(
        self,
        requests: str | Iterable[BatchRequest] | AsyncIterable[BatchRequest] | None = None,
        *,
        model: str | None = None,
        schema: Schema = None,
        **options: Unpack[JobOptions],
    ) -> Estimate: ...

    async def estimate(
        self,
        requests: Flow | str | Iterable[BatchRequest] | AsyncIterable[BatchRequest] | None = None,
        inputs: Any = None,
        *,
        model: str | None = None,
        schema: Schema = None,
        **options: Any,
    ) -> Estimate | FlowEstimate:
        """What requests or a run of a flow would cost; as `Homa.estimate`."""
        shared: dict[str, Any] = {"model": model, "schema": schema, **options}
        if is_flow(requests, inputs):
            from homa.client.flows.estimating import estimated_async

            return await estimated_async(self._driver, self._submitter, self._context, requests, inputs, shared)
        if one := requests is None or isinstance(requests, str):
            shared["prompt"] = requests
        else:
            check_requests(requests)
        making = Estimating(self._submitter, self._context, shared, many=not one)
        estimator = await self._driver.run(making.begin())
        if requests is None or isinstance(requests, str):
            making.add_one(estimator)
            return estimator.estimate()
        if isinstance(requests, AsyncIterable):
            async for request in requests:
                await self._driver.run(making.read(estimator, request))
                making.add(estimator, request)
        else:
            for request in requests:
                await self._driver.run(making.read(estimator, request))
                making.add(estimator, request)
        return estimator.estimate()
