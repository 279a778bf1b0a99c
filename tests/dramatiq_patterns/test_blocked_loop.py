"""One actor that holds up the event loop costs neither itself nor its neighbours their leases."""

from __future__ import annotations

import asyncio
import threading

import dramatiq
import pytest

from homa_shared.broker import HomaBroker
from homa_workers.process import standby_beat
from tests.dramatiq_patterns.conftest import Start
from tests.fixtures.store import eventually

LEASE_S = 0.6
#: Several leases long.
BLOCKED_S = 2.0


class Runs:
    """What ran, how often."""

    def __init__(self) -> None:
        self.blocking = 0
        self.waiting = 0
        self.over = threading.Event()
        self.blocked_s = BLOCKED_S
        #: Ends the blocking before its time.
        self.released = threading.Event()


@pytest.fixture
def runs(broker: HomaBroker) -> Runs:
    seen = Runs()

    @dramatiq.actor(queue_name="a")
    async def neighbour() -> None:
        seen.waiting += 1
        await asyncio.sleep(BLOCKED_S + 0.5)
        seen.over.set()

    @dramatiq.actor(queue_name="a")
    async def blocking() -> None:
        seen.blocking += 1
        # Either may be the first to begin.
        while not seen.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # It computes, as far as the loop can tell.
        seen.released.wait(seen.blocked_s)

    neighbour.send()
    blocking.send()
    return seen


def test_leases_are_kept_while_the_loop_is_held_up(start: Start, runs: Runs) -> None:
    start(lease_s=LEASE_S, concurrency=2)
    eventually(lambda: runs.blocking == 1 and runs.waiting == 1)
    start(lease_s=LEASE_S, concurrency=2)
    assert runs.over.wait(BLOCKED_S + 10)
    assert (runs.blocking, runs.waiting) == (1, 1), "nobody else was given what still runs"


def test_a_loop_that_is_dead_is_not_kept_alive_for_ever(
    start: Start, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby_beat, "MOST_LEASES", 1)
    # Long enough for another worker's start on a busy machine: a loop that comes back renews its leases itself.
    runs.blocked_s = 30
    # Long beside a busy machine's pauses between beats: each longer than half a lease adds a lease of grace.
    lease_s = 3.0
    start(lease_s=lease_s, concurrency=2)
    eventually(lambda: runs.blocking == 1 and runs.waiting == 1)
    start(lease_s=lease_s, concurrency=2)
    eventually(lambda: runs.waiting == 2 or runs.blocking == 2)
    runs.released.set()
