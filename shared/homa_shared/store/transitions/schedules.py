"""What changes schedules in the store: made, paused, deleted; ticks fired, runs summed up, backfills moved on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text


@dataclass(frozen=True, slots=True)
class DueTick:
    """A tick that is due, or soon will be."""

    schedule: str
    #: ms since 1970, by the schedule's definition.
    tick: int
    #: When its work starts: jitter added.
    due: int
    #: The tick of the latest run, or when the schedule was made: what `{{since}}` stands for.
    since: int
    #: `read_timing` reads it.
    timing: str
    jitter_ms: int
    #: Variables of the request.
    holes: tuple[str, ...]
    #: What becomes of ticks that are past when somebody looks: skip, once or all.
    missed: str


@dataclass(frozen=True, slots=True)
class OpenBackfill:
    """A backfill that has ticks left."""

    id: str
    schedule: str
    #: The last tick that it has come to, and the last one that it is to come to, ms.
    cursor: int
    until: int
    timing: str
    holes: tuple[str, ...]
    #: Runs that it may still start at once.
    room: int


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to do for schedules."""

    #: The store's clock, ms.
    now: int
    #: Until something is due; None: nothing is scheduled.
    wait_ms: int | None
    #: False: another worker looks after schedules, or nobody may yet.
    is_mine: bool
    #: Runs have ended, or are to be looked at.
    has_work: bool
    ticks: list[DueTick]
    backfills: list[OpenBackfill]


@dataclass(frozen=True, slots=True)
class Firing:
    """A tick to be fired, with what only the calendar knows."""

    due: DueTick
    #: The tick for people.
    at: str
    #: The tick after it, and when its work is due; None: there is none.
    behind: int | None
    behind_due: int | None
    values: Sequence[str] = ()
    #: Of several ticks that are past: the latest, how many stand before it, and the first to come.
    latest: int | None = None
    latest_at: str = ""
    latest_values: Sequence[str] = ()
    missed: int = 0
    after: int | None = None
    after_due: int | None = None

    def encode(self) -> bytes:
        told: dict[str, Any] = {"id": self.due.schedule, "tick": self.due.tick, "at": self.at, "values": self.values}
        if self.behind is not None:
            told |= {"behind": self.behind, "behind_due": self.behind_due}
        if self.latest is not None:
            told |= {"latest": self.latest, "latest_at": self.latest_at, "latest_values": self.latest_values}
            told["missed"] = self.missed
            if self.after is not None:
                told |= {"after": self.after, "after_due": self.after_due}
        return orjson.dumps(told)


@dataclass(frozen=True, slots=True)
class BackfillTick:
    """A tick of a backfill, with its neighbours."""

    tick: int
    at: str
    before: int | None
    behind: int | None
    since: int
    values: Sequence[str] = ()


class Alarm(NamedTuple):
    """Something about a schedule that a person should know."""

    schedule: str
    #: late, failed or cost.
    kind: str
    detail: str


class Fired(NamedTuple):
    """What became of ticks."""

    #: For each: fired, queued, skipped, early, stale.
    answers: list[str]
    alarms: list[Alarm]


class Closed(NamedTuple):
    """What was summed up."""

    runs: int
    alarms: list[Alarm]


