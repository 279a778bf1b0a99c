"""Cancelled jobs, draining and stopping workers: nothing is stranded, and what may have cost money stands open."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.model.records import State
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op, read
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim
from tests.fixtures.stopwatch import Stopwatch
from tests.patience import PATIENCE_S
from tests.worker.cell import MINI, Cell, until


async def in_flight(cell: Cell, count: int) -> None:
    await until(lambda: cell.simulator.stats.in_flight == count)


async def test_cancelling_a_running_job_closes_its_connection_within_a_second(cell: Cell, stopwatch: Stopwatch) -> None:
    cell.simulator.configure(latency_ms=30_000)
    await cell.worker()
    job = await cell.submit()
    await in_flight(cell, 1)
    stopwatch.start()
    assert await cell.store.run(admin.cancel(cell.keys, [job])) == ["cancelling"]
    await in_flight(cell, 0)
    assert stopwatch.s < 1
    view = await cell.ended(job)
    assert view.job.state is State.CANCELLED
    assert await cell.history(job) == [(MINI, "cancelled", "unresolved")]


async def test_a_cancel_whose_order_was_lost_with_a_connection_is_heard_of_with_the_next_beat(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=300_000)
    (worker,) = (await cell.process()).workers
    worker.lease_ms = 6000  # a beat tells of its attempts at a third of it
    cell.serve(worker)
    job = await cell.submit()
    await in_flight(cell, 1)
    await cell.store.run(read((("HSET", cell.keys.job(job), "cx", 1),), lambda r: r[0]))
    view = await cell.ended(job)
    assert view.job.state is State.CANCELLED
    assert await cell.history(job) == [(MINI, "cancelled", "unresolved")]


async def test_cancelling_a_job_again_and_again_does_not_cut_its_acknowledgement(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=300_000)
    worker = await cell.worker()
    job = await cell.submit()
    await in_flight(cell, 1)
    running = worker._in_flight._running[f"{job}:1"]
    for _ in range(20):
        worker._in_flight.cancel(f"{job}:1")
        await asyncio.sleep(0)
    assert (await cell.ended(job)).job.state is State.CANCELLED
    await until(running.task.done)
    assert not running.task.cancelled()


async def test_cancelled_jobs_do_not_trip_a_breaker(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=30_000)
    await cell.worker()
    jobs = [await cell.submit() for _ in range(6)]
    await in_flight(cell, 6)
    await cell.store.run(admin.cancel(cell.keys, jobs))
    for job in jobs:
        assert (await cell.ended(job)).job.state is State.CANCELLED
    assert await cell.breaker(MINI) == "closed"


async def test_a_draining_worker_finishes_its_calls_and_takes_nothing_more(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=400)
    process = await cell.process(concurrency=2)
    served = cell.serve(process.workers[0])
    first, second, waiting = await cell.submit(), await cell.submit(), await cell.submit()
    await in_flight(cell, 2)
    process.drain()
    await served
    assert [await cell.state(job) for job in (first, second, waiting)] == [
        State.SUCCEEDED,
        State.SUCCEEDED,
        State.QUEUED,
    ]


async def test_stopping_at_once_hands_every_job_back_with_its_cost_open(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=30_000)
    process = await cell.process(concurrency=20)
    served = cell.serve(process.workers[0])
    jobs = [await cell.submit() for _ in range(20)]
    await in_flight(cell, 20)
    process.stop_now()
    await asyncio.wait_for(served, PATIENCE_S)
    for job in jobs:
        view = await cell.view(job)
        assert (view.job.state, view.job.raw["tr"]) == (State.QUEUED, 0)
        assert [(a.outcome, a.charge) for a in view.attempts] == [("stopped", "unresolved")]
    assert await cell.breaker(MINI) == "closed"
    await in_flight(cell, 0)


async def test_stopping_at_once_ends_a_job_that_must_not_be_called_twice(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=30_000)
    process = await cell.process()
    served = cell.serve(process.workers[0])
    job = await cell.submit(on_ambiguous="fail")
    await in_flight(cell, 1)
    process.stop_now()
    await served
    assert await cell.state(job) is State.FAILED


async def test_a_worker_whose_task_is_cancelled_hands_its_jobs_back_too(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=30_000)
    process = await cell.process()
    served = cell.serve(process.workers[0])
    job = await cell.submit()
    await in_flight(cell, 1)
    served.cancel()
    with pytest.raises(asyncio.CancelledError):
        await served
    assert await cell.state(job) is State.QUEUED


async def test_jobs_handed_out_while_the_order_to_stop_arrives_go_back_uncalled(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process()
    run = process.store.run

    async def stop_first(op: Op[object]) -> object:
        answer = await run(op)
        if op.script is not None and op.script.name == "take":
            process.stop_now()
        return answer

    monkeypatch.setattr(process.store, "run", stop_first)
    jobs = [await cell.submit() for _ in range(3)]
    await asyncio.wait_for(cell.serve(process.workers[0]), PATIENCE_S)
    for job in jobs:
        view = await cell.view(job)
        assert (view.job.state, view.job.raw["tr"], view.attempts) == (State.QUEUED, 0, [])
    assert cell.simulator.stats.received == 0


async def test_jobs_that_are_cut_before_their_first_step_are_handed_back(cell: Cell) -> None:
    process = await cell.process()
    worker = process.workers[0]
    start = worker._in_flight.start

    def start_and_stop(claim: Claim, *rest: object) -> None:
        start(claim, *rest)  # type: ignore[arg-type]
        worker.stop_now()

    worker._in_flight.start = start_and_stop  # type: ignore[assignment,method-assign]
    cell.simulator.configure(latency_ms=30_000)
    job = await cell.submit()
    await asyncio.wait_for(cell.serve(worker), PATIENCE_S)
    assert await cell.state(job) is State.QUEUED


async def test_a_reply_that_has_arrived_survives_a_stop_while_it_is_stored(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process()
    run, settling = process.store.run, asyncio.Event()

    async def slow_settle(op: Op[object]) -> object:
        if op.script is not None and op.script.name == "settle":
            settling.set()
            await asyncio.sleep(0.2)
        return await run(op)

    monkeypatch.setattr(process.store, "run", slow_settle)
    served = cell.serve(process.workers[0])
    job = await cell.submit()
    await settling.wait()
    process.stop_now()
    await asyncio.wait_for(served, PATIENCE_S)
    assert await cell.state(job) is State.SUCCEEDED


async def test_a_failure_that_is_known_survives_a_stop_while_it_is_acknowledged(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process()
    run, pausing = process.store.run, asyncio.Event()

    async def slow_pause(op: Op[object]) -> object:
        if op.script is not None and op.script.name == "batch":
            pausing.set()
            await asyncio.sleep(0.2)
        return await run(op)

    monkeypatch.setattr(process.store, "run", slow_pause)
    await cell.store.run(admin.open_batch(cell.keys, "b1", {}))
    served = cell.serve(process.workers[0])
    job = await cell.submit("[[fault:401@openai]]", batch="b1")
    await pausing.wait()
    process.stop_now()
    await asyncio.wait_for(served, PATIENCE_S)
    assert await cell.history(job) == [(MINI, "unauthorized", "none")], "not lost with its lease, at an open cost"


async def test_an_answer_of_take_that_is_lost_on_its_way_is_given_again(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from homa_shared.model.errors import StoreUnavailable

    process = await cell.process()
    run, lost = process.store.run, [0]

    async def lossy(op: Op[object]) -> object:
        answer = await run(op)
        if op.script is not None and op.script.name == "take" and getattr(answer, "claims", None) and lost[0] < 3:
            lost[0] += 1
            raise StoreUnavailable("the answer was lost")
        return answer

    monkeypatch.setattr(process.store, "run", lossy)
    jobs = [await cell.submit() for _ in range(10)]
    cell.serve(process.workers[0])
    for job in jobs:
        view = await cell.ended(job)
        assert (view.job.state, view.job.attempt) == (State.SUCCEEDED, 1)
    assert lost == [3]
    assert cell.simulator.stats.received == 10


async def test_an_answer_of_take_that_stays_lost_until_the_worker_leaves_is_handed_back(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from homa_shared.model.errors import StoreUnavailable

    process = await cell.process()
    (worker,) = process.workers
    run, lost = process.store.run, [0]

    async def lossy(op: Op[object]) -> object:
        answer = await run(op)
        if op.script is not None and op.script.name == "take" and getattr(answer, "claims", None):
            lost[0] += 1
            if lost[0] <= 3:
                worker.drain()
                raise StoreUnavailable("the answer was lost")
        return answer

    monkeypatch.setattr(process.store, "run", lossy)
    jobs = [await cell.submit() for _ in range(10)]
    await asyncio.wait_for(cell.serve(worker), PATIENCE_S)
    assert lost[0] == 4
    assert cell.simulator.stats.received == 0
    for job in jobs:
        view = await cell.view(job)
        assert (view.job.state, view.job.unresolved_nano_usd, view.job.expired_leases) == (State.QUEUED, 0, 0)


async def test_a_worker_that_leaves_takes_nothing_by_a_question_that_was_lost(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from homa_shared.model.errors import StoreUnavailable

    process = await cell.process()
    (worker,) = process.workers
    run, asked = process.store.run, [0]

    async def lossy(op: Op[object]) -> object:
        if op.script is not None and op.script.name == "take":
            asked[0] += 1
            if asked[0] <= 3:
                worker.drain()
                raise StoreUnavailable("the question was lost")
        return await run(op)

    monkeypatch.setattr(process.store, "run", lossy)
    job = await cell.submit()
    await asyncio.wait_for(cell.serve(worker), PATIENCE_S)
    assert asked[0] == 4
    view = await cell.view(job)
    assert (view.job.state, view.job.attempt) == (State.QUEUED, 0)


async def test_a_store_operation_with_a_defect_does_not_end_the_worker(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process()
    run, broken = process.store.run, [0]

    async def defective(op: Op[object]) -> object:
        if op.script is not None and op.script.name in ("take", "sweep", "renew") and broken[0] < 6:
            broken[0] += 1
            raise RuntimeError("script error")
        return await run(op)

    monkeypatch.setattr(process.store, "run", defective)
    cell.serve(process.workers[0])
    assert (await cell.ended(await cell.submit())).job.state is State.SUCCEEDED
    assert broken == [6]


async def test_leases_are_renewed_so_that_a_long_call_stays_its_workers(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=4500)
    await cell.worker(HOMA_LEASE_S="3")
    view = await cell.ended(await cell.submit())
    assert (view.job.state, view.job.attempt, view.job.expired_leases) == (State.SUCCEEDED, 1, 0)


async def test_a_lost_attempts_reply_still_ends_the_job(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=3000)
    await cell.worker()
    job = await cell.submit()
    await in_flight(cell, 1)
    await _expire(cell.store, job, attempt=1)

    async def twice() -> bool:
        return (await cell.view(job)).job.attempt == 2

    await until(twice)
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert view.job.raw["wa"] == 1, "the first reply to arrive"
    await in_flight(cell, 0)


async def _expire(store: AsyncStore, job: str, attempt: int) -> None:
    await store.run(Op((("ZADD", store.keys.leases(), 1, f"{job}:{attempt}"),), lambda _: None))


async def test_jobs_handed_out_while_the_workers_task_is_cancelled_go_back_uncalled(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process()
    run, answered = process.store.run, asyncio.Event()

    async def slow_take(op: Op[object]) -> object:
        answer = await run(op)
        if op.script is not None and op.script.name == "take" and getattr(answer, "claims", None):
            answered.set()
            await asyncio.sleep(0.1)
        return answer

    monkeypatch.setattr(process.store, "run", slow_take)
    jobs = [await cell.submit() for _ in range(3)]
    served = cell.serve(process.workers[0])
    await asyncio.wait_for(answered.wait(), PATIENCE_S)
    served.cancel()
    with pytest.raises(asyncio.CancelledError):
        await served
    for job in jobs:
        view = await cell.view(job)
        assert (view.job.state, view.job.raw["tr"], view.attempts) == (State.QUEUED, 0, [])
    assert cell.simulator.stats.received == 0
