"""Sync actors are taken up to the free threads; async ones, and other workers, do not wait for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import dramatiq
import pytest
import structlog
from dramatiq.middleware import Middleware

from homa_shared.broker import HomaBroker
from homa_shared.store import reads
from homa_workers.process.uncalled_hooks import UNCALLED
from tests.dramatiq_patterns.conftest import Start
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What the actors below wait for."""
    gate = threading.Event()
    yield gate
    gate.set()


def queued(broker: HomaBroker, queue: str) -> int:
    return sum(row.queued for row in broker.store.run(reads.queues(broker.store.keys)) if row.queue == queue)


def test_a_second_worker_gets_what_the_first_has_no_thread_for(
    broker: HomaBroker, start: Start, gate: threading.Event
) -> None:
    @dramatiq.actor
    def blocks() -> None:
        gate.wait(PATIENCE_S)

    @dramatiq.actor
    async def waits() -> None: ...

    for _ in range(10):
        blocks.send()
    first = start(worker_threads=3, concurrency=100)
    eventually(lambda: first.running == 3)
    assert queued(broker, "default") == 7
    second = start(worker_threads=3, concurrency=100)
    eventually(lambda: second.running == 3)
    assert (first.running, queued(broker, "default")) == (3, 4)


def test_a_drain_begins_nothing_more(broker: HomaBroker, start: Start, gate: threading.Event) -> None:
    ran: list[int] = []

    @dramatiq.actor
    def blocks() -> None:
        ran.append(1)
        gate.wait(PATIENCE_S)

    @dramatiq.actor(queue_name="other")
    async def other() -> None: ...

    for _ in range(10):
        blocks.send()
    worker = start(worker_threads=2, concurrency=100)
    eventually(lambda: len(ran) == 2)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    gate.set()
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    assert (len(ran), queued(broker, "default")) == (2, 8)


def test_queues_of_async_actors_go_on_while_all_threads_are_busy(
    broker: HomaBroker, start: Start, gate: threading.Event
) -> None:
    ran: list[int] = []

    @dramatiq.actor
    def blocks() -> None:
        gate.wait(PATIENCE_S)

    @dramatiq.actor(queue_name="light")
    async def light() -> None:
        await asyncio.sleep(0)
        ran.append(1)

    worker = start(worker_threads=1)
    for _ in range(3):
        blocks.send()
    eventually(lambda: worker.running == 1)
    for _ in range(30):
        light.send()
    broker.join("light", timeout=20_000)
    assert len(ran) == 30


def test_a_freed_thread_is_used_at_once(broker: HomaBroker, start: Start, gate: threading.Event) -> None:
    """Though the worker sleeps on the bells of other queues meanwhile."""
    ran: list[str] = []
    began = threading.Event()

    @dramatiq.actor
    def blocks(name: str) -> None:
        ran.append(name)
        began.set()
        if name == "first":
            gate.wait(PATIENCE_S)

    @dramatiq.actor(queue_name="light")
    async def light() -> None: ...

    start(worker_threads=1)
    blocks.send("first")
    assert began.wait(PATIENCE_S)
    blocks.send("second")
    gate.set()
    broker.join("default", timeout=4000)
    assert ran == ["first", "second"]


def test_async_actors_in_a_mixed_queue_take_no_threads(broker: HomaBroker, start: Start) -> None:
    begun, many = [0], asyncio.Event()

    @dramatiq.actor
    def sync() -> None: ...

    @dramatiq.actor
    async def waits() -> None:
        begun[0] += 1
        if begun[0] > 30:
            many.set()
        # None of them is over before so many wait side by side.
        await many.wait()

    for _ in range(60):
        waits.send()
    start(worker_threads=4)
    broker.join("default", timeout=20_000)
    assert begun[0] == 60


class Delays(Middleware):
    """Has a hook that is never called."""

    def before_delay_message(self, broker: object, message: object) -> None: ...


def test_hooks_that_are_never_called_are_told_with_the_reason(broker: HomaBroker, start: Start) -> None:
    broker.add_middleware(Delays())
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as lines:
        start()
    told = [line for line in lines if line["event"] == "middleware.hook_never_called"]
    assert [(line["middleware"], line["hook"]) for line in told] == [("Delays", "before_delay_message")]
    assert told[0]["reason"] == UNCALLED["before_delay_message"]
    assert all(hasattr(Middleware, hook) for hook in UNCALLED)
