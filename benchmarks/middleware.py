"""Worker CPU per finished job with three middlewares around its call, against none."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, cpu_s, prompts, rig

JOBS, IN_FLIGHT, PAIRS = 4000, 200, 5
_THREE = ("--middleware", "benchmarks.three_around")


def figures() -> Iterator[Figure]:
    ratios, plain, around = [], [], []
    with rig(simulator=["--latency-ms", "100", "--output-tokens", "300"]) as r:
        for _ in range(PAIRS):
            plain.append(_cpu_us(r))
            around.append(_cpu_us(r, *_THREE))
            ratios.append(around[-1] / plain[-1])
    how = f"{PAIRS} pairs of {JOBS} jobs, {IN_FLIGHT} in flight: {median(around):.0f} against {median(plain):.0f} us"
    yield at_most("worker CPU per job with three middlewares around ÷ none", median(ratios), 1.05, 1.05, how)


def _cpu_us(r: Rig, *options: str) -> float:
    """CPU time per job of a worker of its own, behind its first jobs."""
    process = r.start_worker(*options, concurrency=IN_FLIGHT)
    with r.homa() as homa:
        homa.submit_batch(prompts(IN_FLIGHT), model=MODEL, max_tokens=400)
        r.until_drained()
        before = cpu_s(process.pid)
        homa.submit_batch(prompts(JOBS), model=MODEL, max_tokens=400)
        r.until_drained()
        used = cpu_s(process.pid) - before
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    r.workers.remove(process)
    return used / JOBS * 1e6
