"""Old and new releases share a store: workers, clients and scripts, in whatever order they are upgraded."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from homa import AsyncHoma
from homa_shared.calls import request
from homa_shared.calls.batch_beginning import BEGINNING_VERSION
from homa_shared.calls.request import JobRequest
from homa_shared.model import records
from homa_shared.store import operation as store_op
from homa_shared.store import reads as reading
from homa_shared.store import scripts
from homa_shared.store.scripts import Script
from homa_shared.store.transitions.attempts import renew
from homa_shared.store.transitions.submit import Common, Entry, submit
from homa_shared.store.versions import Versions, own_versions
from homa_workers.process import dispatch
from homa_workers.store_io import persist
from tests.patience import PATIENCE_S
from tests.worker.cell import BOUND, MINI, Cell, until

NEXT_RELEASE = Path(__file__).parent / "next_release.py"
#: Version of requests that only the next release reads.
NEXT_REQUEST = own_versions().request + 1


@asynccontextmanager
async def newer_worker(cell: Cell) -> AsyncIterator[Process]:
    """A worker process of the next release that has begun to serve."""
    environment = os.environ | cell.environment(HOMA_LOG_FORMAT="json")
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, str(NEXT_RELEASE), "openai"), env=environment, stderr=PIPE, cwd=cell.home
    )
    try:
        assert started.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"serves" not in await started.stderr.readline():
                pass
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed back is looked at again soon."""
    monkeypatch.setattr(dispatch, "NOT_HERE_MS", 100)
    monkeypatch.setattr("homa_workers.pipeline.pipeline.NOT_HERE_MS", 100)
    assert persist.NOT_HERE_MS > 100


async def submit_version(cell: Cell, job_id: str, record: int, inner: int) -> None:
    """A job as a client of some release writes it."""
    asked = JobRequest([{"role": "user", "content": "Hello"}], {"max_tokens": 300}, cell_options(), version=inner)
    common = Common("openai", "default", MINI, version=record)
    await cell.store.run(submit(cell.keys, common, [Entry(job_id, asked.encode(), bound=BOUND)]))


def cell_options() -> tuple[request.Option, ...]:
    return (request.Option(MINI, BOUND),)


async def fact(cell: Cell, job_id: str, name: str) -> object:
    return (await cell.view(job_id)).job.raw.get(name)


@pytest.mark.usefixtures("impatient")
async def test_jobs_of_the_next_version_are_done_by_the_newer_worker_alone(cell: Cell) -> None:
    old = await cell.worker()
    jobs = [f"n{n}" for n in range(6)]
    for n, job in enumerate(jobs):
        await submit_version(cell, job, record=2 if n % 2 else 1, inner=1 if n % 2 else NEXT_REQUEST)
    await submit_version(cell, "plain", record=1, inner=1)
    assert (await cell.ended("plain")).job.state is records.State.SUCCEEDED

    async def each_was_seen() -> bool:
        seen = [(await cell.view(job)).job.attempt for job in jobs]
        return all(attempt >= 2 for attempt in seen)

    await until(each_was_seen)
    assert cell.simulator.stats.received == 1, "the old worker called for none of them"
    async with newer_worker(cell):
        for job in jobs:
            view = await cell.ended(job)
            assert view.job.state is records.State.SUCCEEDED
            assert view.job.raw["tr"] == 1, "being handed back is no attempt"
            assert [attempt.worker for attempt in view.attempts if attempt.worker == old.id] == []
    assert {line.outcome for line in await cell.ledger()} == {"succeeded"}
    assert len(await cell.ledger()) == 7
    assert (await cell.counters())["live"] == 0


