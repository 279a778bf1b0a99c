"""Answers of a run read from the store: nodes first, then the jobs that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from homa.client.flows.outcomes import Answer, FlowResult
from homa.client.outcomes import outcomes, read_ends
from homa.client.results import Failure
from homa.drivers.effects import Flow, ask_patiently
from homa_shared.model.ids import batch_job_id
from homa_shared.model.records import State
from homa_shared.store.keys import Keys
from homa_shared.store.reads import flows as reads

#: Nodes and replies that are read at once.
PAGE = 250


@dataclass(frozen=True, slots=True)
class Shape:
    """A run's definition, as far as its answers go by it."""

    steps: Mapping[str, Mapping[str, Any]]
    #: Steps that no other follows.
    results: Sequence[str]
    #: What `Reply.parsed` of a step is made with.
    schemas: Mapping[str, Any]

    @classmethod
    def of(cls, definition: str, schemas: Mapping[str, Any] | None = None) -> Shape:
        """The shape of a stored definition; types of answers are the application's to know."""
        steps = {step["name"]: step for step in orjson.loads(definition)["steps"]}
        followed = {name for step in steps.values() for name in step["follows"]}
        results = [name for name, step in steps.items() if step["kind"] != "source" and name not in followed]
        said = {name: step["schema"] for name, step in steps.items() if "schema" in step}
        return cls(steps, results, {**said, **(schemas or {})})

    @property
    def by_input(self) -> list[str]:
        """Results that each input, or each of its parts, has."""
        return [name for name in self.results if "over" in self.steps[name]]

    def is_of_parts(self, step: str) -> bool:
        over = self.steps[step].get("over")
        return over is not None and bool(self.steps[over]["follows"])


def nodes_of(keys: Keys, run: str, shape: Shape, number: int) -> Flow[dict[str, list[str]] | None]:
    """Names of the nodes that are an input's results, by step; None while it is not known how many parts it has."""
    found: dict[str, list[str]] = {}
    for step in shape.by_input:
        if not shape.is_of_parts(step):
            found[step] = [f"{step} {number}"]
            continue
        source = shape.steps[step]["over"]
        (parts,) = yield from ask_patiently(reads.items_in(keys, run, source, [str(number)]))
        if parts is None:
            # Where the step that makes them has failed, its end is why there are none.
            maker = f"{shape.steps[source]['follows'][0]} {number}"
            (told,) = yield from ask_patiently(reads.nodes(keys, run, [maker]))
            if not told.startswith("x "):
                return None
            found[step] = [maker]
            continue
        found[step] = [f"{step} {number}.{part}" for part in range(parts)]
    return found


def answers_of(keys: Keys, run: str, names: Sequence[str], schema: Any, *, over: bool) -> Flow[list[Answer] | None]:
    """The answers of nodes of one step; None while one of them has none yet.

    Args:
        over: whether the run is complete, so that what is not there never comes.
    """
    found: list[Answer] = []
    for at in range(0, len(names), PAGE):
        page = yield from _page(keys, run, names[at : at + PAGE], schema, over=over)
        if page is None:
            return None
        found += page
    return found


def _page(keys: Keys, run: str, names: Sequence[str], schema: Any, *, over: bool) -> Flow[list[Answer] | None]:
    told = yield from ask_patiently(reads.nodes(keys, run, names))
    if not over and not all(told):
        return None
    jobs = [job_of(run, value) for value in told]
    records = yield from ask_patiently(read_ends(keys, [job for job in jobs if job]))
    if not over and not all(record.ended or record.state is None for record in records):
        return None
    ended = iter((yield from outcomes(keys, records, schema)))
    return [
        _answer(run, name, value, next(ended) if job else None)
        for name, value, job in zip(names, told, jobs, strict=True)
    ]


def job_of(run: str, value: str) -> str:
    """The job of a node, or the one whose end is why it has no answer; empty where there is neither."""
    if value.startswith("x "):
        job = value.split(" ")[-1]
        return job if job.startswith(f"{run}-") else ""
    return batch_job_id(run, int(value)) if value else ""


def _answer(run: str, name: str, value: str, outcome: Answer | None) -> Answer:
    # A step that is done once has no path.
    name = name.strip()
    if outcome is not None and not value.startswith("x "):
        return outcome
    if value.startswith("x dropped ") and outcome is not None:
        why = f"{name} was not done: a filter has left the answer of {outcome.custom_id} out"
        return Failure(outcome.job_id, State.CANCELLED, "dropped", why, custom_id=name)
    if isinstance(outcome, Failure) and (outcome.custom_id or "").strip() == name:
        return outcome
    if isinstance(outcome, Failure):
        return Failure(
            outcome.job_id,
            outcome.state,
            outcome.kind,
            f"{name} was not done, since {outcome.custom_id} has no answer: {outcome.message}",
            custom_id=name,
        )
    if value == "x empty":
        return Failure("", State.FAILED, "empty", f"{name} has nothing to bring together", custom_id=name)
    why = f"{name} was not done: its run was cancelled: see `homa flow show {run}`"
    return Failure("", State.CANCELLED, "cancelled", why, custom_id=name)


def missing_of(keys: Keys, run: str, shape: Shape, number: int) -> Flow[dict[str, list[int]]]:
    """Parts that the reduces of an input do without, where there are any."""
    found: dict[str, list[int]] = {}
    for step in shape.by_input:
        said = shape.steps[step]
        if said["kind"] != "reduce" or not shape.steps[said["follows"][0]].get("over"):
            continue
        source = shape.steps[said["follows"][0]]["over"]
        if not shape.steps[source]["follows"]:
            continue
        (parts,) = yield from ask_patiently(reads.items_in(keys, run, source, [str(number)]))
        names = [f"{said['follows'][0]} {number}.{part}" for part in range(parts or 0)]
        told = yield from ask_patiently(reads.nodes(keys, run, names))
        if lost := [part for part, value in enumerate(told) if value.startswith("x ") and "dropped" not in value]:
            found[step] = lost
    return found


def result_of(keys: Keys, run: str, shape: Shape, number: int, *, over: bool) -> Flow[FlowResult | None]:
    """What a run has made of an input; None while it goes on."""
    nodes = yield from nodes_of(keys, run, shape, number)
    if nodes is None:
        if not over:
            return None
        nodes = {}
    answers: dict[str, Answer | Sequence[Answer]] = {}
    for step, names in nodes.items():
        found = yield from answers_of(keys, run, names, shape.schemas.get(step), over=over)
        if found is None:
            return None
        answers[step] = found if shape.is_of_parts(step) else found[0]
    return FlowResult(number, answers, (yield from missing_of(keys, run, shape, number)))
