"""Actors, options and middleware of Dramatiq behave as its documentation says."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import QueueJoinTimeout, QueueNotFound, RateLimitExceeded, Retry
from dramatiq.middleware import CurrentMessage, Middleware, SkipMessage
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import StubBackend as StubLimits

from homa_shared.broker import HomaBroker
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.operation import Op
from homa_shared.store.transitions.submit import Common, Entry, submit
from tests.dramatiq_patterns.conftest import Start, record_of
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S


def state(broker: HomaBroker, message: Any) -> State | None:
    return broker.store.run(reads.state(broker.store.keys, record_of(message)))


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


def test_a_failed_run_is_retried_with_backoff_until_it_succeeds(broker: HomaBroker, start: Start) -> None:
    tries: list[float] = []

    @dramatiq.actor(min_backoff=100, max_backoff=200)
    def flaky() -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise ValueError("not yet")

    start()
    flaky.send()
    broker.join("default")
    assert len(tries) == 3
    assert tries[1] - tries[0] >= 0.05


def test_a_message_that_runs_out_of_retries_is_dead_and_kept(broker: HomaBroker, start: Start) -> None:
    @dramatiq.actor(max_retries=2, min_backoff=1, max_backoff=2)
    def broken() -> None:
        raise ValueError("never")

    start()
    message = broken.send()
    broker.join("default")
    assert state(broker, message) is State.FAILED
    view = broker.store.run(reads.job(broker.store.keys, record_of(message)))
    assert view is not None
    kept = dramatiq.Message.decode(view.request or b"")
    assert kept.options["retries"] == 2
    assert "ValueError: never" in kept.options["traceback"]


def test_what_an_actor_declares_to_throw_is_not_retried(broker: HomaBroker, start: Start) -> None:
    tries: list[int] = []

    @dramatiq.actor(throws=(KeyError,))
    def picky() -> None:
        tries.append(1)
        raise KeyError("as declared")

    start()
    message = picky.send()
    broker.join("default")
    assert tries == [1]
    assert state(broker, message) is State.FAILED


def test_a_retry_exception_names_its_own_delay(broker: HomaBroker, start: Start) -> None:
    tries: list[float] = []

    @dramatiq.actor
    def again() -> None:
        tries.append(time.monotonic())
        if len(tries) == 1:
            raise Retry("later", delay=200)

    start()
    again.send()
    broker.join("default")
    assert 0.2 <= tries[1] - tries[0] < 2.0


def test_an_exhausted_message_is_given_to_the_actor_for_that(broker: HomaBroker, start: Start) -> None:
    exhausted: list[tuple[str, int]] = []

    @dramatiq.actor
    def bury(message: dict[str, Any], facts: dict[str, int]) -> None:
        exhausted.append((message["actor_name"], facts["retries"]))

    @dramatiq.actor(max_retries=0, on_retry_exhausted="bury")
    def broken() -> None:
        raise ValueError("never")

    start()
    broken.send()
    broker.join("default")
    assert exhausted == [("broken", 0)]


def test_callbacks_follow_success_and_failure(broker: HomaBroker, start: Start) -> None:
    told: list[Any] = []

    @dramatiq.actor
    def succeeded(message: dict[str, Any], result: int) -> None:
        told.append(("succeeded", result))

    @dramatiq.actor
    def failed(message: dict[str, Any], error: dict[str, str]) -> None:
        told.append(("failed", error["type"]))

    @dramatiq.actor(max_retries=0)
    def divide(a: int, b: int) -> int:
        return a // b

    start()
    for b in (2, 0):
        divide.send_with_options(args=(6, b), on_success=succeeded, on_failure=failed)
    broker.join("default")
    assert sorted(told) == [("failed", "ZeroDivisionError"), ("succeeded", 3)]


def test_a_message_that_is_too_old_is_dead(broker: HomaBroker, start: Start) -> None:
    @dramatiq.actor(max_age=1)
    def fresh() -> None:
        raise AssertionError("must not run")

    message = fresh.send()
    time.sleep(0.01)
    start()
    broker.join("default")
    assert state(broker, message) is State.FAILED


def test_an_actor_knows_its_message(broker: HomaBroker, start: Start) -> None:
    known: list[str] = []

    @dramatiq.actor
    def sync() -> None:
        known.append(CurrentMessage.get_current_message().message_id)  # type: ignore[union-attr]

    start()
    message = sync.send()
    broker.join("default")
    assert known == [message.message_id]


class Gate(Middleware):
    """Skips or fails what says so, and notes the signals that it saw."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def before_process_message(self, broker: Any, message: Any) -> None:
        if message.options.get("skip") == "fail":
            message.fail()
        if message.options.get("skip"):
            raise SkipMessage("gate")

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.seen.append("skipped")

    def after_ack(self, broker: Any, message: Any) -> None:
        self.seen.append("acked")

    def after_nack(self, broker: Any, message: Any) -> None:
        self.seen.append("nacked")


