"""What a worker process tells Prometheus of its attempts and itself, and what its probes say."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import urllib.error
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from homa_shared.metrics.worker_catalogue import METRICS
from homa_workers.process.build import WorkerProcess
from homa_workers.process.metrics_endpoint import collected, serving
from homa_workers.process.vital_signs import VitalSigns
from homa_workers.simulator import Simulator, SimulatorConfig
from tests.metrics.scraped import Scrape, scraped
from tests.worker.cell import MINI, Cell, until
from tests.worker.processes import process as worker_process
from tests.worker.processes import told

MODEL = MINI.partition(":")[2]
ON = {"HOMA_METRICS_PORT": "0"}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorConfig()) as simulator:
        yield simulator


@pytest.fixture
async def cell(store_url: str, namespace: str, simulator: Simulator, tmp_path: Path) -> AsyncIterator[Cell]:
    cell = Cell(store_url, namespace, simulator, tmp_path)
    yield cell
    await cell.close()


def _scrape(made: WorkerProcess) -> Scrape:
    return scraped(collected(made, VitalSigns(made.store, made.workers)))


async def _served(cell: Cell, *providers: str, **more: str) -> WorkerProcess:
    made = await cell.process(*providers, **ON, **more)
    for worker in made.workers:
        cell.serve(worker)
    return made


async def test_good_attempts_are_counted(cell: Cell) -> None:
    made = await _served(cell)
    for job in [await cell.submit(), await cell.submit(stream=True)]:
        await cell.ended(job)
    found = _scrape(made)
    whose = {"provider": "openai", "model": MODEL}
    assert found.value("homa_attempts_total", **whose, outcome="succeeded") == 2
    assert found.value("homa_attempt_seconds_count", **whose) == 2
    assert found.value("homa_first_token_seconds_count", provider="openai") == 1
    assert found.value("homa_job_wait_seconds_count", provider="openai", lane="default") == 2
    lines = await cell.ledger()
    tokens = sum(line.output_tokens for line in lines)
    assert found.value("homa_tokens_total", **whose, kind="output") == tokens > 0
    nano = sum(line.nano_usd for line in lines)
    assert found.value("homa_cost_dollars_total", **whose, certainty="known") == pytest.approx(nano / 1e9) != 0
    assert found.value("homa_cost_dollars_total", **whose, certainty="unresolved") == 0


async def test_what_failed_is_counted_by_its_kind(cell: Cell, simulator: Simulator) -> None:
    made = await _served(cell)
    job = await cell.submit("[[fault:500]]", max_attempts=1)
    await cell.ended(job)
    found = _scrape(made)
    assert found.value("homa_attempt_errors_total", provider="openai", error="ambiguous") == 1
    dollars = found["homa_cost_dollars_total"]
    assert dollars[f"unresolved,{MODEL},openai"] > 0


async def test_what_runs_and_what_it_holds(cell: Cell, simulator: Simulator) -> None:
    made = await _served(cell)
    simulator.configure(latency_ms=30_000)
    await cell.submit()
    await until(lambda: made.workers[0].running == 1)
    found = _scrape(made)
    assert found["homa_worker_in_flight"] == {"openai": 1}
    assert found["homa_worker_slots"]["openai"] >= 1
    assert found["homa_worker_reserved_dollars"]["openai"] > 0


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Said:
    """What a process says on stderr."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str, level: str = "info") -> None:
        self.lines.append(line)

    @property
    def url(self) -> str:
        return self.lines[-1].removeprefix("metrics at ").removesuffix("/metrics")


async def test_every_metric_of_a_worker_is_exported_and_explained(cell: Cell) -> None:
    made = await _served(cell)
    for job in [await cell.submit(stream=True), await cell.submit("[[fault:500]]", max_attempts=1)]:
        await cell.ended(job)
    await until(lambda: made.workers[0].beaten_s is not None)
    text = _scrape(made).text
    for metric in METRICS:
        assert f"# HELP {metric.name} {metric.help}" in text
        assert f"# TYPE {metric.name} {metric.type}" in text
    assert text.count("# HELP ") == len(METRICS)


async def test_no_prompt_tenant_or_key_is_told(cell: Cell) -> None:
    made = await _served(cell)
    job = await cell.submit("a secret prompt [[fault:400]]", tenant="secret-tenant", tags="team=secret-tag")
    await cell.ended(job)
    assert "secret" not in _scrape(made).text


