"""Deliveries by worker processes, of which one is killed in mid-delivery: nothing is lost, and the id stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from homa import AsyncHoma
from homa_workers.process import waiting
from homa_workers.process.take_loop import TAKE_AT_MOST
from homa_workers.schedules.ticker import Ticker
from homa_workers.simulator import Simulator, SimulatorConfig
from tests.schedules.receivers import web_receiver
from tests.worker.cell import MINI, Cell, until
from tests.worker.processes import process


@pytest.fixture
async def cell(store_url: str, namespace: str, tmp_path: Path) -> AsyncIterator[Cell]:
    async with Simulator(SimulatorConfig()) as simulator:
        found = Cell(store_url, namespace, simulator, tmp_path)
        yield found
        await found.close()


async def test_a_process_that_is_killed_leaves_its_delivery_to_the_next(cell: Cell) -> None:
    more = {"HOMA_DELIVER_PRIVATE": "true", "HOMA_LEASE_S": "3"}
    async with web_receiver() as receiver, AsyncHoma(settings=cell.settings(**more)) as homa:
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        receiver.pause = lambda: asyncio.shield(held)
        schedule = await homa.schedule(
            "digest", "Say [[say:hello]]", cron="0 7 * * *", model=MINI, max_tokens=9, deliver=receiver.url
        )
        async with process(cell, "openai", **more) as first:
            await schedule.run()
            await until(lambda: len(receiver.got) == 1)
            first.kill()
            await first.wait()
        receiver.pause = None

        async def delivered() -> bool:
            return [delivery.state for delivery in await schedule.deliveries()] == ["delivered"]

        assert not await delivered()
        async with process(cell, "openai", **more):
            await until(delivered)
        held.set_result(None)
        one, other = receiver.got
        assert one[0]["webhook-id"] == other[0]["webhook-id"]
        data = orjson.loads(other[1])["data"]
        assert (data["state"], data["by"], data["reply"]["provider"]) == ("succeeded", "hand", "openai")
        assert data["reply"]["text"]
        assert "webhook-signature" not in other[0]


async def test_a_receiver_that_never_answers_holds_up_no_call(cell: Cell) -> None:
    async with web_receiver() as receiver, AsyncHoma(settings=cell.settings()) as homa:
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        receiver.pause = lambda: asyncio.shield(held)
        schedule = await homa.schedule("digest", "x", cron="0 7 * * *", model=MINI, max_tokens=9, deliver=receiver.url)
        async with process(cell, "openai", "--concurrency", "1", HOMA_DELIVER_PRIVATE="true"):
            for number in range(1, 3):
                run = await schedule.run()
                assert (await run.result(timeout=60)).text
                await until(lambda: len(receiver.got) == number)  # noqa: B023
        held.set_result(None)


async def test_a_ticker_delivers_where_all_workers_were_scaled_away(cell: Cell) -> None:
    more = {"HOMA_DELIVER_PRIVATE": "true"}
    async with web_receiver() as receiver, AsyncHoma(settings=cell.settings(**more)) as homa:
        schedule = await homa.schedule(
            "digest", "x", cron="0 7 * * *", model=MINI, max_tokens=9, deliver=[receiver.url, f"{receiver.url}?of=b"]
        )
        async with process(cell, "--ticker", **more):
            run = await schedule.run()
            other = await homa.submit("x", model=MINI, max_tokens=9)
            await run.cancel()

            async def delivered() -> bool:
                return [delivery.state for delivery in await schedule.deliveries()] == ["delivered"] * 2

            await until(delivered)
            assert str(await other.state()) == "queued"
        assert [orjson.loads(body)["data"]["state"] for _, body in receiver.got] == ["cancelled"] * 2


async def test_the_end_of_a_delivery_makes_room_for_the_next(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever is not woken sleeps for longer than the test lasts.
    monkeypatch.setattr(waiting, "LONGEST_SLEEP_S", 3600.0)
    targets, runs = 10, (TAKE_AT_MOST + 10) // 10
    async with web_receiver() as receiver, AsyncHoma(settings=cell.settings()) as homa:
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        receiver.pause = lambda: asyncio.shield(held)
        urls = [f"{receiver.url}?of={number}" for number in range(targets)]
        schedule = await homa.schedule("digest", "x", cron="0 7 * * *", model=MINI, max_tokens=9, deliver=urls)
        # Each by hand is of a tick of its own.
        made: set[str] = set()
        while len(made) < runs:
            job = await schedule.run()
            made.add(job.id)
            await job.cancel()

        async def waits() -> bool:
            return len(await schedule.deliveries()) == targets * runs

        process = await cell.process("openai", HOMA_DELIVER_PRIVATE="true")
        ticker = Ticker(process.store, "t", 30_000, hold_ms=1)
        while not await waits():
            await ticker.turn()
        cell.serve(process.workers[0])
        await until(lambda: len(receiver.got) == TAKE_AT_MOST)
        held.set_result(None)
        await until(lambda: len(receiver.got) == targets * runs)
