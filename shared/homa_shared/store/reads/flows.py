"""What the store tells of runs of flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, mapping, number, read, text
from homa_shared.store.sealing import Kind, opened_text

#: Counts of a step, as flow_nodes.lua names them.
COUNTS = ("made", "succeeded", "failed", "cancelled", "expired", "absent", "passed")


@dataclass(frozen=True, slots=True)
class FlowView:
    """A run of a flow as it stands."""

    run: str
    name: str
    #: What it was opened with, as the client wrote it.
    definition: str
    digest: str
    #: Inputs that are there.
    inputs: int
    #: Step -> count -> how many, where there are any.
    steps: dict[str, dict[str, int]]


def flow(keys: Keys, run: str) -> Op[FlowView | None]:
    """A run of a flow; None where there is none of this id."""

    def parse(replies: list[Any]) -> FlowView | None:
        told = mapping(replies[0])
        if not told:
            return None
        steps: dict[str, dict[str, int]] = {}
        for field, value in told.items():
            step, mark, what = field.rpartition("|")
            if mark and what in COUNTS:
                steps.setdefault(step, {})[what] = int(value)
        inputs = number(replies[1])
        definition = opened_text(keys, Kind.DEFINITION, told.get("definition", ""))
        digest = opened_text(keys, Kind.DEFINITION, told.get("digest", ""), run)
        return FlowView(run, told.get("name", ""), definition, digest, inputs, steps)

    return read([("HGETALL", keys.flow(run)), ("HGET", keys.flow_nodes(run), "^ inputs ")], parse)


def names(keys: Keys, runs: Sequence[str]) -> Op[list[str | None]]:
    """Names of flows that batches are runs of; None for a batch that is none."""
    if not runs:
        return Op((), lambda _: [])
    commands = [("HGET", keys.flow(run), "name") for run in runs]
    return read(commands, lambda replies: [text(value) if value is not None else None for value in replies])


def nodes(keys: Keys, run: str, names: Sequence[str]) -> Op[list[str]]:
    """What stands of nodes, `step path`: the line of its job, `x` and why it has no answer, or nothing so far."""
    if not names:
        return Op((), lambda _: [])
    return read([("HMGET", keys.flow_nodes(run), *names)], lambda replies: [text(value) for value in replies[0]])


def items_in(keys: Keys, run: str, source: str, scopes: Sequence[str]) -> Op[list[int | None]]:
    """How many items scopes have; None while more may come."""
    if not scopes:
        return Op((), lambda _: [])
    fields = [f"# {source} {scope}" for scope in scopes]
    command = ("HMGET", keys.flow_nodes(run), *fields)
    return read([command], lambda replies: [int(value) if value else None for value in replies[0]])
