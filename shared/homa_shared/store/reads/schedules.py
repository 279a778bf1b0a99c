"""What the store tells about schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from homa_shared.model.constants import RUNS_KEPT
from homa_shared.model.errors import SealedPayload
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, mapping, read, text
from homa_shared.store.sealing import Kind, opened_text


@dataclass(frozen=True, slots=True)
class ScheduleAlarm:
    """What a person should know of a schedule."""

    #: late, failed, budget, cost, delivery or broken.
    kind: str
    detail: str
    #: ms since 1970.
    at_ms: int


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule as it stands."""

    id: str
    name: str
    #: active, paused or done.
    state: str
    paused_why: str
    #: `read_timing` reads it.
    timing: str
    #: The next tick, and when its work starts, ms; None: there is none any more.
    next_ms: int | None
    due_ms: int | None
    #: The tick of the latest run, ms.
    last_ms: int | None
    created_ms: int
    missed: str
    overlap: str
    jitter_ms: int
    #: Nano-dollars a period (day, month, total); None: no budget of its own.
    cap_nano_usd: int | None
    period: str
    alarm: ScheduleAlarm | None
    fired: int
    skipped: int
    succeeded: int
    failed: int
    cancelled: int
    late: int
    #: Digest of its definition.
    digest: str
    #: Which of its definitions stands: a text, compared and nothing else.
    gen: str
    #: `api`, or `settings` for one that homa.toml has.
    origin: str
    #: Where what its runs come to goes.
    deliver: tuple[str, ...] = ()
    #: Its runs are batches.
    fills: bool = False
    raw: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One run of a schedule's history."""

    #: The tick, ms.
    tick_ms: int
    #: The tick in the schedule's zone.
    at: str
    #: queued, running, skipped, or how it ended: succeeded, failed, cancelled, expired, or
    #: forgotten (its record was gone before anybody looked).
    state: str
    #: What fired it: tick, hand or backfill.
    by: str
    #: Its job; empty where there is none.
    job: str
    #: What `{{since}}` stands for, ms.
    since_ms: int
    fired_ms: int
    ended_ms: int | None
    cost_nano_usd: int | None
    unresolved_nano_usd: int
    detail: str
    #: Missed ticks that it stands for beside its own.
    missed: int
    #: Its batch, where it is one: lines that it has, those that failed, inputs that could not be sent.
    batch: str = ""
    lines: int | None = None
    lines_failed: int = 0
    unsent: int = 0


@dataclass(frozen=True, slots=True)
class BackfillView:
    """A backfill as it stands."""

    id: str
    schedule: str
    #: running, complete, out of budget or ended (its batch was cancelled, or the schedule deleted).
    state: str
    since_ms: int
    until_ms: int
    #: The last tick that it has come to, ms.
    cursor_ms: int
    fired: int
    #: Ticks that had their run before.
    done_before: int
    live: int
    succeeded: int
    failed: int


def schedule_id(keys: Keys, name: str) -> Op[str]:
    """The schedule of a name; empty: there is none."""
    return read((("HGET", keys.schedule_names(), name),), lambda r: text(r[0]))


def schedule_names(keys: Keys) -> Op[dict[str, str]]:
    """All schedules: name -> id."""
    return read((("HGETALL", keys.schedule_names()),), lambda r: dict(sorted(mapping(r[0]).items())))


def schedules(keys: Keys, ids: Sequence[str]) -> Op[list[ScheduleView]]:
    """Schedules by their ids; those that are gone are left out."""
    commands = [("HGETALL", keys.schedule(found)) for found in ids]

    def parse(replies: list[Any]) -> list[ScheduleView]:
        views = (_view(keys, found, mapping(reply)) for found, reply in zip(ids, replies, strict=True))
        return [view for view in views if view is not None]

    return read(tuple(commands), parse)


