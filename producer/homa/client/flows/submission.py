"""The making of a run: opened, filled with its inputs a chunk at a time, sealed.

A run with a key may be submitted again after its client has died: it goes on behind the inputs that are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from homa.drivers.effects import Flow as Effects
from homa.drivers.effects import ask, ask_patiently, patiently
from homa.flows.checks import check_reuse, check_run_options
from homa.flows.compiling import Compiled, check_has_steps, compiled, first_model
from homa.flows.flow import Flow
from homa.flows.items import Items
from homa.flows.steps import ASKING
from homa.submit.option_checks import Dollars, check_fallbacks
from homa.submit.submitter import Submitter
from homa_shared.model.errors import InvalidRequest, JobCancelled, KeyConflict, StoreFull, StoreUnavailable
from homa_shared.model.ids import new_batch_id
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.flows import Opened, Section, open_flow, put_items


class RunSubmission:
    """The making of one run.

    Args:
        flow: what is done.
        options: `key`, `name`, `budget_usd`, `reuse`, and those of all its jobs: `tenant`, `tags`, `lane`.

    Raises:
        InvalidRequest: an option is wrong, or the flow has no step.
    """

    def __init__(self, submitter: Submitter, flow: Flow, options: Mapping[str, Any]) -> None:
        if not isinstance(flow, Flow):
            raise InvalidRequest(f"flow is {flow!r:.80}: expected a homa.Flow")
        check_has_steps(flow)
        self._submitter, self.flow = submitter, flow
        self._key, self._name, self._shared = check_run_options(options)
        self._reuse = check_reuse(options.get("reuse", True))
        cap = options.get("budget_usd")
        self._cap = None if cap is None else Dollars()("budget_usd", cap)
        self.id = new_batch_id() if self._key is None else run_of(self._key, str(self._shared.get("tenant", "")))
        self._items = Items(flow)
        #: Inputs that the store had when the run was opened.
        self.known = 0

    @property
    def remarks(self) -> Sequence[str]:
        """What is to be told of inputs that were cut into units."""
        return self._items.skipped.remarks

    def open(self) -> Effects[None]:
        """Opens the run in the store.

        Raises:
            KeyConflict: its key was used for another flow.
            Else as `Homa.submit`.
        """
        yield from self._submitter.bounded(self._open())

    def _open(self) -> Effects[None]:
        for step in self.flow.steps:
            if step.kind in ASKING:
                fallbacks = check_fallbacks("fallbacks", step.options.get("fallbacks") or ())
                model = step.options.get("model") or first_model(self.flow)
                self._submitter.expect(str(model), [*fallbacks, *step.escalate, *([step.judge] if step.judge else [])])
        view = yield from self._submitter.view()
        made = compiled(self.flow, view, self.id, self._shared, self._cap, reuse=self._reuse)
        yield from self._submitter.write_plans(view, made.targets)
        opened = yield from ask_patiently(self._opening(made))
        if opened.digest != made.digest:
            raise KeyConflict(
                f"key {self._key!r} was used for another flow, or for this one before it was changed: expected another "
                f"key, or the flow as it was (run {self.id})",
                job_id=self.id,
            )
        self._opened = opened
        self.known = opened.inputs

    def _opening(self, made: Compiled) -> Op[Opened]:
        cap = "" if self._cap is None else str(self._cap)
        name = self._name or self.flow.name
        batch = {"name": name, "tenant": str(self._shared.get("tenant", "")), "cap": cap}
        facts: dict[str, str | bytes] = {"name": self.flow.name, "definition": made.definition}
        keys = self._submitter.keys
        return open_flow(keys, self.id, batch, made.digest, made.graph, made.steps, facts)

    def add(self, given: object) -> Effects[None]:
        """Takes an input, and sends a chunk where it is full.

        Raises:
            InvalidRequest: it is wrong, or another one than was there under the run's key.
            JobCancelled: the run was cancelled meanwhile.
        """
        chunks = list(self._items.add(given))
        if self._items.count < self.known:
            return
        if self._items.count == self.known:
            self._items.forget()
            self._check_known(self._opened)
            return
        for sections in chunks:
            yield from self._send(sections)

    def seal(self) -> Effects[None]:
        """Sends what is left; no input comes behind it."""
        if self._items.count < self.known:
            raise InvalidRequest(
                f"run {self.id} has {self.known} inputs already, and was given {self._items.count}: expected the same "
                "ones, and more"
            )
        yield from self._send(self._items.sealed())

    def abandon(self, error: BaseException) -> Effects[None]:
        """Cancels a run whose inputs could not all be read; one with a key is left to be gone on with."""
        if self._key is not None:
            error.add_note(f"run {self.id} has {self._items.count} inputs: submit it again under its key to go on")
            return
        try:
            cancelling = ask_patiently(admin.cancel_batch(self._submitter.keys, self.id), 1.0)
            yield from self._submitter.bounded(cancelling)
        except StoreUnavailable:
            error.add_note(f"run {self.id} could not be cancelled: see `homa batches cancel {self.id}`")
        else:
            error.add_note(f"run {self.id} was cancelled: its submission ended at input {self._items.count}")

    def _check_known(self, opened: Opened) -> None:
        if opened.inputs_digest != self._items.digest:
            raise self._other_inputs(f"the first {self.known} inputs")

    def _other_inputs(self, which: str) -> InvalidRequest:
        return InvalidRequest(
            f"{which} are not those that run {self.id} was given: expected the same ones in the same order, or another "
            "key; of `homa run`, --force begins anew"
        )

    def _send(self, sections: Sequence[Section]) -> Effects[None]:
        keys = self._submitter.keys

        def put() -> Effects[str]:
            return ask(put_items(keys, self.id, sections))

        # A full store empties while workers drain it.
        answer = yield from self._submitter.bounded(patiently(put, outages=(StoreUnavailable, StoreFull)))
        if answer == "ok":
            return
        if answer == "cancelled" or not answer:
            raise JobCancelled(f"run {self.id} was cancelled while it was submitted")
        if answer == "differs":
            raise self._other_inputs(f"inputs up to {self._items.count}")
        raise InvalidRequest(
            f"run {self.id} is {answer} and takes no more inputs: another client submits it under the same key"
        )


def run_of(key: str, tenant: str | None) -> str:
    """The run of a key: one that is submitted again is the same."""
    tenant = tenant or ""
    return "f" + hashlib.sha256(f"{tenant}\n{key}".encode()).hexdigest()[:18]
