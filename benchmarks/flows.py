"""A step of a flow beside a plain job: scripts that a step takes, and a worker's CPU time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, cpu_s, prompts, rig
from homa import Flow
from homa_shared.store.client import Store
from homa_shared.store.operation import read, text

DOCUMENTS, PARTS, FAN_IN = 125, 28, 10
#: Maps, and what brings them together: three nodes above 28 parts, and one above these.
STEPS = DOCUMENTS * (PARTS + 3 + 1)
IN_FLIGHT, PAIRS = 200, 3


def figures() -> Iterator[Figure]:
    plain, steps, ratios, scripts = [], [], [], []
    with rig(simulator=["--latency-ms", "100", "--output-tokens", "300"]) as r:
        process = r.start_worker(concurrency=IN_FLIGHT)
        with r.homa() as homa:
            for number in range(PAIRS):
                before = cpu_s(process.pid)
                homa.submit_batch(prompts(STEPS), model=MODEL, max_tokens=400)
                r.until_drained()
                plain.append((cpu_s(process.pid) - before) / STEPS * 1e6)
                before, told = cpu_s(process.pid), _scripts(r.store)
                homa.run(_flow(), _documents(number))
                r.until_drained()
                steps.append((cpu_s(process.pid) - before) / STEPS * 1e6)
                scripts.append((_scripts(r.store) - told) / STEPS)
                ratios.append(steps[-1] / plain[-1])
    how = f"{PAIRS} pairs of {STEPS} steps and jobs: {median(steps):.0f} against {median(plain):.0f} us"
    yield at_most("worker CPU per step of a flow ÷ per plain job", median(ratios), 1.5, 1.2, how)
    counted = "of the store, by its own count: submission, takes, beats and housekeeping included"
    yield at_most("scripts per step of a flow, all told", median(scripts), 1.5, 1.2, counted)


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
