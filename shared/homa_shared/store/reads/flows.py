"""What the store tells of runs of flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.model.record_fields import short
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Command, Op, mapping, number, pairs, read, text
from homa_shared.store.sealing import Kind, opened, opened_text

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


@dataclass(frozen=True, slots=True)
class WaitingView:
    """A job that may wait for an answer from outside, as far as the store holds it."""

    job_id: str
    #: Empty where it was never asked for, or is not in the store.
    token: str
    state: str
    node: str
    run: str
    tenant: str
    #: Empty where it is no longer kept.
    request: bytes


def waiting(keys: Keys, run: str, at: int, most: int) -> Op[list[tuple[str, int]]]:
    """Jobs of a run that wait to be answered, with when their tokens expire (ms): the first to expire first.

    Args:
        at: how many of them are passed over.
    """
    command = ("ZRANGE", keys.waiting(f"token:{run}"), at, at + most - 1, "WITHSCORES")
    return read([command], lambda replies: [(job, int(score)) for job, score in pairs(replies[0])])


def asked(keys: Keys, job_ids: Sequence[str]) -> Op[list[WaitingView]]:
    """What stands of jobs that wait to be answered, or did."""
    if not job_ids:
        return Op((), lambda _: [])
    fields = [short(name) for name in ("token", "state", "node", "batch", "tenant")]
    commands: list[Command] = []
    for job_id in job_ids:
        commands += (("HMGET", keys.job(job_id), *fields), ("GET", keys.request(job_id)))

    def parse(replies: list[Any]) -> list[WaitingView]:
        views = []
        for i, job_id in enumerate(job_ids):
            token, state, node, run, tenant = map(text, replies[2 * i])
            request = opened(keys, Kind.REQUEST, replies[2 * i + 1] or b"")
            views.append(WaitingView(job_id, token, state, node, run, tenant, request))
        return views

    return read(commands, parse)


def items_in(keys: Keys, run: str, source: str, scopes: Sequence[str]) -> Op[list[int | None]]:
    """How many items scopes have; None while more may come."""
    if not scopes:
        return Op((), lambda _: [])
    fields = [f"# {source} {scope}" for scope in scopes]
    command = ("HMGET", keys.flow_nodes(run), *fields)
    return read([command], lambda replies: [int(value) if value else None for value in replies[0]])
