"""What the store tells about the fleet: queues, limits, workers, events, its clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.model.constants import LANES, LIVE_MS
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Command, Op, call, mapping, read, text
from homa_shared.store.scripts import clock_may_be_moved
from homa_shared.store.versions import Versions, common_versions

_CACHE_COUNTS = ("hits", "misses", "followers", "stored")
_VECTOR_COUNTS = ("vector_hits", "vector_misses", "vectors_stored", "vector_bytes")


@dataclass(frozen=True, slots=True)
class QueueRow:
    """Jobs of one lane of a queue, by state."""

    queue: str
    lane: str
    queued: int
    running: int
    due: int
    #: Aside, until a batch goes on, a budget has room or an equal job ends.
    waiting: int
    paused: bool


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One dimension of one scope, or one breaker."""

    scope: str
    #: rpm, tpm, itpm, otpm, rpd, concurrency or breaker.
    dimension: str
    #: None where nothing limits it. Of a breaker: failures in a row that open it.
    limit: int | None
    #: Of a quota a minute: what has not been recovered yet. Of a breaker: failures in a row.
    used: int
    #: What may be reserved at once; None where nothing limits it.
    available: int | None
    frozen_ms: int
    #: Requests a second that adaptive mode allows now; None where a limit is configured.
    adaptive_rate: float | None
    #: Of a breaker: closed, open or half-open. Of a quota: that its bursts were made smaller; else empty.
    state: str
    #: Of a breaker: until a call may pass, ms.
    wait_ms: int
    #: Who froze it, and what the provider asked for; empty where it is not frozen.
    frozen_why: str = ""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as its last beat told."""

    id: str
    facts: dict[str, Any]
    beat_age_ms: int

    @property
    def live(self) -> bool:
        return self.beat_age_ms < LIVE_MS


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, past tense."""

    id: str
    name: str
    job: str
    target: str
    batch: str
    tenant: str
    detail: str

    @property
    def at_ms(self) -> int:
        return int(self.id.split("-", 1)[0])


def queues(keys: Keys) -> Op[list[QueueRow]]:
    """Every lane of every queue in which something waits or runs, and the default lane of every other."""

    def parse(answer: Any) -> list[QueueRow]:
        rows: list[QueueRow] = []
        for name, flat in answer:
            rows += queue_rows(text(name), mapping(flat))
        return sorted(rows, key=lambda row: (row.queue, LANES.index(row.lane)))

    return call(keys, "queues", (), parse)


def waiting_targets(keys: Keys, queues: Iterable[str]) -> Op[list[str]]:
    """Targets and pools that jobs of some queues wait for; those that are due later are not looked at."""
    commands = tuple(("ZRANGE", keys.lane(queue, lane), 0, -1) for queue in queues for lane in LANES)

    def parse(replies: list[Any]) -> list[str]:
        return sorted({text(name) for reply in replies for name in reply})

    return read(commands, parse)


def limits(keys: Keys) -> Op[list[LimitRow]]:
    """What is used of each limit, and every breaker that ever counted."""

    def parse(answer: Any) -> list[LimitRow]:
        return sorted(map(_limit_row, answer), key=lambda row: (row.scope, row.dimension))

    return call(keys, "limits", (), parse)


def scopes(keys: Keys) -> Op[list[str]]:
    """Every quota scope and account that a target's plan ever named."""
    return read((("SMEMBERS", keys.scopes()),), lambda r: sorted(map(text, r[0])))


def configured_providers(keys: Keys) -> Op[list[str]]:
    """The providers of the fleet's settings, whichever release wrote these; none where there are none yet."""

    def parse(replies: list[Any]) -> list[str]:
        return [] if replies[0] is None else sorted(orjson.loads(replies[0]).get("providers") or {})

    return read((("GET", keys.fleet()),), parse)


def workers(keys: Keys) -> Op[list[WorkerRow]]:
    """Every worker that beat within the last hour."""

    def parse(answer: Any) -> list[WorkerRow]:
        return sorted(
            (WorkerRow(text(name), orjson.loads(facts) if facts else {}, int(age)) for name, age, facts in answer),
            key=lambda row: row.id,
        )

    return call(keys, "workers", (), parse)


def live_workers(keys: Keys, queue: str) -> Op[int]:
    """How many live workers take from a queue: those whose facts name it in `queues`, or as their `provider`."""
    everyone = workers(keys)

    def parse(replies: list[Any]) -> int:
        return sum(1 for row in everyone.parse(replies) if row.live and _serves(row.facts, queue))

    return Op(everyone.commands, parse, everyone.script)


def versions(keys: Keys) -> Op[Versions]:
    """The newest record and request that this release and every live worker know: what may be written."""
    everyone = workers(keys)

    def parse(replies: list[Any]) -> Versions:
        return common_versions(Versions.told(row.facts) for row in everyone.parse(replies) if row.live)

    return Op(everyone.commands, parse, everyone.script)


