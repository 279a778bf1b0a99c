"""What metrics cost: a worker's CPU per job with them and without, a scrape of a store with a million jobs, series."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, prompts, rig
from benchmarks.worker_cpu import ratio
from homa_shared.metrics.exposition import exposition
from homa_shared.metrics.store_metrics import Labels, families, look

MANY, SCRAPES = 1_000_000, 20
#: Prometheus' usual interval is three times as long.
SCRAPED_EACH_S = 5.0


def figures() -> Iterator[Figure]:
    yield ratio("worker CPU per job with metrics ÷ without", ("--metrics-port", "0"), 1.05, 1.02, beside=_scraped)
    yield from _scrapes()


def _metrics_of(r: Rig) -> str:
    """Where the worker that was started last serves them."""
    log = (Path(r.env["HOMA_HOME"]) / f"worker{len(r.workers) - 1}.log").read_text()
    found = re.search(r"metrics at (http://\S+/metrics)", log)
    assert found is not None, log
    return found[1]


@contextmanager
def _scraped(r: Rig) -> Iterator[None]:
    url, over = _metrics_of(r), threading.Event()

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
