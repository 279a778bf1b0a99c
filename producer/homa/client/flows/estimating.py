"""The making of an estimate of a flow: inputs are read and cut as a run would, and nothing is sent."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from typing import Any

import orjson

from homa.client.flows.documents import Documents
from homa.client.flows.estimates import FlowEstimate, StepEstimate
from homa.client.flows.given import Given
from homa.client.flows.step_costs import StepCosts
from homa.client.flows.unread import AnswerSize
from homa.client.management.estimates import Load
from homa.client.management.estimating import view_or_settings
from homa.drivers.aio import AwaitingDriver
from homa.drivers.blocking import BlockingDriver
from homa.drivers.context import Context
from homa.drivers.effects import Flow as Effects
from homa.files import BadRow
from homa.flows.checks import check_run_options, items_of
from homa.flows.compiling import compiled
from homa.flows.flow import Flow
from homa.flows.items import Items
from homa.flows.steps import ASKING, Step
from homa.submit.fleet_view import FleetView
from homa.submit.option_checks import Dollars
from homa.submit.submitter import Submitter
from homa_shared.calls.flow_place import Value
from homa_shared.model.errors import InvalidRequest
from homa_shared.store.transitions.flows import Section

#: Options of a run that change what it would cost, or whether it is refused.
OPTIONS = ("budget_usd", "tenant", "tags", "lane")


class FlowEstimating:
    """The making of one estimate.

    Args:
        view: the fleet's settings.
        options: those of the run (OPTIONS).

    Raises:
        InvalidRequest, UnknownModel, BudgetExceeded: as the run would be refused.
    """

    def __init__(self, flow: Flow, view: FleetView, options: Mapping[str, Any]) -> None:
        self._flow = flow
        _, _, shared = check_run_options(options)
        cap = options.get("budget_usd")
        compiled(flow, view, "-", shared, None if cap is None else Dollars()("budget_usd", cap))
        self.items = Items(flow)
        #: Source -> items of it, and those of the scope that is being read.
        self._counts: dict[str, int] = {}
        self._here: dict[str, int] = {}
        self._loads: dict[str, Load] = {}
        sizes: dict[str, AnswerSize] = {}
        self._costs: dict[str, StepCosts] = {}
        #: Steps before which a filter stands, and filters.
        self._filtered: set[str] = set()
        for step in flow.steps:
            if step.kind == "filter" or any(parent.name in self._filtered for parent in step.follows):
                self._filtered.add(step.name)
            if step.kind in ASKING:
                self._costs[step.name] = StepCosts(step, flow, view, shared, self._loads, sizes)
            elif step.kind != "source":
                sizes[step.name] = AnswerSize.largest([sizes[base.name] for base in step.bases])

    def add(self, given: object) -> None:
        """Takes an input, as a run does.

        Raises:
            InvalidRequest: the run would be refused for it.
        """
        for sections in self.items.add(given):
            self._take(sections)

    def estimate(self, documents: Documents | None) -> FlowEstimate:
        """What all would take, once every input is there.

        Args:
            documents: files that the inputs came from, and what of them could not be sent; None: it were no files.
        """
        refused = [] if documents is None else [str(line) for line in documents.lines if isinstance(line, BadRow)]
        self._take(self.items.sealed())
        steps = {step.name: self._estimated(step) for step in self._flow.steps if step.name in self._costs}
        return FlowEstimate(
            flow=self._flow.name,
            inputs=self.items.count + len(refused),
            bad_inputs=len(refused),
            first_bad=refused[0] if refused else None,
            steps=steps,
            seconds_at_limits=next((found for cost in self._costs.values() if (found := cost.seconds_at_limits)), None),
        )

    def _take(self, sections: list[Section]) -> None:
        for section in sections:
            source = section.source
            behind = [cost for cost in self._costs.values() if any(f.name == source for f in cost.step.follows)]
            for raw in section.items if behind else ():
                value = Value.of_item(orjson.loads(raw))
                for cost in behind:
                    cost.take_item(value)
            self._counts[source] = self._counts.get(source, 0) + len(section.items)
            self._here[source] = self._here.get(source, 0) + len(section.items)
            if section.seal:
                self._close(source, self._here.pop(source))

    def _close(self, source: str, size: int) -> None:
        for cost in self._costs.values():
            gathered = items_of(cost.step.follows[0]) if cost.step.kind == "reduce" else None
            if gathered is not None and gathered.name == source:
                cost.close_scope(size)

    def _estimated(self, step: Step) -> StepEstimate:
        maker = _maker(step)
        if maker is not None:
            unknown = f"how often it is done shows when {maker.code}, a function on the workers, has made the parts"
            return self._costs[step.name].estimate(None, at_most=step.name in self._filtered, unknown=unknown)
        over = step.over
        times = min(1, self.items.count) if over is None else self._counts.get(over.name, 0)
        return self._costs[step.name].estimate(times, at_most=step.name in self._filtered)


def _maker(step: Step) -> Step | None:
    """The step whose function makes the items that a step is done for, or brings together; None: none does."""
    source = items_of(step.follows[0]) if step.kind == "reduce" else step.over
    return source.follows[0] if source is not None and source.follows and source.follows[0].splits else None


def estimated(
    driver: BlockingDriver,
    submitter: Submitter,
    context: Context,
    flow: Flow,
    inputs: object,
    options: Mapping[str, Any],
) -> FlowEstimate:
    """The estimate of a flow for threads; raises as `Homa.estimate`."""
    given = Given.of(inputs, None, force=False)
    made = driver.run(_begin(submitter, context, flow, options))
    for each in given.at_once:
        made.add(each)
    return made.estimate(given.documents)


async def estimated_async(
    driver: AwaitingDriver,
    submitter: Submitter,
    context: Context,
    flow: Flow,
    inputs: object,
    options: Mapping[str, Any],
) -> FlowEstimate:
    """The same for event loops."""
    given = Given.of(inputs, None, force=False)
    made = await driver.run(_begin(submitter, context, flow, options))
    if isinstance(given.inputs, AsyncIterable):
        async for each in given.inputs:
            made.add(each)
    else:
        for each in given.inputs:
            made.add(each)
    return made.estimate(given.documents)


def _begin(submitter: Submitter, context: Context, flow: Flow, options: Mapping[str, Any]) -> Effects[FlowEstimating]:
    """What inputs are added to.

    Raises:
        InvalidRequest: an option has no place in a run; or as `FlowEstimating`.
        StoreUnavailable: there is a store, and it cannot be asked.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in OPTIONS:
            raise InvalidRequest(f"estimate of a flow with {name}: its steps say it; expected {', '.join(OPTIONS)}")
    view = yield from view_or_settings(submitter, context)
    return FlowEstimating(flow, view, given)
