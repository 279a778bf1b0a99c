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
from homa_shared.store.transitions.event_handlers import Delivery, Stream
from homa_workers.handlers.calls import Calls

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
        #: What is pending under this worker's name, acknowledgements that are not told included.
        self._held: dict[tuple[Stream, str], Delivery] = {}
        self._handled: dict[tuple[Stream, str], None] = {}
        #: Of those held, events that were lost with two workers.
        self._suspects: set[tuple[Stream, str]] = set()
        self._calls = Calls(handler, self._ended, self._is_held)
        self._is_handled, self._has_room, self._renew_now = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._renew_now.set()

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
                await self._give_back()
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
        return not self._held

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
            self._has_room.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._has_room.wait()
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
            self._held[delivery.place] = delivery
            if self._handler.wants(delivery.event):
                self._calls.put(delivery)
            else:
                self._note_handled(delivery)

    def _is_held(self, delivery: Delivery) -> bool:
        return self._held.get(delivery.place) is delivery

    async def _ended(self, delivery: Delivery, error: str | None) -> None:
        self._has_room.set()
        if delivery.place in self._suspects:
            self._suspects.discard(delivery.place)
            self._renew_now.set()
        if error is None:
            # Where another took it over, it is handled all the same.
            self._note_handled(delivery)
        elif self._is_held(delivery):
            try:
                await self._failed(delivery, error)
            except HomaError as away:
                # It stays pending, and is called again when the store is back.
                del self._held[delivery.place]
                log.warning("events.store_away", handler=self._handler.name, error=str(away))

    def _note_handled(self, delivery: Delivery) -> None:
        self._handled[delivery.place] = None
        self._is_handled.set()

    async def _failed(self, delivery: Delivery, error: str) -> None:
        if delivery.attempt >= self._handler.tries:
            await self._bury(delivery, error)
            return
        name, attempt = self._handler.name, delivery.attempt
        log.warning("events.handler_failed", handler=name, id=delivery.event.id, attempt=attempt, error=error)
        if not await self._store.run(store_of.call_again(self._store.keys, name, self._consumer, delivery)):
            self._held.pop(delivery.place, None)
            return
        later = replace(delivery, attempt=delivery.attempt + 1)
        self._held[delivery.place] = later
        asyncio.get_running_loop().call_later(self._pauses.pause_s(delivery.attempt), self._calls.put, later)

    async def _bury(self, delivery: Delivery, error: str) -> None:
        bury = store_of.bury(self._store.keys, self._handler.name, self._consumer, delivery, error)
        is_mine = await self._store.run(bury)
        self._held.pop(delivery.place, None)
        if is_mine:
            log.error("events.dead", handler=self._handler.name, id=delivery.event.id, error=error)

    async def _acknowledge(self) -> None:
        await self._is_handled.wait()
        await asyncio.sleep(_ACKNOWLEDGE_S)
        self._is_handled.clear()
        await self._tell_handled()

    async def _tell_handled(self) -> None:
        places = list(self._handled)
        if not places:
            return
        try:
            await self._store.run(store_of.acknowledge(self._store.keys, self._handler.name, places))
        except BaseException:
            self._is_handled.set()
            raise
        for place in places:
            self._handled.pop(place, None)
            self._held.pop(place, None)
        self._has_room.set()

    async def _renew(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._lease_s / 3, _RENEW_S)):
                await self._renew_now.wait()
        self._renew_now.clear()
        if self._calls.is_stuck:
            why = "calls go on beyond the time limit: nothing more is called here until one ends"
            log.error("events.stuck", handler=self._handler.name, why=why)
        # What waits in a worker that is stuck is left to others.
        held = [at for at, of in self._held.items() if not self._calls.is_stuck or self._calls.runs(of)]
        found = await self._store.run(
            store_of.renew_events(
                *(self._store.keys, self._handler, self._consumer, held),
                lease_ms=round(self._lease_s * 1000),
                # A worker that is never idle takes over what others left, too.
                most=0 if self._calls.is_stuck else max(self._room(), self._handler.concurrency),
                suspects=0 if self._suspects else 1,
            )
        )
        await self._sort(found)

    async def _sort(self, found: store_of.Renewed) -> None:
        name = self._handler.name
        if found.lost:
            log.error("events.missed", handler=name, count=found.lost)
        for place in found.gone:
            self._held.pop(place, None)
            self._suspects.discard(place)
        for place in found.trimmed:
            if (delivery := self._held.get(place)) is not None:
                await self._store.run(store_of.call_again(self._store.keys, name, self._consumer, delivery))
        fresh = [delivery for delivery in found.taken if delivery.place not in self._held]
        self._suspects |= {one.place for one in fresh if one.attempt > SUSPECT_LEASES}
        self._accept(store_of.Taken(0, len(fresh), fresh))
        for delivery in found.dead:
            self._held[delivery.place] = delivery
            await self._bury(replace(delivery, attempt=self._handler.tries), "its worker was lost at each try")

    async def _give_back(self) -> None:
        await self._tell_handled()
        await self._store.run(store_of.give_back(self._store.keys, self._handler.name, self._consumer))
