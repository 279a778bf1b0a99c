"""Several workers together stay inside what the provider enforces, and hundreds of calls keep their times."""

from __future__ import annotations

import time

from homa_shared.model.records import State
from tests.fixtures.stopwatch import Stopwatch
from tests.worker.cell import Cell, until


async def test_two_workers_never_exceed_the_providers_rate(cell: Cell, stopwatch: Stopwatch) -> None:
    """20 a second with bursts of half a second; the provider bears that a slow machine sends them bunched."""
    cell.simulator.configure(limits={"rpm": 1200}, burst_s=1.5)
    limits = {"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "1200"}
    await cell.worker(concurrency=30, **limits)
    await cell.worker(concurrency=30, **limits)
    began_s = time.monotonic()
    stopwatch.start()
    jobs = [await cell.submit() for _ in range(60)]
    for job in jobs:
        assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert cell.simulator.stats.refused.total() == 0
    assert time.monotonic() - began_s >= 2.45, "ten go at once, and each of the other fifty 50 ms after the one before"
    assert stopwatch.s < 6.0


async def test_two_workers_never_exceed_the_providers_concurrency(cell: Cell) -> None:
    cell.simulator.configure(limits={"concurrency": 4}, latency_ms=60)
    slots = {"HOMA_PROVIDERS__OPENAI__CONCURRENCY": "4"}
    await cell.worker(concurrency=20, **slots)
    await cell.worker(concurrency=20, **slots)
    jobs = [await cell.submit() for _ in range(60)]
    for job in jobs:
        assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert cell.simulator.stats.refused.total() == 0
    assert cell.simulator.stats.max_in_flight == 4, "and uses all of it"


async def test_tokens_that_come_back_are_used_at_once(cell: Cell) -> None:
    """Each call reserves most of a minute's quota and writes little: the next one may go when it is settled."""
    limits = {"HOMA_PROVIDERS__OPENAI__LIMITS__TPM": "60000"}
    await cell.worker(concurrency=20, **limits)
    # By the naps of a worker that nobody wakes, they would take as many times five seconds.
    jobs = [await cell.submit(tokens=(50_000, 10, 300)) for _ in range(20)]
    for job in jobs:
        assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert cell.simulator.stats.refused.total() == 0


async def test_five_hundred_calls_in_flight_are_cut_on_time(cell: Cell, stopwatch: Stopwatch) -> None:
    cell.simulator.configure(latency_ms=60_000)
    wide = {"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "1000000", "HOMA_PROVIDERS__OPENAI__TIMEOUT_S": "12"}
    await cell.worker(concurrency=500, **wide)
    jobs = await cell.submit_many(500, on_ambiguous="fail")
    await until(lambda: cell.simulator.stats.max_in_flight == 500)
    for job in jobs:
        view = await cell.ended(job)
        assert view.job.state is State.FAILED
        (attempt,) = view.attempts
        took_s = (attempt.ended_ms - attempt.started_ms) / 1000
        assert took_s >= 11.9
        assert took_s - stopwatch.late_s < 13.5
