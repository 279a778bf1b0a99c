"""Whoever works on a batch of a file dies anywhere: no line is lost, none is sent or answered twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import Context
from homa.drivers.effects import Flow
from homa.gateway.access.principal import LOCAL
from homa.gateway.batches import work as steps
from homa.gateway.batches.file_batches import BatchRequest, FileBatches
from homa.gateway.batches.keeper import Keeper
from homa.gateway.batches.promotion import Promoter
from homa.gateway.batches.work import BatchWork
from homa.gateway.batches.workshop import Workshop
from homa.gateway.files.kept_files import KeptFiles, PartWriter
from homa.gateway.line_formats import LINE_FORMATS
from homa.submit.submitter import Submitter
from homa_shared.model.errors import StoreFull
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.gateway_batches import Status, cancel_file_batch
from homa_shared.store.gateway_files import GatewayFile
from homa_shared.store.gateway_lines import Moved
from homa_shared.store.operation import read
from homa_shared.store.transitions import admin
from homa_workers.simulator import SimulatorThread
from tests.fixtures.store import eventually
from tests.gateway.conftest import DEFAULTS, Cell, cell_at
from tests.gateway.test_batches import create, ended, line, rows
from tests.patience import PATIENCE_S

WINDOW = 12


@pytest.fixture(scope="module")
def lone_module_cell(
    session_store_url: str, simulator: SimulatorThread, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cell]:
    with cell_at(session_store_url, simulator, tmp_path_factory.mktemp("home")) as cell:
        cell.start_worker("openai")
        yield cell


@pytest.fixture
def cell(lone_module_cell: Cell) -> Cell:
    """A worker, and no gateway but those of the test."""
    lone_module_cell.simulator.configure(**DEFAULTS)
    # As if one had been seen in days to come: on a slow machine the worker would stand in for those that die here.
    seen = ("SET", lone_module_cell.store.keys.gateway_seen(), 2**52)
    lone_module_cell.store.run(read((seen,), lambda told: told))
    return lone_module_cell


class Died(BaseException):
    """The process is gone; BaseException, so that nothing of it goes on."""


class Life:
    """Counts what a process asks of others, and ends it at the `last` one, before or after it was done."""

    def __init__(self, last: int | None, *, done: bool) -> None:
        self.left, self.done = last, done

    def count(self) -> bool:
        """Whether this one is the last."""
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0

    async def spend(self, act: Any) -> Any:
        if not self.count():
            return await act
        if self.done:
            await act
        else:
            act.close()
        raise Died


class MortalDriver(AwaitingDriver):
    def __init__(self, context: Context, life: Life) -> None:
        super().__init__(context)
        self._life = life

    async def _perform(self, *args: Any) -> Any:
        return await self._life.spend(super()._perform(*args))


class MortalWriter(PartWriter):
    life: Life

    async def _put(self, data: bytes) -> None:
        await self.life.spend(super()._put(data))


class MortalFiles(KeptFiles):
    life: Life

    def writer_of(self, file_id: str) -> PartWriter:
        writer = super().writer_of(file_id)
        writer.__class__ = MortalWriter
        writer.life = self.life  # type: ignore[attr-defined]
        return writer


@asynccontextmanager
async def gateway(cell: Cell, last: int | None = None, *, done: bool = False) -> AsyncIterator[Workshop]:
    """What works on batches, for as long as it lives."""
    life = Life(last, done=done)
    context = Context(lambda: _settings(cell))
    driver = MortalDriver(context, life)
    files = MortalFiles(context, driver)
    files.life = life
    try:
        yield Workshop(context.keys, driver, Submitter(context), files, LINE_FORMATS)
    finally:
        await driver.aclose()


def _settings(cell: Cell) -> Settings:
    return load_settings(env={**os.environ, **cell.env})


async def submit(cell: Cell, lines: int, window: int = WINDOW, **asked_for: Any) -> str:
    async with gateway(cell) as shop:
        writer = await shop.files.begin()
        for number in range(lines):
            await writer.add(orjson.dumps(line(str(number))) + b"\n")
        await shop.files.put(
            GatewayFile(writer.file_id, "", "lines.jsonl", "batch", writer.bytes, 0, None),
            await writer.close(),
            ttl_ms=None,
        )
        batches = FileBatches(shop.keys, shop.driver, Keeper(shop), window)
        asked = BatchRequest(
            "openai", "/v1/chat/completions", writer.file_id, 3600, 3600, {}, facts={"window": "1h"}, **asked_for
        )
        return (await batches.create(LOCAL, asked)).id


async def work(shop: Workshop, batch_id: str) -> bool:
    """Works on a batch to its end."""
    one = BatchWork(shop, batch_id)
    try:
        pause_s = await one.step()
        while pause_s is not None:
            await asyncio.sleep(pause_s)
            pause_s = await one.step()
        return True
    finally:
        await one.aclose()


async def answers(cell: Cell, batch_id: str) -> list[str]:
    async with gateway(cell) as shop:
        batch = await FileBatches(shop.keys, shop.driver, Keeper(shop), WINDOW).find(batch_id)
        assert batch is not None
        assert batch.status is Status.COMPLETED
        assert batch.answered == batch.total
        data = b"".join([piece async for piece in shop.files.read(batch.raw["output"])])
        assert batch.count("output_bytes") == len(data)
        return [orjson.loads(row)["custom_id"] for row in data.splitlines()]


def calls(cell: Cell) -> int:
    return cell.billed()


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_a_death_at_each_step_loses_and_doubles_nothing(cell: Cell, *, done: bool) -> None:
    lines, before = 300, calls(cell)
    batch_id = await submit(cell, lines)
    deaths, over = 0, False
    while not over:
        async with gateway(cell, deaths, done=done) as shop:
            try:
                over = await work(shop, batch_id)
            except Died:
                deaths += 1
    assert deaths > 20
    assert sorted(await answers(cell, batch_id), key=int) == [str(number) for number in range(lines)]
    assert calls(cell) - before == lines


async def test_two_gateways_at_once_send_and_answer_each_line_once(cell: Cell) -> None:
    lines, before = 60, calls(cell)
    batch_id = await submit(cell, lines)
    async with gateway(cell) as one, gateway(cell) as other, gateway(cell) as third:
        await asyncio.gather(*(work(shop, batch_id) for shop in (one, other, third)))
    assert sorted(await answers(cell, batch_id), key=int) == [str(number) for number in range(lines)]
    assert calls(cell) - before == lines


async def test_a_batch_holds_no_more_jobs_in_the_store_than_its_window(cell: Cell) -> None:
    batch_id = await submit(cell, 80)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(_jobs(cell, batch_id)))
            await asyncio.sleep(0.005)

    async with gateway(cell) as shop:
        watching = asyncio.create_task(watch())
        await work(shop, batch_id)
        watching.cancel()
    assert 0 < most <= WINDOW
    assert not _jobs(cell, batch_id)
    assert len(await answers(cell, batch_id)) == 80


async def test_a_batch_that_fits_its_window_keeps_its_jobs(cell: Cell) -> None:
    batch_id = await submit(cell, 5)
    async with gateway(cell) as shop:
        await work(shop, batch_id)
    assert len(_jobs(cell, batch_id)) == 5


def _jobs(cell: Cell, batch_id: str) -> list[str]:
    """Records that the store holds of a batch."""
    pattern = cell.store.keys.job(f"{batch_id}-*").replace("{", "[{]").replace("}", "[}]")

    def scan(cursor: int) -> tuple[int, list[str]]:
        found = cell.store.run(read((("SCAN", cursor, "MATCH", pattern, "COUNT", 10_000),), lambda told: told[0]))
        return int(found[0]), [name.decode() for name in found[1]]

    cursor, names = scan(0)
    while cursor:
        cursor, more = scan(cursor)
        names += more
    return names


async def test_a_line_whose_job_was_purged_is_told_as_gone(cell: Cell) -> None:
    batch_id = await submit(cell, 3, window=100)
    keys = cell.store.keys
    async with gateway(cell) as shop:
        await _promoted(cell, shop, batch_id, 3)
        names = (keys.job(f"{batch_id}-1"), keys.reply(f"{batch_id}-1"))
        cell.store.run(read((("DEL", *names),), lambda told: told))
        await work(shop, batch_id)
        batch = await FileBatches(shop.keys, shop.driver, Keeper(shop), WINDOW).find(batch_id)
        assert batch is not None
        errors = b"".join([piece async for piece in shop.files.read(batch.raw["error"])])
    lost = orjson.loads(errors)
    assert (lost["custom_id"], lost["error"]["code"]) == ("1", "result_expired")


async def test_one_whose_window_is_done_when_its_jobs_are_cancelled_ends(cell: Cell) -> None:
    batch_id = await submit(cell, 30)
    async with gateway(cell) as shop:
        await _promoted(cell, shop, batch_id, WINDOW)
        cell.store.run(admin.cancel_batch(shop.keys, batch_id))
        async with asyncio.timeout(PATIENCE_S):
            await work(shop, batch_id)
        batch = await FileBatches(shop.keys, shop.driver, Keeper(shop), WINDOW).find(batch_id)
    assert batch is not None
    assert (batch.status, batch.count("n.succeeded"), batch.count("n.cancelled")) == (Status.CANCELLED, WINDOW, 18)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_one_that_came_to_no_job_is_told_of_wherever_a_gateway_dies(cell: Cell, *, done: bool) -> None:
    url, keys = "https://hook.example/", cell.store.keys
    batch_id = await submit(cell, 3, webhook=url)
    cell.store.run(cancel_file_batch(keys, batch_id))
    deaths, over = 0, False
    while not over:
        async with gateway(cell, deaths, done=done) as shop:
            try:
                over = await work(shop, batch_id)
            except Died:
                deaths += 1
    assert deaths > 5
    told = read((("HMGET", keys.batch(batch_id), "webhook", "state", "submitted"),), lambda replies: replies[0])
    assert cell.store.run(told) == [url.encode(), b"complete", b"0"]


async def test_a_full_store_keeps_no_answer_from_its_file(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs leave it once they are written: nothing else makes room for the rest."""
    batch_id = await submit(cell, 90, window=40)
    monkeypatch.setattr(steps, "CHUNK_LINES", 10)
    monkeypatch.setattr(steps, "_CHUNKS", 1)
    async with gateway(cell) as shop:
        await _promoted(cell, shop, batch_id, 10)
        with monkeypatch.context() as full:
            full.setattr(Promoter, "promote", _refused)
            one = BatchWork(shop, batch_id)
            assert await one.step() == 0.0
            with pytest.raises(StoreFull):
                await one.step()
            assert not _jobs(cell, batch_id)
        await one.aclose()
        await work(shop, batch_id)
    assert sorted(await answers(cell, batch_id), key=int) == [str(number) for number in range(90)]


