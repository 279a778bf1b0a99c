"""Headers of no sense, as one broken reply of a provider or a proxy brings them, slow the fleet and stop nobody."""

from __future__ import annotations

import time

import pytest

from homa_shared.model.records import State
from homa_shared.store import reads
from tests.worker.cell import Cell, until


def refusing(cell: Cell, value: str) -> None:
    cell.simulator.configure(faults={"429": 1.0}, failure_headers={"retry-after": value, "retry-after-ms": None})


@pytest.mark.parametrize("value", ["-1", "nan", "Sun, 06 Nov 1994 08:49:37 GMT", "soon", "0", "2s"])
async def test_one_refusal_with_an_odd_wait_holds_the_fleet_for_seconds(cell: Cell, value: str) -> None:
    cell.simulator.configure(failure_headers={"retry-after": value, "retry-after-ms": None})
    await cell.worker()
    jobs = [await cell.submit("[[fault:429*1]]"), *await cell.submit_many(5)]
    for job in jobs:
        assert (await cell.ended(job)).job.state is State.SUCCEEDED


async def test_a_unix_time_is_read_as_the_moment_that_it_is(cell: Cell) -> None:
    cell.simulator.configure(failure_headers={"retry-after": str(int(time.time()) + 2), "retry-after-ms": None})
    await cell.worker()
    job = await cell.submit("[[fault:429*1]]")
    assert (await cell.ended(job)).job.state is State.SUCCEEDED


async def test_refusals_that_name_no_wait_are_not_asked_again_without_end(cell: Cell) -> None:
    refusing(cell, "0")
    await cell.worker()
    await cell.submit_many(20)

    async def rests_for_a_second() -> bool:
        rows = await cell.store.run(reads.limits(cell.keys))
        return any(row.frozen_ms > 800 for row in rows)

    await until(rests_for_a_second)
    # Rests of 100 ms and more, doubling: after each no more calls than there are jobs, and a handful as a rule.
    assert cell.simulator.stats.received < 300


async def test_one_reply_that_tells_a_limit_of_one_token_fails_no_job(cell: Cell) -> None:
    cell.simulator.configure(reply_headers={"x-ratelimit-limit-tokens": "1"})
    await cell.worker(concurrency=1)
    first = await cell.submit("Hello", tokens=(500, 0, 0))
    await cell.ended(first)
    cell.simulator.configure(reply_headers={})
    jobs = [await cell.submit(f"Hello {n}", tokens=(500, 0, 0)) for n in range(20)]
    for job in jobs:
        assert (await cell.ended(job)).job.state is State.SUCCEEDED


async def test_a_freeze_for_long_is_told_with_its_reason(cell: Cell) -> None:
    refusing(cell, "86400")
    await cell.worker()
    await cell.submit("Hello")

    async def told() -> bool:
        return any(row.frozen_why for row in await cell.store.run(reads.limits(cell.keys)))

    await until(told)
    events = await cell.store.run(reads.latest_events(cell.keys, 20))
    (frozen,) = [event for event in events if event.name == "scope.frozen"]
    assert "openai:gpt-6-luna refused j1, which asked for 86400 s: Rate limit reached" in frozen.detail
