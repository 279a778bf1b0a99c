"""Batches of files go on while no gateway lives, wherever somebody reaches their files; those that wait say why."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from homa.drivers.context import Context
from homa.gateway import standing_in
from homa.gateway.batches import keeper
from homa.gateway.batches.keeper import Keeper
from homa.gateway.batches.work import BatchWork
from homa.gateway.files.kept_files import FilesElsewhere, LostPart
from homa_shared.model.constants import INPUT_LOST_MS, UNTENDED_MS
from homa_shared.settings.model import load_settings
from homa_shared.store.gateway_batches import GatewayBatch, Status, find_batch
from homa_shared.store.gateway_lines import Answers, Moved, answer_jobs
from homa_shared.store.gateway_work import (
    FilePlace,
    claim_batches,
    is_untended,
    leave_to_others,
    rest_batch,
    what_holds_batch,
)
from homa_shared.store.operation import read
from homa_workers.simulator import SimulatorThread
from tests.fixtures.store import eventually
from tests.gateway.conftest import DEFAULTS, Cell, cell_at
from tests.gateway.test_batch_deaths import WINDOW, answers, gateway, submit, work
from tests.gateway.test_batches import create, ended, line, rows
from tests.patience import PATIENCE_S

HERE, THERE = FilePlace("the folder of one machine"), FilePlace("the folder of another machine")


@pytest.fixture
def cell(store_url: str, simulator: SimulatorThread, tmp_path: Path) -> Iterator[Cell]:
    """Nothing is started."""
    simulator.configure(**DEFAULTS)
    with cell_at(store_url, simulator, tmp_path / "home") as made:
        yield made


def found(cell: Cell, batch_id: str) -> GatewayBatch:
    batch = cell.store.run(find_batch(cell.store.keys, batch_id))
    assert batch is not None
    return batch


def let_time_pass(cell: Cell, batch_id: str, ms: int = UNTENDED_MS) -> None:
    """Whoever looked after batches last did so some time ago."""
    keys = cell.store.keys
    seconds, _ = cell.store.run(read((("TIME",),), lambda told: told[0]))
    earlier = int(seconds) * 1000 - ms
    cell.store.run(
        read((("DEL", keys.gateway_seen()), ("ZADD", keys.gateway_batch_work(), earlier, batch_id)), lambda told: told)
    )


def held(cell: Cell, batch_id: str) -> str:
    return cell.store.run(what_holds_batch(cell.store.keys, batch_id))


def test_a_worker_goes_on_where_the_gateway_was_killed(cell: Cell) -> None:
    cell.env["HOMA_BATCH_WINDOW"] = "40"
    cell.start_worker("openai")
    before = cell.billed()
    cell.start_gateway()
    client, lines = cell.openai(), 300
    cell.simulator.configure(latency_ms=50.0)
    batch = create(client, [line(str(number)) for number in range(lines)])
    eventually(lambda: client.batches.retrieve(batch.id).request_counts.completed > 20)  # type: ignore[union-attr]
    assert cell.gateway is not None
    cell.gateway.send_signal(signal.SIGKILL)
    cell.gateway.wait()
    batch_id = batch.id.removeprefix("batch_")
    assert found(cell, batch_id).status is Status.IN_PROGRESS
    let_time_pass(cell, batch_id)
    eventually(lambda: found(cell, batch_id).status is Status.COMPLETED)
    cell.start_gateway()
    client = cell.openai()
    batch = ended(client, batch)
    assert sorted(rows(client, batch.output_file_id), key=int) == [str(number) for number in range(lines)]
    assert cell.billed() - before == lines


def test_whoever_stands_in_ends_with_its_worker(cell: Cell) -> None:
    """No line becomes a job where no worker of the place lives any more."""
    batch_id = asyncio.run(submit(cell, 30))
    let_time_pass(cell, batch_id)
    process = subprocess.Popen(
        [sys.executable, "-m", "homa.cli", "batches", "stand-in"],
        stdin=subprocess.PIPE,
        env={**os.environ, **cell.env},
    )
    assert process.stdin is not None
    try:
        # Nothing answers its lines: the window is full, and the process waits.
        eventually(lambda: found(cell, batch_id).cursor == WINDOW)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()


async def test_it_leaves_a_batch_to_a_gateway_that_has_come_back(cell: Cell) -> None:
    batch_id = await submit(cell, 30)
    let_time_pass(cell, batch_id)
    context = Context(lambda: load_settings(env={**os.environ, **cell.env}))
    standing = asyncio.create_task(standing_in.stand_in(context))
    await asyncio.to_thread(eventually, lambda: found(cell, batch_id).cursor == WINDOW)
    assert not standing.done()
    async with gateway(cell) as shop:
        keeping = asyncio.create_task(Keeper(shop).run())
        async with asyncio.timeout(PATIENCE_S):
            await standing
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_it_ends_where_there_is_nothing_more_to_do(cell: Cell) -> None:
    cell.start_worker("openai")
    batch_id = await submit(cell, 3)
    let_time_pass(cell, batch_id)
    async with asyncio.timeout(PATIENCE_S):
        await standing_in.stand_in(Context(lambda: load_settings(env={**os.environ, **cell.env})))
    assert sorted(await answers(cell, batch_id)) == ["0", "1", "2"]


async def test_one_process_of_a_place_stands_in_once_nobody_has_gone_on_for_long(cell: Cell) -> None:
    keys, store = cell.store.keys, cell.store
    batch_id = await submit(cell, 3)
    assert not store.run(is_untended(keys, HERE))
    let_time_pass(cell, batch_id, UNTENDED_MS // 2)
    assert not store.run(is_untended(keys, HERE))
    let_time_pass(cell, batch_id)
    assert store.run(is_untended(keys, HERE))
    assert not store.run(is_untended(keys, HERE))
    assert store.run(is_untended(keys, THERE))
    assert store.run(claim_batches(keys, HERE, 16, 1000, stands_in=True)).ids == [batch_id]


async def test_none_stands_in_beside_a_gateway(cell: Cell) -> None:
    keys, store = cell.store.keys, cell.store
    batch_id = await submit(cell, 3)
    let_time_pass(cell, batch_id)
    assert store.run(claim_batches(keys, THERE, 16, 0)).ids == [batch_id]
    store.run(read((("ZADD", keys.gateway_batch_work(), 0, batch_id),), lambda told: told))
    assert not store.run(is_untended(keys, HERE))
    claimed = store.run(claim_batches(keys, HERE, 16, 1000, stands_in=True))
    assert (claimed.ids, claimed.gateway_lives) == ([], True)


async def test_a_gateway_whose_hands_are_full_is_known_to_live(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_MOST", 0)
    batch_id = await submit(cell, 3)
    let_time_pass(cell, batch_id)
    async with gateway(cell) as shop:
        assert await Keeper(shop)._look()
    assert not cell.store.run(is_untended(cell.store.keys, HERE))
    assert found(cell, batch_id).status is Status.VALIDATING


async def test_a_batch_whose_files_are_elsewhere_is_left_to_others_and_says_so(cell: Cell, tmp_path: Path) -> None:
    cell.start_worker("openai")
    batch_id = await submit(cell, 5)
    stranger = replace(cell, env={**cell.env, "HOMA_HOME": str(tmp_path / "elsewhere")})
    async with gateway(stranger) as shop:
        with pytest.raises(FilesElsewhere, match=r"its files are not in the folder .*elsewhere/files of "):
            await work(shop, batch_id)
        keeping = asyncio.create_task(Keeper(shop).run())
        await asyncio.to_thread(eventually, lambda: "they were stored in the folder " in held(cell, batch_id))
        # It is not tried from there again at once, and stays due for whoever reaches it.
        assert not cell.store.run(claim_batches(shop.keys, shop.files.place, 16, 1000)).ids
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert not (tmp_path / "elsewhere" / "files").exists()
    assert found(cell, batch_id).status is Status.VALIDATING
    async with gateway(cell) as shop:
        keeping = asyncio.create_task(Keeper(shop).run())
        await asyncio.to_thread(eventually, lambda: found(cell, batch_id).status is Status.COMPLETED)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert not held(cell, batch_id)
    assert len(await answers(cell, batch_id)) == 5


def let_window_pass(cell: Cell, batch_id: str) -> None:
    """It ended a day ago, and a moment."""
    key = cell.store.keys.gateway_batch(batch_id)
    past = found(cell, batch_id).now_ms - INPUT_LOST_MS
    cell.store.run(read((("HSET", key, "expires", past),), lambda told: told))


async def test_a_batch_whose_input_nobody_reaches_ends_a_day_after_its_window(cell: Cell, tmp_path: Path) -> None:
    batch_id = await submit(cell, 5, webhook="https://hook.example/")
    stranger = replace(cell, env={**cell.env, "HOMA_HOME": str(tmp_path / "elsewhere")})
    async with gateway(stranger) as shop:
        with pytest.raises(FilesElsewhere):
            await work(shop, batch_id)
        let_window_pass(cell, batch_id)
        await work(shop, batch_id)
    batch = found(cell, batch_id)
    assert batch.status is Status.FAILED
    (error,) = batch.said("errors")
    assert error["code"] == "input_file_unavailable"
    assert error["message"].startswith("all lines have no answer: no gateway or worker has reached")
    told = read((("HMGET", cell.store.keys.batch(batch_id), "webhook", "state"),), lambda replies: replies[0])
    assert cell.store.run(told) == [b"https://hook.example/", b"complete"]


async def _until_answered(cell: Cell, work: BatchWork, lines: int) -> None:
    while found(cell, work.id).answered < lines:
        with suppress(LostPart):
            await work.step()
        await asyncio.sleep(0)


async def test_answers_do_not_wait_for_a_part_that_is_lost_and_are_kept(cell: Cell) -> None:
    """The file vanishes while its lines become jobs."""
    cell.start_worker("openai")
    batch_id = await submit(cell, 30)
    home = Path(cell.env["HOMA_HOME"])
    async with gateway(cell) as shop:
        one = BatchWork(shop, batch_id)
        while found(cell, batch_id).cursor < WINDOW:
            await one.step()
        await one.aclose()
        for part in (home / "files").rglob(f"{found(cell, batch_id).input}/*"):
            part.unlink()
        await asyncio.to_thread(eventually, lambda: cell.jobs() == WINDOW)
        again = BatchWork(shop, batch_id)
        again._is_here = True  # what vanishes is not missed at once
        async with asyncio.timeout(PATIENCE_S):
            await _until_answered(cell, again, WINDOW)
        with pytest.raises(LostPart):
            await again.step()
        let_window_pass(cell, batch_id)
        async with asyncio.timeout(PATIENCE_S):
            await work(shop, batch_id)
    batch = found(cell, batch_id)
    assert (batch.status, batch.count("n.succeeded")) == (Status.FAILED, WINDOW)
    assert batch.said("errors")[0]["message"].startswith(f"{30 - WINDOW} of 30 lines have no answer: ")
    async with gateway(cell) as shop:
        output = b"".join([piece async for piece in shop.files.read(batch.raw["output"])])
    assert len(output.splitlines()) == WINDOW
    # Who comes too late changes nothing of what was told.
    late = answer_jobs(cell.store.keys, batch_id, batch.written, batch.written + 1, Answers(counts={"answered": 1}))
    assert cell.store.run(late) is Moved.GONE


async def test_what_holds_a_batch_is_told_until_it_goes_on(cell: Cell) -> None:
    keys, store = cell.store.keys, cell.store
    batch_id = await submit(cell, 3)
    assert not held(cell, batch_id)
    let_time_pass(cell, batch_id, 60_000)
    assert held(cell, batch_id).startswith("nobody has gone on with its file for 6")
    store.run(leave_to_others(keys, batch_id, HERE, "its files are not here"))
    assert held(cell, batch_id) == "its files are not here"
    store.run(rest_batch(keys, batch_id, 0, "the store is full"))
    assert held(cell, batch_id) == "the store is full"
    store.run(rest_batch(keys, batch_id, 0))
    assert not held(cell, batch_id)


async def test_a_batch_that_is_not_checked_yet_is_shown_with_what_it_waits_for(cell: Cell) -> None:
    batch_id = await submit(cell, 3)
    let_time_pass(cell, batch_id, 60_000)

    def shown(*options: str) -> str:
        command = [sys.executable, "-m", "homa.cli", "batches", "show", batch_id, *options]
        return subprocess.run(
            command, env={**os.environ, **cell.env}, capture_output=True, text=True, check=True
        ).stdout

    told = orjson.loads(await asyncio.to_thread(shown, "--json"))
    assert (told["batch"], told["state"]) == (batch_id, "validating")
    assert told["waits_for"].startswith("nobody has gone on with its file for ")
    assert "start `homa gateway`" in await asyncio.to_thread(shown)
