"""Steps of a flow as they are added to it, each checked against those that it follows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from homa.flows.checks import check_prompt_names, check_step_options
from homa.flows.steps import ASKING, INPUTS, UNCALLED, Kind, Step
from homa.submit.job_options import Schema
from homa.submit.messages import check_prompt
from homa.submit.option_checks import check_model
from homa_shared.model.errors import InvalidRequest

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
#: Most steps of a flow.
MOST_STEPS = 50


class Steps:
    """The steps of a flow, by their names."""

    def __init__(self, name: str) -> None:
        self.name = _checked_name("name", name, {})
        self._steps: dict[str, Step] = {INPUTS: Step(INPUTS, "source")}

    @property
    def inputs(self) -> Step:
        """What a run is given; a step that says nothing else follows it."""
        return self._steps[INPUTS]

    @property
    def steps(self) -> Sequence[Step]:
        """All steps, each behind those that it follows; inputs first."""
        return tuple(self._steps.values())

    @property
    def results(self) -> Sequence[Step]:
        """Steps that no other follows: their answers are the flow's."""
        followed = {id(step) for each in self._steps.values() for step in each.follows}
        return [step for step in self._steps.values() if step.kind != "source" and id(step) not in followed]

    def _add(
        self,
        kind: Kind,
        name: str | None,
        follows: tuple[Step, ...],
        prompt: str = "",
        schema: Schema = None,
        options: Mapping[str, Any] | None = None,
        *,
        apart: bool = False,
        **more: Any,
    ) -> Step:
        if len(self._steps) >= MOST_STEPS:
            raise InvalidRequest(f"flow {self.name} has {MOST_STEPS} steps: expected no more")
        name = next(self._names(kind)) if name is None else _checked_name("name", name, self._steps)
        place = f"step {name}"
        over = follows[0] if apart or follows[0].kind == "source" else follows[0].over
        if kind == "reduce" and over is not None:
            # What brings parts together is done for what they are parts of.
            whole = over.follows[0] if over.follows else None
            over = whole if whole is None or whole.kind == "source" else whole.over
        asked = dict(options or {})
        # Of a batch each request has its own; of a step it is a template, as the prompt is.
        system = asked.pop("system", None)
        if system is not None and not isinstance(system, str):
            raise InvalidRequest(f"{place}: system is {system!r:.80}: expected text")
        if kind in ASKING:
            check_prompt(prompt)
            model = asked.get("model")
            if kind not in UNCALLED or model is not None:
                check_model("model", model)
                check_step_options(place, asked)
        made = Step(name, kind, follows, over, prompt, system, schema, asked, **more)
        if kind in ASKING and kind != "code":
            check_prompt_names(place, made)
        self._steps[name] = made
        return made

    def _names(self, kind: str) -> Iterator[str]:
        return (name for n in range(1, MOST_STEPS + 1) if (name := f"{kind}{n}") not in self._steps)


def _checked_name(what: str, name: object, taken: Mapping[str, Step]) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"{what} is {name!r:.80}: expected a letter, then letters, digits and '_', 40 characters at most"
        )
    if name in taken:
        raise InvalidRequest(f"{what} is {name!r}: another step of this flow has it")
    return name
