"""`python -m homa_workers` as a process: signals, a kill, a batch's own worker, an orphaned one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from homa_shared.model.records import State
from homa_shared.store.transitions import admin
from homa_workers.process.main import main
from tests.patience import PATIENCE_S
from tests.worker.cell import MINI, Cell, until
from tests.worker.processes import process, told


async def plan(cell: Cell) -> None:
    """Joins the fleet, as whoever submits does."""
    await cell.process()


async def test_sigterm_drains(cell: Cell) -> None:
    await plan(cell)
    cell.simulator.configure(latency_ms=600)
    async with process(cell, "openai") as worker:
        job = await cell.submit()
        await until(lambda: cell.simulator.stats.in_flight == 1)
        worker.send_signal(signal.SIGTERM)
        assert "draining" in await told(worker, "draining")
        assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 0
    assert await cell.state(job) is State.SUCCEEDED


async def test_a_closed_terminal_drains_it_however_often_it_says_so(cell: Cell) -> None:
    await plan(cell)
    cell.simulator.configure(latency_ms=500)
    async with process(cell, "openai") as worker:
        job = await cell.submit()
        await until(lambda: cell.simulator.stats.in_flight == 1)
        for _ in range(3):
            worker.send_signal(signal.SIGHUP)
            await told(worker, "draining")
        assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 0
    assert await cell.history(job) == [(MINI, "succeeded", "actual")]


async def test_a_second_signal_stops_at_once_and_leaves_nothing_stranded(cell: Cell) -> None:
    await plan(cell)
    cell.simulator.configure(latency_ms=60_000)
    async with process(cell, "openai") as worker:
        job = await cell.submit()
        await until(lambda: cell.simulator.stats.in_flight == 1)
        worker.send_signal(signal.SIGTERM)
        await told(worker, "draining")
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 128 + signal.SIGTERM
    assert await cell.state(job) is State.QUEUED
    assert await cell.history(job) == [(MINI, "stopped", "unresolved")]


async def test_the_jobs_of_a_killed_worker_are_recovered_when_their_leases_ran_out(cell: Cell) -> None:
    await plan(cell)
    cell.simulator.configure(latency_ms=60_000)
    async with process(cell, "openai", HOMA_LEASE_S="3") as worker:
        job = await cell.submit()
        await until(lambda: cell.simulator.stats.in_flight == 1)
        worker.kill()
        await worker.wait()
    cell.simulator.configure(latency_ms=0)
    await cell.worker(HOMA_LEASE_S="3")
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert await cell.history(job) == [(MINI, "lost", "unresolved"), (MINI, "succeeded", "actual")]
    assert view.job.unresolved_nano_usd == 50_000_000


async def test_a_worker_for_a_batch_ends_with_it(cell: Cell) -> None:
    await plan(cell)
    await cell.store.run(admin.open_batch(cell.keys, "b1", {}))
    job = await cell.submit(batch="b1")
    await cell.store.run(admin.seal_batch(cell.keys, "b1", 1))
    async with process(cell, "openai", "--for-batch", "b1") as worker:
        assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 0
    assert await cell.state(job) is State.SUCCEEDED


async def test_a_worker_drains_when_whoever_started_it_is_gone(cell: Cell) -> None:
    async with process(cell, "openai", "--until-stdin-closes", stdin=PIPE) as worker:
        assert worker.stdin is not None
        worker.stdin.close()
        assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 0


async def test_actors_of_a_module_are_served_beside_the_provider(cell: Cell) -> None:
    (cell.home / "my_actors.py").write_text(
        "import dramatiq, pathlib\n"
        "@dramatiq.actor\n"
        "def note(path, text):\n"
        "    pathlib.Path(path).write_text(text)\n"
        f"note.send({str(cell.home / 'noted')!r}, 'done')\n"
    )
    async with process(cell, "openai", "--actors", "my_actors", PYTHONPATH=_path(cell)):
        await until(lambda: (cell.home / "noted").exists() and (cell.home / "noted").read_text() == "done")


def _path(cell: Cell) -> str:
    return os.pathsep.join([str(cell.home), *sys.path])


@pytest.mark.parametrize(
    ("arguments", "environment", "status", "words"),
    [
        (["nobody"], {}, 2, "provider 'nobody' is not configured"),
        (["openai", "--actors", "no_such_module"], {}, 2, "--actors no_such_module"),
        (["openai"], {"HOMA_REDIS_URL": "redis://127.0.0.1:1"}, 3, "127.0.0.1:1"),
        (["openai"], {"HOMA_LEASE_S": "soon"}, 2, "soon"),
        (
            ["openai"],
            {"HOMA_PROVIDERS__OPENAI__API_KEY": "sk-1\nsk-2"},
            2,
            "the key of provider 'openai' holds a line break",
        ),
        (["openai"], {"all_proxy": "socks5://127.0.0.1:1"}, 2, "all_proxy names a proxy of kind socks5://"),
    ],
)
def test_what_is_wrong_at_the_start_is_said_with_a_status(
    cell: Cell,
    arguments: list[str],
    environment: dict[str, str],
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (cell.environment() | environment).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(cell.home)
    assert main(arguments) == status
    assert words in capsys.readouterr().err


def test_without_a_provider_the_worker_says_what_to_set(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOMA_REDIS_URL", cell.url)
    monkeypatch.setenv("HOMA_NAMESPACE", cell.namespace)
    monkeypatch.chdir(cell.home)
    assert main([]) == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["0", "-3", "many"])
def test_a_worker_of_no_slots_is_wrong_usage(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would serve its queues and never take a job."""
    with pytest.raises(SystemExit) as caught:
        main(["openai", "--concurrency", given])
    assert caught.value.code == 2
    assert "--concurrency" in capsys.readouterr().err


async def test_one_that_awaits_a_store_leaves_with_whoever_was_to_start_it(cell: Cell, tmp_path: Path) -> None:
    alone = {name: value for name, value in (os.environ | cell.environment()).items() if name != "HOMA_REDIS_URL"}
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homa_workers", "openai", "--await-store", "--until-stdin-closes"),
        env={**alone, "HOMA_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        stdin=PIPE,
        stderr=PIPE,
    )
    _, said = await asyncio.wait_for(started.communicate(b""), PATIENCE_S)
    assert (started.returncode, said) == (0, b"")
