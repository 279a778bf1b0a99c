"""Pages of the fleet's events as types, each with how many were trimmed before they were read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from homa_shared.model.event_kinds import decode
from homa_shared.model.events import Event, Missed
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, mapping, read, text


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands: the last event's id (`$`: now, `-`: before the oldest), and its place where known."""

    id: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events after a position, oldest first, and the position behind them. A gap is the first of them."""

    events: list[Event]
    position: Position
    #: Whether the stream holds no more.
    last: bool


def event_page(keys: Keys, position: Position, count: int = 1000) -> Op[EventPage]:
    """Up to `count` events after a position."""

    def parse(answer: Any) -> EventPage:
        missed, after, place, entries = answer
        found = [typed_event(item) for item in entries]
        here = Position(text(after), text(place) if isinstance(place, (str, bytes)) else str(place))
        if int(missed):
            before = found[0].id if found else here.id
            found.insert(0, Missed(id=before, n=int(missed) if int(missed) > 0 else None))
        return EventPage(found, here, len(entries) < count)

    return call(keys, "events", (position.id, str(count), position.place), parse)


def events_off(keys: Keys) -> Op[list[str]]:
    """Names of events that the fleet's settings turn off."""
    return read((("HGET", keys.config(), "events.off"),), lambda replies: text(replies[0]).split())


def typed_event(item: Any) -> Event:
    """The event of an entry as the store returns it: id and flat fields."""
    event_id, fields = item
    return decode(text(event_id), mapping(fields))
