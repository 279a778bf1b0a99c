"""Actors and their options behave as Dramatiq's documentation says."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import dramatiq
import pytest
from dramatiq.middleware import CurrentMessage

from homa_shared.broker import HomaBroker
from homa_shared.model.records import State
from homa_shared.store import reads
from tests.dramatiq_patterns.conftest import Start, state
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S


def test_a_sync_actor_runs_what_was_sent(broker: HomaBroker, start: Start) -> None:
    seen: list[tuple[int, str]] = []

    @dramatiq.actor
    def note(number: int, *, word: str) -> None:
        seen.append((number, word))

    start()
    message = note.send(1, word="one")
    broker.join("default")
    assert seen == [(1, "one")]
    assert state(broker, message) is None, "a message that succeeded has nothing to show"


def test_an_async_actor_runs_on_the_workers_loop(broker: HomaBroker, start: Start) -> None:
    threads: list[str] = []

    @dramatiq.actor
    async def wait() -> None:
        await asyncio.sleep(0.01)
        threads.append(threading.current_thread().name)

    start()
    for _ in range(20):
        wait.send()
    broker.join("default")
    assert threads == ["homa-worker"] * 20


def test_hundreds_of_async_runs_wait_side_by_side(broker: HomaBroker, start: Start) -> None:
    most, now = [0], [0]

    @dramatiq.actor
    async def wait() -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.5)
        now[0] -= 1

    for _ in range(100):
        wait.send()
    start(worker_threads=4)
    broker.join("default", timeout=20_000)
    assert most[0] > 50


def test_a_worker_of_sync_actors_holds_no_more_than_it_has_threads(broker: HomaBroker, start: Start) -> None:
    go = threading.Event()

    @dramatiq.actor
    def block() -> None:
        go.wait(PATIENCE_S)

    for _ in range(10):
        block.send()
    worker = start(worker_threads=3)
    eventually(lambda: worker.running == 3)
    (row,) = [row for row in broker.store.run(reads.queues(broker.store.keys)) if row.queued]
    assert row.queued == 7
    go.set()
    broker.join("default")


def test_a_delay_is_kept(broker: HomaBroker, start: Start) -> None:
    ran: list[float] = []

    @dramatiq.actor
    def note() -> None:
        ran.append(time.monotonic())

    start()
    sent = time.monotonic()
    note.send_with_options(delay=400)
    broker.join("default")
    assert 0.4 <= ran[0] - sent < 2.0


def test_a_lower_priority_number_goes_first(broker: HomaBroker, start: Start) -> None:
    order: list[str] = []

    @dramatiq.actor(priority=10)
    def late() -> None:
        order.append("late")

    @dramatiq.actor
    def usual() -> None:
        order.append("usual")

    @dramatiq.actor(priority=-10)
    def early() -> None:
        order.append("early")

    for actor in (late, usual, early):
        actor.send()
    late.send_with_options(broker_priority=-1)
    start(worker_threads=1)
    broker.join("default")
    assert order == ["early", "late", "usual", "late"]


def test_an_actor_knows_its_message(broker: HomaBroker, start: Start) -> None:
    known: list[str] = []

    @dramatiq.actor
    def sync() -> None:
        known.append(CurrentMessage.get_current_message().message_id)  # type: ignore[union-attr]

    start()
    message = sync.send()
    broker.join("default")
    assert known == [message.message_id]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_actor_that_exits_fails_and_the_worker_goes_on(broker: HomaBroker, start: Start, kind: str) -> None:
    ran: list[int] = []

    def leave() -> None:
        sys.exit(1)

    async def leave_async() -> None:
        sys.exit(1)

    actor = dramatiq.actor(max_retries=0, actor_name="leave")(leave if kind == "sync" else leave_async)

    @dramatiq.actor
    def stays() -> None:
        ran.append(1)

    start()
    message = actor.send()
    stays.send()
    broker.join("default")
    assert ran == [1]
    assert state(broker, message) is State.FAILED


def test_queues_are_served_side_by_side(broker: HomaBroker, start: Start) -> None:
    ran: list[str] = []

    @dramatiq.actor(queue_name="letters")
    def letter() -> None:
        ran.append("letter")

    @dramatiq.actor(queue_name="parcels")
    def parcel() -> None:
        ran.append("parcel")

    worker = start()
    letter.send()
    parcel.send()
    worker.join()
    assert sorted(ran) == ["letter", "parcel"]
