"""What a job costs the store: CPU time of its main thread, bytes of its append-only file, its longest script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.result import Figure, at_least, at_most
from benchmarks.rig import MODEL, Rig, prompts, rig, until
from homa_shared.store.operation import Op

JOBS, WARM, IN_FLIGHT = 12_000, 2000, 200
JITTERED = ["--latency-ms", "200", "--latency-sigma", "0.5", "--output-tokens", "100"]
FIXED = ["--latency-ms", "200", "--output-tokens", "100"]
BUDGET = {"HOMA_BUDGETS__BENCH__CAP_USD": "100000", "HOMA_BUDGETS__BENCH__PERIOD": "month"}


def figures() -> Iterator[Figure]:
    how = f"{JOBS} jobs of 2 KB, {IN_FLIGHT} in flight, a monthly budget, append-only file each second"
    jittered = _run(JITTERED)
    fixed = _run(FIXED)
    yield at_most("store CPU per job, jittered latency, us", jittered.cpu_us, 175, 120, how, "{:.0f}")
    yield at_least("jobs/s that a store's core bears, fixed latency", 1e6 / fixed.cpu_us, 7000, 9000, how, "{:.0f}")
    yield at_most("longest script at work, ms", max(jittered.slowest_ms, fixed.slowest_ms), 10, 5, how, "{:.1f}")
    yield at_most("append-only bytes per job beyond prompt and reply", jittered.aof_bytes, 3400, 2000, how, "{:.0f}")


class _Cost:
    """What a job cost the store.

    Args:
        cpu_us: CPU time of its main thread, us.
        aof_bytes: bytes of its append-only file, submission included, prompt and reply left out.
        slowest_ms: longest script.
    """

    def __init__(self, cpu_us: float, aof_bytes: float, slowest_ms: float) -> None:
        self.cpu_us, self.aof_bytes, self.slowest_ms = cpu_us, aof_bytes, slowest_ms


def _run(simulator: Sequence[str]) -> _Cost:
    with rig(simulator=simulator, settings=BUDGET, fsync="everysec") as r, r.homa() as homa:
        # What rewrites the file while it is measured would count as the jobs' own.
        r.store.run(Op((("CONFIG", "SET", "auto-aof-rewrite-percentage", "0"),), lambda _: None))
        before = _aof_bytes(r)
        homa.submit_batch(prompts(JOBS + WARM), model=MODEL, max_tokens=200)
        submitted = _aof_bytes(r) - before
        r.start_worker(concurrency=IN_FLIGHT)
        _until_done(r, WARM)
        cpu, done, written = _main_thread_us(r), r.counters()["succeeded"], _aof_bytes(r)
        _until_done(r, JOBS)
        cpu, done, written = _main_thread_us(r) - cpu, r.counters()["succeeded"] - done, _aof_bytes(r) - written
        reply = int(r.counters()["reply_bytes"]) / int(r.counters()["replies"])
        payload = sum(len(p["prompt"]) for p in prompts(100)) / 100 + reply
        cost = _Cost(cpu / done, written / done + submitted / (JOBS + WARM) - payload, r.slowest_script_ms())
        _until_done(r, JOBS + WARM)
        return cost


def _until_done(r: Rig, count: int) -> None:
    until(lambda: r.counters().get("succeeded", 0) >= count, timeout_s=300, every_s=0.02)


def _main_thread_us(r: Rig) -> float:
    info = r.store.run(Op((("INFO", "cpu"),), lambda replies: dict(replies[0])))
    return float(info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]) * 1e6


def _aof_bytes(r: Rig) -> int:
    info = r.store.run(Op((("INFO", "persistence"),), lambda replies: dict(replies[0])))
    return int(info["aof_current_size"])