@pytest.mark.parametrize(("how", "signals"), [("yes", ["skipped", "acked"]), ("fail", ["skipped", "nacked"])])
def test_middleware_may_skip_a_message(broker: HomaBroker, start: Start, how: str, signals: list[str]) -> None:
    gate = Gate()
    broker.add_middleware(gate)

    @dramatiq.actor
    def never() -> None:
        raise AssertionError("must not run")

    start()
    message = never.send_with_options(skip=how)
    broker.join("default")
    assert gate.seen == signals
    assert state(broker, message) is (State.FAILED if how == "fail" else None)


def test_an_actor_may_skip_its_own_message(broker: HomaBroker, start: Start) -> None:
    gate = Gate()
    broker.add_middleware(gate)

    @dramatiq.actor
    async def declines() -> None:
        raise SkipMessage("not me")

    start()
    declines.send()
    broker.join("default")
    assert gate.seen == ["skipped", "acked"]


def test_a_message_for_an_unknown_actor_is_dead(broker: HomaBroker, start: Start) -> None:
    broker.declare_queue("default")
    start()
    message = broker.enqueue(dramatiq.Message("default", "nobody", (), {}, {}))
    broker.join("default")
    assert state(broker, message) is State.FAILED


def test_what_is_no_message_is_dead(broker: HomaBroker, start: Start) -> None:
    broker.declare_queue("default")
    common = Common("default", "default", "actor", kind="m")
    broker.store.run(submit(broker.store.keys, common, [Entry("m1", b"no message")]))
    start()
    broker.join("default")
    assert broker.store.run(reads.state(broker.store.keys, "m1")) is State.FAILED


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


def test_rate_limited_runs_are_tried_again(broker: HomaBroker, start: Start) -> None:
    mutex = ConcurrentRateLimiter(StubLimits(), "one-at-a-time", limit=1)
    ran: list[int] = []

    @dramatiq.actor(min_backoff=10, max_backoff=20)
    def alone(number: int) -> None:
        with mutex.acquire():
            time.sleep(0.05)
            ran.append(number)

    start()
    for number in range(4):
        alone.send(number)
    broker.join("default", timeout=20_000)
    assert sorted(ran) == [0, 1, 2, 3]
    assert issubclass(RateLimitExceeded, Exception)


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


def test_flush_drops_what_waits(broker: HomaBroker) -> None:
    @dramatiq.actor
    def note() -> None:
        raise AssertionError("must not run")

    for n in range(30):
        note.send_with_options(delay=60_000 if n % 3 == 0 else None)
    broker.flush_all()
    broker.join("default", timeout=1000)
    counters = broker.store.run(Op((("HGET", broker.store.keys.counters(), "live"),), lambda r: int(r[0])))
    assert counters == 0


def test_join_gives_up_after_its_time(broker: HomaBroker) -> None:
    @dramatiq.actor
    def note() -> None: ...

    note.send()
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)
    with pytest.raises(QueueNotFound):
        broker.join("never-declared")


def test_dramatiqs_own_worker_is_told_where_to_go(broker: HomaBroker) -> None:
    with pytest.raises(RuntimeError, match="homa worker"):
        broker.consume("default")


def test_a_paused_worker_runs_nothing(broker: HomaBroker, start: Start) -> None:
    ran: list[int] = []

    @dramatiq.actor
    def note() -> None:
        ran.append(1)

    worker = start()
    worker.pause()
    time.sleep(0.1)
    note.send()
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=200)
    worker.resume()
    broker.join("default")
    assert ran == [1]


def test_stopping_a_worker_that_was_never_started_does_nothing(broker: HomaBroker, start: Start) -> None:
    from homa_workers.process.worker import HomaWorker

    HomaWorker(broker).stop()
