"""Time limits, notices of shutdown, and middleware that raises in threads: each hits the actor that it is meant for."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import (
    CurrentMessage,
    Interrupt,
    Middleware,
    Shutdown,
    ShutdownNotifications,
    TimeLimit,
    TimeLimitExceeded,
    raise_thread_exception,
)

from homa_shared.broker import HomaBroker
from homa_shared.model.records import State
from homa_shared.store import reads
from tests.dramatiq_patterns.conftest import Start, record_of
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S


class Told(Middleware):
    """Notes with what each message ended; a subclass of nothing that interrupts."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, type[BaseException] | None]] = []

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.ends.append((message.actor_name, None if exception is None else type(exception)))


def busy(seconds: float) -> None:
    """Waits in Python: an exception is raised in a thread between two of its instructions."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.005)


@pytest.mark.parametrize("by", ["actor", "message", "middleware"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_actor_that_runs_too_long_is_interrupted(broker: HomaBroker, start: Start, kind: str, by: str) -> None:
    seen: list[type[BaseException]] = []
    told = Told()
    for middleware in broker.middleware:
        if isinstance(middleware, TimeLimit) and by == "middleware":
            middleware.time_limit = 200

    def slow() -> None:
        try:
            busy(PATIENCE_S)
        except BaseException as error:
            seen.append(type(error))
            raise

    async def slow_async() -> None:
        try:
            await asyncio.sleep(PATIENCE_S)
        except BaseException as error:
            seen.append(type(error))
            raise

    limit = {"time_limit": 200} if by == "actor" else {}
    declare = dramatiq.actor(actor_name="slow", max_retries=0, **limit)  # type: ignore[arg-type]
    actor = declare(slow if kind == "sync" else slow_async)
    if by == "message":
        broker.add_middleware(told)
    start()
    message = actor.send_with_options(**({"time_limit": 200} if by == "message" else {}))
    broker.join("default", timeout=20_000)
    assert seen == [TimeLimitExceeded if kind == "sync" else asyncio.CancelledError]
    assert broker.store.run(reads.state(broker.store.keys, record_of(message))) is State.FAILED
    assert told.ends == ([("slow", TimeLimitExceeded)] if by == "message" else [])


def test_dramatiqs_middleware_that_interrupts_is_kept_by_the_worker(broker: HomaBroker) -> None:
    fresh = HomaBroker(broker.address, broker.namespace, middleware=[TimeLimit(time_limit=7), ShutdownNotifications()])
    kept = fresh.middleware
    assert [isinstance(kept[0], TimeLimit), isinstance(kept[1], ShutdownNotifications)] == [True, True]
    assert isinstance(kept[0], TimeLimit)
    assert kept[0].time_limit == 7
    assert not fresh.may_interrupt
    assert not fresh.watched
    fresh.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_actors_that_ask_for_it_are_told_of_the_end_before_the_drain(
    broker: HomaBroker, start: Start, kind: str
) -> None:
    told, began = Told(), threading.Event()
    broker.add_middleware(told)

    def waits() -> None:
        began.set()
        busy(PATIENCE_S)

    async def waits_async() -> None:
        began.set()
        await asyncio.sleep(PATIENCE_S)

    declare = dramatiq.actor(actor_name="waits", max_retries=0, notify_shutdown=True)
    actor = declare(waits if kind == "sync" else waits_async)
    worker = start()
    actor.send()
    assert began.wait(PATIENCE_S)
    worker.stop()
    assert told.ends == [("waits", Shutdown)]


class Stopped(Interrupt):
    """What the middleware below raises."""


class Stops(Middleware):
    """As plug-ins do it: notes the thread in which a message's hook runs, and raises there when told to."""

    def __init__(self) -> None:
        self.threads: dict[str, int] = {}

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.threads[message.message_id] = threading.get_ident()

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.threads.pop(message.message_id, None)

    def stop(self, message: dramatiq.Message[Any]) -> None:
        raise_thread_exception(self.threads[message.message_id], Stopped)


@pytest.fixture
def stops(broker: HomaBroker) -> Stops:
    stops = Stops()
    broker.add_middleware(stops)
    return stops


