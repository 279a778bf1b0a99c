"""What a handle of a run does: tell the progress, hand out results in the order of the inputs, wait, pause, cancel."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from homa.client.batch_flows import BatchFlows
from homa.client.flows.outcomes import Answer, FlowProgress, StepProgress
from homa.client.flows.reading import Shape, answers_of, result_of
from homa.client.flows.waits import questions
from homa.client.not_found import check_id
from homa.client.results import Failure, Reply
from homa.client.unserved import tell_if_batch_is_unserved
from homa.drivers.effects import Emit, Flow, Sleep, ask_patiently
from homa.submit.option_checks import check_timeout
from homa_shared.backoff import Backoff
from homa_shared.model.errors import InvalidRequest, JobNotFound, ResultTimeout
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.flows import FlowView, flow

_PAUSES = Backoff(first_s=0.01, longest_s=0.5, jitter=0)


class RunFlows:
    """Flows of one run, for the sync and the async handle.

    Args:
        schemas: types of steps' answers, where the application has them.
    """

    def __init__(self, keys: Keys, run: str, schemas: Mapping[str, Any] | None = None) -> None:
        check_id("run", run)
        self.keys, self.id, self._schemas = keys, run, schemas
        self.batch = BatchFlows(keys, run)

    def view(self) -> Flow[FlowView]:
        """Raises JobNotFound where the store holds no such run."""
        found = yield from ask_patiently(flow(self.keys, self.id))
        if found is None:
            raise JobNotFound(
                f"run {self.id} of a flow is not in the store: its id is wrong, or its retention has ended; "
                "`homa flow list` shows all"
            )
        return found

    def progress(self) -> Flow[FlowProgress]:
        """How far it has come."""
        view = yield from self.view()
        batch = yield from ask_patiently(reads.batch(self.keys, self.id))
        if batch is None:
            raise JobNotFound(f"run {self.id} of a flow is not in the store any more: its retention has ended")
        shape = Shape.of(view.definition)
        steps = {name: view.steps.get(name, {}) for name, said in shape.steps.items() if said["kind"] != "source"}
        return FlowProgress(
            batch.state,
            view.inputs,
            {name: StepProgress(**counts) for name, counts in steps.items()},
            (batch.paused_why or "paused") if batch.paused else None,
            batch.cancel,
            batch.nano_usd,
            batch.unresolved_nano_usd,
            batch.cancel_why,
        )

    def questions(self) -> Flow[None]:
        """Emits what waits for an answer from outside."""
        yield from self.view()
        yield from questions(self.keys, self.id)

    def wait(self, timeout_s: float | None) -> Flow[FlowProgress]:
        """The progress once all has ended."""
        yield from self.batch.wait(timeout_s)
        return (yield from self.progress())

    def results(self, after: int, timeout_s: float | None) -> Flow[None]:
        """Emits results in the order of the inputs, each once it has ended.

        Raises:
            ResultTimeout: none came for `timeout_s`.
        """
        if type(after) is not int or after < 0:
            raise InvalidRequest(f"after is {after!r:.80}: expected the number of inputs that were read, 0 for none")
        check_timeout(timeout_s)
        view = yield from self.view()
        shape = Shape.of(view.definition, self._schemas)
        number, looks, began_s = after, 0, time.monotonic()
        quiet_since_s = began_s
        while True:
            progress = yield from self.progress()
            while number < progress.inputs and shape.by_input:
                found = yield from result_of(self.keys, self.id, shape, number, over=progress.complete)
                if found is None:
                    break
                yield Emit(found)
                number, looks, quiet_since_s = number + 1, 0, time.monotonic()
            if progress.complete:
                return
            if timeout_s is not None and time.monotonic() - quiet_since_s >= timeout_s:
                raise ResultTimeout(f"run {self.id} has no result of input {number} after {timeout_s:g} s; it goes on")
            yield from tell_if_batch_is_unserved(self.keys, self.id, began_s, quiet_since_s)
            looks += 1
            yield Sleep(_PAUSES.pause_s(looks))

    def answer(self, step: str | None, timeout_s: float | None) -> Flow[Reply[Any]]:
        """As `outcome`; raises JobFailed, JobCancelled or JobExpired where it has no answer."""
        found = yield from self.outcome(step, timeout_s)
        if isinstance(found, Failure):
            raise found.error()
        return found

    def outcome(self, step: str | None, timeout_s: float | None) -> Flow[Answer]:
        """The answer of a step that is done once for all inputs, when the run has come to it, or why it has none.

        Raises:
            InvalidRequest: there is no such step.
            ResultTimeout: it has not ended in time.
        """
        check_timeout(timeout_s)
        view = yield from self.view()
        shape = Shape.of(view.definition, self._schemas)
        once = [name for name, said in shape.steps.items() if said["kind"] != "source" and "over" not in said]
        wanted = once[-1] if step is None and once else step
        if wanted not in once:
            expected = " or ".join(once) if once else "none: each input has its result, see results()"
            raise InvalidRequest(f"step {wanted!r} is not done once for all inputs: expected {expected}")
        began_s, looks = time.monotonic(), 0
        while True:
            progress = yield from self.progress()
            schema = shape.schemas.get(wanted)
            found = yield from answers_of(self.keys, self.id, [f"{wanted} "], schema, over=progress.complete)
            if found is not None:
                return found[0]
            if timeout_s is not None and time.monotonic() - began_s >= timeout_s:
                raise ResultTimeout(f"step {wanted} of run {self.id} has not ended after {timeout_s:g} s; it goes on")
            yield from tell_if_batch_is_unserved(self.keys, self.id, began_s, began_s)
            looks += 1
            yield Sleep(_PAUSES.pause_s(looks))