class Put(NamedTuple):
    """Answer of `put_schedule`."""

    #: made, same, replaced, taken, changed or past.
    answer: str
    id: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A schedule ready to be put into the store."""

    name: str
    digest: str
    #: Fields of its hash.
    fields: Mapping[str, str] = field(default_factory=dict)


def look_schedules(keys: Keys, *, worker: str, lease_ms: int, most: int, ahead_ms: int, hold_ms: int) -> Op[Look]:
    """What is due of schedules; asked by the worker that looks after them, or by one that would."""
    return call(keys, "look_schedules", (worker, lease_ms, most, ahead_ms, hold_ms), _look)


def fire_ticks(keys: Keys, firings: Sequence[Firing], *, lease_ms: int) -> Op[Fired]:
    """Fires ticks; asking again changes nothing, since each is no longer the next one of its schedule."""

    def parse(reply: Any) -> Fired:
        return Fired([text(answer) for answer in reply[0]], _alarms(reply[1]))

    return call(keys, "fire_ticks", (lease_ms, FULL_PERCENT, *(firing.encode() for firing in firings)), parse)


def close_runs(keys: Keys, most: int) -> Op[Closed]:
    """Sums up runs that have ended."""
    return call(keys, "close_runs", (most,), lambda reply: Closed(int(reply[0]), _alarms(reply[1])))


def put_schedule(
    keys: Keys, definition: Definition, *, new_id: str, tick: int, due: int, replace: bool = False, stands: str = ""
) -> Op[Put]:
    """Makes a schedule, or with `replace` gives it another definition.

    Args:
        tick, due: the first one, and when its work starts, ms.
        stands: digest of the definition that is replaced; empty: whatever stands.
    """
    first = (definition.name, new_id, definition.digest, orjson.dumps(dict(definition.fields)))
    args = (*first, tick, due, int(replace), FULL_PERCENT, stands)
    return call(keys, "put_schedule", args, lambda reply: Put(text(reply[0]), text(reply[1])))


def pause_schedule(keys: Keys, schedule: str, why: str = "") -> Op[str]:
    """No further tick fires until it is resumed; returns the state before, empty: no such schedule."""
    return call(keys, "schedule", ("pause", schedule, why), text)


def resume_schedule(keys: Keys, schedule: str, tick: int | None, due: int | None) -> Op[str]:
    """Ticks fire again, from this one on; a standing alarm is taken as seen. Returns as `pause_schedule`."""
    return call(keys, "schedule", ("resume", schedule, "" if tick is None else tick, "" if due is None else due), text)


def delete_schedule(keys: Keys, schedule: str) -> Op[str]:
    """Forgets a schedule and its history; returns as `pause_schedule`."""
    return call(keys, "schedule", ("delete", schedule), text)


def run_schedule(keys: Keys, schedule: str, tick: int, at: str, values: Sequence[str]) -> Op[str]:
    """Runs its work now; returns the job, empty: no such schedule. The same tick gets the same job."""
    return call(keys, "run_schedule", (schedule, tick, at, orjson.dumps(list(values)), FULL_PERCENT), text)


def open_backfill(
    keys: Keys, backfill: str, schedule: str, *, since: int, until: int, cap: int | None, window: int
) -> Op[str]:
    """Opens a backfill of ticks later than `since`, up to `until` (ms); returns open, empty: no such schedule.

    Args:
        cap: nano-dollars for all of its runs; None for no budget of its own.
        window: most runs at once.
    """
    args = (backfill, schedule, since, until, "" if cap is None else str(cap), window)
    return call(keys, "open_backfill", args, text)


def move_backfill(
    keys: Keys, backfill: str, cursor: int, ticks: Sequence[BackfillTick], *, is_last: bool
) -> Op[tuple[str, int]]:
    """Moves a backfill on from where its cursor stands; returns moved, ended, stale or unknown, and runs started."""
    told = [orjson.dumps(tick) for tick in ticks]
    args = (backfill, FULL_PERCENT, cursor, int(is_last), *told)
    return call(keys, "backfill", args, lambda reply: (text(reply[0]), int(reply[1])))


def _alarms(reply: Any) -> list[Alarm]:
    return [Alarm(*map(text, row)) for row in reply]


def _look(reply: Any) -> Look:
    now, wait_ms, work, ticks, backfills = reply
    return Look(
        int(now),
        None if int(wait_ms) < 0 else int(wait_ms),
        int(work) >= 0,
        int(work) > 0,
        [_due(row) for row in ticks],
        [_backfill(row) for row in backfills],
    )


def _due(row: Any) -> DueTick:
    schedule, tick, due, last, created, timing, jitter, holes, missed = map(text, row)
    since = int(last or created)
    return DueTick(schedule, int(tick), int(float(due)), since, timing, int(jitter), tuple(orjson.loads(holes)), missed)


def _backfill(row: Any) -> OpenBackfill:
    name, schedule, cursor, until, timing, holes, room = map(text, row)
    return OpenBackfill(name, schedule, int(cursor), int(until), timing, tuple(orjson.loads(holes)), int(room))