def events(keys: Keys, after: str = "-", count: int = 100) -> Op[list[Event]]:
    """Events after an id (`-`: from the oldest kept), oldest first."""
    start = after if after == "-" else f"({after}"
    return read(
        (("XRANGE", keys.events(), start, "+", "COUNT", count),), lambda r: [_event(item) for item in r[0] or ()]
    )


def latest_events(keys: Keys, count: int = 100, before: str = "") -> Op[list[Event]]:
    """The newest events (before an id: the newest of those), oldest of them first."""
    command = ("XREVRANGE", keys.events(), f"({before}" if before else "+", "-", "COUNT", count)
    return read((command,), lambda r: [_event(item) for item in reversed(r[0] or ())])


def follow_events(keys: Keys, after: str = "$", *, block_ms: int = 5000, count: int = 100) -> Command:
    """The command for `store.wait` that waits for events after an id (`$`: from now on); read it with `followed`."""
    return ("XREAD", "COUNT", count, "BLOCK", block_ms, "STREAMS", keys.events(), after)


def followed(answer: Any) -> list[Event]:
    """Events in the answer to `follow_events`; none when the wait was in vain."""
    if not answer:
        return []
    items = next(iter(answer.values())) if isinstance(answer, dict) else answer[0][1]
    # RESP3 wraps a stream's entries once more.
    if items and isinstance(items[0], list) and items[0] and isinstance(items[0][0], (list, tuple)):
        items = items[0]
    return [_event(item) for item in items]


def is_fake(keys: Keys) -> Op[bool]:
    """Whether a test moves the clock of this namespace: it is a fake fleet's, and real workers have no place in it."""
    return read((("GET", keys.moved_by()),), lambda r: r[0] is not None)


def server_time(keys: Keys) -> Op[int]:
    """The store's clock, ms since 1970."""
    if clock_may_be_moved():
        asked: tuple[Command, ...] = (("TIME",), ("GET", keys.moved_by()))
        return read(asked, lambda r: _milliseconds(r[0]) + int(r[1] or 0))
    return read((("TIME",),), lambda r: _milliseconds(r[0]))


def _milliseconds(time: Sequence[Any]) -> int:
    return int(time[0]) * 1000 + int(time[1]) // 1000


def cache_stats(keys: Keys) -> Op[dict[str, int]]:
    """hits, misses, followers, stored, entries held now; then the same of single texts, with their bytes."""

    def parse(replies: list[Any]) -> dict[str, int]:
        told = dict.fromkeys((*_CACHE_COUNTS, *_VECTOR_COUNTS), 0)
        told |= {name: int(value) for name, value in mapping(replies[0]).items()}
        of_replies = {name: told[name] for name in _CACHE_COUNTS} | {"entries": int(replies[1])}
        return of_replies | {name: told[name] for name in _VECTOR_COUNTS} | {"vectors": int(replies[2])}

    commands = (("HGETALL", keys.cache_stats()), ("ZCARD", keys.cache_index()), ("ZCARD", keys.vector_index()))
    return read(commands, parse)


def queue_rows(name: str, counts: dict[str, str]) -> list[QueueRow]:
    """A queue's lanes by its counters, as the store holds them."""
    by_lane: dict[str, dict[str, int]] = {}
    for field, value in counts.items():
        lane, dot, state = field.partition(".")
        if dot:
            by_lane.setdefault(lane, {})[state] = int(value)
    used = {lane: states for lane, states in by_lane.items() if any(states.values())}
    return [
        QueueRow(
            name,
            lane,
            queued=states.get("queued", 0),
            running=states.get("running", 0),
            due=states.get("due", 0),
            waiting=states.get("waiting", 0),
            paused="paused" in counts,
        )
        for lane, states in (used or {"default": {}}).items()
    ]


def _limit_row(row: list[Any]) -> LimitRow:
    scope, dimension, limit, used, available, frozen, rate, state, wait, why = map(text, row)
    return LimitRow(
        scope,
        dimension,
        int(limit) if int(limit) >= 0 else None,
        int(used),
        int(available) if int(available) >= 0 else None,
        int(frozen),
        float(rate) if rate else None,
        state,
        int(wait),
        why,
    )


def _serves(facts: dict[str, Any], queue: str) -> bool:
    return queue in facts.get("queues", ()) or facts.get("provider") == queue


def _event(item: Any) -> Event:
    event_id, fields = item
    f = mapping(fields)
    return Event(
        text(event_id), f["event"], f.get("job", ""), f.get("target", ""), f.get("batch", ""), f.get("tenant", ""),
        f.get("detail", ""),
    )  # fmt: skip
