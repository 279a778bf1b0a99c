"""Takes jobs, up to the free slots; sleeps while nothing may run.

An answer of `take` that is lost on its way is given again to the same nonce, so that each claim is started once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from homa_shared.backoff import Backoff
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.model.ids import new_nonce
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import Taken
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.process.dispatch import Dispatcher
from homa_workers.process.in_flight import InFlight
from homa_workers.process.waiting import Waiting

#: Most jobs of one take: a script of a few milliseconds.
TAKE_AT_MOST = 50
#: A full worker lets freed slots gather before it asks again: for so much of the time that a call takes, and within
#: these bounds, s. A question for many jobs costs the store a quarter of what as many questions for one do.
GATHER_SHARE, LEAST_GATHER_S, MOST_GATHER_S = 0.01, 0.005, 0.05
#: A worker with fewer slots than these asks for each one at once.
GATHER_FROM = 16
#: How long a worker that is to stop asks for an answer that was lost, s: then leases run out anyway.
_LAST_ASK_S = 10.0
#: Pauses while the store does not answer.
_BACKOFF = Backoff(first_s=0.1, longest_s=2.0)


@dataclass(frozen=True, slots=True)
class Room:
    """What a worker has room for."""

    slots: int
    queues: Sequence[str]
    #: Fewer slots, or queues left out, for want of threads for sync actors: one that is freed makes room.
    by_threads: bool = False
    #: Deliveries are left out: one that is over makes room.
    by_own: bool = False


#: Asks for jobs: for a nonce, what there is room for.
Take = Callable[[str, Room], Op[Taken]]


def gather_s(concurrency: int, typical_s: float) -> float:
    """How long a full worker lets freed slots gather, s.

    Args:
        concurrency: its slots.
        typical_s: how long its attempts take, s.
    """
    if concurrency < GATHER_FROM:
        return 0
    return min(max(LEAST_GATHER_S, typical_s * GATHER_SHARE), MOST_GATHER_S)


class TakeLoop:
    """The loop of one worker.

    Args:
        store: hands out jobs.
        take: the question to it.
        room: what it has room for, as things stand now.
        concurrency: most jobs at once.
        dispatcher: starts what was taken, and diverts what cannot be called here.
        in_flight: what runs.
        waiting: says when to stop.
        log: the worker's.
        follow: returns once the worker knows the fleet's settings of a version.
    """

    def __init__(
        self,
        store: AsyncStore,
        take: Take,
        room: Callable[[], Room],
        concurrency: int,
        dispatcher: Dispatcher,
        in_flight: InFlight,
        waiting: Waiting,
        log: WorkerLog,
        follow: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._take = take
        self._room = room
        self._concurrency = concurrency
        self._dispatcher = dispatcher
        self._in_flight = in_flight
        self._waiting = waiting
        self._log = log
        self._follow = follow

    async def run(self) -> None:
        """Takes until the order to stop."""
        nonce, room, asked, failures = new_nonce(), self._room(), time.monotonic(), 0
        while not self._waiting.is_stopping:
            room = self._room()
            if room.slots <= 0 or self._waiting.is_paused:
                gathers = not room.by_threads
                await self._waiting.for_slot(gather_s(self._concurrency, self._in_flight.typical_s) if gathers else 0)
                asked = time.monotonic()
                continue
            # Before the question: quota that comes back while it is answered is asked for again, and so is a thread.
            self._waiting.refunded.clear()
            self._waiting.freed.clear()
            self._waiting.own_over.clear()
            try:
                taken = await self._start(self._take(nonce, room), asked)
                moved = await self._dispatcher.divert(taken)
            except Exception as error:
                # The same nonce is asked again: if the answer was lost on its way, it is given again.
                self._tell(error)
                failures += 1
                await self._waiting.for_stop(_BACKOFF.pause_s(failures))
                continue
            # Behind jobs that moved on there may be more, which would else wait as long as their target does.
            if len(taken.claims) < room.slots and not moved:
                await self._sleep(taken.wait_ms, room)
            nonce, asked, failures = new_nonce(), time.monotonic(), 0
        if failures:
            await self._ask_before_leaving(nonce, room, asked)

    async def _ask_before_leaving(self, nonce: str, room: Room, asked: float) -> None:
        """Hands back what a lost answer may have handed out: nobody else knows that it was never called.

        Where the question itself was lost there is no such answer, and nothing is to be taken for it now.
        """
        room = replace(room, slots=0)
        give_up_s = time.monotonic() + _LAST_ASK_S
        while time.monotonic() < give_up_s:
            try:
                await self._start(self._take(nonce, room), asked)
                return
            except Exception as error:
                self._tell(error)
                await asyncio.sleep(_BACKOFF.first_s)

    async def _start(self, take: Op[Taken], asked: float) -> Taken:
        asking = asyncio.ensure_future(self._asked(take))
        try:
            taken = await asyncio.shield(asking)
        except asyncio.CancelledError:
            await self._hand_all_back(asking, asked)
            raise
        for claim in taken.claims:
            self._dispatcher.start(claim, asked)
        return taken

    async def _asked(self, take: Op[Taken]) -> Taken:
        """What take answers, once the settings are known that it went by: no job is called at a price of before.

        Where they cannot be read, the answer counts as lost, and is given again.
        """
        taken = await self._store.run(take)
        if taken.claims and self._follow is not None:
            await self._follow(taken.fleet_version)
        return taken

    async def _hand_all_back(self, asking: asyncio.Future[Taken], asked: float) -> None:
        """Jobs handed out while this worker is cancelled: nobody else would know that they were not sent."""
        self._waiting.stop()
        with contextlib.suppress(Exception):
            for claim in (await asking).claims:
                self._dispatcher.start(claim, asked)

    async def _sleep(self, wait_ms: int | None, room: Room) -> None:
        try:
            await self._waiting.for_bell(self._store, room.queues, wait_ms, or_slot=room.by_threads, or_own=room.by_own)
        except Exception as error:
            self._tell(error)
            await self._waiting.for_stop(_BACKOFF.first_s)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, StoreUnavailable | StoreFull):
            self._log.store_away(error)
        else:
            self._log.defect(error)
