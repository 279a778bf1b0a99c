"""What schedules are asked to do, for the sync and the async client: listed, paused, run, backfilled, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from statistics import median
from typing import Any

from homa.client.not_found import check_id
from homa.drivers.effects import Flow, ask, ask_patiently
from homa.submit.option_checks import Dollars, Whole, wrong
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.ids import new_batch_id
from homa_shared.model.targets import nearest
from homa_shared.schedules.timing import jitter_of, moment_in, read_timing, ticks_between
from homa_shared.schedules.variables import values_at
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.deliveries import Delivery, deliveries
from homa_shared.store.reads.schedules import (
    ScheduleRun,
    ScheduleView,
    schedule_history,
    schedule_id,
    schedule_names,
    schedules,
)
from homa_shared.store.transitions import schedules as transitions
from homa_shared.store.transitions.deliveries import Redelivered, redeliver

#: Runs of a backfill at once, where nothing else is said.
WINDOW = 100
#: Moments count from 1970; a day of it is left to zones west of UTC.
_FIRST_YEAR = 1971
#: Most ticks that a forecast counts.
_COUNTED = 10_000
#: Schedules that are read in one operation.
_PAGE = 200


def all_schedules(keys: Keys) -> Flow[list[ScheduleView]]:
    """Every schedule, by name."""
    names = yield from ask_patiently(schedule_names(keys))
    ids, found = list(names.values()), []
    for start in range(0, len(ids), _PAGE):
        found += yield from ask_patiently(schedules(keys, ids[start : start + _PAGE]))
    return found


@dataclass(frozen=True, slots=True)
class BackfillForecast:
    """What a backfill may do; ticks that had their run are counted, too."""

    ticks: int
    #: There are more ticks, which were not counted.
    is_cut: bool
    #: Nano-dollars by the median of the latest runs; None where none is known.
    usual_nano_usd: int | None
    #: Nano-dollars should each run cost as much as it may; None where nobody knows.
    most_nano_usd: int | None


@dataclass(frozen=True, slots=True)
class ScheduleFlows:
    """Flows of one schedule."""

    keys: Keys
    name: str

    def __post_init__(self) -> None:
        check_id("schedule", self.name)

    def id(self) -> Flow[str]:
        """Its id. Raises InvalidRequest where no schedule has the name; the nearest one is told."""
        found = yield from ask_patiently(schedule_id(self.keys, self.name))
        if not found:
            known = yield from ask_patiently(schedule_names(self.keys))
            close = nearest(self.name, known)
            hint = f"; did you mean {close!r}?" if close else "; `homa schedules list` shows all"
            raise InvalidRequest(f"no schedule is named {self.name!r}{hint}")
        return found

    def view(self) -> Flow[ScheduleView]:
        """It as it stands."""
        found = yield from self.id()
        views = yield from ask_patiently(schedules(self.keys, [found]))
        if not views:
            raise InvalidRequest(f"no schedule is named {self.name!r}: it has just been deleted")
        return views[0]

    def history(self) -> Flow[list[ScheduleRun]]:
        """Its latest runs."""
        found = yield from self.id()
        return (yield from ask_patiently(schedule_history(self.keys, found)))

    def next_ticks(self, count: int) -> Flow[list[datetime]]:
        """When it fires next; none while it is paused, and behind the last one."""
        Whole()("count", count)
        view = yield from self.view()
        if view.state != "active" or view.next_ms is None:
            return []
        timing = read_timing(view.timing)
        ticks = islice(ticks_between(timing, view.next_ms - 1, 2**53), min(count, 10_000))
        return [datetime.fromisoformat(moment_in(tick, timing.zone)) for tick in ticks]

    def pause(self, why: str) -> Flow[None]:
        found = yield from self.id()
        yield from ask_patiently(transitions.pause_schedule(self.keys, found, why))

    def resume(self) -> Flow[None]:
        view = yield from self.view()
        now_ms = yield from ask_patiently(reads.server_time(self.keys))
        tick = read_timing(view.timing).after(now_ms)
        due = None if tick is None else tick + jitter_of(view.id, tick, view.jitter_ms)
        yield from ask_patiently(transitions.resume_schedule(self.keys, view.id, tick, due))

    def delete(self) -> Flow[None]:
        found = yield from self.id()
        yield from ask_patiently(transitions.delete_schedule(self.keys, found))

    def run(self, *, as_batch: bool | None = None) -> Flow[str]:
        """Runs it now; returns the job, or the batch.

        Args:
            as_batch: which of the two is expected; None: either.
        """
        while True:
            view = yield from self.view()
            if as_batch not in (None, view.fills):
                made, method = ("a batch", "run_batch()") if view.fills else ("a job", "run()")
                raise InvalidRequest(f"a run of {self.name} is {made}: expected {method}")
            now_ms = yield from ask(reads.server_time(self.keys))
            zone = read_timing(view.timing).zone
            values = values_at(_holes(view), tick=now_ms, since=view.last_ms or view.created_ms, zone=zone)
            at = moment_in(now_ms, zone)
            op = transitions.run_schedule(self.keys, view.id, view.gen, now_ms, at, values)
            job = yield from ask_patiently(op)
            if not job:
                raise InvalidRequest(f"no schedule is named {self.name!r}: it has just been deleted")
            if job != "changed":
                return job

    def deliveries(self) -> Flow[list[Delivery]]:
        """Its latest deliveries."""
        found = yield from self.id()
        return (yield from ask_patiently(deliveries(self.keys, found)))

    def redeliver(self, tick: datetime | None) -> Flow[Redelivered]:
        """Tries failed deliveries again."""
        found = yield from self.id()
        tick_ms = None if tick is None else _moment("tick", tick)
        done = yield from ask_patiently(redeliver(self.keys, found, tick_ms))
        if done is None:
            raise InvalidRequest(f"no schedule is named {self.name!r}: it has just been deleted")
        return done

    def forecast(self, since: datetime, until: datetime) -> Flow[BackfillForecast]:
        """How many ticks a range has, and what runs for all of them may cost."""
        view = yield from self.view()
        first, last = _moment("since", since) - 1, _moment("until", until) - 1
        ticks = sum(1 for _ in islice(ticks_between(read_timing(view.timing), first, last), _COUNTED + 1))
        counted, bound = min(ticks, _COUNTED), _bound(view)
        costs = [int(cost) for cost in view.raw.get("costs", "").split(",") if cost]
        return BackfillForecast(
            counted,
            ticks > _COUNTED,
            int(median(costs)) * counted if costs else None,
            None if bound is None else bound * counted,
        )

    def backfill(self, since: datetime, until: datetime, budget_usd: Any, window: int) -> Flow[str]:
        """Opens a backfill; returns its id, which its batch has, too."""
        since_ms, until_ms = _moment("since", since), _moment("until", until)
        cap = None if budget_usd is None else Dollars()("budget_usd", budget_usd)
        Whole()("window", window)
        now_ms = yield from ask_patiently(reads.server_time(self.keys))
        if until_ms > now_ms:
            raise InvalidRequest(f"until is {until.isoformat()}, which is still to come: expected a time that is past")
        if since_ms >= until_ms:
            raise InvalidRequest(f"since is {since.isoformat()}, until {until.isoformat()}: expected since before it")
        view = yield from self.view()
        timing = read_timing(view.timing)
        # A tick at `since` belongs to the range, one at `until` does not: ranges side by side have none twice.
        first, last = since_ms - 1, until_ms - 1
        if next(ticks_between(timing, first, last), None) is None:
            raise InvalidRequest(
                f"{self.name} ({timing.words()}) has no tick from {since.isoformat()} to {until.isoformat()}"
            )
        bound = _bound(view)
        if cap is not None and bound is None and not view.fills:
            raise InvalidRequest("budget_usd is given, and nobody knows what a run costs: its model has no known price")
        if cap is not None and bound is not None and bound > cap:
            raise InvalidRequest(
                f"budget_usd is {budget_usd}, less than one run may cost: raise it, or lower max_tokens"
            )
        found = new_batch_id()
        op = transitions.open_backfill(self.keys, found, view.id, since=first, until=last, cap=cap, window=window)
        yield from ask_patiently(op)
        return found


def _holes(view: ScheduleView) -> list[str]:
    import orjson

    holes: list[str] = orjson.loads(view.raw.get("holes") or b"[]")
    return holes


def _bound(view: ScheduleView) -> int | None:
    """What a run may cost at most, nano-dollars."""
    import orjson

    bound = orjson.loads(view.raw.get("entry") or b"{}").get("bn")
    return None if bound is None else int(bound)


def _moment(name: str, given: object) -> int:
    if not isinstance(given, datetime):
        raise wrong(name, given, "a datetime; one without a zone is taken as UTC")
    moment = given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    if moment.year < _FIRST_YEAR:
        raise InvalidRequest(f"{name} is {given.isoformat()}: expected a time from {_FIRST_YEAR} on")
    return int(moment.timestamp() * 1000)
