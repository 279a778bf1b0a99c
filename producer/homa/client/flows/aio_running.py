"""What `AsyncHoma` does with flows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping
from decimal import Decimal
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from homa.client.flows.given import Given, given_up, once_of
from homa.client.flows.running import flows_of, submission_of

# What makes runs is imported at the first use: clients without any start sooner.
if TYPE_CHECKING:
    from homa.client.flows.aio_handle import AsyncFlowRun
    from homa.client.flows.results_file import FlowResults
    from homa.client.flows.run_flows import RunFlows
    from homa.client.flows.stored_output import StoredOutput
    from homa.client.flows.submission import RunSubmission
    from homa.drivers.aio import AwaitingDriver
    from homa.drivers.context import Context
    from homa.flows.flow import Flow
    from homa.submit.submitter import Submitter


class AsyncFlowRunning:
    """Flows, for event loops."""

    _context: Context
    _driver: AwaitingDriver
    _submitter: Submitter

    async def run(
        self,
        flow: Flow,
        inputs: Iterable[Mapping[str, Any] | str | PathLike[str]]
        | AsyncIterable[Mapping[str, Any]]
        | str
        | PathLike[str],
        *,
        output: str | PathLike[str] | None = None,
        force: bool = False,
        budget_usd: str | int | float | Decimal | None = None,
        key: str | None = None,
        name: str | None = None,
        reuse: bool = True,
        tenant: str | None = None,
        tags: Mapping[str, str] | None = None,
        lane: Literal["high", "default", "bulk"] | None = None,
    ) -> AsyncFlowRun:
        """Run a flow over some inputs; as `Homa.run`."""
        from homa.client.flows.aio_handle import AsyncFlowRun

        given = Given.of(inputs, output, force=force)
        options = {
            "budget_usd": budget_usd,
            "key": key,
            "name": name,
            "reuse": reuse,
            "tenant": tenant,
            "tags": tags,
            "lane": lane,
        }
        made = submission_of(self._submitter, flow, options)
        stored = await asyncio.to_thread(given.place, self._context, force=force)
        try:
            await self._send(made, given)
            flows = flows_of(self._submitter, made.id, flow)
            await self._write(given, flow, flows, stored)
        finally:
            if stored is not None:
                stored.leave()
        return AsyncFlowRun(self._driver, flows)

    async def _send(self, made: RunSubmission, given: Given) -> None:
        await self._driver.run(made.open())
        try:
            if isinstance(given.inputs, AsyncIterable):
                async for each in given.inputs:
                    await self._driver.run(made.add(each))
            else:
                for each in given.inputs:
                    await self._driver.run(made.add(each))
            await self._driver.run(made.seal())
        except BaseException as error:
            await self._driver.run(made.abandon(error))
            raise
        given.tell(made.remarks)

    async def _write(self, given: Given, flow: Flow, flows: RunFlows, stored: StoredOutput | None) -> None:
        results: FlowResults | None = None
        try:
            results = given.results(flow, stored)
            if results is None:
                return
            async for result in self._driver.iterate(flows.results(0, None)):
                results.write(result)
            for step in once_of(flow):
                results.write_answer(step, await self._driver.run(flows.outcome(step, None)))
            # A bucket takes its time, and a file on this machine none to speak of.
            await asyncio.to_thread(results.close)
        except BaseException as error:
            given_up(error, flows.id, results)
            raise

    def flow_run(self, id: str | AsyncFlowRun, *, flow: Flow | None = None) -> AsyncFlowRun:  # noqa: A002 - the field's name
        """The handle of a run that was begun anywhere; as `Homa.flow_run`."""
        from homa.client.flows.aio_handle import AsyncFlowRun

        return AsyncFlowRun(self._driver, flows_of(self._submitter, id if isinstance(id, str) else id.id, flow))

    async def flow_answer(self, token: str, answer: Any) -> None:
        """Answer a step of a run that waits for it; as `Homa.flow_answer`."""
        from homa.client.flows.waits import answer_by_token

        await self._driver.run(answer_by_token(self._submitter.keys, token, answer))
