"""What changes schedules in the store: made, paused, deleted; ticks fired, runs summed up, backfills moved on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson

from homa_shared.model.constants import BATCH_RUNS, DELIVERIES, FULL_PERCENT
from homa_shared.store.audit_trail import audited
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text
from homa_shared.store.sealing import keyed, keyed_list, sealed_record, sealed_template
from homa_shared.store.transitions.attempts import Name


@dataclass(frozen=True, slots=True)
class DueTick:
    """A tick that is due, or soon will be."""

    schedule: str
    #: Which of its definitions stands: a text, compared and nothing else.
    gen: str
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
    #: As `DueTick.gen`.
    gen: str
    #: The last tick that it has come to, and the last one that it is to come to, ms.
    cursor: int
    until: int
    timing: str
    holes: tuple[str, ...]
    #: Times that were replaced, by generation: a tick that had its run by them is not run again.
    eras: Mapping[str, str]
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
    #: Queues of Homa's own that the fleet has: of deliveries, of batches that are due.
    own_queues: frozenset[str] = frozenset()


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
    latest_due: int = 0
    latest_at: str = ""
    latest_values: Sequence[str] = ()
    missed: int = 0
    after: int | None = None
    after_due: int | None = None

    def encode(self) -> bytes:
        told: dict[str, Any] = {
            "id": self.due.schedule,
            "gen": self.due.gen,
            "tick": self.due.tick,
            "at": self.at,
            "values": self.values,
        }
        if self.behind is not None:
            told |= {"behind": self.behind, "behind_due": self.behind_due}
        if self.latest is not None:
            told |= {"latest": self.latest, "latest_at": self.latest_at, "latest_values": self.latest_values}
            told |= {"latest_due": self.latest_due, "missed": self.missed}
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
    #: Generations of earlier times by which it was a tick as well.
    eras: Sequence[str] = ()


class Alarm(NamedTuple):
    """Something about a schedule that a person should know."""

    schedule: str
    #: late, failed, budget, cost, delivery or broken.
    kind: str
    detail: str


class Fired(NamedTuple):
    """What became of ticks."""

    #: For each: fired, queued, skipped, done, waiting, early, stale.
    answers: list[str]
    alarms: list[Alarm]


class Closed(NamedTuple):
    """What was summed up."""

    runs: int
    alarms: list[Alarm]


class Put(NamedTuple):
    """Answer of `put_schedule`."""

    #: made, same, replaced, taken or past.
    answer: str
    id: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A schedule ready to be put into the store."""

    name: str
    digest: str
    #: Fields of its hash.
    fields: Mapping[str, str] = field(default_factory=dict)


def look_schedules(keys: Keys, *, worker: str, lease_ms: int, most: int, hold_ms: int) -> Op[Look]:
    """What is due of schedules; asked by the worker that looks after them, or by one that would."""
    return call(keys, "look_schedules", (worker, lease_ms, most, hold_ms), _look)


def fire_ticks(keys: Keys, firings: Sequence[Firing], *, lease_ms: int) -> Op[Fired]:
    """Fires ticks; asking again changes nothing, since each is no longer the next one of its schedule."""

    def parse(reply: Any) -> Fired:
        return Fired([text(answer) for answer in reply[0]], _alarms(reply[1]))

    return call(keys, "fire_ticks", (lease_ms, FULL_PERCENT, *(firing.encode() for firing in firings)), parse)


def close_runs(keys: Keys, most: int) -> Op[Closed]:
    """Sums up runs that have ended."""
    return call(keys, "close_runs", (most, FULL_PERCENT), lambda reply: Closed(int(reply[0]), _alarms(reply[1])))


def end_fill(
    keys: Keys, name: Name, outcome: Literal["filled", "again", "released", "refused"], why: str = "", delay_ms: int = 0
) -> Op[str]:
    """The end of a try to fill a batch.

    Returns filled, again, failed (refused, or tried for long enough), cancelled or stale.

    Args:
        why: what went wrong.
        delay_ms: until it is tried again.
    """
    return call(keys, "end_fill", (*name, outcome, why, delay_ms), text)


def put_schedule(
    keys: Keys, definition: Definition, *, new_id: str, tick: int, due: int, replace: bool = False
) -> Op[Put]:
    """Makes a schedule, or with `replace` gives it another definition.

    Args:
        tick, due: the first one, and when its work starts, ms.
    """
    fields = orjson.dumps(_sealed(keys, definition.fields))
    first = (definition.name, new_id, keyed_list(keys, definition.digest), fields)
    args = (*first, tick, due, int(replace), FULL_PERCENT)
    putting = call(keys, "put_schedule", args, lambda reply: Put(text(reply[0]), text(reply[1])))
    return audited(putting, "schedule.put", definition.name, digest=keyed(keys, definition.digest))


