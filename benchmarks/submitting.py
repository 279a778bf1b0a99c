"""How fast one process submits, what a queued job costs in memory, and whether a long queue slows a worker down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from benchmarks.result import Figure, at_least, at_most
from benchmarks.rig import MODEL, Rig, cpu_s, prompts, rig, until

MANY, FEW, DONE, SPANS = 1_000_000, 10_000, 2500, 3
SIZE = 2000


def figures() -> Iterator[Figure]:
    with rig() as r, r.homa() as homa:
        requests = list(prompts(50_000, SIZE))
        homa.submit_batch(iter(requests[:500]), model=MODEL, max_tokens=200)
        r.forget_slow_scripts()
        empty = r.used_memory()
        start = time.perf_counter()
        homa.submit_batch(iter(requests), model=MODEL, max_tokens=200)
        rate = len(requests) / (time.perf_counter() - start)
        slowest = r.slowest_script_ms()
        # The slow log keeps some kilobytes of each script's arguments: memory of the measurement and not of the jobs.
        r.forget_slow_scripts()
        payload = sum(len(request["prompt"]) for request in requests) / len(requests)
        per_job = (r.used_memory() - empty) / len(requests) - payload
        how = f"{len(requests)} jobs of 2 KB in one batch"
        yield at_least("submit_batch from one process, jobs/s", rate, 5000, 20_000, how, "{:.0f}")
        yield at_most("store memory per queued job beyond its prompt, B", per_job, 800, 400, how, "{:.0f}")
    yield at_most("longest script while submitting, ms", slowest, 20, 5, how, "{:.1f}")
    yield from _backlog()


def _backlog() -> Iterator[Figure]:
    """CPU of worker and store per job with a long queue, against a short one."""
    short, _ = _cost_with(FEW)
    long, slowest = _cost_with(MANY)
    how = (
        f"worker and store, median of {SPANS} spans of {DONE} jobs, {MANY} and {FEW} queued: {long:.0f}, {short:.0f} us"
    )
    yield at_most("CPU per job, a million queued ÷ ten thousand", long / short, 1.15, 1.02, how)
    yield at_most("longest script with a million queued, ms", slowest, 20, 5, how, "{:.1f}")


def _cost_with(queued: int) -> tuple[float, float]:
    with rig(simulator=["--latency-ms", "50"], fsync="everysec") as r, r.homa() as homa:
        homa.submit_batch(prompts(queued, 200), model=MODEL, max_tokens=200)
        # Filling the store may have set off a rewrite of its append-only file, whose copying would be counted here.
        until(lambda: not r.rewriting(), timeout_s=120)
        process = r.start_worker(concurrency=200)
        _wait_done(r, 1000)
        costs = [_span_us(r, process.pid) for _ in range(SPANS)]
        slowest = r.slowest_script_ms()
        process.kill()
        process.wait()
        r.workers.clear()
        return median(costs), slowest


def _span_us(r: Rig, worker_pid: int) -> float:
    """CPU of worker and store for a job, over the next DONE jobs."""
    done, before = r.counters()["succeeded"], cpu_s(worker_pid) + cpu_s(r.server_pid)
    _wait_done(r, done + DONE)
    return (cpu_s(worker_pid) + cpu_s(r.server_pid) - before) / (r.counters()["succeeded"] - done) * 1e6


def _wait_done(r: Rig, count: int) -> None:
    until(lambda: r.counters().get("succeeded", 0) >= count, timeout_s=300)
