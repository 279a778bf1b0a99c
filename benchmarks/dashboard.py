"""How long a page of the dashboard takes with a million jobs in the store."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, prompts, rig

MANY, VISITS = 1_000_000, 20
PAGES = ("", "/jobs", "/jobs?state=queued", "/batches", "/failures", "/costs", "/limits", "/workers")


def figures() -> Iterator[Figure]:
    with rig(fsync="everysec") as r, r.homa() as homa:
        batch = homa.submit_batch(prompts(MANY, 200), model=MODEL, max_tokens=200)
        with _gateway(r) as url:
            taken = {path: _p95_ms(f"{url}/dashboard{path}") for path in (*PAGES, f"/batches/{batch.id}")}
        slowest = max(taken, key=lambda path: taken[path])
        how = f"p95 of {VISITS} visits, the slowest of {len(taken)} pages ({slowest or 'overview'}); {MANY} jobs queued"
        yield at_most("a page of the dashboard, ms", taken[slowest], 100, 30, how, "{:.0f}")


@contextmanager
def _gateway(r: Rig) -> Iterator[str]:
    command = [sys.executable, "-m", "homa.cli", "gateway", "--port", "0"]
    process = subprocess.Popen(command, env=r.env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        url = None
        while url is None:
            line = process.stderr.readline()
            assert line, "the gateway did not start"
            url = re.search(r"gateway at (http://[\d.:]+)", line)
        yield url[1]
    finally:
        process.terminate()
        process.wait()


def _p95_ms(url: str) -> float:
    times = []
    for _ in range(VISITS + 1):
        began = time.perf_counter()
        with urllib.request.urlopen(url) as answer:
            answer.read()
        times.append((time.perf_counter() - began) * 1000)
    # The first one compiles the page's template.
    return quantiles(times[1:], n=20)[-1]