def _sealed(keys: Keys, fields: Mapping[str, str]) -> dict[str, str]:
    """Fields of a definition with its request sealed, and what it carries; digests of these under a key."""
    said = dict(fields)
    said |= {name: sealed_record(keys, said[name].encode()).decode() for name in ("common", "entry") if said.get(name)}
    if keys.cipher is None:
        return said
    said["request"] = sealed_template(keys, said["request"], orjson.loads(said.get("holes") or "[]"))
    return said | {name: keyed(keys, said[name]) for name in ("asked", "made") if said.get(name)}


def pause_schedule(keys: Keys, schedule: str, why: str = "") -> Op[str]:
    """No further tick fires until it is resumed; returns the state before, empty: no such schedule."""
    return audited(call(keys, "schedule", ("pause", schedule, why), text), "schedule.paused", schedule, why=why)


def halt_schedule(keys: Keys, schedule: str, why: str) -> Op[str]:
    """It pauses with an alarm: nothing can be done with it until a person has looked. Returns as `pause_schedule`."""
    return call(keys, "schedule", ("halt", schedule, why), text)


def resume_schedule(keys: Keys, schedule: str, tick: int | None, due: int | None) -> Op[str]:
    """Ticks fire again, from this one on; a standing alarm is taken as seen. Returns as `pause_schedule`."""
    args = ("resume", schedule, "" if tick is None else tick, "" if due is None else due)
    return audited(call(keys, "schedule", args, text), "schedule.resumed", schedule)


def delete_schedule(keys: Keys, schedule: str, *, nameless: bool = False) -> Op[str]:
    """Forgets a schedule and its history; returns as `pause_schedule`.

    Args:
        nameless: its name, too, which is kept for as long as its cap.
    """
    return audited(call(keys, "schedule", ("delete", schedule, int(nameless)), text), "schedule.deleted", schedule)


def run_schedule(keys: Keys, schedule: str, gen: str, tick: int, at: str, values: Sequence[str]) -> Op[str]:
    """Runs its work now; returns the job, empty: no such schedule, `changed`: its definition is another one than `gen`.

    The same tick gets the same job.
    """
    args = (schedule, tick, at, orjson.dumps(list(values)), FULL_PERCENT, gen)
    return audited(call(keys, "run_schedule", args, text), "schedule.run", schedule, tick=tick)


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
    keys: Keys, backfill: str, gen: str, cursor: int, ticks: Sequence[BackfillTick], *, is_last: bool
) -> Op[tuple[str, int]]:
    """Moves a backfill on from where its cursor stands.

    Returns moved, ended, stale (moved on, or its schedule changed, meanwhile) or unknown; and how many ticks it passed.
    """
    told = [orjson.dumps(tick) for tick in ticks]
    args = (backfill, FULL_PERCENT, cursor, int(is_last), gen, *told)
    return call(keys, "backfill", args, lambda reply: (text(reply[0]), int(reply[1])))


def stop_backfill(keys: Keys, backfill: str, why: str) -> Op[None]:
    """Ends a backfill that cannot be moved on, with an alarm of its schedule; its runs end by themselves."""
    return call(keys, "backfill", (backfill, FULL_PERCENT, 0, "stop", why), lambda _: None)


def _alarms(reply: Any) -> list[Alarm]:
    return [Alarm(*map(text, row)) for row in reply]


def _look(reply: Any) -> Look:
    now, wait_ms, work, ticks, backfills, own = reply
    return Look(
        int(now),
        None if int(wait_ms) < 0 else int(wait_ms),
        int(work) >= 0,
        int(work) > 0,
        [_due(row) for row in ticks],
        [_backfill(row) for row in backfills],
        frozenset(queue for queue, known in zip((DELIVERIES, BATCH_RUNS), own, strict=True) if known),
    )


def _due(row: Any) -> DueTick:
    schedule, gen, tick, due, last, created, timing, jitter, holes, missed = map(text, row)
    since = int(last or created)
    variables = tuple(orjson.loads(holes))
    return DueTick(schedule, gen, int(tick), int(float(due)), since, timing, int(jitter), variables, missed)


def _backfill(row: Any) -> OpenBackfill:
    name, schedule, gen, cursor, until, timing, holes, eras, room = map(text, row)
    variables = tuple(orjson.loads(holes))
    return OpenBackfill(name, schedule, gen, int(cursor), int(until), timing, variables, orjson.loads(eras), int(room))
