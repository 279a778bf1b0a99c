"""Dramatiq's priorities: lanes in their order, and within a lane the lowest number first."""

from __future__ import annotations

import dramatiq
import pytest

from homa_shared.broker import HomaBroker
from tests.dramatiq_patterns.conftest import Start

SHUFFLED = (7, -2, 0, 50, -9, 3, -1, 100, 0, 20)


@pytest.fixture
def ran(broker: HomaBroker) -> list[int]:
    """Priorities of runs of the actor `note`, in their order."""
    order: list[int] = []
    dramatiq.actor(order.append, actor_name="note")
    return order


def send(broker: HomaBroker, priority: int) -> None:
    broker.get_actor("note").send_with_options(args=(priority,), broker_priority=priority)


def test_ten_priorities_run_in_their_order(broker: HomaBroker, start: Start, ran: list[int]) -> None:
    for priority in SHUFFLED:
        send(broker, priority)
    start(worker_threads=1)
    broker.join("default")
    assert ran == sorted(SHUFFLED)


def test_so_do_those_that_an_actor_enqueues(broker: HomaBroker, start: Start, ran: list[int]) -> None:
    @dramatiq.actor
    def sends() -> None:
        for priority in SHUFFLED:
            send(broker, priority)

    sends.send()
    start(worker_threads=1)
    broker.join("default")
    assert ran == sorted(SHUFFLED)


def test_those_of_one_priority_run_in_the_order_in_which_they_were_sent(broker: HomaBroker, start: Start) -> None:
    order: list[str] = []

    @dramatiq.actor(priority=5)
    def urgent(name: str) -> None:
        order.append(name)

    @dramatiq.actor(priority=6)
    def patient(name: str) -> None:
        order.append(name)

    for number in range(3):
        patient.send(f"patient {number}")
        urgent.send(f"urgent {number}")
    start(worker_threads=1)
    broker.join("default")
    assert order == [f"{word} {number}" for word in ("urgent", "patient") for number in range(3)]


def test_priorities_far_from_nought_count_as_a_thousand(broker: HomaBroker, start: Start, ran: list[int]) -> None:
    for priority in (10**9, 2000, 999, -(10**30), -1000, -999):
        send(broker, priority)
    start(worker_threads=1)
    broker.join("default")
    assert ran == [-(10**30), -1000, -999, 999, 10**9, 2000]
