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
    used, with_bucket, refused = _run({"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": str(PER_SECOND * 60)})
    yield at_least("quota used, limit configured, %", used, 97, 99.5, f"{how}; {_beside(with_bucket)}")
    yield at_most("429s received, limit configured", refused, 0, 0, how, "{:.0f}")
    used, with_bucket, refused = _run({})
    how = f"{how}, no headers"
    yield at_least("quota used, no limit configured (adaptive), %", used, 85, 95, f"{how}; {_beside(with_bucket)}")
    yield at_most("429s per 100 jobs, adaptive", refused * 100 / JOBS, 3, 1, how, "{:.2f}")


def _beside(with_bucket: float) -> str:
    return f"{with_bucket:.1f} % if the full bucket that the run began with counts as quota, too"


def _run(settings: dict[str, str]) -> tuple[float, float, int]:
    """Percent of the refill that was used while work waited, the same of refill and first bucket, and refusals.

    The first may pass 100: some of the bucket that stood full at the beginning is used as well.
    """
    with rig(simulator=ENFORCED, settings=settings) as r:
        r.start_worker(concurrency=200)
        r.start_worker(concurrency=200)
        with r.homa() as homa:
            start = time.monotonic()
            homa.submit_batch(prompts(JOBS, 500), model=MODEL, max_tokens=200)
            r.until_drained()
            refilled = (time.monotonic() - start) * PER_SECOND
        stats = r.simulator("/stats")
        return 100 * JOBS / refilled, 100 * JOBS / (refilled + PER_SECOND), int(stats["rate_limited"])
