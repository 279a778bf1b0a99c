"""What a worker does beside its jobs: the beat that keeps its leases, the fleet's housekeeping, orders sent to it.

Each of them outlives whatever goes wrong with one of its turns: a worker without a beat would lose its jobs one by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import rejoin, renew, sweep
from homa_workers.fleet.fleet_cache import FACTORS_S, FleetBook
from homa_workers.middleware.base import Chore
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.pace import until_turn
from homa_workers.process.in_flight import HeldLease, InFlight
from homa_workers.process.standby_beat import StandbyBeat
from homa_workers.schedules.ticker import Ticker
from homa_workers.store_io.replay_buffer import Recent

BEAT_S = 1.0
SWEEP_SLICE = 200
_SLICE_PAUSE_S = 0.01
#: Most leases that one script renews.
RENEW_SLICE = 500
#: Longest wait for an order, s: what is listened to may have gone without a word.
_LISTEN_S = 5
#: A reply that is so late, s, was lost on a connection that stays open.
_LATE_S = 2
#: Pause after a turn that went wrong, s.
_PAUSE_S = 0.2


class Heartbeat:
    """What a worker does again and again as long as it lives.

    Args:
        lease_ms: length of the worker's leases.
        log: says whose heartbeat it is.
        recent: reports to be told again to a store that came back without them.
        chores: what else is done every so many seconds.
        facts: what it tells the fleet of itself, asked at each beat.
        ticker: fires schedules; one worker of a process has it.
    """

    def __init__(
        self,
        store: AsyncStore,
        lease_ms: int,
        in_flight: InFlight,
        log: WorkerLog,
        *,
        book: FleetBook | None,
        recent: Recent | None = None,
        chores: Sequence[Chore] = (),
        facts: Callable[[], dict[str, Any]],
        ticker: Ticker | None = None,
    ) -> None:
        self._store = store
        self._worker = log.worker
        self._lease_ms = lease_ms
        self._in_flight = in_flight
        self._log = log
        self._book = book
        self._recent = recent or Recent()
        #: The server that was told of all attempts; a run of it, by its own name.
        self._server = ""
        self._chores = chores
        self._facts = facts
        self._ticker = ticker
        self._standby = StandbyBeat(store, lease_ms, in_flight, log)
        self._tasks: list[asyncio.Task[None]] = []
        #: When the store last took the beat, on this process's clock (s); None before the first.
        self.beaten_s: float | None = None

    def start(self) -> None:
        third_s = self._lease_ms / 3000
        self._standby.start()
        self._tasks = [
            asyncio.create_task(self._each(min(BEAT_S, third_s), self._beat)),
            asyncio.create_task(self._each(BEAT_S, self._sweep)),
            asyncio.create_task(self._each(0, self._listen)),
        ]
        if self._book is not None:
            self._tasks.append(asyncio.create_task(self._each(BEAT_S, self._book.refresh)))
            self._tasks.append(asyncio.create_task(self._each(FACTORS_S, self._book.refresh_factors)))
        if self._ticker is not None:
            self._tasks.append(asyncio.create_task(self._each(0, self._ticker.run)))
        self._tasks += [asyncio.create_task(self._each(seconds, chore)) for seconds, chore in self._chores]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._standby.stop()

    async def _each(self, seconds: float, turn: Callable[[], Awaitable[Any]]) -> None:
        while True:
            went_well = False
            try:
                await turn()
                went_well = True
            except (StoreUnavailable, StoreFull) as error:
                self._log.store_away(error)
            except Exception as error:
                self._log.defect(error)
            if went_well:
                await asyncio.sleep(until_turn(seconds) if seconds else 0)
            else:
                await asyncio.sleep(max(seconds, _PAUSE_S))

    async def _beat(self) -> None:
        server, _ = await asyncio.gather(self._rejoin(), self._renew_all(self._in_flight.ripe(self._lease_ms / 3000)))
        if server == self._server:
            self._recent.forget()
            return
        # Another server than before may not have what the one before had taken: it is told of all that runs, and again
        # of what was over shortly before. Nobody is handed a job there until it has been.
        await self._renew_all(self._in_flight.ripe(0))
        reports = self._recent.again()
        for start in range(0, len(reports), RENEW_SLICE):
            await asyncio.gather(*(self._tell(op) for op in reports[start : start + RENEW_SLICE]))
        if await self._rejoin(server) == server:
            self._server = server

    async def _tell(self, report: Op[Any]) -> None:
        try:
            await self._store.run(report)
        except (StoreUnavailable, StoreFull):
            raise
        except Exception as error:  # one that no store takes must not keep the fleet waiting
            self._log.defect(error)

    async def _rejoin(self, told: str | None = None) -> str:
        told = self._server if told is None else told
        return await self._store.run(rejoin(self._store.keys, worker=self._worker, lease_ms=self._lease_ms, told=told))

    async def _renew_all(self, running: list[HeldLease]) -> None:
        slices = [running[i : i + RENEW_SLICE] for i in range(0, len(running), RENEW_SLICE)] or [[]]
        await asyncio.gather(*(self._renew(leases) for leases in slices))

    async def _renew(self, leases: list[HeldLease]) -> None:
        asked = time.monotonic()
        names, facts = [running.claim.name for running in leases], self._facts()
        told = await self._store.run(
            renew(self._store.keys, worker=self._worker, lease_ms=self._lease_ms, facts=facts, attempts=names)
        )
        self._standby.beaten(facts)
        self.beaten_s = asked
        for running in leases:
            running.renewed = asked
        # A lost attempt goes on: its good reply still ends the job, and its cost is better known than left open.
        # One that ended while this was asked had no lease left to lose.
        self._log.lost([name for name in told.lost if name in self._in_flight])
        # An order leaves the store as it is popped: where the connection died meanwhile, this is how it is heard of.
        for name in told.called_off:
            self._in_flight.cancel(name)

    async def _sweep(self) -> None:
        more = True
        while more:
            more = await self._store.run(sweep(self._store.keys, slice_size=SWEEP_SLICE, lease_ms=self._lease_ms))
            if more:
                # Between two slices the store is others'.
                await asyncio.sleep(_SLICE_PAUSE_S)

    async def _listen(self) -> None:
        reply = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LISTEN_S + _LATE_S):
                reply = await self._store.wait("BLPOP", self._store.keys.control(self._worker), _LISTEN_S)
        if reply is not None:
            self._carry_out(reply[1].decode())

    def _carry_out(self, order: str) -> None:
        """An order: `cancel job attempt`."""
        verb, job_id, attempt = order.split(" ")
        if verb == "cancel":
            self._in_flight.cancel(f"{job_id}:{attempt}")
