"""Messages that no actor runs: skipped by middleware or by the actor, too old, or of nobody."""

from __future__ import annotations

import time
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import Middleware, SkipMessage

from homa_shared.broker import HomaBroker
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions.submit import Common, Entry, submit
from tests.dramatiq_patterns.conftest import Start, state


def test_a_message_that_is_too_old_is_dead(broker: HomaBroker, start: Start) -> None:
    @dramatiq.actor(max_age=1)
    def fresh() -> None:
        raise AssertionError("must not run")

    message = fresh.send()
    time.sleep(0.01)
    start()
    broker.join("default")
    assert state(broker, message) is State.FAILED


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
