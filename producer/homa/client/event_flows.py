"""Events of the fleet for whoever iterates: from an id on, then as they happen."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from homa.drivers.effects import Block, Emit, Flow, Sleep, ask_patiently
from homa_shared.model.errors import InvalidRequest, StoreUnavailable
from homa_shared.model.event_kinds import KINDS
from homa_shared.model.events import Event, Missed
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.event_page import Position, event_page, events_off

_ID = re.compile(r"\d{1,20}(-\d{1,20})?")
#: Before an outage is looked at again, s.
_AWAY_S = 0.2


def event_flow(keys: Keys, after: str | None, kinds: Iterable[type[Event]] | None, *, follow: bool) -> Flow[None]:
    """Emits events after an id; arguments as `Homa.events`, which are checked at once."""
    if after not in (None, "-") and not _is_id(after):
        raise InvalidRequest(f"after {after!r}: expected the id of an event, such as 1767225600000-0, '-' or None")
    wanted = _wanted(kinds)
    asked = wanted[:-1] if kinds is not None and follow else ()
    return _follow(keys, Position("$" if after is None else after), wanted, asked, follow)


def _wanted(kinds: Iterable[type[Event]] | None) -> tuple[type[Event], ...]:
    wanted = (Event,) if kinds is None else tuple(kinds)
    for kind in wanted:
        if not _is_kind(kind):
            raise InvalidRequest(f"kinds: {kind!r} is not a type of event; expected types from homa.events")
    return (*wanted, Missed)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_kind(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Event)


def _refuse_unwritten(off: Collection[str], kinds: tuple[type[Event], ...]) -> None:
    """Whoever waits for what is never written waits for ever."""
    for kind in kinds:
        names = [name for name, one in KINDS.items() if issubclass(one, kind)]
        if names and off and all(name in off for name in names):
            raise InvalidRequest(
                f"kinds: {kind.__name__} is not written: the fleet's settings (events.off) name {', '.join(names)}"
            )


def _follow(
    keys: Keys,
    position: Position,
    wanted: tuple[type[Event], ...],
    asked: tuple[type[Event], ...],
    follow: bool,
) -> Flow[None]:
    if asked:
        _refuse_unwritten((yield from ask_patiently(events_off(keys))), asked)
    while True:
        page = yield from ask_patiently(event_page(keys, position))
        for event in page.events:
            if isinstance(event, wanted):
                yield Emit(event)
        position = page.position
        if page.last and not page.events:
            if not follow:
                return
            try:
                # A bell only: the page comes with what was trimmed before it, which this reply cannot tell.
                yield Block(reads.follow_events(keys, position.id, count=1))
            except StoreUnavailable:
                yield Sleep(_AWAY_S)
