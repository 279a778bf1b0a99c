"""What all jobs of an input of a run came to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from homa.client.flows.reading import PAGE, Shape, job_of
from homa.client.outcomes import outcomes, read_ends
from homa.client.results import Reply
from homa.drivers.effects import Flow, ask_patiently
from homa_shared.store.keys import Keys
from homa_shared.store.operation import number as number_of
from homa_shared.store.operation import read
from homa_shared.store.reads import flows as reads


@dataclass(frozen=True, slots=True)
class Spending:
    """Sums over jobs. Their costs are known ones, nano-dollars; of an answer taken from the cache none."""

    jobs: int = 0
    attempts: int = 0
    nano_usd: int = 0
    #: Jobs whose price is not known.
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


def spending(keys: Keys, run: str, shape: Shape, number: int) -> Flow[Spending]:
    """What the jobs of an input came to."""
    names: list[str] = []
    for step in shape.steps:
        names += yield from _nodes(keys, run, shape, step, number)
    told = yield from ask_patiently(reads.nodes(keys, run, names))
    jobs = list(dict.fromkeys(job for value in told if (job := job_of(run, value))))
    found = Spending(len(jobs))
    for at in range(0, len(jobs), PAGE):
        found = yield from _added(keys, found, jobs[at : at + PAGE])
    return found


def _nodes(keys: Keys, run: str, shape: Shape, step: str, number: int) -> Flow[list[str]]:
    """Names of all nodes that a step has for an input, those within a reduce's tree included."""
    said = shape.steps[step]
    if said["kind"] in ("source", "filter", "join"):
        return []
    source = shape.steps[said["follows"][0]].get("over") if said["kind"] == "reduce" else said.get("over")
    if source is None:
        return []
    if not shape.steps[source]["follows"]:
        return [f"{step} {number}"] if said["kind"] != "reduce" else []
    (parts,) = yield from ask_patiently(reads.items_in(keys, run, source, [str(number)]))
    if said["kind"] == "reduce":
        return list(_tree(step, number, parts or 0, said["width"]))
    return [f"{step} {number}.{part}" for part in range(parts or 0)]


def _tree(step: str, number: int, parts: int, width: int) -> Iterator[str]:
    level, here = 1, ceil(parts / width)
    while here >= 1:
        yield from (f"{step} {number}~{level}.{place}" for place in range(here))
        if here == 1:
            return
        level, here = level + 1, ceil(here / width)


def _added(keys: Keys, so_far: Spending, jobs: list[str]) -> Flow[Spending]:
    records = yield from ask_patiently(read_ends(keys, jobs))
    ended = yield from outcomes(keys, [record for record in records if record.ended])
    costs = yield from ask_patiently(
        read([("HGET", keys.job(job), "co") for job in jobs], lambda replies: [number_of(value) for value in replies])
    )
    replies = [each for each in ended if isinstance(each, Reply)]
    return Spending(
        so_far.jobs,
        so_far.attempts + sum(each.attempts for each in ended),
        so_far.nano_usd + sum(costs),
        so_far.unpriced + sum(each.cost_nano_usd is None for each in replies),
        so_far.input_tokens + sum(each.usage.input_tokens for each in replies),
        so_far.output_tokens + sum(each.usage.output_tokens for each in replies),
    )
