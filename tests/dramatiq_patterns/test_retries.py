"""A run that fails is retried, given up and told of as Dramatiq's documentation says."""

from __future__ import annotations

import time
from typing import Any

import dramatiq
from dramatiq.errors import RateLimitExceeded, Retry
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import StubBackend as StubLimits

from homa_shared.broker import HomaBroker
from homa_shared.model.records import State
from homa_shared.store import reads
from tests.dramatiq_patterns.conftest import Start, record_of, state


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
