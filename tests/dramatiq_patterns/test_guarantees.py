"""What Dramatiq's own Redis broker does not promise: a lost run is run again, and enqueues nothing by halves."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest

from homa_shared.broker import HomaBroker
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.operation import Op, mapping
from homa_shared.store.reads.fleet import QueueRow
from homa_shared.store.transitions.messages import ack
from homa_workers import stepwise
from tests.dramatiq_patterns.conftest import Start, record_of
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

#: A program of two actors: `parent` enqueues three children, then waits or ends.
PROGRAM = """
import os, sys, time, pathlib
import dramatiq
from homa_shared.broker import HomaBroker
from homa_shared.store.connection import StoreAddress

broker = HomaBroker(StoreAddress.parse(os.environ["STORE"]), os.environ["NAMESPACE"])
dramatiq.set_broker(broker)
folder = pathlib.Path(os.environ["FOLDER"])

@dramatiq.actor
def child(n):
    with (folder / "children").open("a") as file:
        file.write(f"{n}\\n")

@dramatiq.actor
def parent():
    for n in range(3):
        child.send(n)
    (folder / "sent").touch()
    while (folder / "hold").exists():
        time.sleep(0.01)

if sys.argv[1] == "send":
    parent.send()
else:
    from homa_workers.process.worker import HomaWorker
    worker = HomaWorker(broker, lease_s=1.0)
    worker.start()
    while not (folder / "stop").exists():
        time.sleep(0.02)
    worker.stop()
"""


class Program:
    """The program's processes."""

    def __init__(self, folder: Path, store_url: str, namespace: str) -> None:
        self.folder = folder
        (folder / "program.py").write_text(PROGRAM)
        path = os.pathsep.join(sys.path)
        self._environment = os.environ | {"STORE": store_url, "NAMESPACE": namespace, "FOLDER": str(folder)}
        self._environment["PYTHONPATH"] = path
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, what: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "program.py", what], cwd=self.folder, env=self._environment)
        self._started.append(process)
        return process

    def children(self) -> list[str]:
        written = self.folder / "children"
        return sorted(written.read_text().split()) if written.exists() else []

    def close(self) -> None:
        (self.folder / "stop").touch()
        for process in self._started:
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def program(tmp_path: Path, store_url: str, namespace: str) -> Iterator[Program]:
    program = Program(tmp_path, store_url, namespace)
    yield program
    program.close()


def rows(store: Store) -> list[QueueRow]:
    return [row for row in store.run(reads.queues(store.keys)) if row.queued or row.running or row.due]


def test_a_killed_worker_leaves_no_half_of_what_its_actor_enqueued(program: Program, broker: HomaBroker) -> None:
    (program.folder / "hold").touch()
    assert program.run("send").wait(PATIENCE_S) == 0
    worker = program.run("work")
    eventually((program.folder / "sent").exists)
    worker.kill()
    worker.wait()
    assert [(row.queued, row.running) for row in rows(broker.store)] == [(0, 1)], "no child without its parent's ack"
    (program.folder / "hold").unlink()
    program.run("work")
    eventually(lambda: len(program.children()) == 3)
    eventually(lambda: not rows(broker.store))
    assert program.children() == ["0", "1", "2"], "each child once, though its parent ran twice"


def test_an_ack_that_is_sent_twice_enqueues_once(broker: HomaBroker, start: Start) -> None:
    ran: list[int] = []

    @dramatiq.actor
    def child() -> None:
        ran.append(1)

    @dramatiq.actor
    def parent() -> None:
        child.send()

    worker = start()
    repeated: list[Any] = []
    seen = threading.Event()
    import homa_workers.process.actors as messages

    original = messages.persist

    async def twice(store: Any, op: Op[Any], watch: Any) -> Any:
        first = await original(store, op, watch)
        repeated.append(await original(store, op, watch))
        seen.set()
        return first

    messages.persist = twice
    try:
        parent.send()
        assert seen.wait(PATIENCE_S)
        broker.join("default")
    finally:
        messages.persist = original
    assert ran == [1]
    assert repeated[0] == "stale"
    eventually(lambda: worker.running == 0)


