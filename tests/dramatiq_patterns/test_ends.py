"""What is said and kept of a run that is over."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
import structlog
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import Middleware
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend

from homa_shared.broker import HomaBroker
from homa_workers.process import processing
from tests.dramatiq_patterns.conftest import Start
from tests.fixtures.store import eventually


class Large:
    """Something that an actor has in its hands."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_nothing_of_a_failed_run_waits_for_the_garbage_collector(
    broker: HomaBroker, start: Start, no_collector: None, kind: str
) -> None:
    held: list[weakref.ref[Large]] = []

    def fails() -> None:
        large = Large()
        held.append(weakref.ref(large))
        raise ValueError("with something large in its hands")

    async def fails_async() -> None:
        fails()

    actor = dramatiq.actor(actor_name="fails", max_retries=0)(fails if kind == "sync" else fails_async)
    start()
    actor.send()
    broker.join("default")
    eventually(lambda: held[0]() is None)
    assert held[0]() is None


class Nacks(Middleware):
    """Notes what a rejected message carries."""

    def __init__(self) -> None:
        self.seen: list[BaseException | None] = []

    def after_nack(self, broker: Any, message: Any) -> None:
        self.seen.append(message._exception)


def test_a_message_for_an_unknown_actor_carries_the_reason(broker: HomaBroker, start: Start) -> None:
    nacks = Nacks()
    broker.add_middleware(nacks)
    broker.declare_queue("default")
    start()
    broker.enqueue(dramatiq.Message("default", "nobody", (), {}, {}))
    broker.join("default")
    assert [type(error) for error in nacks.seen] == [ActorNotFound]


@pytest.mark.parametrize("has_results", [False, True])
def test_a_value_that_nobody_keeps_is_told(
    broker: HomaBroker, start: Start, has_results: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_results:
        broker.add_middleware(Results(backend=StubBackend(), store_results=True))

    @dramatiq.actor
    def gives() -> int:
        return 7

    start()
    structlog.reset_defaults()
    # One that was used under other settings keeps these.
    monkeypatch.setattr(processing, "log", structlog.get_logger())
    with structlog.testing.capture_logs() as lines:
        gives.send()
        broker.join("default")
    told = [line["event"] for line in lines if line["event"] == "actor.result_discarded"]
    assert told == ([] if has_results else ["actor.result_discarded"])
