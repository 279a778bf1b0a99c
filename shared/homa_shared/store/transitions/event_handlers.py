"""What workers ask of the store for event handlers, and what people do with dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from homa_shared.model.event_handlers import Handler
from homa_shared.model.event_kinds import decode
from homa_shared.model.events import Event
from homa_shared.store.audit_trail import audited
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Command, Op, call, number, read, text
from homa_shared.store.sealing import Kind, sealed_text

#: Of which stream an entry is: 0 of the fleet's events, 1 of those that were put back for one handler.
Stream = Literal[0, 1]


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """An event as it was handed to a worker."""

    stream: Stream
    entry: str
    event: Event
    #: Of the dead letter that it may become.
    name: str
    #: As they are stored, names and values in turn.
    fields: tuple[str, ...]
    #: Number of this try, from 1.
    attempt: int = 1

    @property
    def place(self) -> tuple[Stream, str]:
        return self.stream, self.entry


@dataclass(frozen=True, slots=True)
class Taken:
    """The next events of a handler."""

    #: Trimmed before the handler's group got to them; None where the store cannot tell how many.
    missed: int | None
    #: How many the store looked at; those that the handler does not want are acknowledged.
    looked: int
    deliveries: list[Delivery]


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a worker has to do with events that it held, or that others left behind."""

    taken: list[Delivery]
    #: Their workers were lost at each try.
    dead: list[Delivery]
    #: Held, and somebody else's by now.
    gone: list[tuple[Stream, str]]
    #: Held, and trimmed from the stream: `call_again` puts them back.
    trimmed: list[tuple[Stream, str]]
    #: Trimmed after their worker was lost, before another took them over.
    lost: int


def take_events(keys: Keys, handler: Handler, consumer: str, most: int) -> Op[Taken]:
    """The next events that a handler wants, leased to a consumer of its group, which is made where there is none."""

    def parse(answer: Any) -> Taken:
        missed, looked, entries, put_back = answer
        deliveries = [_delivery(0, entry, flat) for entry, flat in _loaded(entries)]
        deliveries += [delivery(1, item) for item in put_back]
        return Taken(None if int(missed) < 0 else int(missed), int(looked), deliveries)

    names = "\n".join(handler.names)
    args = (handler.name, consumer, most, handler.since, int(handler.wants_missed), names)
    return call(keys, "take_events", args, parse)


def wait_for_events(keys: Keys, handler: str, consumer: str, block_ms: int) -> Command:
    """The command for `store.wait` that waits for one event of either stream; read it with `awaited`.

    A reader of a group wakes for it alone, however many wait.
    """
    group = ("XREADGROUP", "GROUP", handler, consumer, "COUNT", 1, "BLOCK", block_ms)
    return (*group, "STREAMS", keys.events(), keys.handler_events(handler), ">", ">")


def awaited(keys: Keys, handler: str, answer: Any) -> list[Delivery]:
    """Events in the answer to `wait_for_events`, wanted or not."""
    found: list[Delivery] = []
    own = keys.handler_events(handler)
    for key, items in answer.items() if isinstance(answer, dict) else answer or ():
        found += [delivery(1 if text(key) == own else 0, item) for item in _unwrapped(items)]
    return found


def acknowledge(keys: Keys, handler: str, places: Iterable[tuple[Stream, str]]) -> Op[None]:
    """These events are handled."""
    of: tuple[list[str], list[str]] = ([], [])
    for stream, entry in places:
        of[stream].append(entry)
    commands: list[Command] = []
    if of[0]:
        commands.append(("XACK", keys.events(), handler, *of[0]))
    if of[1]:
        commands += [("XACK", keys.handler_events(handler), handler, *of[1])]
        commands += [("XDEL", keys.handler_events(handler), *of[1])]
    return read(commands, lambda _: None)


def renew_events(
    keys: Keys, handler: Handler, consumer: str, held: Sequence[tuple[Stream, str]], *, lease_ms: int, most: int,
    suspects: int,
) -> Op[Renewed]:  # fmt: skip
    """Renews leases, and takes over at most so many events, of them so many that were lost with a worker before."""

    def parse(answer: Any) -> Renewed:
        taken, dead, gone, trimmed, lost = answer
        return Renewed(
            [_again(row) for row in taken],
            [_again(row) for row in dead],
            [(_stream(stream), text(entry)) for stream, entry in gone],
            [(0, text(entry)) for entry in trimmed],
            int(lost),
        )

    args: list[Any] = [handler.name, consumer, lease_ms, handler.tries, most, suspects]
    for place in held:
        args += place
    return call(keys, "renew_events", args, parse)


