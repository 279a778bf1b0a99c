"""A reply whose answer is being checked is paid for: whatever happens meanwhile, it is kept, and charged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from homa_shared.calls.json_schema import AnswerSchema
from homa_shared.calls.request import StepRules
from homa_shared.model.records import State
from homa_shared.store.transitions import admin
from homa_workers.pipeline.steps import schema_check
from homa_workers.process.worker import HomaWorker
from tests.steps.cell import Cell, by_schema, reply_of, until

#: Only Python's `re` understands it, so that another process checks it.
PATTERN = "^(?=x)(x+x+)+y$"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "pattern": PATTERN}}}
FITS, MISFIT = '[[say:{"a": "xxy"}]]', '[[say:{"a": "xxz"}]]'


class Gate:
    """Checks that are under way, and when they may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self.open = asyncio.Event()
        self._check = schema_check._check_apart
        monkeypatch.setattr(schema_check, "_check_apart", self._held)

    async def _held(self, schema: AnswerSchema, text: str) -> None:
        self.begun += 1
        await self.open.wait()
        await self._check(schema, text)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open.set()


async def cancelled(cell: Cell, worker: HomaWorker, job: str) -> None:
    """Returns once the worker has heard that its job was cancelled."""
    await cell.store.run(admin.cancel(cell.keys, [job]))
    await until(lambda: all(lease.attempt and lease.attempt.is_cancelled for lease in worker._in_flight.ripe(0)))


async def test_an_answer_that_fits_is_kept_though_its_job_was_cancelled_meanwhile(cell: Cell, gate: Gate) -> None:
    worker = await cell.worker()
    job = await cell.ask(FITS, params=by_schema(SCHEMA))
    await until(lambda: gate.begun == 1)
    await cancelled(cell, worker, job)
    gate.open.set()
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED, view.reply
    await cell.check_money(job)


async def test_one_that_does_not_fit_is_charged_and_not_asked_for_again(cell: Cell, gate: Gate) -> None:
    worker = await cell.worker()
    job = await cell.ask(MISFIT, params=by_schema(SCHEMA))
    await until(lambda: gate.begun == 1)
    await cancelled(cell, worker, job)
    gate.open.set()
    assert (await cell.ended(job)).job.state is State.CANCELLED
    assert cell.simulator.stats.received == 1
    assert cell.bill_nano() > 0
    await cell.check_money(job)


async def test_a_worker_that_stops_leaves_the_step_to_the_next_one(cell: Cell, gate: Gate) -> None:
    worker = await cell.worker()
    job = await cell.ask(MISFIT, params=by_schema(SCHEMA), steps=StepRules(content_retries=1))
    await until(lambda: gate.begun == 1)
    worker.stop_now()
    await asyncio.sleep(0)
    gate.open.set()
    await until(lambda: worker.running == 0)
    record = await cell.record(job)
    assert (record["st"], record["sn"]) == ("queued", "1")
    await cell.worker()
    assert (await cell.ended(job)).job.state is State.FAILED
    assert cell.simulator.stats.received == 2
    await cell.check_money(job)


async def test_where_no_process_can_be_started_the_reply_is_charged_and_kept(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_left(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", none_left)
    await cell.worker()
    job = await cell.ask(FITS, params=by_schema(SCHEMA))
    reply = reply_of(await cell.ended(job))
    assert "could not be checked: BlockingIOError" in reply["error"]["message"]
    assert reply["body"]["choices"][0]["message"]["content"] == '{"a": "xxy"}'
    await cell.check_money(job)