def test_an_interrupt_for_an_async_actor_cancels_it_and_nobody_else(
    broker: HomaBroker, start: Start, stops: Stops
) -> None:
    told, go, began = Told(), threading.Event(), threading.Event()
    broker.add_middleware(told)

    @dramatiq.actor(max_retries=0)
    async def long() -> None:
        began.set()
        await asyncio.sleep(PATIENCE_S)

    @dramatiq.actor(max_retries=0)
    def innocent() -> None:
        while not go.is_set():
            time.sleep(0.005)

    start(worker_threads=2)
    aimed = long.send()
    assert began.wait(PATIENCE_S)
    for _ in range(2):
        innocent.send()
    eventually(lambda: len(stops.threads) == 3)
    assert len(set(stops.threads.values())) == 3, "each run's hooks have a thread that no other run has"
    stops.stop(aimed)
    eventually(lambda: ("long", Stopped) in told.ends)
    go.set()
    broker.join("default")
    assert sorted(told.ends, key=str) == [("innocent", None), ("innocent", None), ("long", Stopped)]


def test_an_interrupt_for_a_sync_actor_raises_in_it(broker: HomaBroker, start: Start, stops: Stops) -> None:
    told, began = Told(), threading.Event()
    broker.add_middleware(told)

    @dramatiq.actor(max_retries=0)
    def long() -> None:
        began.set()
        busy(PATIENCE_S)

    start()
    message = long.send()
    assert began.wait(PATIENCE_S)
    stops.stop(message)
    broker.join("default")
    assert told.ends == [("long", Stopped)]


@pytest.mark.skipif(
    sys.gettrace() is not None and sys.version_info < (3, 12),
    reason="traced CPython 3.11 spins in other threads while an exception is pending for an idle one",
)
def test_an_interrupt_that_comes_too_late_costs_neither_thread_nor_message(broker: HomaBroker, start: Start) -> None:
    threads: list[int] = []

    @dramatiq.actor(max_retries=0)
    def note() -> None:
        threads.append(threading.get_ident())

    start(worker_threads=1)
    note.send()
    broker.join("default")
    for number in range(20):
        # The thread is idle: the exception is raised when it wakes, for the next message.
        raise_thread_exception(threads[0], Stopped)
        message = note.send()
        broker.join("default", timeout=10_000)
        assert broker.store.run(reads.state(broker.store.keys, record_of(message))) is None, f"message {number}"
    assert threads == [threads[0]] * 21


def test_hooks_and_actor_of_an_async_run_share_a_context(broker: HomaBroker, start: Start, stops: Stops) -> None:
    known: list[str] = []

    @dramatiq.actor
    async def knows() -> None:
        message = CurrentMessage.get_current_message()
        assert message is not None
        known.append(message.message_id)

    start()
    message = knows.send()
    broker.join("default")
    assert known == [message.message_id]


def test_an_async_run_that_is_cut_beside_its_thread_is_handed_back(
    broker: HomaBroker, start: Start, stops: Stops
) -> None:
    began = threading.Event()

    @dramatiq.actor
    async def long() -> None:
        began.set()
        await asyncio.sleep(PATIENCE_S)

    worker = start()
    message = long.send()
    assert began.wait(PATIENCE_S)
    worker.stop(timeout=1)
    assert broker.store.run(reads.state(broker.store.keys, record_of(message))) is State.QUEUED


class Threads(Middleware):
    """Notes the hooks of threads."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def after_worker_thread_boot(self, broker: Any, thread: Any) -> None:
        self.seen.append(f"begins {threading.current_thread() is thread}")

    def before_worker_thread_shutdown(self, broker: Any, thread: Any) -> None:
        self.seen.append(f"ends {threading.current_thread() is thread}")


def test_threads_tell_of_their_beginning_and_end(broker: HomaBroker, start: Start) -> None:
    told = Threads()
    broker.add_middleware(told)

    @dramatiq.actor
    def note() -> None: ...

    worker = start(worker_threads=1)
    note.send()
    broker.join("default")
    worker.stop()
    assert told.seen == ["begins True", "ends True"]
