"""Functions around calls hold no lease for ever, and a cancel goes through them."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.calls.failures import ProviderError
from homa_shared.model.records import State
from homa_shared.store.transitions import admin
from homa_workers.middleware import CallNext, Completion, Request, around
from tests.middleware.test_around import said, worker
from tests.steps.cell import Cell, until


async def test_one_that_does_not_end_is_cut_off_before_its_call(cell: Cell) -> None:
    @around(limit_s=0.2)
    async def stuck(request: Request, call_next: CallNext) -> Completion:
        await asyncio.Event().wait()
        return await call_next(request)

    sent = await worker(cell, stuck)
    view = await cell.ended(await cell.ask("Hello"))
    assert view.job.state is State.FAILED
    assert "stuck did not end within 0.2 s beside the call" in said(view)
    assert sent.calls == []


async def test_and_after_it_and_its_call_takes_what_it_takes(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=500)

    @around(limit_s=0.2)
    async def stuck(request: Request, call_next: CallNext) -> Completion:
        reply = await call_next(request)
        await asyncio.Event().wait()
        return reply

    sent = await worker(cell, stuck)
    job = await cell.ask("Hello")
    view = await cell.ended(job)
    assert "stuck did not end within 0.2 s beside the call, after its call" in said(view)
    assert len(sent.calls) == 1
    assert view.job.cost_nano_usd == cell.bill_nano() > 0


async def test_the_jobs_deadline_ends_it_where_that_is_sooner(cell: Cell) -> None:
    @around(limit_s=60)
    async def stuck(request: Request, call_next: CallNext) -> Completion:
        await asyncio.Event().wait()
        return await call_next(request)

    await worker(cell, stuck)
    view = await cell.ended(await cell.ask("Hello", deadline_ms=1500))
    assert view.job.state is State.EXPIRED


async def test_a_cancel_goes_through_it_to_the_call(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=300_000)
    seen: list[str] = []

    @around
    async def patient(request: Request, call_next: CallNext) -> Completion:
        try:
            return await call_next(request)
        except ProviderError as error:
            seen.append(error.message)
            return request.answered("never mind")

    await worker(cell, patient)
    job = await cell.ask("Hello")
    await until(lambda: cell.simulator.stats.in_flight == 1)
    await cell.store.run(admin.cancel(cell.keys, [job]))
    assert (await cell.ended(job)).job.state is State.CANCELLED
    assert seen == ["cancelled in mid-call"]


@pytest.mark.parametrize("called", [False, True])
async def test_a_cancel_cuts_one_that_waits_and_a_reply_that_was_paid_is_charged(cell: Cell, called: bool) -> None:
    waits = asyncio.Event()

    @around
    async def waiting(request: Request, call_next: CallNext) -> Completion:
        if called:
            await call_next(request)
        waits.set()
        await asyncio.Event().wait()
        return await call_next(request)

    await worker(cell, waiting)
    job = await cell.ask("Hello")
    await waits.wait()
    await cell.store.run(admin.cancel(cell.keys, [job]))
    view = await cell.ended(job)
    assert view.job.state is State.CANCELLED
    assert view.job.cost_nano_usd == cell.bill_nano()
    assert (cell.bill_nano() > 0, view.job.unresolved_nano_usd) == (called, 0)


async def test_a_time_limit_of_its_own_around_the_call_ends_the_job_and_is_not_tried_for_ever(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=300_000)

    @around
    async def hasty(request: Request, call_next: CallNext) -> Completion:
        async with asyncio.timeout(0.2):
            return await call_next(request)

    sent = await worker(cell, hasty)
    view = await cell.ended(await cell.ask("Hello"))
    assert (view.job.state, len(sent.calls)) == (State.FAILED, 1)
    assert "hasty cut its call off" in said(view)
    assert view.job.unresolved_nano_usd > 0, "nobody knows what it cost"
