"""A run of a flow on the page of its batch: how far each step has come, and what waits for an answer."""

from __future__ import annotations

from dataclasses import dataclass

from homa.client.flows.outcomes import StepProgress
from homa.client.flows.reading import Shape
from homa.flows.drawing import kind_of
from homa.gateway.dashboard.visit import Visit
from homa_shared.model.errors import SealedPayload
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read
from homa_shared.store.reads.flows import flow


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step, in the order of the flow."""

    name: str
    #: What it does, in a few words.
    kind: str
    progress: StepProgress

    @property
    def lost(self) -> int:
        """Jobs that ended without an answer."""
        return self.progress.failed + self.progress.cancelled + self.progress.expired


@dataclass(frozen=True, slots=True)
class FlowRun:
    """What the page tells of a run."""

    name: str
    inputs: int
    #: None where they are sealed by a key that is not here.
    steps: list[StepRow] | None
    #: Jobs that wait to be answered from outside.
    waiting: int


async def flow_run(visit: Visit, batch_id: str) -> FlowRun | None:
    """The run that a batch is; None for a batch that is none."""
    try:
        view = await visit.ask(flow(visit.keys, batch_id))
    except SealedPayload:
        return FlowRun("", 0, None, 0)
    if view is None:
        return None
    steps = [
        StepRow(name, kind_of(said), StepProgress(**view.steps.get(name, {})))
        for name, said in Shape.of(view.definition).steps.items()
        if said["kind"] != "source"
    ]
    return FlowRun(view.name, view.inputs, steps, await visit.ask(_waiting(visit.keys, batch_id)))


def _waiting(keys: Keys, run: str) -> Op[int]:
    return read((("ZCARD", keys.waiting(f"token:{run}")),), lambda replies: int(replies[0]))
