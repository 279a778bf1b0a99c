"""Joining and flushing a broker, pausing and stopping a worker."""

from __future__ import annotations

import time

import dramatiq
import pytest
from dramatiq.errors import QueueJoinTimeout, QueueNotFound

from homa_shared.broker import HomaBroker
from homa_shared.store.operation import Op
from tests.dramatiq_patterns.conftest import Start


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
