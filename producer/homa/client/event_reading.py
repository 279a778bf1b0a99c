"""Events of the fleet, read by clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING

from homa.submit.submitter import Submitter

# The types of events are imported at the first use: clients that read none start sooner.
if TYPE_CHECKING:
    from homa.client.management.event_handlers import DeadEvent, EventHandlerInfo
    from homa.drivers.aio import AwaitingDriver
    from homa.drivers.blocking import BlockingDriver
    from homa_shared.model.events import Event


class EventReading:
    """`events` of `Homa`."""

    _driver: BlockingDriver
    _submitter: Submitter

    def events(
        self, *, after: str | None = None, kinds: Iterable[type[Event]] | None = None, follow: bool = True
    ) -> Iterator[Event]:
        """What happens in the fleet, as it happens.

        Args:
            after: id of the last event that was seen (`Event.id`), to resume behind it; `-` begins at the oldest that
                is kept, None now.
            kinds: types from `homa.events`; None means all. `Missed` is told in any case: events that were trimmed
                before they were read.
            follow: wait for more; False ends behind the newest.

        Raises:
            InvalidRequest: `after` is not an id, something in `kinds` is not a type of event, or it is one that the
                fleet's settings turn off and that would be waited for.
            StoreUnavailable: the store is away for longer than it is waited for.
        """
        from homa.client.event_flows import event_flow

        return self._driver.iterate(event_flow(self._submitter.keys, after, kinds, follow=follow))

    def event_handlers(self) -> tuple[EventHandlerInfo, ...]:
        """Functions that workers call for events: how far each is, whether a worker runs it, its dead letters."""
        from homa.client.management.event_handlers import event_handlers

        return self._driver.run(event_handlers(self._submitter.keys))

    def dead_events(self, *, handler: str | None = None, limit: int | None = None) -> Iterator[DeadEvent]:
        """Events that a handler failed to handle as often as it is tried, the oldest first.

        Args:
            handler: only its dead letters.
            limit: most of them; None for all.

        Raises:
            InvalidRequest: there is no such handler.
        """
        from homa.client.management.event_handlers import dead_events

        return self._driver.iterate(dead_events(self._submitter.keys, handler, limit))

    def retry_dead_events(self, *events: DeadEvent | str, handler: str | None = None, everything: bool = False) -> int:
        """Gives dead letters back to their handlers, with all their tries anew; returns how many.

        Args:
            events: from `dead_events`, or ids; an id stands for its letters at each handler.
            handler: only its dead letters.
            everything: all that fit; then no event is named.

        Raises:
            InvalidRequest: nothing says which, one is no dead letter, or there is no such handler.
        """
        from homa.client.management.event_handlers import change_dead

        change = change_dead(self._submitter.keys, "retry", events, handler, everything=everything)
        return self._driver.run(change)

    def drop_dead_events(self, *events: DeadEvent | str, handler: str | None = None, everything: bool = False) -> int:
        """Removes dead letters; otherwise as `retry_dead_events`."""
        from homa.client.management.event_handlers import change_dead

        change = change_dead(self._submitter.keys, "drop", events, handler, everything=everything)
        return self._driver.run(change)

    def forget_event_handler(self, name: str) -> None:
        """Removes a handler that no worker runs any more: its place in the stream, and its dead letters.

        Raises:
            InvalidRequest: there is none of this name, or a worker runs it.
        """
        from homa.client.management.event_handlers import forget

        self._driver.run(forget(self._submitter.keys, name))


class AsyncEventReading:
    """`events` of `AsyncHoma`."""

    _driver: AwaitingDriver
    _submitter: Submitter

    def events(
        self, *, after: str | None = None, kinds: Iterable[type[Event]] | None = None, follow: bool = True
    ) -> AsyncIterator[Event]:
        """What happens in the fleet, as it happens; see `Homa.events`."""
        from homa.client.event_flows import event_flow

        return self._driver.iterate(event_flow(self._submitter.keys, after, kinds, follow=follow))

    async def event_handlers(self) -> tuple[EventHandlerInfo, ...]:
        """Functions that workers call for events: how far each is, whether a worker runs it, its dead letters."""
        from homa.client.management.event_handlers import event_handlers

        return await self._driver.run(event_handlers(self._submitter.keys))

    def dead_events(self, *, handler: str | None = None, limit: int | None = None) -> AsyncIterator[DeadEvent]:
        """Events that a handler failed to handle as often as it is tried, the oldest first.

        Args:
            handler: only its dead letters.
            limit: most of them; None for all.

        Raises:
            InvalidRequest: there is no such handler.
        """
        from homa.client.management.event_handlers import dead_events

        return self._driver.iterate(dead_events(self._submitter.keys, handler, limit))

    async def retry_dead_events(
        self, *events: DeadEvent | str, handler: str | None = None, everything: bool = False
    ) -> int:
        """Gives dead letters back to their handlers, with all their tries anew; returns how many.

        Args:
            events: from `dead_events`, or ids; an id stands for its letters at each handler.
            handler: only its dead letters.
            everything: all that fit; then no event is named.

        Raises:
            InvalidRequest: nothing says which, one is no dead letter, or there is no such handler.
        """
        from homa.client.management.event_handlers import change_dead

        change = change_dead(self._submitter.keys, "retry", events, handler, everything=everything)
        return await self._driver.run(change)

    async def drop_dead_events(
        self, *events: DeadEvent | str, handler: str | None = None, everything: bool = False
    ) -> int:
        """Removes dead letters; otherwise as `retry_dead_events`."""
        from homa.client.management.event_handlers import change_dead

        change = change_dead(self._submitter.keys, "drop", events, handler, everything=everything)
        return await self._driver.run(change)

    async def forget_event_handler(self, name: str) -> None:
        """Removes a handler that no worker runs any more: its place in the stream, and its dead letters.

        Raises:
            InvalidRequest: there is none of this name, or a worker runs it.
        """
        from homa.client.management.event_handlers import forget

        await self._driver.run(forget(self._submitter.keys, name))
