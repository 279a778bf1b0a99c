"""What a test with a fake fleet takes, from its first line to its last: one job, submitted, answered, looked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL

TESTS = 50


def figures() -> Iterator[Figure]:
    from homa.testing import fake

    times = []
    for _ in range(TESTS + 1):
        start = time.perf_counter()
        with fake({"Summarise*": "short"}) as homa:
            homa.submit("Summarise: a text", model=MODEL).result(timeout=10)
            homa.assert_submitted("Summarise*", times=1)
        times.append((time.perf_counter() - start) * 1000)
    how = f"median of {TESTS} tests of one job, one after another; the first, which starts the store: {times[0]:.0f} ms"
    yield at_most("a test with a fake fleet beyond the first, ms", median(times[1:]), 100, 20, how, "{:.0f}")
