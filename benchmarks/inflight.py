"""Calls in flight in one worker process, and its memory."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.result import Figure, at_least, at_most
from benchmarks.rig import MODEL, prompts, rig, rss_mb

LEAST, AIM, MEMORY_MB = 2000, 5000, 300


def figures() -> Iterator[Figure]:
    in_flight, memory_mb = _run(AIM)
    yield at_least("calls in flight in one process", in_flight, LEAST, AIM, _how(AIM), "{:.0f}")
    _, at_least_mb = _run(LEAST)
    yield at_most(
        f"memory of a process with {LEAST} in flight, MB", at_least_mb, MEMORY_MB, MEMORY_MB, _how(LEAST), "{:.0f}"
    )
    within = memory_mb <= MEMORY_MB
    yield Figure(
        f"memory of a process with {AIM} in flight, MB", f"{memory_mb:.0f}", "–", f"≤ {MEMORY_MB}", within, _how(AIM)
    )


def _how(jobs: int) -> str:
    return f"{jobs} jobs of 2 KB at a simulator that takes 25 s"


def _run(jobs: int) -> tuple[int, float]:
    """Most calls in flight, and the worker's memory at its highest."""
    # Slow enough that all of them meet: the calls are begun well within the latency.
    with rig(simulator=["--latency-ms", "25000"]) as r:
        process = r.start_worker(concurrency=jobs)
        with r.homa() as homa:
            homa.submit_batch(prompts(jobs), model=MODEL, max_tokens=200)
        r.until_drained(timeout_s=180)
        return int(r.simulator("/stats")["max_in_flight"]), rss_mb(process.pid)
