"""How much of a provider's quota two worker processes use, and how often they are refused."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.result import Figure, at_least, at_most
from benchmarks.rig import MODEL, prompts, rig

JOBS, PER_SECOND = 3000, 100
ENFORCED = ["--rps", str(PER_SECOND), "--burst-s", "1", "--latency-ms", "100", "--latency-sigma", "0.3", "--no-headers"]


def figures() -> Iterator[Figure]:
    how = f"2 processes, {JOBS} jobs, {PER_SECOND} requests/s enforced with a bucket of 1 s"
    used, refused = _run({"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": str(PER_SECOND * 60)})
    yield at_least("quota used, limit configured, %", used, 97, 99.5, how)
    yield at_most("429s received, limit configured", refused, 0, 0, how, "{:.0f}")
    used, refused = _run({})
    yield at_least("quota used, no limit configured (adaptive), %", used, 85, 95, f"{how}, no headers")
    yield at_most("429s per 100 jobs, adaptive", refused * 100 / JOBS, 3, 1, f"{how}, no headers")


def _run(settings: dict[str, str]) -> tuple[float, int]:
    """Percent of the quota used while work waited, and refusals."""
    with rig(simulator=ENFORCED, settings=settings) as r:
        r.start_worker(concurrency=200)
        r.start_worker(concurrency=200)
        with r.homa() as homa:
            start = time.monotonic()
            homa.submit_batch(prompts(JOBS, 500), model=MODEL, max_tokens=200)
            r.until_drained()
            elapsed_s = time.monotonic() - start
        stats = r.simulator("/stats")
        return min(100.0, 100 * JOBS / (elapsed_s * PER_SECOND)), int(stats["rate_limited"])
