"""Event handlers of the fleet and their dead letters: listed, retried, dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from homa.client.management.units import seconds_of_known, time_of
from homa.client.management.wording import number, one_line
from homa.drivers.effects import Emit, Flow, ask
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.events import Event
from homa_shared.model.targets import nearest
from homa_shared.settings.names import one_of, suggestion
from homa_shared.store.keys import Keys
from homa_shared.store.reads.handlers import HandlerRow, Letter, handlers, letters
from homa_shared.store.transitions.event_handlers import change_letters, forget_handler

#: Letters that one script puts back or drops.
_SLICE = 200
#: A handler that no worker has looked after for so long is nobody's, s: several leases.
UNSERVED_S = 120.0


@dataclass(frozen=True, slots=True)
class EventHandlerInfo:
    """An event handler as the store knows it, whether or not a worker runs it at present."""

    name: str
    #: Since a worker looked after it; None: none ever did (a consumer group of somebody else's).
    seen_s: float | None
    #: Events that it has not been given yet, wanted or not; None where the store cannot tell.
    behind: int | None
    #: That workers have, and have not handled.
    pending: int
    #: Retried by hand, and not given to a worker yet.
    put_back: int
    #: Dead letters.
    dead: int
    #: Trimmed from the stream before it was called for them, since it was made.
    missed: int
    #: Dead letters that made room for newer ones, since it was made.
    dropped: int
    #: Since it missed or dropped something; None: it never did.
    loss_s: float | None

    @property
    def is_served(self) -> bool:
        """Whether a worker looked after it in the last two minutes."""
        return self.seen_s is not None and self.seen_s < UNSERVED_S

    @classmethod
    def of(cls, row: HandlerRow) -> EventHandlerInfo:
        return cls(
            name=row.name,
            seen_s=seconds_of_known(row.seen_ms),
            behind=row.behind,
            pending=row.pending,
            put_back=row.put_back,
            dead=row.dead,
            missed=row.missed,
            dropped=row.dropped,
            loss_s=seconds_of_known(row.loss_ms),
        )

    def __str__(self) -> str:
        counts = {"behind": self.behind, "pending": self.pending, "put back": self.put_back, "dead": self.dead}
        said = [f"{number(count)} {what}" for what, count in counts.items() if count]
        return f"{self.name}: {one_line([*said, '' if self.is_served else 'no worker runs it'])}"


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that a handler failed to handle as often as it is tried."""

    #: The event's; what it is retried and dropped by.
    id: str
    handler: str
    event: Event
    #: What went wrong at last.
    error: str
    tries: int
    died_at: datetime

    @classmethod
    def of(cls, letter: Letter) -> DeadEvent:
        return cls(letter.name, letter.handler, letter.event, letter.error, letter.tries, time_of(letter.died_ms))

    def __str__(self) -> str:
        return f"{self.id} ({type(self.event).__name__}) at {self.handler}: {self.error}"


def event_handlers(keys: Keys) -> Flow[tuple[EventHandlerInfo, ...]]:
    """Every event handler that the store knows, by name."""
    rows = yield from ask(handlers(keys))
    return tuple(map(EventHandlerInfo.of, rows))


def dead_events(keys: Keys, handler: str | None, limit: int | None) -> Flow[None]:
    """Emits dead letters, those of one handler after another's, the oldest first."""
    left = limit
    for name in (yield from _names(keys, handler)):
        skip = 0
        while left is None or left > 0:
            page = yield from ask(letters(keys, name, skip, _SLICE if left is None else min(left, _SLICE)))
            for letter in page:
                yield Emit(DeadEvent.of(letter))
            skip, left = skip + len(page), None if left is None else left - len(page)
            if not page:
                break


def change_dead(
    keys: Keys,
    order: Literal["retry", "drop"],
    events: Sequence[DeadEvent | str],
    handler: str | None,
    *,
    everything: bool,
) -> Flow[int]:
    """Retries or drops dead letters; how many.

    Letters that come while this goes on are left: an event that fails again at once is not retried for ever.

    Raises:
        InvalidRequest: nothing says which, or one of them is no dead letter.
    """
    if bool(events) == everything:
        raise InvalidRequest(f"{order} which dead letters? expected ids, or all of them")
    wanted = {(None, one) if isinstance(one, str) else (one.handler, one.id) for one in events}
    fitting: dict[str, list[str]] = {}
    found = set()
    for name in (yield from _names(keys, handler)):
        for letter in (yield from _all_letters(keys, name)):
            named = {(None, letter.name), (name, letter.name)} & wanted
            found |= named
            if everything or named:
                fitting.setdefault(name, []).append(letter.name)
    if missing := wanted - found:
        raise InvalidRequest(f"{min(one for _, one in missing)!r} is no dead letter: `homa events dead` lists them")
    for name, ids in fitting.items():
        for start in range(0, len(ids), _SLICE):
            # What was asked for and is not answered for was put back by a try whose reply was lost, or by others.
            yield from ask(change_letters(keys, order, name, ids[start : start + _SLICE]))
    return sum(map(len, fitting.values()))


def forget(keys: Keys, name: str) -> Flow[None]:
    """Removes a handler that no worker runs, with its place and its dead letters.

    Raises:
        InvalidRequest: there is none of this name, or a worker runs it.
    """
    known = {info.name: info for info in (yield from event_handlers(keys))}
    if name not in known:
        raise _unknown(name, known)
    if known[name].is_served:
        raise InvalidRequest(f"a worker runs event handler {name!r}: stop `homa worker --handlers …`, and wait 2 min")
    yield from ask(forget_handler(keys, name))


def _names(keys: Keys, handler: str | None) -> Flow[list[str]]:
    known = [info.name for info in (yield from event_handlers(keys))]
    if handler is None:
        return known
    if handler not in known:
        raise _unknown(handler, known)
    return [handler]


def _all_letters(keys: Keys, handler: str) -> Flow[list[Letter]]:
    found: list[Letter] = []
    while page := (yield from ask(letters(keys, handler, len(found), _SLICE))):
        found += page
    return found


def _unknown(name: str, known: Sequence[str] | dict[str, EventHandlerInfo]) -> InvalidRequest:
    near = suggestion(nearest(name, known)) or f": {one_of(known)}"
    return InvalidRequest(f"there is no event handler {name!r}{near}")
