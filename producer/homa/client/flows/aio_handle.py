"""The handle of a run of a flow, for event loops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from homa.client.flows.outcomes import FlowProgress, FlowResult
from homa.client.flows.run_flows import RunFlows
from homa.client.flows.waits import Question
from homa.client.results import Reply
from homa.client.short_tracebacks import short_tracebacks
from homa.drivers.aio import AwaitingDriver


@short_tracebacks
class AsyncFlowRun:
    """A run of a flow. The handle holds nothing but its id; `homa.flow_run(id)` makes another one anywhere."""

    def __init__(self, driver: AwaitingDriver, flows: RunFlows) -> None:
        self._driver, self._flows = driver, flows

    @property
    def id(self) -> str:
        return self._flows.id

    async def progress(self) -> FlowProgress:
        """How far each step has come, and what all have cost.

        Raises:
            JobNotFound: the store does not hold it (any more).
        """
        return await self._driver.run(self._flows.progress())

    def results(self, after: int = 0, *, timeout: float | None = None) -> AsyncIterator[FlowResult]:
        """What it has made of each input, in their order; a failure is a value.

        Args:
            after: inputs at the beginning that are left out.
            timeout: seconds without a result after which to give up; None waits as long as it takes.

        Raises:
            ResultTimeout: none came in time; the run goes on.
            JobNotFound: as `progress`.
        """
        return self._driver.iterate(self._flows.results(after, timeout))

    async def answer(self, step: str | None = None, *, timeout: float | None = None) -> Reply[Any]:
        """The answer of a step that is done once for all inputs.

        Args:
            step: its name; None: the last such step.
            timeout: seconds; None waits as long as it takes.

        Raises:
            JobFailed, JobCancelled, JobExpired: it has none.
            InvalidRequest: there is no such step.
            ResultTimeout, JobNotFound: as `results`.
        """
        return await self._driver.run(self._flows.answer(step, timeout))

    def questions(self) -> AsyncIterator[Question]:
        """What waits for an answer from outside, the first to expire first; `AsyncHoma.flow_answer` answers it.

        Raises:
            JobNotFound: as `progress`.
        """
        return self._driver.iterate(self._flows.questions())

    async def wait(self, timeout: float | None = None) -> FlowProgress:
        """Wait until all has ended.

        Raises:
            ResultTimeout: not within `timeout` seconds; it goes on.
            JobNotFound: as `progress`.
        """
        return await self._driver.run(self._flows.wait(timeout))

    async def cancel(self) -> None:
        """End what has not ended; calls in flight are called off, and no further step begins."""
        await self._driver.run(self._flows.batch.cancel())

    async def pause(self, why: str = "") -> None:
        """Start no further call; those in flight finish."""
        await self._driver.run(self._flows.batch.pause(why))

    async def resume(self) -> None:
        """Go on after a pause."""
        await self._driver.run(self._flows.batch.resume())

    def __repr__(self) -> str:
        return f"<AsyncFlowRun {self.id}>"