async def test_models_beyond_the_first_ones_share_a_label(cell: Cell) -> None:
    made = await _served(cell)
    for number in range(9):
        await cell.ended(await cell.submit(targets=(f"openai:none-{number}",), max_attempts=1))
    models = {key.split(",")[0] for key in _scrape(made)["homa_attempt_seconds_count"]}
    assert len(models) == 6
    assert "other" in models


async def test_the_endpoint_serves_metrics_and_probes(cell: Cell) -> None:
    made = await _served(cell)
    said = Said()
    async with serving(made, "127.0.0.1", 0, said):
        await until(lambda: made.workers[0].beaten_s is not None)
        status, text = await asyncio.to_thread(_get, f"{said.url}/metrics")
        assert status == 200
        assert 'homa_worker_slots{provider="openai"}' in text
        assert await asyncio.to_thread(_get, f"{said.url}/readyz") == (200, "ok\n")
        assert await asyncio.to_thread(_get, f"{said.url}/livez") == (200, "ok\n")
        assert (await asyncio.to_thread(_get, f"{said.url}/"))[0] == 404
        made.drain()
        status, why = await asyncio.to_thread(_get, f"{said.url}/readyz")
        assert (status, "is draining" in why) == (503, True)
        assert (await asyncio.to_thread(_get, f"{said.url}/livez"))[0] == 200


async def test_a_worker_is_not_ready_before_the_store_takes_its_beat_nor_when_it_stops_to(cell: Cell) -> None:
    made = await cell.process(**ON)
    worker = made.workers[0]
    signs = VitalSigns(made.store, made.workers)
    assert "has not beaten yet" in signs.unready_why()
    cell.serve(worker)
    await until(lambda: worker.beaten_s is not None)
    assert signs.unready_why() == ""
    assert worker._beat is not None
    worker._beat.beaten_s = worker._beat.beaten_s - 31 if worker._beat.beaten_s else None
    assert "has not taken the heartbeat" in signs.unready_why()


async def test_only_a_loop_that_stands_still_for_long_is_dead(cell: Cell) -> None:
    made = await cell.process(**ON)
    signs = VitalSigns(made.store, made.workers)
    assert signs.dead_why() == ""
    signs._turned_s -= 149
    assert signs.dead_why() == ""
    signs._turned_s -= 2
    assert "has stood still for 151 s" in signs.dead_why()


async def test_a_store_that_does_not_answer_makes_no_worker_dead(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await cell.process(**ON)
    signs = VitalSigns(made.store, made.workers)
    asked = asyncio.Event()

    async def silent(op: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(made.store, "run", silent)
    sampling = asyncio.create_task(signs.run())
    await asked.wait()
    signs._turned_s -= 1000
    await until(lambda: signs.dead_why() == "")
    sampling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sampling


async def test_a_port_that_is_taken_is_told_and_the_worker_works_on(cell: Cell) -> None:
    made = await _served(cell)
    said = Said()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with serving(made, "127.0.0.1", taken.getsockname()[1], said):
            await cell.ended(await cell.submit())
    assert "no metrics and no probes" in said.lines[0]
    assert "--metrics-port names another one" in said.lines[0]


async def test_a_process_serves_at_the_port_that_it_is_told(cell: Cell) -> None:
    async with worker_process(cell, "openai", "--metrics-port", "0") as started:
        line = await told(started, "metrics at")
        url = line.split("metrics at ")[1].split('"')[0].strip()
        await cell.ended(await cell.submit())
        status, text = await asyncio.to_thread(_get, url)
        assert status == 200
        assert f'homa_attempts_total{{model="{MODEL}",outcome="succeeded",provider="openai"}} 1.0' in text


async def test_a_ticker_takes_no_job_and_keeps_house(cell: Cell) -> None:
    async with worker_process(cell, "--ticker", "--metrics-port", "0") as started:
        job = await cell.submit(deadline_ms=1)
        view = await cell.ended(job)
        assert str(view.job.state) == "expired"
        url = (await told(started, "metrics at")).split("metrics at ")[1].split("/metrics")[0]

        async def ready() -> bool:
            return (await asyncio.to_thread(_get, f"{url}/readyz"))[0] == 200

        await until(ready)
        text = (await asyncio.to_thread(_get, f"{url}/metrics"))[1]
        assert "homa_worker_loop_lag_seconds_count" in text
        started.terminate()
        await asyncio.wait_for(started.wait(), 20)
        assert started.returncode == 0


async def test_a_ticker_is_refused_providers(cell: Cell) -> None:
    environment = cell.environment()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homa_workers", "openai", "--ticker"), env=os.environ | environment, stderr=PIPE
    )
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert "--ticker takes no jobs" in stderr.decode()