@pytest.mark.parametrize("swallows", [False, True], ids=["it ends", "it goes on"])
def test_an_async_run_that_is_cut_goes_back_to_its_queue_at_once(
    broker: HomaBroker, start: Start, monkeypatch: pytest.MonkeyPatch, swallows: bool
) -> None:
    monkeypatch.setattr(stepwise, "CUT_S", 0.05)
    began = threading.Event()
    runs: list[int] = []

    @dramatiq.actor
    async def long() -> None:
        runs.append(1)
        began.set()
        while len(runs) == 1:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if not swallows:
                    raise

    worker = start()
    message = long.send()
    assert began.wait(PATIENCE_S)
    worker.stop(timeout=1)
    assert broker.store.run(reads.state(broker.store.keys, record_of(message))) is State.QUEUED
    start()
    broker.join("default")
    assert runs == [1, 1]


def test_a_sync_run_in_mid_stop_is_waited_for_and_acked(broker: HomaBroker, start: Start) -> None:
    began, go = threading.Event(), threading.Event()

    @dramatiq.actor
    def block() -> None:
        began.set()
        go.wait(PATIENCE_S)

    waiting_ran: list[int] = []

    @dramatiq.actor
    def waits() -> None:
        waiting_ran.append(1)

    worker = start(worker_threads=1, concurrency=2)
    message = block.send()
    assert began.wait(PATIENCE_S)
    behind = waits.send()
    assert worker.running == 1, "what no thread is free for is left in its queue"
    threading.Timer(0.3, go.set).start()
    worker.stop(timeout=1)
    keys = broker.store.keys
    assert broker.store.run(reads.state(keys, record_of(message))) is None, "it ended, and was acked"
    assert broker.store.run(reads.state(keys, record_of(behind))) is State.QUEUED, "it had not begun"
    assert waiting_ran == []


def test_an_async_actors_own_cancellation_is_a_failure_like_any(broker: HomaBroker, start: Start) -> None:
    @dramatiq.actor(max_retries=0)
    async def gives_up() -> None:
        raise asyncio.CancelledError

    start()
    message = gives_up.send()
    broker.join("default", timeout=10_000)
    assert broker.store.run(reads.state(broker.store.keys, record_of(message))) is State.FAILED


def test_a_retry_keeps_what_the_failed_run_had_enqueued(broker: HomaBroker, start: Start) -> None:
    ran: list[str] = []

    @dramatiq.actor
    def child() -> None:
        ran.append("child")

    @dramatiq.actor(min_backoff=1, max_backoff=2)
    def parent() -> None:
        ran.append("parent")
        if ran.count("parent") == 1:
            child.send()
            raise ValueError("once")

    start()
    parent.send()
    broker.join("default")
    assert sorted(ran) == ["child", "parent", "parent"]


def test_a_stale_ack_enqueues_nothing(broker: HomaBroker) -> None:
    from homa_shared.store.transitions.messages import Enqueued

    other = Enqueued("m-other", "default", "default", b"{}")
    assert broker.store.run(ack(broker.store.keys, ("m-none", 1), "succeeded", enqueued=[other])) == "stale"
    assert broker.store.run(Op((("HGETALL", broker.store.keys.counters()),), lambda r: mapping(r[0]))) == {}


def test_a_process_that_only_sends_needs_no_worker(program: Program, broker: HomaBroker) -> None:
    assert program.run("send").wait(PATIENCE_S) == 0
    assert [(row.queue, row.queued) for row in rows(broker.store)] == [("default", 1)]


def test_messages_and_jobs_pass_the_same_worker_without_mixing(broker: HomaBroker, start: Start) -> None:
    """A worker of actors leaves a job alone that strays into its queue."""
    from homa_shared.calls.request import JobRequest, Option
    from homa_shared.store.transitions.submit import Common, Entry, submit

    ran: list[int] = []

    @dramatiq.actor
    def note() -> None:
        ran.append(1)

    request = JobRequest([{"role": "user", "content": "x"}], {}, (Option("openai:m"),)).encode()
    broker.store.run(submit(broker.store.keys, Common("default", "default", "openai:m"), [Entry("j1", request)]))
    note.send()
    start()
    eventually(lambda: ran == [1])
    view = broker.store.run(reads.job(broker.store.keys, "j1"))
    assert view is not None
    assert (view.job.state, view.job.raw["at"]) == (State.QUEUED, 0)
