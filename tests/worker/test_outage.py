"""The store goes away while calls are in flight: replies are kept, and settled when it returns."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from homa_shared.model.records import State
from homa_shared.store.embedded import EmbeddedStore
from homa_workers.simulator import Simulator
from tests.patience import PATIENCE_S
from tests.worker.cell import HAIKU, MINI, Cell, until
from tests.worker.processes import process, told


@pytest.fixture
async def fragile(fresh_store: EmbeddedStore, simulator: Simulator, tmp_path: Path) -> AsyncIterator[Cell]:
    """A cell on a store of its own."""
    cell = Cell(await asyncio.to_thread(fresh_store.ensure), "t", simulator, tmp_path)
    yield cell
    await asyncio.to_thread(fresh_store.ensure)
    await cell.close()


async def away(store: EmbeddedStore) -> None:
    await asyncio.to_thread(store.stop)


async def back(store: EmbeddedStore) -> None:
    await asyncio.to_thread(store.ensure)


async def test_replies_that_arrive_while_the_store_is_away_are_settled_when_it_returns(
    fragile: Cell, fresh_store: EmbeddedStore
) -> None:
    fragile.simulator.configure(latency_ms=1500)
    await fragile.worker()
    jobs = [await fragile.submit() for _ in range(5)]
    await until(lambda: fragile.simulator.stats.in_flight == 5)
    await away(fresh_store)
    await until(lambda: fragile.simulator.stats.in_flight == 0)
    await back(fresh_store)
    for job in jobs:
        view = await fragile.ended(job)
        assert (view.job.state, view.job.attempt) == (State.SUCCEEDED, 1)
    assert fragile.simulator.stats.received == 5, "nothing was called twice"
    assert sum(line.nano_usd for line in await fragile.ledger()) == fragile.bill_nano()


async def test_a_reroute_that_falls_into_an_outage_is_carried_out_after_it(
    fragile: Cell, fresh_store: EmbeddedStore
) -> None:
    await fragile.worker("openai", "anthropic")
    job = await fragile.submit("[[latency:1200]] [[fault:404@openai]]", targets=(MINI, "anthropic:claude-sonnet-5-5"))
    await until(lambda: fragile.simulator.stats.in_flight == 1)
    await away(fresh_store)
    await until(lambda: fragile.simulator.stats.in_flight == 0)
    await back(fresh_store)
    view = await fragile.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert [a.target for a in view.attempts] == [MINI, "anthropic:claude-sonnet-5-5"]


async def test_an_idle_worker_goes_on_after_an_outage(fragile: Cell, fresh_store: EmbeddedStore) -> None:
    await fragile.worker("openai", "anthropic")
    await fragile.ended(await fragile.submit())
    await away(fresh_store)
    await back(fresh_store)
    assert (await fragile.ended(await fragile.submit(targets=(HAIKU,)))).job.state is State.SUCCEEDED


async def test_a_third_signal_leaves_a_worker_that_waits_for_its_store_as_if_killed(
    fragile: Cell, fresh_store: EmbeddedStore
) -> None:
    fragile.simulator.configure(latency_ms=60_000)
    await fragile.process()
    async with process(fragile, "openai", HOMA_REDIS_URL=fragile.url) as worker:
        await fragile.submit()
        await until(lambda: fragile.simulator.stats.in_flight == 1)
        await away(fresh_store)
        for words in ("draining", "stopping"):
            worker.send_signal(signal.SIGINT)
            assert words in await told(worker, words)
        worker.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 128 + signal.SIGINT
