"""Calls in flight in one worker process, and its memory."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.result import Figure, at_least, at_most
from benchmarks.rig import MODEL, prompts, rig, rss_mb

WANTED = 5000


def figures() -> Iterator[Figure]:
    # Slow enough that all of them meet: 5000 calls are begun well within the latency.
    with rig(simulator=["--latency-ms", "25000"]) as r:
        process = r.start_worker(concurrency=WANTED)
        with r.homa() as homa:
            homa.submit_batch(prompts(WANTED), model=MODEL, max_tokens=200)
        r.until_drained(timeout_s=180)
        in_flight, memory = r.simulator("/stats")["max_in_flight"], rss_mb(process.pid)
    how = f"{WANTED} jobs of 2 KB at a simulator that takes 25 s"
    yield at_least("calls in flight in one process", in_flight, 2000, 5000, how, "{:.0f}")
    yield at_most("its memory at that, MB", memory, 300, 300, how, "{:.0f}")
