"""What the calendar says of a tick that is due: the next one, and which of several past ones is the latest."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice

from homa_shared.model.constants import LATE_MS
from homa_shared.schedules.timing import Timing, jitter_of, moment_in, read_timing, ticks_between
from homa_shared.schedules.variables import values_at
from homa_shared.store.transitions.schedules import BackfillTick, DueTick, Firing, OpenBackfill

#: So many missed ticks are counted; more are told as that many.
_COUNTED = 1000


@lru_cache(maxsize=50_000)
def _after(timing: str, moment_ms: int) -> int | None:
    """Many schedules share a cron line."""
    return read_timing(timing).after(moment_ms)


_moment_in = lru_cache(maxsize=10_000)(moment_in)


def firing_of(due: DueTick, now_ms: int) -> Firing:
    """A tick with all that its script cannot know.

    Args:
        now_ms: by the store's clock.
    """
    timing = read_timing(due.timing)
    behind = _after(due.timing, due.tick)
    told = Firing(
        due,
        _moment_in(due.tick, timing.zone),
        behind,
        _due(due, behind),
        values_at(due.holes, tick=due.tick, since=due.since, zone=timing.zone) if due.holes else (),
    )
    is_late = now_ms - due.due > LATE_MS
    if due.missed == "all" or not is_late:
        return told
    latest = _latest_due(due, timing, now_ms)
    after = _after(due.timing, latest)
    return Firing(
        due,
        told.at,
        behind,
        told.behind_due,
        told.values,
        latest=latest,
        latest_due=latest + jitter_of(due.schedule, latest, due.jitter_ms),
        latest_at=_moment_in(latest, timing.zone),
        latest_values=values_at(due.holes, tick=latest, since=due.since, zone=timing.zone),
        missed=sum(1 for _ in islice(ticks_between(timing, due.tick - 1, latest - 1), _COUNTED)),
        after=after,
        after_due=_due(due, after),
    )


def _due(due: DueTick, tick: int | None) -> int | None:
    return None if tick is None else tick + jitter_of(due.schedule, tick, due.jitter_ms)


def _latest_due(due: DueTick, timing: Timing, now_ms: int) -> int:
    """The latest tick whose work should have begun by now."""
    moment = now_ms
    while (found := timing.latest(moment, due.tick)) is not None:
        if found + jitter_of(due.schedule, found, due.jitter_ms) <= now_ms:
            return found
        moment = found - 1
    return due.tick


def slice_of(backfill: OpenBackfill, most: int) -> tuple[list[BackfillTick], bool]:
    """The next ticks of a backfill, and whether they are the last ones."""
    timing = read_timing(backfill.timing)
    eras = {gen: read_timing(row) for gen, row in backfill.eras.items()}
    ticks = list(islice(ticks_between(timing, backfill.cursor, backfill.until), most + 1))
    told: list[BackfillTick] = []
    before = timing.latest(ticks[0] - 1, 0) if ticks else None
    for tick in ticks[:most]:
        since = backfill.cursor if before is None else before
        values = values_at(backfill.holes, tick=tick, since=since, zone=timing.zone)
        at, behind = _moment_in(tick, timing.zone), timing.after(tick)
        ticked = [gen for gen, earlier in eras.items() if earlier.after(tick - 1) == tick]
        told.append(BackfillTick(tick, at, before, behind, since, values, ticked))
        before = tick
    return told, len(ticks) <= most
