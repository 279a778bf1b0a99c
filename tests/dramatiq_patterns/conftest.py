"""Ordinary Dramatiq on Homa's broker and worker: what a user of Dramatiq writes, unchanged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import structlog

from homa_shared.broker import RECORD_OPTION, HomaBroker
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.connection import StoreAddress
from homa_workers.process.worker import HomaWorker

Start = Callable[..., HomaWorker]


def record_of(message: dramatiq.Message[Any]) -> str:
    """The id of an enqueued message's record."""
    return str(message.options[RECORD_OPTION])


def state(broker: HomaBroker, message: dramatiq.Message[Any]) -> State | None:
    """The state of an enqueued message's record; None once the message has succeeded."""
    return broker.store.run(reads.state(broker.store.keys, record_of(message)))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Actors that are meant to fail need no traceback each."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def broker(store_address: StoreAddress, namespace: str) -> Iterator[HomaBroker]:
    """A broker with Dramatiq's usual middleware, set as the global one."""
    broker = HomaBroker(store_address, namespace)
    before = dramatiq.broker.global_broker
    dramatiq.set_broker(broker)
    yield broker
    dramatiq.broker.global_broker = before
    broker.close()


@pytest.fixture
def start(broker: HomaBroker) -> Iterator[Start]:
    """Starts workers of the broker; they are stopped at the end."""
    started: list[HomaWorker] = []

    def start(**options: object) -> HomaWorker:
        worker = HomaWorker(broker, **options)  # type: ignore[arg-type]
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.stop(timeout=2000)