@pytest.mark.usefixtures("impatient")
async def test_an_old_worker_says_once_that_it_is_outdated(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    old = await cell.worker()
    monkeypatch.setattr(old.log, "log", Recorder(told))
    for job in ("a", "b"):
        await submit_version(cell, job, record=2, inner=1)
    await submit_version(cell, "c", record=1, inner=NEXT_REQUEST)

    async def seen() -> bool:
        return all([(await cell.view(job)).job.attempt >= 2 for job in ("a", "b", "c")])

    await until(seen)
    assert told.count("release.outdated") == 1


@pytest.mark.usefixtures("impatient")
async def test_a_worker_that_knows_one_api_only_hands_a_job_for_the_other_back(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncHoma(settings=cell.settings()) as homa:
        job = await homa.submit("Hello", model=MINI, api="responses", max_tokens=50)
        newer = request.REQUEST_VERSION
        monkeypatch.setattr(request, "REQUEST_VERSION", 1)
        await cell.worker()

        async def was_handed_back() -> bool:
            return (await cell.view(job.id)).job.attempt >= 2

        await until(was_handed_back)
        assert cell.simulator.stats.received == 0
        monkeypatch.setattr(request, "REQUEST_VERSION", newer)
        assert (await job.result(timeout=20)).text
        assert (await cell.view(job.id)).job.raw["tr"] == 1, "being handed back is no attempt"


class Recorder:
    """A logger that keeps the names of events."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def is_enabled_for(self, level: int) -> bool:
        return level < 0

    def warning(self, event: str, **fields: object) -> None:
        self._told.append(event)


async def test_workers_tell_what_they_read(cell: Cell) -> None:
    assert await cell.store.run(reading.versions(cell.keys)) == own_versions()
    await cell.worker()
    async with newer_worker(cell):

        async def both() -> bool:
            return len(await cell.store.run(reading.workers(cell.keys))) == 2

        await until(both)
        told = [row.facts["reads"] for row in await cell.store.run(reading.workers(cell.keys))]
        assert sorted(reads["record"] for reads in told) == [1, 2]


async def test_a_newer_client_writes_the_old_version_while_an_old_worker_lives(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"provider": "openai", "queues": ["openai"]}
    await cell.store.run(renew(cell.keys, worker="old", lease_ms=30_000, facts=old, attempts=[]))
    monkeypatch.setattr(records, "RECORD_VERSION", 2)
    monkeypatch.setattr(request, "REQUEST_VERSION", 2)
    async with AsyncHoma(settings=cell.settings()) as homa:
        job = await homa.submit("Hello", model=MINI)
        assert await fact(cell, job.id, "v") is None, "of the first version, which need not be told"
        view = await cell.view(job.id)
        assert view.request is not None
        assert JobRequest.decode(view.request).version == 1


@pytest.mark.parametrize(("known", "is_whole"), [(BEGINNING_VERSION - 1, True), (BEGINNING_VERSION, False)])
async def test_lines_keep_their_beginnings_while_a_worker_lives_that_puts_none_before_them(
    cell: Cell, known: int, is_whole: bool
) -> None:
    told = {"provider": "openai", "queues": ["openai"], "reads": {"record": 1, "request": known}}
    await cell.store.run(renew(cell.keys, worker="other", lease_ms=30_000, facts=told, attempts=[]))
    async with AsyncHoma(settings=cell.settings()) as homa:
        batch = await homa.submit_batch([f"Hello {i}" for i in range(9)], model=MINI, system="Be brief.")
        stored = await cell.store.run(
            store_op.read((("GET", cell.keys.request(f"{batch.id}-3")),), lambda replies: replies[0])
        )
        assert (b"Be brief." in stored) is is_whole
        view = await cell.view(f"{batch.id}-3")
        assert view.request is not None
        asked = JobRequest.decode(view.request)
        assert [message["content"] for message in asked.messages] == ["Be brief.", "Hello 3"]
        assert asked.version == known


async def test_it_writes_its_own_version_once_every_live_worker_reads_it(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "RECORD_VERSION", 2)
    monkeypatch.setattr(request, "REQUEST_VERSION", 3)
    new = {"provider": "openai", "queues": ["openai"], "reads": {"record": 2, "request": 3}}
    await cell.store.run(renew(cell.keys, worker="new", lease_ms=30_000, facts=new, attempts=[]))
    assert await cell.store.run(reading.versions(cell.keys)) == Versions(2, 3)
    async with AsyncHoma(settings=cell.settings()) as homa:
        batch = await homa.submit_batch(["Hello"], model=MINI)
        assert await fact(cell, f"{batch.id}-0", "v") == 2
        view = await cell.view(f"{batch.id}-0")
        assert view.request is not None
        assert JobRequest.decode(view.request).version == 3


async def test_scripts_of_two_releases_stand_side_by_side(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts are known by their digest: a changed one does not take the place of the one before."""
    changed = changed_script(scripts.script("submit"))
    await cell.worker()
    await submit_version(cell, "before", 1, 1)
    monkeypatch.setattr(store_op, "script", lambda name: changed if name == "submit" else scripts.script(name))
    await submit_version(cell, "changed", 1, 1)
    monkeypatch.undo()
    await submit_version(cell, "after", 1, 1)
    for job in ("before", "changed", "after"):
        assert (await cell.ended(job)).job.state is records.State.SUCCEEDED
    assert await fact(cell, "changed", "newer") == "field"
    assert await fact(cell, "after", "newer") is None


def changed_script(script: Script) -> Script:
    """The script as a release to come might have it: it writes one more field, which this release does not know."""
    text = script.text.replace("local base = {'st'", "local base = {'newer', 'field', 'st'")
    assert text != script.text
    return replace(script, text=text, sha=hashlib.sha1(text.encode()).hexdigest())
