"""Fires what schedules have due, and sums up what has ended: part of a worker's housekeeping.

1. A look asks the store what is due by its clock. One worker at a time is told; the others sleep for as long.
2. For each tick the calendar, which only Python has, tells the one after it.
3. One script fires it: nothing happens unless the tick is still its schedule's next one and the store's time has
   reached it. So each fires once, however many workers look, wherever one of them dies, and whatever is sent twice.
4. Runs that ended are summed up, and backfills are moved on, by scripts that repeat nothing either.

A schedule with which something is wrong pauses, and an alarm says why: it keeps no other one waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from homa_shared.model.constants import LATE_MS
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions.deliveries import make_webhooks
from homa_shared.store.transitions.schedules import (
    Alarm,
    BackfillTick,
    DueTick,
    Firing,
    Look,
    OpenBackfill,
    close_runs,
    fire_ticks,
    halt_schedule,
    look_schedules,
    move_backfill,
    stop_backfill,
)
from homa_workers.pace import until_turn
from homa_workers.schedules.firing import firing_of, slice_of

#: Longest pause between two looks of the worker that looks after schedules, s.
LOOK_S = 0.5
#: For how long the others leave it to that one, ms.
HOLD_MS = 2000
#: Most ticks of one look, and of one script: a few milliseconds of the store's time.
_LOOK_TICKS, _FIRE_TICKS = 500, 50
#: Most runs that one script sums up.
_CLOSE_RUNS = 100
#: Most webhooks whose deliveries one script makes.
_WEBHOOKS = 100
#: Most ticks of a backfill that one script starts.
_BACKFILL_TICKS = 50
#: A look that found nothing that it could do is not repeated for so long, s.
_PAUSE_S = 0.05


class Ticker:
    """What one worker does for schedules.

    Args:
        worker: its id.
        lease_ms: length of its leases.
        hold_ms: for how long the others leave schedules to this worker.
        serves: is told at each look of the queues of Homa's own that the fleet has.
    """

    def __init__(
        self,
        store: AsyncStore,
        worker: str,
        lease_ms: int,
        hold_ms: int = HOLD_MS,
        *,
        serves: Callable[[frozenset[str]], None] = lambda queues: None,
    ) -> None:
        self._store = store
        self._worker = worker
        self._lease_ms, self._hold_ms = lease_ms, hold_ms
        self._serves = serves
        self._log = structlog.get_logger("homa.schedules").bind(worker=worker)

    async def turn(self) -> float:
        """Does what is due; returns how long there is nothing to do, s."""
        keys = self._store.keys
        began_s = time.monotonic()
        look = await self._store.run(
            look_schedules(keys, worker=self._worker, lease_ms=self._lease_ms, most=_LOOK_TICKS, hold_ms=self._hold_ms)
        )
        if look.own_queues:
            self._serves(look.own_queues)
        # What has ended first: a store that has no room for further jobs still has some for that.
        parts: list[Callable[[], Awaitable[int]]] = [self._close] if look.has_work else []
        parts += [partial(self._fire, look), *(partial(self._move, backfill) for backfill in look.backfills)]
        moved, full = 0, None
        for part in parts:
            try:
                moved += await part()
            except StoreFull as error:
                full = error
        if full is not None and not moved:
            raise full
        if moved:
            return 0.0
        wait_s = LOOK_S if look.wait_ms is None else look.wait_ms / 1000 - (time.monotonic() - began_s)
        if not look.is_mine:
            return max(wait_s, _PAUSE_S)
        wait_s = max(wait_s, _PAUSE_S if look.ticks else 0.001)
        return wait_s if wait_s < LOOK_S else min(until_turn(LOOK_S), LOOK_S)

    async def _fire(self, look: Look) -> int:
        fired = 0
        for start in range(0, len(look.ticks), _FIRE_TICKS):
            slice_ = look.ticks[start : start + _FIRE_TICKS]
            firings = [await self._firing(due, look.now) for due in slice_]
            fired += firings.count(None) + await self._fire_together([firing for firing in firings if firing])
        return fired

    async def _firing(self, due: DueTick, now_ms: int) -> Firing | None:
        """None for a schedule of which the calendar knows nothing: it pauses."""
        if now_ms - due.due > LATE_MS:
            # Many ticks may be past: what this worker calls meanwhile goes on between two schedules.
            await asyncio.sleep(0)
        try:
            return firing_of(due, now_ms)
        except Exception as error:
            await self._halt(due.schedule, error)
            return None

    async def _fire_together(self, firings: Sequence[Firing]) -> int:
        if not firings:
            return 0
        try:
            done = await self._store.run(fire_ticks(self._store.keys, firings, lease_ms=self._lease_ms))
        except (StoreUnavailable, StoreFull):
            raise
        except Exception as error:
            if len(firings) > 1:
                # One of them stops the script: each alone. What was fired before it is not fired again.
                return sum([await self._fire_together([firing]) for firing in firings])
            await self._halt(firings[0].due.schedule, error)
            return 1
        self._tell(done.alarms)
        return sum(answer in ("fired", "queued", "skipped", "done") for answer in done.answers)

    async def _halt(self, schedule: str, error: Exception) -> None:
        why = _words_of(error)
        self._log.error("schedule.halted", schedule=schedule, why=why, exc_info=error)
        await self._store.run(halt_schedule(self._store.keys, schedule, why))

    async def _close(self) -> int:
        closed = await self._store.run(close_runs(self._store.keys, _CLOSE_RUNS))
        self._tell(closed.alarms)
        return closed.runs + await self._store.run(make_webhooks(self._store.keys, _WEBHOOKS))

    async def _move(self, backfill: OpenBackfill) -> int:
        try:
            return await self._move_on(backfill)
        except (StoreUnavailable, StoreFull):
            raise
        except Exception as error:
            self._log.error("backfill.stopped", backfill=backfill.id, schedule=backfill.schedule, exc_info=error)
            await self._store.run(stop_backfill(self._store.keys, backfill.id, _words_of(error)))
            return 1

    async def _move_on(self, backfill: OpenBackfill) -> int:
        ticks: list[BackfillTick] = []
        is_last = not backfill.timing
        if backfill.timing and backfill.room:
            ticks, is_last = slice_of(backfill, min(_BACKFILL_TICKS, backfill.room))
        # Asked without any, too: its batch may have been cancelled.
        op = move_backfill(self._store.keys, backfill.id, backfill.gen, backfill.cursor, ticks, is_last=is_last)
        answer, passed = await self._store.run(op)
        return passed if answer == "moved" else 0

    def _tell(self, alarms: Sequence[Alarm]) -> None:
        for alarm in alarms:
            self._log.warning("schedule.alarmed", schedule=alarm.schedule, kind=alarm.kind, detail=alarm.detail)

    async def run(self) -> None:
        """One turn, and the pause behind it."""
        await asyncio.sleep(await self.turn())


def _words_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
