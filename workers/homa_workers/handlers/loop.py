"""Calls an event handler: a consumer group of the stream of events, whose entries the fleet's workers share.

1. `take_events` hands out the next events; they are pending under this worker's name until they are acknowledged.
2. The handler is called. An event whose call returned is acknowledged, with others, a few milliseconds later.
3. One whose call failed is called again after a pause, as often as the handler says; then it is a dead letter.
4. Leases of what is held are renewed. What a lost worker held is taken over by another when its lease is over, and
   what a lost reply of the store handed out is found.

So an event is called at least once: it leaves the list of pending ones by its acknowledgement alone, as a dead letter,
or, where it was trimmed from the stream, as an event that is put back for this handler. What was trimmed before that is
counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import structlog

from homa_shared.backoff import Backoff
from homa_shared.model.constants import EVENTS_HELD, EVENTS_PAGE, SUSPECT_LEASES
from homa_shared.model.errors import HomaError
from homa_shared.model.event_handlers import Handler
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions import event_handlers as store_of
from homa_shared.store.transitions.event_handlers import Delivery
from homa_workers.handlers.calls import Calls
from homa_workers.handlers.held import Held

log = structlog.get_logger("homa.events")

#: How long one read waits for an event, ms.
_BLOCK_MS = 2000
#: How long events gather after one was waited for, and handled ones before they are acknowledged, s.
_GATHER_S = 0.01
_ACKNOWLEDGE_S = 0.005
#: How often a reader without room looks whether there is some, s.
_LOOK_S = 1.0
#: Leases are renewed, and what others left is looked for, at least so often, s.
_RENEW_S = 10.0
#: So much work is fetched ahead, s.
_AHEAD_S = 0.5
#: Between tries of one event, and of the store.
PAUSES = Backoff(first_s=0.2, longest_s=30.0)
_OUTAGE = Backoff(first_s=0.2, longest_s=5.0)


class HandlerLoop:
    """Reads one handler's events and calls it.

    Args:
        store: of the fleet.
        handler: what is called.
        consumer: name of this worker; no other has it.
        lease_s: after so long without a renewal others take over what it holds.
        pauses: between tries of one event.
    """

    def __init__(
        self, store: AsyncStore, handler: Handler, consumer: str, *, lease_s: float = 30.0, pauses: Backoff = PAUSES
    ) -> None:
        self._store, self._handler, self._consumer = store, handler, consumer
        self._lease_s, self._pauses = lease_s, pauses
        self._held = Held(store, handler, consumer)
        self._calls = Calls(handler, self._ended, self._held.__contains__)
        self._renew_now = asyncio.Event()
        self._renew_now.set()
        self._reader: asyncio.Task[None] | None = None
        #: Ends of events that were not called.
        self._uncalled: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Makes the handler's group: it is called for what happens from here on."""
        self._accept(await self._store.run(store_of.take_events(self._store.keys, self._handler, self._consumer, 1)))

    async def run(self) -> None:
        """Until cancelled, or `finish` is through; what is held then may be taken over at once."""
        try:
            async with asyncio.TaskGroup() as works:
                self._reader = works.create_task(self._again(self._read))
                others = (self._again(self._acknowledge), self._again(self._renew), self._calls.serve())
                self._works = [works.create_task(work) for work in others]
        finally:
            try:
                await self._held.give_back()
            except HomaError as away:
                # Its leases end.
                log.warning("events.store_away", handler=self._handler.name, error=str(away))

    async def finish(self) -> None:
        """Takes nothing more, waits for calls that run, and ends `run`."""
        if self._reader is None:
            return
        self._reader.cancel()
        await self._calls.finish()
        for work in self._works:
            work.cancel()

    @property
    def is_idle(self) -> bool:
        return not len(self._held)

    async def _again(self, step: Callable[[], Awaitable[None]]) -> None:
        """Does one thing for ever, through outages of the store; a group that is gone is made anew by the reader."""
        failures = 0
        while True:
            try:
                await step()
                failures = 0
            except Exception as error:
                failures += 1
                log.warning("events.unread", handler=self._handler.name, error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(_OUTAGE.pause_s(failures))

    async def _read(self) -> None:
        keys, name = self._store.keys, self._handler.name
        while not (most := self._room()):
            self._held.has_room.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._held.has_room.wait()
        taken = await self._store.run(store_of.take_events(keys, self._handler, self._consumer, most))
        self._accept(taken)
        if taken.looked < most:
            ask = store_of.wait_for_events(keys, name, self._consumer, _BLOCK_MS)
            found = store_of.awaited(keys, name, await self._store.wait(*ask))
            self._accept(store_of.Taken(0, len(found), found))
            await asyncio.sleep(_GATHER_S if found else 0)

    def _room(self) -> int:
        """How many events to take: what the free runners and the next half second bear."""
        calls = self._calls
        if calls.is_stuck:
            return 0
        free = self._handler.concurrency - calls.running - calls.waiting
        if calls.mean_s is not None:
            ahead = round(_AHEAD_S * self._handler.concurrency / max(calls.mean_s, 1e-6))
            free += min(ahead, EVENTS_PAGE)
        return max(0, min(free, EVENTS_PAGE, EVENTS_HELD - len(self._held)))

    def _accept(self, taken: store_of.Taken) -> None:
        if taken.missed != 0:
            log.error("events.missed", handler=self._handler.name, count=taken.missed or "unknown")
        for delivery in taken.deliveries:
            if self._handler.wants(delivery.event):
                self._held.add(delivery)
                self._calls.put(delivery)
            elif delivery.stream == 0:
                self._held.add(delivery)
                self._held.note_handled(delivery)
            else:
                self._refuse(delivery)

    def _refuse(self, delivery: Delivery) -> None:
        """A dead letter that was retried, and that the handler is no longer for, stays one."""
        last = replace(delivery, attempt=self._handler.tries)
        self._held.add(last)
        end = asyncio.create_task(self._ended(last, "the handler is no longer for such an event"))
        self._uncalled.add(end)
        end.add_done_callback(self._uncalled.discard)

    async def _ended(self, delivery: Delivery, error: str | None) -> None:
        self._held.has_room.set()
        if delivery.place in self._held.suspects:
            self._held.suspects.discard(delivery.place)
            self._renew_now.set()
        if error is None:
            self._held.note_handled(delivery)
        elif delivery in self._held:
            try:
                await self._failed(delivery, error)
            except Exception as away:
                # It stays pending, and is called again when the store is back.
                self._held.drop(delivery.place)
                log.warning("events.store_away", handler=self._handler.name, error=str(away))

    async def _failed(self, delivery: Delivery, error: str) -> None:
        if delivery.attempt >= self._handler.tries:
            await self._held.bury(delivery, error)
            return
        name, attempt = self._handler.name, delivery.attempt
        log.warning("events.handler_failed", handler=name, id=delivery.event.id, attempt=attempt, error=error)
        if (later := await self._held.call_again(delivery)) is not None:
            asyncio.get_running_loop().call_later(self._pauses.pause_s(attempt), self._calls.put, later)

    async def _acknowledge(self) -> None:
        await self._held.is_handled.wait()
        await asyncio.sleep(_ACKNOWLEDGE_S)
        await self._held.acknowledge()

    async def _renew(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._lease_s / 3, _RENEW_S)):
                await self._renew_now.wait()
        self._renew_now.clear()
        calls = self._calls
        if calls.is_stuck:
            why = "calls go on beyond the time limit: nothing more is called here until one ends"
            log.error("events.stuck", handler=self._handler.name, why=why)
        # What waits in a worker that is stuck is left to others. One that is never idle takes over what they left, too.
        held = [one.place for one in self._held if not calls.is_stuck or calls.runs(one)]
        most = 0 if calls.is_stuck else max(self._room(), self._handler.concurrency)
        await self._sort(await self._held.renew(held, lease_s=self._lease_s, most=most))

    async def _sort(self, found: store_of.Renewed) -> None:
        if found.lost:
            log.error("events.missed", handler=self._handler.name, count=found.lost)
        fresh = [delivery for delivery in found.taken if not self._held.has(delivery.place)]
        self._accept(store_of.Taken(0, len(fresh), fresh))
        self._held.suspects |= {one.place for one in fresh if one.attempt > SUSPECT_LEASES and one in self._held}
        for delivery in found.dead:
            self._held.add(delivery)
            await self._held.bury(replace(delivery, attempt=self._handler.tries), "its worker was lost at each try")
