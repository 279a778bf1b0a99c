"""Events of the fleet at a durable handler: how many a second one worker calls it for, and how late it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.result import Figure, at_least, at_most
from benchmarks.rig import MODEL, Rig, cpu_s, rig, until
from homa_shared.store.operation import Op

EVENTS, EACH_S = 40_000, 1000
LATE_S = 10


def figures() -> Iterator[Figure]:
    rate, worker_us, store_us = _throughput()
    how = f"{EVENTS} events that wait for one async handler that does nothing, one worker process; "
    how += f"CPU an event: worker {worker_us:.0f} us, store {store_us:.0f} us"
    yield at_least("events/s with a durable handler", rate, 2000, 8000, how, "{:.0f}")
    ages = _ages()
    how = f"{len(ages)} events, {EACH_S} a second, two handlers; p50 {ages[len(ages) // 2] / 1000:.3f} s"
    yield at_most("event to handler, p99, s", ages[len(ages) * 99 // 100] / 1000, 1.0, 0.2, how, "{:.3f}")


def _throughput() -> tuple[float, float, float]:
    """Events a second, and what one costs worker and store in CPU (us)."""
    with rig(settings={"HOMA_EVENTS__KEPT": "1000000"}) as r:
        for start in range(0, EVENTS, 1000):
            _publish(r, "job.succeeded", 1000, start)
        store_s, process = cpu_s(r.server_pid), _worker(r, EVENTS)
        began_s = cpu_s(process)
        noted = _noted(r)
        used_s, store_s = cpu_s(process) - began_s, cpu_s(r.server_pid) - store_s
    return EVENTS / noted["seconds"], used_s / EVENTS * 1e6, store_s / EVENTS * 1e6


def _ages() -> list[float]:
    """How old events were when the handler was called, ms, ascending."""
    count = LATE_S * EACH_S
    with rig() as r:
        _worker(r, count)
        began = time.perf_counter()
        for number in range(count):
            while time.perf_counter() - began < number / EACH_S:
                time.sleep(0.0005)
            _publish(r, "job.cancelled", 1, number)
        ages: list[float] = _noted(r)["ages_ms"]
    return ages


def _worker(r: Rig, events: int) -> int:
    r.env |= {"BENCH_EVENTS": str(events), "BENCH_NOTES": str(_notes(r))}
    return r.start_worker("--handlers", "benchmarks.counting_handlers", concurrency=10).pid


def _notes(r: Rig) -> Path:
    return Path(r.env["HOMA_HOME"]) / "notes.json"


def _noted(r: Rig) -> Any:
    until(_notes(r).exists, timeout_s=120, every_s=0.02)
    return json.loads(_notes(r).read_text())


def _publish(r: Rig, name: str, count: int, first: int) -> None:
    """Events as the scripts write them."""
    fields = ("target", MODEL, "batch", "b1", "tenant", "acme", "detail", "", "tags", "team=search\n")
    key = r.store.keys.events()
    commands = [("XADD", key, "*", "event", name, "job", f"j{first + n}", *fields) for n in range(count)]
    r.store.run(Op(commands, lambda _: None))
