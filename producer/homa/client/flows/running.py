"""What `Homa` and `AsyncHoma` do with flows."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

# What makes runs is imported at the first use: clients without any start sooner.
if TYPE_CHECKING:
    from homa.client.flows.aio_handle import AsyncFlowRun
    from homa.client.flows.handle import FlowRun
    from homa.client.flows.run_flows import RunFlows
    from homa.client.flows.submission import RunSubmission
    from homa.drivers.aio import AwaitingDriver
    from homa.drivers.blocking import BlockingDriver
    from homa.flows.flow import Flow
    from homa.submit.submitter import Submitter


class FlowRunning:
    """Flows, for threads."""

    _driver: BlockingDriver
    _submitter: Submitter

    def run(
        self,
        flow: Flow,
        inputs: Iterable[Mapping[str, Any]],
        *,
        budget_usd: str | int | float | Decimal | None = None,
        key: str | None = None,
        name: str | None = None,
        reuse: bool = True,
        tenant: str | None = None,
        tags: Mapping[str, str] | None = None,
        lane: Literal["high", "default", "bulk"] | None = None,
    ) -> FlowRun:
        """Run a flow over some inputs; returns once all are accepted, and workers go on by themselves.

        Args:
            flow: its steps.
            inputs: objects of fields, which prompts name: `{"text": …}`. They are read once, as they are sent.
            budget_usd: most that the whole run may cost.
            key: by which it may be submitted again, with the same inputs, after this process has died: it goes on
                behind those that are there.
            name: for people; None: the flow's.
            reuse: take answers that equal steps have had for equal items, in whatever run, for as long as the cache
                keeps them: where a prompt has changed, what it does not touch is not asked again.
            tenant, tags, lane: of all its jobs, as `submit`; the lane is bulk unless said.

        Raises:
            InvalidRequest: an input or a step is wrong. The run is then cancelled, unless it has a key.
            KeyConflict: the key was used for another flow.
            UnknownModel, BudgetExceeded, StoreUnavailable, StoreFull: as `submit_batch`.
        """
        from homa.client.batch_submission import check_requests
        from homa.client.flows.handle import FlowRun

        check_requests(inputs)
        options = {
            "budget_usd": budget_usd,
            "key": key,
            "name": name,
            "reuse": reuse,
            "tenant": tenant,
            "tags": tags,
            "lane": lane,
        }
        made = _submission(self._submitter, flow, options)
        self._driver.run(made.open())
        try:
            for given in inputs:
                self._driver.run(made.add(given))
            self._driver.run(made.seal())
        except BaseException as error:
            self._driver.run(made.abandon(error))
            raise
        return FlowRun(self._driver, _flows(self._submitter, made.id, flow))

    def flow_run(self, id: str | FlowRun, *, flow: Flow | None = None) -> FlowRun:  # noqa: A002 - the field's name
        """The handle of a run that was begun anywhere; nothing is asked of the store.

        Args:
            id: of the run.
            flow: the flow, where `Reply.parsed` is to be of its types.

        Raises:
            InvalidRequest: it is no id.
        """
        from homa.client.flows.handle import FlowRun

        return FlowRun(self._driver, _flows(self._submitter, id if isinstance(id, str) else id.id, flow))

    def flow_answer(self, token: str, answer: Any) -> None:
        """Answer a step of a run that waits for it. The same answer may be given again, as after a lost reply.

        Args:
            token: of the step, as `FlowRun.questions` and the event `JobAsked` tell it.
            answer: text, or what JSON has.

        Raises:
            JobNotFound: no step waits for this token.
            InvalidRequest: the answer does not fit the schema of its step.
            AnswerRefused: it was answered otherwise, its token has expired, or its run was cancelled.
        """
        from homa.client.flows.waits import answer_by_token

        self._driver.run(answer_by_token(self._submitter.keys, token, answer))


class AsyncFlowRunning:
    """Flows, for event loops."""

    _driver: AwaitingDriver
    _submitter: Submitter

    async def run(
        self,
        flow: Flow,
        inputs: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
        *,
        budget_usd: str | int | float | Decimal | None = None,
        key: str | None = None,
        name: str | None = None,
        reuse: bool = True,
        tenant: str | None = None,
        tags: Mapping[str, str] | None = None,
        lane: Literal["high", "default", "bulk"] | None = None,
    ) -> AsyncFlowRun:
        """Run a flow over some inputs; as `Homa.run`."""
        from homa.client.batch_submission import check_requests
        from homa.client.flows.aio_handle import AsyncFlowRun

        check_requests(inputs)
        options = {
            "budget_usd": budget_usd,
            "key": key,
            "name": name,
            "reuse": reuse,
            "tenant": tenant,
            "tags": tags,
            "lane": lane,
        }
        made = _submission(self._submitter, flow, options)
        await self._driver.run(made.open())
        try:
            if isinstance(inputs, AsyncIterable):
                async for given in inputs:
                    await self._driver.run(made.add(given))
            else:
                for given in inputs:
                    await self._driver.run(made.add(given))
            await self._driver.run(made.seal())
        except BaseException as error:
            await self._driver.run(made.abandon(error))
            raise
        return AsyncFlowRun(self._driver, _flows(self._submitter, made.id, flow))

    def flow_run(self, id: str | AsyncFlowRun, *, flow: Flow | None = None) -> AsyncFlowRun:  # noqa: A002 - the field's name
        """The handle of a run that was begun anywhere; as `Homa.flow_run`."""
        from homa.client.flows.aio_handle import AsyncFlowRun

        return AsyncFlowRun(self._driver, _flows(self._submitter, id if isinstance(id, str) else id.id, flow))

    async def flow_answer(self, token: str, answer: Any) -> None:
        """Answer a step of a run that waits for it; as `Homa.flow_answer`."""
        from homa.client.flows.waits import answer_by_token

        await self._driver.run(answer_by_token(self._submitter.keys, token, answer))


def _submission(submitter: Submitter, flow: Flow, options: Mapping[str, Any]) -> RunSubmission:
    from homa.client.flows.submission import RunSubmission

    return RunSubmission(submitter, flow, {name: value for name, value in options.items() if value is not None})


def _flows(submitter: Submitter, run: str, flow: Flow | None) -> RunFlows:
    from homa.client.flows.run_flows import RunFlows

    schemas = {} if flow is None else {step.name: step.schema for step in flow.steps if step.schema is not None}
    return RunFlows(submitter.keys, run, schemas)