def call_again(keys: Keys, handler: str, consumer: str, event: Delivery) -> Op[bool]:
    """Counts the next try of an event; False where it is no longer the consumer's, or was put back for the handler."""
    return _order(keys, "again", handler, consumer, event, orjson.dumps(event.fields))


def bury(keys: Keys, handler: str, consumer: str, event: Delivery, error: str) -> Op[bool]:
    """Keeps an event as a dead letter; False where it is no longer the consumer's."""
    # An error of the application's own code may quote what it was about.
    sealed = sealed_text(keys, Kind.LETTER, error, handler)
    letter = {"error": sealed, "tries": event.attempt, "entry": ["id", event.event.id, *_without_place(event.fields)]}
    return _order(keys, "dead", handler, consumer, event, orjson.dumps(letter))


def give_back(keys: Keys, handler: str, consumer: str) -> Op[bool]:
    """Lets others take over at once what a consumer holds; no try is counted."""
    return call(keys, "event_call", ("back", handler, consumer), bool)


def change_letters(keys: Keys, order: Literal["retry", "drop"], handler: str, names: Sequence[str]) -> Op[list[str]]:
    """Puts dead letters back for their handler, or drops them; the names of those that there were."""
    changing = call(keys, "dead_letters", (order, handler, *names), lambda answer: [text(name) for name in answer])
    done = "retried" if order == "retry" else "dropped"
    return audited(changing, f"dead_letters.{done}", handler, letters=len(names))


def forget_handler(keys: Keys, handler: str) -> Op[bool]:
    """Removes a handler's group, its dead letters and all that is kept for it; False where there was none."""
    return audited(call(keys, "dead_letters", ("forget", handler), bool), "handler.forgotten", handler)


def delivery(stream: Stream, item: Any, attempt: int = 1) -> Delivery:
    """An entry as the store returns it: id and fields, flat or as a mapping."""
    parts = [part for pair in item[1].items() for part in pair] if isinstance(item[1], dict) else item[1]
    # What was cut in the middle of a character is an event all the same.
    return _delivery(stream, text(item[0]), [part.decode(errors="replace") for part in parts], attempt)


def _loaded(entries: bytes) -> list[tuple[str, list[str]]]:
    """Entries that a script returns as JSON."""
    if not entries:
        return []
    try:
        found: list[tuple[str, list[str]]] = orjson.loads(entries)
    except orjson.JSONDecodeError:
        found = orjson.loads(entries.decode(errors="replace"))
    return found


def _delivery(stream: Stream, entry: str, flat: list[str], attempt: int = 1) -> Delivery:
    stored = dict(zip(flat[::2], flat[1::2], strict=True))
    event_id = stored.get("id", entry) if stream else entry
    name = stored.pop("name", event_id) if stream else entry
    stored.pop("id", None)
    return Delivery(stream, entry, decode(event_id, stored), name, tuple(flat), attempt)


def _order(keys: Keys, order: str, handler: str, consumer: str, event: Delivery, more: bytes) -> Op[bool]:
    args = (order, handler, consumer, event.stream, event.entry, event.attempt + 1, event.name, more)
    return call(keys, "event_call", args, bool)


def _unwrapped(items: Any) -> Any:
    """Entries of a stream, which RESP3 wraps once more."""
    is_wrapped = items and isinstance(items[0], list) and items[0] and isinstance(items[0][0], (list, tuple))
    return items[0] if is_wrapped else items


def _again(row: Any) -> Delivery:
    stream, attempt, entry = row
    return delivery(_stream(stream), entry, number(attempt))


def _stream(value: Any) -> Stream:
    return 1 if text(value) == "1" else 0


def _without_place(fields: Sequence[str]) -> list[str]:
    """Fields of an event without where it was put back from."""
    kept = dict(zip(fields[::2], fields[1::2], strict=True))
    return [part for name, value in kept.items() if name not in ("id", "name") for part in (name, value)]
