"""Events of the fleet, read by clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING

from homa.submit.submitter import Submitter

# The types of events are imported at the first use: clients that read none start sooner.
if TYPE_CHECKING:
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
            InvalidRequest: `after` is not an id, or something in `kinds` is not a type of event.
            StoreUnavailable: the store is away for longer than it is waited for.
        """
        from homa.client.event_flows import event_flow

        return self._driver.iterate(event_flow(self._submitter.keys, after, kinds, follow=follow))


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
