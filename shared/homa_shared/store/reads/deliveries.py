"""What the store tells about deliveries of what schedules' runs came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, mapping, read


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery to one target of what one run came to."""

    id: str
    #: The tick, ms, and in the schedule's zone.
    tick_ms: int
    at: str
    #: Where to; of a webhook no more than its host, since the rest is often a secret.
    target: str
    #: waiting, delivered, failed (a person may ask for it again) or cancelled.
    state: str
    tries: int
    #: What went wrong last; empty where nothing did.
    error: str
    asked_ms: int
    #: When it is tried again, where it failed before; None: at once, or never.
    next_ms: int | None
    ended_ms: int | None


def deliveries(keys: Keys, schedule: str) -> Op[list[Delivery]]:
    """The latest deliveries of a schedule, oldest first."""

    def parse(replies: list[Any]) -> list[Delivery]:
        found = [_delivery(name, orjson.loads(told)) for name, told in mapping(replies[0]).items()]
        return sorted(found, key=lambda delivery: (delivery.asked_ms, delivery.tick_ms, delivery.id))

    return read((("HGETALL", keys.schedule_deliveries(schedule)),), parse)


def _delivery(name: str, told: dict[str, Any]) -> Delivery:
    following, ended = told.get("next"), told.get("ended")
    return Delivery(
        id=name,
        tick_ms=int(told["tick"]),
        at=told["at"],
        target=told["target"],
        state=told["state"],
        tries=int(told["tries"]),
        error=told.get("error") or "",
        asked_ms=int(told["asked"]),
        next_ms=None if following is None else int(following),
        ended_ms=None if ended is None else int(ended),
    )
