"""One look at the fleet a second, whoever and however many ask; none while nobody does."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from homa.client.management.batches import BatchInfo
from homa.client.management.limits import LimitInfo, Limits, limits
from homa.client.management.workers import WorkerInfo, workers
from homa.gateway.dashboard.tally import WINDOW_MS, Tally
from homa.gateway.live_jobs import LiveJobs
from homa_shared.store import reads
from homa_shared.store.reads import Event, Monitored
from homa_shared.store.reads.failures import FailureRow, failures
from homa_shared.store.reads.in_flight import Reserved, in_flight
from homa_shared.store.reads.money import LedgerLine

#: How old a look may be, s.
FRESH_S = 1.0
#: Lines of the ledger that one look reads at most: with more a second, sums begin anew.
_LINES = 4000
_EVENTS = 30
#: The newest batches that a look goes through for those that run.
_BATCHES = 40


@dataclass(frozen=True, slots=True)
class Nav:
    """Counts beside the names of pages."""

    live: int
    batches: int
    #: Scopes that are frozen, and breakers that are open.
    held: int
    workers: int
    failed: int


@dataclass(frozen=True, slots=True)
class Look:
    """The fleet at one moment."""

    now_ms: int
    monitored: Monitored
    limits: Limits
    workers: tuple[WorkerInfo, ...]
    events: list[Event]
    #: Of this hour and the one before.
    failures: list[FailureRow]
    reserved: dict[str, Reserved]
    batches: list[BatchInfo]
    nav: Nav


class Pulse:
    """Looks at the fleet.

    Args:
        jobs: the store's door.
    """

    def __init__(self, jobs: LiveJobs) -> None:
        self._jobs = jobs
        self._asking = asyncio.Lock()
        self._look: Look | None = None
        self._looked_s = -1e9
        self._last_line = ""
        #: What ended lately.
        self.tally = Tally()

    async def now(self) -> Look:
        """The fleet as it was a second ago at most; raises StoreUnavailable."""
        async with self._asking:
            if self._look is None or time.monotonic() - self._looked_s >= FRESH_S:
                self._look = await self._look_now()
                self._looked_s = time.monotonic()
            return self._look

    async def _look_now(self) -> Look:
        keys, store = self._jobs.keys, await self._jobs.store()
        monitored = await store.run(reads.monitored(keys))
        found, alive, events, failed, reserved, newest = await asyncio.gather(
            self._jobs.run(limits(keys)),
            self._jobs.run(workers(keys)),
            store.run(reads.latest_events(keys, _EVENTS)),
            store.run(failures(keys, monitored.now_ms, 2)),
            store.run(in_flight(keys)),
            store.run(reads.batches(keys, _BATCHES)),
        )
        views = await asyncio.gather(*(store.run(reads.batch(keys, batch_id)) for batch_id in newest))
        running = [BatchInfo.of(view) for view in views if view is not None and not view.complete]
        await self._count(monitored.now_ms)
        nav = Nav(
            monitored.counters.get("live", 0), len(running), _held(found), len(alive), sum(row.count for row in failed)
        )
        return Look(monitored.now_ms, monitored, found, alive, events[::-1], failed, reserved, running, nav)

    async def _count(self, now_ms: int) -> None:
        """Reads the ledger on from where the last look stopped."""
        keys, store = self._jobs.keys, await self._jobs.store()
        after = self._last_line
        if not after or int(after.partition("-")[0]) < now_ms - WINDOW_MS:
            after = f"{now_ms - WINDOW_MS}-0"
            self.tally.begin(now_ms - WINDOW_MS)
        lines: list[LedgerLine] = await store.run(reads.ledger(keys, after, _LINES))
        if len(lines) == _LINES:
            # More than one look reads: from here on, so that it never falls behind by more and more.
            after = f"{now_ms}-0"
            self.tally.begin(now_ms)
            lines = []
        self.tally.add(lines, now_ms)
        self._last_line = lines[-1].id if lines else after


def _held(found: Limits) -> int:
    frozen = {row.scope for row in found if row.frozen_s}
    return len(frozen | {row.scope for row in found if is_open(row)})


def is_open(row: LimitInfo) -> bool:
    """Whether it is a breaker that lets no call pass, or one alone."""
    return row.dimension == "breaker" and row.state in ("open", "half-open")
