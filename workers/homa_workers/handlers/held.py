"""What one worker holds of a handler's events: pending under its name in the store until it is through with them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import replace

import structlog

from homa_shared.model.event_handlers import Handler
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions import event_handlers as store_of
from homa_shared.store.transitions.event_handlers import Delivery, Renewed, Stream

log = structlog.get_logger("homa.events")

Place = tuple[Stream, str]


class Held:
    """Events of one handler at one worker.

    Args:
        store: of the fleet.
        handler: whose events they are.
        consumer: name of this worker.
    """

    def __init__(self, store: AsyncStore, handler: Handler, consumer: str) -> None:
        self._store, self._handler, self._consumer = store, handler, consumer
        self._held: dict[Place, Delivery] = {}
        #: Of them, those that are handled and not acknowledged.
        self._handled: dict[Place, None] = {}
        self.is_handled, self.has_room = asyncio.Event(), asyncio.Event()
        #: Of them, events that were lost with two workers.
        self.suspects: set[Place] = set()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._held.values())

    def __contains__(self, delivery: object) -> bool:
        return isinstance(delivery, Delivery) and self._held.get(delivery.place) is delivery

    def has(self, place: Place) -> bool:
        return place in self._held

    def add(self, delivery: Delivery) -> None:
        self._held[delivery.place] = delivery

    def drop(self, place: Place) -> None:
        """It is not this worker's any more, or is left to whoever finds its lease over."""
        self._held.pop(place, None)
        self.suspects.discard(place)
        self.has_room.set()

    def note_handled(self, delivery: Delivery) -> None:
        """It is acknowledged soon. Where another took it over, it is handled all the same."""
        self._handled[delivery.place] = None
        self.is_handled.set()

    async def acknowledge(self) -> None:
        """Tells the store of what is handled. What cannot be told is kept, and told later."""
        self.is_handled.clear()
        places = list(self._handled)
        if not places:
            return
        try:
            await self._store.run(store_of.acknowledge(self._store.keys, self._handler.name, places))
        except BaseException:
            self.is_handled.set()
            raise
        for place in places:
            self._handled.pop(place, None)
            self.drop(place)

    async def call_again(self, delivery: Delivery) -> Delivery | None:
        """The next try of an event; None where it is no longer this worker's, or was put back for the handler."""
        keys, name = self._store.keys, self._handler.name
        if not await self._store.run(store_of.call_again(keys, name, self._consumer, delivery)):
            self.drop(delivery.place)
            return None
        later = replace(delivery, attempt=delivery.attempt + 1)
        self.add(later)
        return later

    async def bury(self, delivery: Delivery, error: str) -> None:
        """Keeps an event as a dead letter, unless it is no longer this worker's."""
        name = self._handler.name
        try:
            is_mine = await self._store.run(store_of.bury(self._store.keys, name, self._consumer, delivery, error))
        finally:
            self.drop(delivery.place)
        if is_mine:
            log.error("events.dead", handler=name, id=delivery.event.id, error=error)

    async def renew(self, held: Collection[Place], *, lease_s: float, most: int) -> Renewed:
        """Renews leases, and takes over what others left; what is gone or was trimmed is not held any more."""
        lease_ms, suspects = round(lease_s * 1000), 0 if self.suspects else 1
        ask = store_of.renew_events(
            *(self._store.keys, self._handler, self._consumer, list(held)),
            lease_ms=lease_ms,
            most=most,
            suspects=suspects,
        )
        found = await self._store.run(ask)
        for place in found.gone:
            self.drop(place)
        for place in found.trimmed:
            if (delivery := self._held.get(place)) is not None:
                await self.call_again(delivery)
        return found

    async def give_back(self) -> None:
        """Acknowledges what is handled; others may take over the rest at once."""
        await self.acknowledge()
        await self._store.run(store_of.give_back(self._store.keys, self._handler.name, self._consumer))
