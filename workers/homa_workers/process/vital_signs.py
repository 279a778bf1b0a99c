"""How a worker process is doing: its event loop, its way to the store, its heartbeat. For metrics and probes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence

from homa_shared.metrics import worker_catalogue as names
from homa_shared.metrics.families import Families, Tally, dollars
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore
from homa_workers.process.standby_beat import MOST_LEASES
from homa_workers.process.worker import HomaWorker

#: How often it looks, s.
EACH_S = 0.5
#: Upper bounds of buckets, s.
_LAG = (0.001, 0.005, 0.01, 0.025, 0.1, 0.5, 2, 10)


class VitalSigns:
    """Samples twice a second, while `run` runs on the loop that is looked at; other threads read.

    Args:
        store: whose answers are timed.
        workers: of this process.
    """

    def __init__(self, store: AsyncStore, workers: Sequence[HomaWorker]) -> None:
        self._store = store
        self._workers = workers
        self._lag = Tally(_LAG)
        self._answers = Tally(_LAG)
        self._turned_s = time.monotonic()

    async def run(self) -> None:
        """Samples until it is cancelled."""
        # Side by side: a store that does not answer must not pass for a loop that stands still.
        await asyncio.gather(self._watch_loop(), self._time_store())

    async def _watch_loop(self) -> None:
        while True:
            due_s = time.monotonic() + EACH_S
            await asyncio.sleep(EACH_S)
            self._turned_s = time.monotonic()
            self._lag.add(max(0.0, self._turned_s - due_s))

    async def _time_store(self) -> None:
        while True:
            asked_s = time.monotonic()
            # Whatever it answers instead: the heartbeat tells of it, and the samples go on.
            with contextlib.suppress(Exception):
                await self._store.run(reads.server_time(self._store.keys))
                self._answers.add(time.monotonic() - asked_s)
            await asyncio.sleep(EACH_S)

    def dead_why(self) -> str:
        """Why only a restart helps; empty where none does.

        A store that is away is no reason: the process keeps the replies that it has paid for until it returns. A loop
        that stands still for longer than its leases are kept has lost its jobs to others.
        """
        silent_s = time.monotonic() - self._turned_s
        longest_s = (MOST_LEASES + 1) * max((worker.lease_ms for worker in self._workers), default=0) / 1000
        return f"the event loop has stood still for {silent_s:.0f} s" if silent_s > longest_s else ""

    def unready_why(self) -> str:
        """Why no work can be done now; empty where it can: the store takes each worker's heartbeat, and it may take."""
        for worker in self._workers:
            if worker.is_draining:
                return f"{worker.id} is draining"
            if worker.beaten_s is None:
                return f"{worker.id} has not beaten yet"
            if (age_s := time.monotonic() - worker.beaten_s) > worker.lease_ms / 1000:
                return f"the store has not taken the heartbeat of {worker.id} for {age_s:.0f} s"
        return self.dead_why()

    def families(self, told: Families) -> None:
        """Adds the present state to a scrape."""
        for worker in filter(lambda worker: worker.takes, self._workers):
            told.add(names.IN_FLIGHT, worker.running, worker.provider)
            told.add(names.SLOTS, worker.concurrency, worker.provider)
            told.add(names.RESERVED, dollars(worker.bounds_nano), worker.provider)
        beats = [worker.beaten_s for worker in self._workers if worker.beaten_s is not None]
        if beats:
            told.add(names.BEAT_AGE, time.monotonic() - min(beats))
        told.add(names.DRAINING, float(any(worker.is_draining for worker in self._workers)))
        told.tally(names.LOOP_LAG, self._lag)
        told.tally(names.STORE_SECONDS, self._answers)
