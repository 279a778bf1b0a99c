"""What the calls of steps reserve: quota and budgets, a job that waits for them, an attempt that is over meanwhile."""

from __future__ import annotations

import asyncio
import time

import orjson

from homa_shared.calls.tools import tool
from homa_shared.model.records import State
from homa_shared.store.operation import read
from tests.steps.cell import BOUND, Cell, reply_of, until
from tests.steps.test_tools_in_jobs import rules


async def test_what_is_reserved_follows_the_growing_prompt(cell: Cell) -> None:
    seen: list[int] = []

    @tool
    async def look() -> str:
        record = await cell.record("j1")
        seen.append(int(record["bn"]))
        assert record["sw"] == "1", "nothing is reserved while a tool runs"
        assert (await cell.budget("job:j1"))["reserved"] == 0
        cell.simulator.configure(latency_ms=300)
        return "x" * 100_000

    await cell.worker()
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"), bound=700_000, job_budget=10 * BOUND)
    await until(lambda: cell.simulator.stats.received == 2)
    record = await cell.record(job)
    assert int(record["bn"]) > seen[0]
    assert (await cell.budget(f"job:{job}"))["reserved"] == int(record["bn"])
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    found = await cell.budget(f"job:{job}")
    assert (found["reserved"], found["spent"]) == (0, cell.bill_nano())
    await cell.check_money(job)


async def test_steps_wait_for_the_quota_of_their_calls(cell: Cell) -> None:
    @tool
    async def look() -> str:
        return ""

    await cell.worker(HOMA_PROVIDERS__OPENAI__LIMITS__RPM="120")
    started = time.monotonic()
    jobs = [await cell.ask(f"[[tool:look {{}}]] {n}", steps=rules("look")) for n in range(2)]
    for job in jobs:
        assert (await cell.ended(job)).job.state is State.SUCCEEDED
    # Four calls at two a second, of which the first two may go at once.
    assert time.monotonic() - started >= 0.9
    await cell.check_money(*jobs)


async def test_an_attempt_that_was_taken_for_dead_makes_no_further_call(cell: Cell) -> None:
    ran = []
    free = asyncio.Event()

    @tool(idempotent=True)
    async def look() -> str:
        ran.append(1)
        if len(ran) == 1:
            await free.wait()
        return ""

    await cell.worker()
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"))
    await until(lambda: len(ran) == 1)
    await cell.lose(job)
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    free.set()
    await cell.ended(await cell.ask("Hello"))
    assert cell.simulator.stats.received == 3, "two calls for the job, one for the other"
    assert ran == [1, 1]


async def test_a_job_whose_next_call_must_wait_long_waits_in_its_queue(cell: Cell) -> None:
    @tool
    async def look() -> str:
        return ""

    await cell.worker(HOMA_PROVIDERS__OPENAI__LIMITS__RPM="4")
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"))

    async def handed_back() -> bool:
        return [(a.outcome, a.charge) for a in (await cell.view(job)).attempts] == [("waiting", "none")]

    await until(handed_back)
    view = await cell.view(job)
    assert view.job.state is State.QUEUED
    assert view.job.raw["tr"] == 0, "waiting for quota is no attempt"
    await cell.check_money(job)


async def test_a_next_call_that_no_limit_will_admit_fails_clearly(cell: Cell) -> None:
    @tool
    async def look() -> str:
        return "word " * 10_000

    await cell.worker(HOMA_PROVIDERS__OPENAI__LIMITS__TPM="2000")
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"))
    error = reply_of(await cell.ended(job))["error"]
    assert error["kind"] == "too_large"
    assert "tpm" in error["message"]
    await cell.check_money(job)


async def test_a_call_without_a_price_is_made_where_no_budget_applies(cell: Cell) -> None:
    @tool
    async def look() -> str:
        return ""

    await cell.worker()
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"), targets=("openai:unheard-of",), bound=None)
    view = await cell.ended(job)
    reply = reply_of(view)
    assert reply["cost_nano"] is None
    assert [line.unpriced for line in await cell.ledger()] == [1, 1]


async def test_a_cancel_that_is_met_before_the_next_call_ends_the_job(cell: Cell) -> None:
    @tool
    async def look() -> str:
        # As if the order to this worker had been lost.
        await cell.store.run(read((("HSET", cell.keys.job("j1"), "cx", 1),), lambda _: None))
        return ""

    await cell.worker()
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"))
    assert (await cell.ended(job)).job.state is State.CANCELLED
    assert cell.simulator.stats.received == 1
    await cell.check_money(job)


async def test_a_budget_that_applies_later_meets_an_unpriced_call(cell: Cell) -> None:
    rule = {"name": "b", "cap": "1000000000", "period": "total", "scope": "all", "on_exceed": "reject"}

    @tool
    async def look() -> str:
        await cell.store.run(read((("HSET", cell.keys.config(), "budgets", orjson.dumps([rule])),), lambda _: None))
        return ""

    await cell.worker()
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"), targets=("openai:unheard-of",), bound=None)
    assert reply_of(await cell.ended(job))["error"]["kind"] == "unpriced"
