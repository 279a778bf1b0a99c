"""A worker's CPU per finished job with something and without, in pairs: what else the machine does falls on both."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, cpu_s, prompts, rig
from homa import Homa
from homa_shared.settings.model import load_settings

JOBS, IN_FLIGHT, PAIRS = 4000, 200, 5

#: Runs while the worker that is started last works.
Beside = Callable[[Rig], AbstractContextManager[None]]


def ratio(
    what: str,
    options: tuple[str, ...],
    least: float,
    aim: float,
    beside: Beside | None = None,
    settings: Mapping[str, str] | None = None,
) -> Figure:
    """CPU per job of workers with some options ÷ that of workers without.

    Args:
        what: the figure's name.
        least, aim: bounds, as `at_most` has them.
        beside: runs while those with the options work.
        settings: variables that go with the options, for workers and the client that submits.
    """
    ratios, without, having = [], [], []
    with rig(simulator=["--latency-ms", "100", "--output-tokens", "300"]) as r:
        for _ in range(PAIRS):
            without.append(_cpu_us(r, (), None, {}))
            having.append(_cpu_us(r, options, beside, settings or {}))
            ratios.append(having[-1] / without[-1])
    how = f"{PAIRS} pairs of {JOBS} jobs, {IN_FLIGHT} in flight: {median(having):.0f} against {median(without):.0f} us"
    return at_most(what, median(ratios), least, aim, how)


def _cpu_us(r: Rig, options: tuple[str, ...], beside: Beside | None, settings: Mapping[str, str]) -> float:
    """CPU time per job of a worker of its own, behind its first jobs."""
    env = r.env
    r.env = {**env, **settings}
    process = r.start_worker(*options, concurrency=IN_FLIGHT)
    said = load_settings(env=r.env)
    r.env = env
    with Homa(settings=said) as homa, beside(r) if beside else nullcontext():
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
