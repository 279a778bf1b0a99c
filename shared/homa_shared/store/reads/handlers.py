"""Event handlers and their dead letters, as the store holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.model.errors import SealedPayload
from homa_shared.model.event_kinds import decode
from homa_shared.model.events import Event
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text
from homa_shared.store.sealing import Kind, opened_text


@dataclass(frozen=True, slots=True)
class HandlerRow:
    """An event handler, or another consumer group of the stream of events."""

    name: str
    #: Since a worker looked after it; None: none did.
    seen_ms: int | None
    #: Events that it has not been given; None where the store cannot tell.
    behind: int | None
    #: Given to workers and not acknowledged.
    pending: int
    #: Put back for it alone, and not given to a worker yet.
    put_back: int
    dead: int
    #: Events that were trimmed before it was called for them, ever.
    missed: int
    #: Dead letters that made room for newer ones, ever.
    dropped: int
    #: Workers that its group knows.
    consumers: int
    #: Since it missed or dropped something; None: it never did.
    loss_ms: int | None


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that a handler failed to handle."""

    handler: str
    #: What it is retried and dropped by; the event's id.
    name: str
    died_ms: int
    error: str
    tries: int
    event: Event


def handlers(keys: Keys) -> Op[list[HandlerRow]]:
    """Every handler that workers ever looked after, by name."""

    def parse(answer: Any) -> list[HandlerRow]:
        rows = []
        for name, *numbers in answer:
            seen, behind, *counts, loss = (None if int(value) < 0 else int(value) for value in numbers)
            pending, put_back, dead, missed, dropped, consumers = (count or 0 for count in counts)
            row = HandlerRow(text(name), seen, behind, pending, put_back, dead, missed, dropped, consumers, loss)
            rows.append(row)
        return sorted(rows, key=lambda row: row.name)

    return call(keys, "handlers", (), parse)


def letters(keys: Keys, handler: str, skip: int = 0, most: int = 500) -> Op[list[Letter]]:
    """Dead letters of a handler, the oldest first."""

    def parse(answer: Any) -> list[Letter]:
        return [_letter(keys, handler, *row) for row in answer]

    return call(keys, "letters", (handler, skip, most), parse)


def _letter(keys: Keys, handler: str, name: Any, died: Any, stored: Any) -> Letter:
    told = orjson.loads(stored)
    entry = dict(zip(told["entry"][::2], told["entry"][1::2], strict=True))
    event = decode(entry.pop("id", text(name)), entry)
    error = _error(keys, handler, told["error"])
    return Letter(handler, text(name), int(float(died)), error, told["tries"], event)


def _error(keys: Keys, handler: str, stored: str) -> str:
    """What went wrong; where it cannot be opened here, why not: the letter may be retried and dropped all the same."""
    try:
        return opened_text(keys, Kind.LETTER, stored, handler)
    except SealedPayload as error:
        return str(error)
