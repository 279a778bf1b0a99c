"""From submit to the provider's door, with an idle worker."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, rig, until

JOBS = 300


def figures() -> Iterator[Figure]:
    sent: dict[str, float] = {}
    limit = {"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "60000"}
    with rig(simulator=["--latency-ms", "5"], settings=limit) as r, r.homa() as homa:
        r.start_worker(concurrency=200)
        for i in range(JOBS + 20):
            name = f"n{i}"
            sent[name] = time.time()
            homa.submit("Say something short.", model=MODEL, max_tokens=50, user=name)
            time.sleep(0.02)
        r.until_drained()
        charges = r.simulator("/bill/charges")["charges"]
        until(lambda: len(charges) >= JOBS)
    # The first few wake the worker's connections.
    waits = sorted((c["time_s"] - sent[c["marker"]]) * 1000 for c in charges if int(c["marker"][1:]) >= 20)
    how = f"{len(waits)} single jobs, 20 ms apart; the simulator's clock against the submitter's, one machine"
    yield at_most("submit to provider request, p50, ms", waits[len(waits) // 2], 10, 3, how, "{:.1f}")
    yield at_most("submit to provider request, p99, ms", waits[int(len(waits) * 0.99)], 40, 10, how, "{:.1f}")
