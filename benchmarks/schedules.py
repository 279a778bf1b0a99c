"""Ten thousand schedules: how late their runs reach the provider, and what a fleet uses while none of them is due."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import orjson

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, cpu_s, rig, until
from homa_shared.schedules.timing import Every
from homa_shared.store import reads
from homa_shared.store.operation import Op, mapping
from homa_shared.store.transitions.schedules import Definition, put_schedule

SCHEDULES = 10_000
#: Each fires so often, at a whole second, so that about a hundred are due together each second.
EVERY_S, SPAN_S = 100, 20
IDLE_S, DAY_S = 20, 86_400
#: Until the first is due, ms; and how many are made in one write.
_MAKING_MS, _TOGETHER = 60_000, 200
_NOT_DEFINED = {"name", "digest", "changed", "next", "due", "before", "last", "created", "state", "gen", "live"}


def figures() -> Iterator[Figure]:
    limit = {"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "600000"}
    with rig(simulator=["--latency-ms", "5"], settings=limit) as r:
        _make(r, DAY_S)
        worker = r.start_worker(concurrency=200).pid
        time.sleep(2)
        worker_s, store_s, began = cpu_s(worker), cpu_s(r.server_pid), time.monotonic()
        time.sleep(IDLE_S)
        took = time.monotonic() - began
        worker_s, store_s = cpu_s(worker) - worker_s, cpu_s(r.server_pid) - store_s
        how = f"{SCHEDULES} daily schedules, one worker process; worker {worker_s / took * 100:.2f} %, "
        how += f"store {store_s / took * 100:.2f} %, over {IDLE_S} s"
        yield at_most("CPU of an idle fleet, % of a core", (worker_s + store_s) / took * 100, 2, 0.5, how)
    with rig(simulator=["--latency-ms", "5"], settings=limit) as r:
        _make(r, EVERY_S)
        r.start_worker(concurrency=200)
        begin = int(time.time()) + _MAKING_MS // 1000 + 5
        until(lambda: time.time() > begin + SPAN_S + 2, timeout_s=SPAN_S + 120)
        charges = r.simulator("/bill/charges")["charges"]
    marks = [(float(charge["marker"]), charge["time_s"]) for charge in charges if charge["marker"]]
    waits = sorted(at - tick for tick, at in marks if begin <= tick < begin + SPAN_S)
    assert len(waits) > 0.9 * SCHEDULES / EVERY_S * SPAN_S, f"{len(waits)} runs were seen"
    how = f"{SCHEDULES} schedules each {EVERY_S} s, {len(waits)} ticks within {SPAN_S} s, about a hundred a second; "
    how += "the simulator's clock against the tick"
    yield at_most("tick due to provider request, p50, s", waits[len(waits) // 2], 0.5, 0.1, how, "{:.3f}")
    yield at_most("tick due to provider request, p99, s", waits[len(waits) * 99 // 100], 2, 0.5, how, "{:.3f}")


def _make(r: Rig, every_s: int) -> None:
    """One by the client, the others with its definition and beginnings of their own."""
    chance = random.Random(7)
    with r.homa() as homa:
        first = homa.schedule("s0", "At {{tick:%s}}.", every_s=every_s, model=MODEL, max_tokens=5, user="{{tick:%s}}")
        made = r.store.run(Op((("HGETALL", r.store.keys.schedule(first.view().id)),), lambda told: mapping(told[0])))
    fields = {name: value for name, value in made.items() if name not in _NOT_DEFINED}
    now = r.store.run(reads.server_time(r.store.keys))
    ops = []
    for number in range(1, SCHEDULES):
        anchor = (now // 1000 - every_s + chance.randrange(every_s)) * 1000
        timing = Every(every_s * 1000, anchor)
        # None is due before all are made: those would be made up for first.
        tick = timing.after(now + _MAKING_MS)
        assert tick is not None
        definition = Definition(f"s{number}", f"d{number}", {**fields, "timing": orjson.dumps(timing.row()).decode()})
        ops.append(put_schedule(r.store.keys, definition, new_id=f"s{number}.x", tick=tick, due=tick))
    for start in range(0, len(ops), _TOGETHER):
        part = ops[start : start + _TOGETHER]
        r.store.run(Op([command for op in part for command in op.commands], lambda _: None, part[0].script))
    assert r.store.run(reads.server_time(r.store.keys)) < now + _MAKING_MS, "some were due before all were made"
