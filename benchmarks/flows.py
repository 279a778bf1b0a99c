"""A step of a flow beside a plain job: what a worker and the store compute for each, and scripts that a step takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, cpu_s, prompts, rig
from homa import Flow
from homa_shared.store.client import Store
from homa_shared.store.operation import read, text
from homa_shared.store.transitions.admin import pause_queue, resume_queue

DOCUMENTS, PARTS, FAN_IN = 125, 28, 10
#: Maps, and what brings them together: three nodes above 28 parts, and one above these.
STEPS = DOCUMENTS * (PARTS + 3 + 1)
IN_FLIGHT, PAIRS = 200, 3
_QUEUE = "openai"


@dataclass(frozen=True, slots=True)
class Spent:
    """What jobs have cost, each; CPU times in us."""

    worker: float
    store: float
    scripts: float

    @property
    def cpu(self) -> float:
        return self.worker + self.store


def figures() -> Iterator[Figure]:
    plain, steps = [], []
    with rig(simulator=["--latency-ms", "100", "--output-tokens", "300"]) as r, r.homa() as homa:
        pid = r.start_worker(concurrency=IN_FLIGHT).pid
        _spent(r, pid, lambda: homa.submit_batch(prompts(IN_FLIGHT), model=MODEL, max_tokens=400))
        for number in range(PAIRS):
            plain.append(_spent(r, pid, lambda: homa.submit_batch(prompts(STEPS), model=MODEL, max_tokens=400)))
            steps.append(_spent(r, pid, lambda number=number: homa.run(_flow(), _documents(number))))
    yield _ratio("CPU of worker and store per step of a flow ÷ per plain job", plain, steps, lambda each: each.cpu)
    yield _ratio("worker CPU per step of a flow ÷ per plain job", plain, steps, lambda each: each.worker)
    each = _middle(plain, _scripts_each)
    counted = f"of the store, by its own count: submission, takes and beats included; {each:.2f} a plain job"
    yield at_most("scripts per step of a flow, all told", _middle(steps, _scripts_each), 1.0, 1.0, counted)


def _ratio(what: str, plain: list[Spent], steps: list[Spent], cost: Callable[[Spent], float]) -> Figure:
    ratio = median(cost(step) / cost(job) for step, job in zip(steps, plain, strict=True))
    each = " against ".join(
        f"{_middle(found, cost):.0f} us (worker {_middle(found, lambda s: s.worker):.0f})" for found in (steps, plain)
    )
    return at_most(
        what, ratio, 1.5, 1.2, f"{PAIRS} pairs of {STEPS} steps and jobs, accepted before the first call: {each}"
    )


def _middle(found: list[Spent], cost: Callable[[Spent], float]) -> float:
    return median(map(cost, found))


def _scripts_each(spent: Spent) -> float:
    return spent.scripts


def _spent(r: Rig, worker: int, submit: Callable[[], object]) -> Spent:
    """What some jobs cost whose worker begins once all are accepted: else a slow submission would idle it.

    The store's part has their submission, and what makes the steps that follow.
    """
    store, scripts = cpu_s(r.server_pid), _scripts(r.store)
    r.store.run(pause_queue(r.store.keys, _QUEUE))
    submit()
    begun = cpu_s(worker)
    r.store.run(resume_queue(r.store.keys, _QUEUE))
    r.until_drained()
    spent = ((cpu_s(worker) - begun) / STEPS * 1e6, (cpu_s(r.server_pid) - store) / STEPS * 1e6)
    return Spent(*spent, (_scripts(r.store) - scripts) / STEPS)


def _flow() -> Flow:
    flow = Flow("bench")
    facts = flow.map(flow.split(), prompt="{{text}}", model=MODEL, max_tokens=400)
    flow.reduce(facts, prompt="{{items}}", model=MODEL, max_tokens=400, fan_in=FAN_IN)
    return flow


def _documents(run: int) -> Iterator[Mapping[str, object]]:
    """As long as the prompts of plain jobs, and different in each run: nothing is answered from the cache."""
    each = iter(prompts(DOCUMENTS * PARTS))
    for _ in range(DOCUMENTS):
        yield {"parts": [f"{run} {next(each)['prompt']}" for _ in range(PARTS)]}


def _scripts(store: Store) -> int:
    """Scripts that the store has run so far."""
    return store.run(read((("INFO", "commandstats"),), _calls))


def _calls(replies: list[object]) -> int:
    told = replies[0]
    if isinstance(told, dict):
        return int(told.get("cmdstat_evalsha", {}).get("calls", 0))
    line = next((line for line in text(told).splitlines() if line.startswith("cmdstat_evalsha:")), "calls=0,")
    return int(line.split("calls=")[1].split(",")[0])