def _refused(*_: object) -> Flow[Moved]:
    yield from ()
    raise StoreFull("no room")


async def _promoted(cell: Cell, shop: Workshop, batch_id: str, lines: int) -> None:
    """The first lines of a batch become jobs, and end."""
    one = BatchWork(shop, batch_id)
    await one.step()  # checked
    await one.step()  # promoted
    await one.aclose()
    done = read((("LLEN", shop.keys.batch_done(batch_id)),), lambda told: int(told[0]))
    await asyncio.to_thread(eventually, lambda: cell.store.run(done) == lines)


def test_a_killed_gateway_is_followed_by_another(bare_cell: Cell) -> None:
    bare_cell.env["HOMA_BATCH_WINDOW"] = "50"
    bare_cell.simulator.configure(latency_ms=100.0)
    bare_cell.start_worker("openai")
    before = bare_cell.billed()
    bare_cell.start_gateway()
    client, lines = bare_cell.openai(), 300
    batch = create(client, [line(str(number)) for number in range(lines)])
    eventually(lambda: client.batches.retrieve(batch.id).request_counts.completed > 20)  # type: ignore[union-attr]
    assert bare_cell.gateway is not None
    bare_cell.gateway.send_signal(signal.SIGKILL)
    bare_cell.gateway.wait()
    bare_cell.start_gateway()
    client = bare_cell.openai()
    batch = ended(client, batch)
    assert batch.status == "completed"
    found = rows(client, batch.output_file_id)
    assert sorted(found, key=int) == [str(number) for number in range(lines)]
    assert bare_cell.billed() - before == lines
