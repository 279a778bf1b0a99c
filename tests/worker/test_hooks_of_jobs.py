"""Dramatiq's middleware sees jobs as messages; it holds up no stop, and takes no job with it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import dramatiq

from homa_shared.model.records import State
from homa_shared.store.transitions.admin import cancel
from tests.worker.cell import Cell, until


class Slow(dramatiq.Middleware):
    """Its hook before each job takes until it is told to go on."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.begun.set()
        self.may_end.wait(30)


async def test_a_stop_during_a_hook_hands_the_job_back_unsent(cell: Cell) -> None:
    process = await cell.process("openai")
    slow = Slow()
    process.broker.add_middleware(slow)
    (worker,) = process.workers
    serving = cell.serve(worker)
    try:
        job = await cell.submit()
        await until(slow.begun.is_set)
        worker.stop_now()
        await asyncio.wait_for(asyncio.shield(serving), 20)
    finally:
        slow.may_end.set()
    view = await cell.view(job)
    assert (view.job.state, view.job.unresolved_nano_usd, view.attempts) == (State.QUEUED, 0, [])
    assert cell.bill_nano() == 0


async def test_a_job_that_is_cancelled_during_a_hook_is_not_called(cell: Cell) -> None:
    process = await cell.process("openai")
    slow = Slow()
    process.broker.add_middleware(slow)
    cell.serve(process.workers[0])
    try:
        job = await cell.submit()
        await until(slow.begun.is_set)
        await cell.store.run(cancel(cell.keys, [job]))
        assert (await cell.ended(job)).job.state is State.CANCELLED
    finally:
        slow.may_end.set()
    assert cell.bill_nano() == 0