def schedule_history(keys: Keys, schedule: str) -> Op[list[ScheduleRun]]:
    """Its latest runs, up to a hundred, in the order of their ticks."""

    def parse(replies: list[Any]) -> list[ScheduleRun]:
        runs = [_run(int(tick), orjson.loads(told)) for tick, told in mapping(replies[0]).items()]
        latest = sorted(runs, key=lambda run: run.fired_ms)[-RUNS_KEPT:]
        return sorted(latest, key=lambda run: run.tick_ms)

    return read((("HGETALL", keys.schedule_history(schedule)),), parse)


def backfill(keys: Keys, name: str) -> Op[BackfillView | None]:
    """A backfill; None: the store holds none of this id."""
    return read((("HGETALL", keys.backfill(name)),), lambda r: _backfill(name, mapping(r[0])))


def _view(keys: Keys, name: str, f: dict[str, str]) -> ScheduleView | None:
    if not f or f.get("state") == "deleted":
        return None
    if f.get("fills"):
        f["request"] = _arguments(keys, f["request"])
    alarm = orjson.loads(f["alarm"]) if f.get("alarm") else None
    return ScheduleView(
        id=name,
        name=f["name"],
        state=f["state"],
        paused_why=f.get("paused_why", ""),
        timing=f["timing"],
        next_ms=int(f["next"]) if "next" in f else None,
        due_ms=int(float(f["due"])) if "next" in f else None,
        last_ms=int(f["last"]) if "last" in f else None,
        created_ms=int(f["created"]),
        missed=f["missed"],
        overlap=f["overlap"],
        jitter_ms=int(f.get("jitter") or 0),
        cap_nano_usd=int(f["cap"]) if f.get("cap") else None,
        period=f.get("period", ""),
        alarm=None if alarm is None else ScheduleAlarm(alarm["kind"], alarm["detail"], int(alarm["at"])),
        fired=int(f.get("n.fired", 0)),
        skipped=int(f.get("n.skipped", 0)),
        succeeded=int(f.get("n.succeeded", 0)),
        failed=int(f.get("n.failed", 0)),
        cancelled=int(f.get("n.cancelled", 0)),
        late=int(f.get("n.late", 0)),
        digest=f["digest"],
        gen=f.get("gen", "0"),
        origin=f.get("origin", "api"),
        deliver=tuple(orjson.loads(f["deliver"])) if f.get("deliver") else (),
        fills=bool(f.get("fills")),
        raw=f,
    )


def _arguments(keys: Keys, told: str) -> str:
    """The arguments of runs that are batches, as JSON; why they cannot be shown, where their key is not here."""
    try:
        return opened_text(keys, Kind.REQUEST, told)
    except SealedPayload as error:
        return orjson.dumps([f"({error})"]).decode()


def _run(tick: int, told: dict[str, Any]) -> ScheduleRun:
    ended, cost = told.get("ended"), told.get("cost")
    return ScheduleRun(
        tick_ms=tick,
        at=told["at"],
        state=told["state"],
        by=told["by"],
        job=told.get("job", ""),
        since_ms=int(told["since"]),
        fired_ms=int(told["fired"]),
        ended_ms=None if ended is None else int(ended),
        cost_nano_usd=None if cost is None else int(cost),
        unresolved_nano_usd=int(told.get("unresolved") or 0),
        detail=told.get("detail") or "",
        missed=int(told.get("missed") or 0),
        batch=told.get("fills", ""),
        lines=None if told.get("lines") is None else int(told["lines"]),
        lines_failed=int(told.get("lines_failed") or 0),
        unsent=int(told.get("unsent") or 0),
    )


def _backfill(name: str, f: dict[str, str]) -> BackfillView | None:
    if not f:
        return None
    numbers = {field: int(float(f.get(field, 0))) for field in ("fired", "done_before", "live", "succeeded", "failed")}
    return BackfillView(
        name, f["schedule"], f["state"], int(f["since"]), int(f["until"]), int(float(f["cursor"])), **numbers
    )
