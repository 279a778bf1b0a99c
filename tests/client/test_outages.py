"""Whoever waits for a result sits out an outage of the store, as workers do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from homa import AsyncHoma, Homa, ResultTimeout
from homa_shared.settings.model import Settings, load_settings
from tests.chaos.processes import until
from tests.chaos.servers import Server

MODEL = "openai:gpt-6-luna"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    environment = {"HOMA_REDIS_URL": server.url, "HOMA_CONFIG": "", "OPENAI_API_KEY": "k"}
    return load_settings(env=environment, cwd=tmp_path)


def listens(server: Server) -> bool:
    return bool(server.ask("PUBSUB", "CHANNELS", "*end:*"))


def test_a_wait_for_a_result_outlives_a_restart_of_the_store(server: Server, settings: Settings) -> None:
    with Homa(settings=settings) as homa, ThreadPoolExecutor(1) as pool:
        job = homa.submit("x", model=MODEL)
        waiting = pool.submit(job.result, timeout=6)
        until(lambda: listens(server), "the client listens")
        server.kill()
        server.start()
        until(lambda: listens(server), "the client listens again")
        with pytest.raises(ResultTimeout):
            waiting.result()


async def test_so_does_one_on_a_loop(server: Server, settings: Settings) -> None:
    async with AsyncHoma(settings=settings) as homa:
        job = await homa.submit("x", model=MODEL)
        waiting = asyncio.create_task(job.result(timeout=4))
        await asyncio.to_thread(until, lambda: listens(server), "the client listens")
        server.kill()
        await asyncio.to_thread(server.start)
        with pytest.raises(ResultTimeout):
            await waiting


async def test_a_wait_that_is_cancelled_leaves_nothing_behind(server: Server, settings: Settings) -> None:
    async with AsyncHoma(settings=settings) as homa:
        job = await homa.submit("x", model=MODEL)
        for _ in range(3):
            waiting = asyncio.create_task(job.result(timeout=5))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await asyncio.to_thread(until, lambda: not listens(server), "nobody listens")
