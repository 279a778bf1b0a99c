"""A call that waits for the first of its prefix can be cancelled, expire and be handed on: nothing of it was sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homa import JobCancelled, JobExpired
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_workers.middleware.prefix_warmup import PrefixWarmup
from homa_workers.pipeline.pipeline import Pipeline
from homa_workers.process.build import WorkerProcess
from tests.patience import PATIENCE_S
from tests.prompt_cache.samples import INSTRUCTIONS
from tests.prompt_cache.standing import CLAUDE, Stand
from tests.worker.cell import until

SHAPE = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def ask(stand: Stand, name: str, **more: Any) -> Any:
    given = {"model": CLAUDE, "max_tokens": 50, "prompt_cache": INSTRUCTIONS} | more
    return await stand.homa.submit(f"{INSTRUCTIONS}{name}", **given)


def pipeline_of(process: WorkerProcess) -> Pipeline:
    pipeline = process.workers[0]._pipeline
    assert pipeline is not None
    return pipeline


@pytest.fixture
async def slow(stand: Stand) -> WorkerProcess:
    """A worker whose first call of the prefix is on its way, and stays there."""
    stand.simulator.configure(latency_ms=600_000.0)
    process = await stand.work("anthropic")
    await ask(stand, "first")
    await until(lambda: stand.simulator.engine.stats.in_flight == 1)
    return process


async def running(stand: Stand, job_id: str) -> None:
    """Returns when a worker has the job, which then waits for its turn."""

    async def is_running() -> bool:
        return await stand.store.run(reads.state(stand.store.keys, job_id)) is State.RUNNING

    await until(is_running)
    await asyncio.sleep(0)


async def test_one_that_is_cancelled_costs_nothing(stand: Stand, slow: WorkerProcess) -> None:
    job = await ask(stand, "second")
    await running(stand, job.id)
    assert await job.cancel() == "cancelling"
    with pytest.raises(JobCancelled):
        await job.result(timeout=PATIENCE_S)
    (attempt,) = await stand.attempts(job.id)
    assert (attempt.outcome, attempt.charge) == ("cancelled", "none")
    assert stand.simulator.engine.stats.in_flight == 1


async def test_one_whose_worker_stops_waits_in_its_queue_again(stand: Stand, slow: WorkerProcess) -> None:
    job = await ask(stand, "second")
    await running(stand, job.id)
    await waits_again(stand, slow, job.id)


async def test_one_by_schema_does_too(stand: Stand, slow: WorkerProcess) -> None:
    # Another prefix, since the schema is a part of it: its first call is on its way, too.
    await ask(stand, "first", schema=SHAPE)
    await until(lambda: stand.simulator.engine.stats.in_flight == 2)
    job = await ask(stand, "second", schema=SHAPE)
    await running(stand, job.id)
    await waits_again(stand, slow, job.id)


async def waits_again(stand: Stand, process: WorkerProcess, job_id: str) -> None:
    process.stop_now()

    async def waits() -> bool:
        return await stand.store.run(reads.state(stand.store.keys, job_id)) is State.QUEUED

    await until(waits)
    assert await stand.attempts(job_id) == []


async def test_one_that_stops_behind_a_step_goes_on_from_there(stand: Stand) -> None:
    process = await stand.work("anthropic")
    prefixes = pipeline_of(process).middleware.find(PrefixWarmup).prefixes
    # Its first call is no answer; at the second one the prefix has gone cold, and somebody else is ahead.
    called, leads, waits = prefixes.called, prefixes.leads, asyncio.Event()

    def gone_cold(key: Any, *, led: bool, kept: bool) -> None:
        called(key, led=led, kept=kept)
        prefixes._lead(key, prefixes._clock_s())

    async def told(key: Any, left_s: float | None = None) -> bool:
        if key in prefixes._prefixes:
            waits.set()
        return await leads(key, left_s)

    prefixes.called, prefixes.leads = gone_cold, told  # type: ignore[method-assign]
    job = await ask(stand, "[[say:no JSON]]", schema=SHAPE, content_retries=5)
    async with asyncio.timeout(PATIENCE_S):
        await waits.wait()
    process.stop_now()

    async def is_free() -> bool:
        return await stand.store.run(reads.state(stand.store.keys, job.id)) is not State.RUNNING

    await until(is_free)
    outcomes = [(attempt.outcome, attempt.charge) for attempt in await stand.attempts(job.id)]
    assert outcomes == [("stopped", "none")]
    assert len(stand.charges) == 1


async def test_the_time_spent_waiting_is_the_jobs_own(stand: Stand, slow: WorkerProcess) -> None:
    job = await ask(stand, "second", deadline_s=0.5)
    with pytest.raises(JobExpired):
        await job.result(timeout=PATIENCE_S)
