"""What `Homa` does with flows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from homa.client.flows.given import Given, given_up, once_of

# What makes runs is imported at the first use: clients without any start sooner.
if TYPE_CHECKING:
    from homa.client.flows.handle import FlowRun
    from homa.client.flows.results_file import FlowResults
    from homa.client.flows.run_flows import RunFlows
    from homa.client.flows.stored_output import StoredOutput
    from homa.client.flows.submission import RunSubmission
    from homa.drivers.blocking import BlockingDriver
    from homa.drivers.context import Context
    from homa.flows.flow import Flow
    from homa.submit.submitter import Submitter


class FlowRunning:
    """Flows, for threads."""

    _context: Context
    _driver: BlockingDriver
    _submitter: Submitter

    def run(
        self,
        flow: Flow,
        inputs: Iterable[Mapping[str, Any] | str | PathLike[str]] | str | PathLike[str],
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
    ) -> FlowRun:
        """Run a flow over some inputs; returns once all are accepted, and workers go on by themselves.

        With `output` it returns when all has ended and stands there: a line for each input, in their order.

        Args:
            flow: its steps.
            inputs: objects of fields, which prompts name: `{"text": …}`; they are read once, as they are sent. Or names
                of files, folders and globs, as `homa run` takes them.
            output: where results go, in the format of its ending: `facts.parquet`, `.jsonl`, `.csv`, `.tsv`, `.xlsx`,
                `out.sqlite#table`, or a folder; or an address in a bucket, `s3://lake/facts.parquet`.
            force: write an output anew that is there.
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
            OutputUnwritable: the output takes no more; the run goes on.
        """
        from homa.client.flows.handle import FlowRun

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
        stored = given.place(self._context, force=force)
        try:
            self._send(made, given)
            flows = flows_of(self._submitter, made.id, flow)
            self._write(given, flow, flows, stored)
        finally:
            if stored is not None:
                stored.leave()
        return FlowRun(self._driver, flows)

    def _send(self, made: RunSubmission, given: Given) -> None:
        self._driver.run(made.open())
        try:
            for each in given.at_once:
                self._driver.run(made.add(each))
            self._driver.run(made.seal())
        except BaseException as error:
            self._driver.run(made.abandon(error))
            raise
        given.tell(made.remarks)

    def _write(self, given: Given, flow: Flow, flows: RunFlows, stored: StoredOutput | None) -> None:
        results: FlowResults | None = None
        try:
            results = given.results(flow, stored)
            if results is None:
                return
            for result in self._driver.iterate(flows.results(0, None)):
                results.write(result)
            for step in once_of(flow):
                results.write_answer(step, self._driver.run(flows.outcome(step, None)))
            results.close()
        except BaseException as error:
            given_up(error, flows.id, results)
            raise

    def flow_run(self, id: str | FlowRun, *, flow: Flow | None = None) -> FlowRun:  # noqa: A002 - the field's name
        """The handle of a run that was begun anywhere; nothing is asked of the store.

        Args:
            id: of the run.
            flow: the flow, where `Reply.parsed` is to be of its types.

        Raises:
            InvalidRequest: it is no id.
        """
        from homa.client.flows.handle import FlowRun

        return FlowRun(self._driver, flows_of(self._submitter, id if isinstance(id, str) else id.id, flow))

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


def submission_of(submitter: Submitter, flow: Flow, options: Mapping[str, Any]) -> RunSubmission:
    """The making of a run; raises InvalidRequest for a wrong option."""
    from homa.client.flows.submission import RunSubmission

    return RunSubmission(submitter, flow, {name: value for name, value in options.items() if value is not None})


def flows_of(submitter: Submitter, run: str, flow: Flow | None) -> RunFlows:
    """What a handle of a run does; raises InvalidRequest for what is no id."""
    from homa.client.flows.run_flows import RunFlows

    schemas = {} if flow is None else {step.name: step.schema for step in flow.steps if step.schema is not None}
    return RunFlows(submitter.keys, run, schemas)
