"""Results, pipelines and groups."""

from __future__ import annotations

from collections.abc import Iterator

import dramatiq
import pytest
from dramatiq import group, pipeline
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as RedisLimits
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend, StubBackend
from dramatiq.results.errors import ResultFailure

from homa_shared.broker import HomaBroker
from tests.dramatiq_patterns.conftest import Start
from tests.fixtures.store import eventually

WAIT_MS = 10_000


@pytest.fixture(params=["stub", "redis"])
def results(request: pytest.FixtureRequest, broker: HomaBroker, store_url: str, namespace: str) -> Iterator[None]:
    """The Results middleware, kept in memory or in the store beside Homa's keys."""
    if request.param == "stub":
        broker.add_middleware(Results(backend=StubBackend()))
        yield
        return
    backend = RedisBackend(url=store_url, namespace=f"{namespace}-results")
    broker.add_middleware(Results(backend=backend))
    yield
    backend.client.close()


@pytest.mark.usefixtures("results")
def test_results_of_sync_and_async_actors_are_kept(broker: HomaBroker, start: Start) -> None:
    @dramatiq.actor(store_results=True)
    def add(a: int, b: int) -> int:
        return a + b

    @dramatiq.actor(store_results=True)
    async def multiply(a: int, b: int) -> int:
        return a * b

    start()
    assert add.send(2, 3).get_result(block=True, timeout=WAIT_MS) == 5
    assert multiply.send(2, 3).get_result(block=True, timeout=WAIT_MS) == 6


@pytest.mark.usefixtures("results")
def test_the_failure_of_a_dead_message_is_its_result(broker: HomaBroker, start: Start) -> None:
    @dramatiq.actor(store_results=True, max_retries=0)
    def broken() -> None:
        raise ValueError("never")

    start()
    with pytest.raises(ResultFailure, match="never"):
        broken.send().get_result(block=True, timeout=WAIT_MS)


@pytest.mark.usefixtures("results")
def test_a_pipeline_hands_each_result_on(broker: HomaBroker, start: Start) -> None:
    @dramatiq.actor(store_results=True)
    def add(a: int, b: int) -> int:
        return a + b

    @dramatiq.actor(store_results=True)
    async def double(a: int) -> int:
        return 2 * a

    start()
    pipe = pipeline([add.message(1, 2), add.message(10), double.message()]).run()
    assert pipe.get_result(block=True, timeout=WAIT_MS) == 26
    assert list(pipe.get_results()) == [3, 13, 26]


@pytest.mark.usefixtures("results")
def test_a_group_gathers_its_results(broker: HomaBroker, start: Start) -> None:
    @dramatiq.actor(store_results=True)
    def square(n: int) -> int:
        return n * n

    start()
    squares = group([square.message(n) for n in range(8)]).run()
    assert list(squares.get_results(block=True, timeout=WAIT_MS)) == [n * n for n in range(8)]


def test_a_groups_callback_runs_once_after_all(
    broker: HomaBroker, start: Start, store_url: str, request: pytest.FixtureRequest
) -> None:
    limits = RedisLimits(url=store_url)
    request.addfinalizer(limits.client.close)
    broker.add_middleware(GroupCallbacks(limits))
    done: list[int] = []
    finished: list[int] = []

    @dramatiq.actor
    def part(number: int) -> None:
        done.append(number)

    @dramatiq.actor
    def whole() -> None:
        finished.append(len(done))

    start()
    parts = group([part.message(n) for n in range(6)])
    parts.add_completion_callback(whole.message())
    parts.run()
    eventually(lambda: finished == [6])
    broker.join("default")
    assert finished == [6]


def test_a_group_run_by_an_actor_is_enqueued_with_its_ack(broker: HomaBroker, start: Start) -> None:
    ran: list[int] = []

    @dramatiq.actor
    def leaf(number: int) -> None:
        ran.append(number)

    @dramatiq.actor
    async def root() -> None:
        group([leaf.message(n) for n in range(5)]).run()

    start()
    root.send()
    broker.join("default")
    assert sorted(ran) == [0, 1, 2, 3, 4]
