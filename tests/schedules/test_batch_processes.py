"""Schedules of batches by worker processes: read, answered, delivered; read again where a worker was killed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from homa import AsyncHoma
from homa.client.aio_schedule_handles import AsyncSchedule
from homa_shared.store.reads.schedules import ScheduleRun
from homa_workers.simulator import Simulator, SimulatorConfig
from tests.worker.cell import MINI, Cell, until
from tests.worker.processes import process

OPTIONS = ["--prompt", "{{text}}", "--model", MINI, "--max-tokens", "9"]


@pytest.fixture
async def cell(store_url: str, namespace: str, tmp_path: Path) -> AsyncIterator[Cell]:
    async with Simulator(SimulatorConfig()) as simulator:
        found = Cell(store_url, namespace, simulator, tmp_path)
        yield found
        await found.close()


async def ended(schedule: AsyncSchedule) -> ScheduleRun:
    """The only run, once it has ended."""

    async def is_over() -> bool:
        return [run.ended_ms is not None for run in await schedule.history()] == [True]

    await until(is_over)
    (run,) = await schedule.history()
    return run


async def test_a_glob_is_read_when_the_tick_comes_and_its_results_are_delivered(cell: Cell, tmp_path: Path) -> None:
    incoming, out = tmp_path / "in", tmp_path / "out"
    incoming.mkdir()
    async with AsyncHoma(settings=cell.settings()) as homa:
        schedule = await homa.schedule(
            "nightly", run=[f"{incoming}/*.txt", *OPTIONS], cron="0 7 * * *", deliver=f"{out}/"
        )
        for name in ("a", "b", "c"):
            (incoming / f"{name}.txt").write_text(f"[[say:{name}]]")
        async with process(cell, "openai", HOMA_DELIVER_FILES=f"file://{out}", HOMA_SCHEDULE_INPUTS=f"{incoming}"):
            batch = await schedule.run_batch()
            lines = [line async for line in batch.results()]
            assert sorted(Path(line.custom_id).name for line in lines) == ["a.txt", "b.txt", "c.txt"]
            run = await ended(schedule)
            await until((out / f"{batch.id}.jsonl").exists)
    assert (run.state, run.batch, run.lines, run.lines_failed) == ("succeeded", batch.id, 3, 0)
    assert run.cost_nano_usd
    written = [orjson.loads(line) for line in (out / f"{batch.id}.jsonl").read_bytes().splitlines()]
    assert len(written) == 3
    assert all(line["response"]["status_code"] == 200 for line in written)


async def test_an_input_that_is_missing_fails_the_run_with_host_and_path(cell: Cell, tmp_path: Path) -> None:
    async with AsyncHoma(settings=cell.settings()) as homa:
        schedule = await homa.schedule("nightly", run=["gone/{{tick:%Y}}.txt", *OPTIONS], cron="0 7 * * *")
        async with process(cell, "openai", HOMA_SCHEDULE_INPUTS=os.getcwd()):
            await schedule.run_batch()
            run = await ended(schedule)
    assert run.state == "failed"
    assert f"on {socket.gethostname()}: " in run.detail
    year = run.at[:4]
    assert f"{os.getcwd()}/gone/{year}.txt" in run.detail


async def test_a_worker_killed_while_it_reads_leaves_the_batch_to_the_next(cell: Cell, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(f'{{"id": "{n}", "text": "[[say:{n}]]"}}\n' for n in range(250)))
    pipe = tmp_path / "more.csv"
    os.mkfifo(pipe)
    more = {"HOMA_LEASE_S": "3", "HOMA_SCHEDULE_INPUTS": str(tmp_path)}
    async with AsyncHoma(settings=cell.settings()) as homa:
        schedule = await homa.schedule("nightly", run=[str(source), str(pipe), *OPTIONS], cron="0 7 * * *")
        async with process(cell, "openai", **more) as first:
            batch = await schedule.run_batch()
            # It opens the pipe, which nobody has written yet: it is in the midst of its input.
            writer = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
            first.kill()
            await first.wait()
        os.close(writer)
        pipe.unlink()
        pipe.write_text("id,text\nlast,[[say:last]]\n")
        async with process(cell, "openai", **more):
            lines = [line async for line in batch.results()]
            run = await ended(schedule)
    assert len({str(line.custom_id) for line in lines}) == len(lines) == 251
    assert (run.state, run.lines) == ("succeeded", 251)
