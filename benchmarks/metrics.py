"""What metrics cost: a worker's CPU per job with them and without, a scrape of a store with a million jobs, series."""

from __future__ import annotations

import re
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, cpu_s, prompts, rig
from homa_shared.metrics.exposition import exposition
from homa_shared.metrics.store_metrics import Labels, families, look

JOBS, IN_FLIGHT, PAIRS = 4000, 200, 5
MANY, SCRAPES = 1_000_000, 20
#: Prometheus' usual interval is three times as long.
SCRAPED_EACH_S = 5.0


def figures() -> Iterator[Figure]:
    ratios, off, on = [], [], []
    with rig(simulator=["--latency-ms", "100", "--output-tokens", "300"]) as r:
        for _ in range(PAIRS):
            off.append(_cpu_us(r))
            on.append(_cpu_us(r, "--metrics-port", "0"))
            ratios.append(on[-1] / off[-1])
    how = f"{PAIRS} pairs of {JOBS} jobs, {IN_FLIGHT} in flight, scraped: {median(on):.0f} against {median(off):.0f} us"
    yield at_most("worker CPU per job with metrics ÷ without", median(ratios), 1.05, 1.02, how)
    yield from _scrapes()


def _cpu_us(r: Rig, *options: str) -> float:
    """CPU time per job of a worker of its own, behind its first jobs; scraped where it has metrics."""
    process = r.start_worker(*options, concurrency=IN_FLIGHT)
    url = _metrics_of(r, len(r.workers) - 1) if options else None
    with r.homa() as homa, _scraped(url):
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


def _metrics_of(r: Rig, number: int) -> str:
    log = (Path(r.env["HOMA_HOME"]) / f"worker{number}.log").read_text()
    found = re.search(r"metrics at (http://\S+/metrics)", log)
    assert found is not None, log
    return found[1]


@contextmanager
def _scraped(url: str | None) -> Iterator[None]:
    if url is None:
        yield
        return
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(SCRAPED_EACH_S):
            with urllib.request.urlopen(url) as answer:
                answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _scrapes() -> Iterator[Figure]:
    with rig(fsync="everysec") as r, r.homa() as homa:
        homa.submit_batch(prompts(MANY, 200), model=MODEL, max_tokens=200)
        labels, times = Labels(), []
        for _ in range(SCRAPES):
            began = time.perf_counter()
            text, _ = exposition(families(look(r.store), labels))
            times.append((time.perf_counter() - began) * 1000)
        how = f"median of {SCRAPES} with {MANY} jobs queued; slowest {max(times):.0f} ms"
        yield at_most("a scrape of the store's metrics, ms", median(times), 100, 20, how, "{:.1f}")
    whose = [line for line in text.decode().splitlines() if 'provider="openai"' in line or 'queue="openai"' in line]
    yield at_most("series of a provider from the store", len(whose), 300, 150, "one model waits", "{:.0f}")
