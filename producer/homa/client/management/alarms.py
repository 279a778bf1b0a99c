"""What in a look at the fleet wants somebody's attention, and what to do about it.

An *alarm* stands in the way of work, or will: `homa status` ends with status 1. A *notice* is for the eye: the fleet
deals with it by itself, or somebody wanted it so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from homa.client.management.status import FleetStatus, QueueStatus
from homa.client.management.units import ms_of_span
from homa.client.management.wording import dollars, number, span
from homa_shared.model.pools import worker_command
from homa_shared.store.safety_checks import FULL_SHARE, Level, verdicts

AlarmLevel: TypeAlias = Literal["alarm", "notice"]
#: Share of the store's room (80 % of its maxmemory) from which it is told of before submissions are refused.
_FULL_SOON = 0.9


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that wants attention."""

    level: AlarmLevel
    #: What it is about: store, queue, breaker, limit, budget or jobs; with its name.
    about: str
    #: What was seen.
    said: str
    #: What to do; empty where nothing has to be done.
    what_to_do: str = ""

    def __str__(self) -> str:
        return f"{self.about}: {self.said}" + (f"; {self.what_to_do}" if self.what_to_do else "")


def alarms(seen: FleetStatus, *, most_failed: int | None = None) -> list[Alarm]:
    """Everything that wants attention, alarms first.

    Args:
        most_failed: jobs that may fail within an hour; more are an alarm. None: however many, they are a notice.
    """
    looks = (_store, _queues, _breakers, _budgets, _limits)
    found = [*(alarm for look in looks for alarm in look(seen)), *_jobs(seen, most_failed)]
    return sorted(found, key=lambda alarm: alarm.level != "alarm")


def _store(seen: FleetStatus) -> Iterator[Alarm]:
    for verdict in verdicts(seen.store):
        if verdict.level is Level.ERROR:
            yield Alarm("alarm", "store", f"{verdict.setting} is {verdict.value}", verdict.what_to_do)
    room = seen.store.maxmemory_bytes * FULL_SHARE
    if room and seen.store.used_memory_bytes >= room * _FULL_SOON:
        full = seen.store.used_memory_bytes >= room
        said = "new jobs are refused" if full else "new jobs are refused soon"
        share = f"{seen.store.used_memory_bytes / seen.store.maxmemory_bytes:.0%} of maxmemory is used"
        yield Alarm("alarm", "store", f"{share}: {said}", "give it more memory, or shorten [retention]")


def _queues(seen: FleetStatus) -> Iterator[Alarm]:
    for queue, rows in _by_queue(seen):
        live = rows[0].workers
        waits = sum(row.row.queued for row in rows)
        if rows[0].row.paused:
            yield Alarm("notice", f"queue {queue}", f"paused, {number(waits)} queued", f"`homa queues resume {queue}`")
        elif waits and not live:
            yield Alarm(
                "alarm", f"queue {queue}", f"{number(waits)} queued and no worker", f"start `{worker_command(queue)}`"
            )


def _by_queue(seen: FleetStatus) -> Iterable[tuple[str, list[QueueStatus]]]:
    found: dict[str, list[QueueStatus]] = {}
    for row in seen.queues:
        found.setdefault(row.row.queue, []).append(row)
    return found.items()


def _breakers(seen: FleetStatus) -> Iterator[Alarm]:
    held = any("breaker" in queue.blocked_by for queue in seen.queues)
    for row in seen.open_breakers:
        said = row.state + (f" after {number(row.used)} failures in a row" if row.used else "")
        wait = f"next call in {span(ms_of_span(row.wait_s))}" if row.wait_s else "the next call tries it"
        # One that the next call tries, and no job waits for, holds nothing up: it may stand so for days.
        level: AlarmLevel = "alarm" if row.wait_s or held else "notice"
        yield Alarm(level, f"breaker {row.scope}", f"{said}, {wait}", "`homa events` says why")


def _budgets(seen: FleetStatus) -> Iterator[Alarm]:
    for row in seen.near_budgets:
        used = row.spent_usd + row.unresolved_usd
        share = used / row.cap_usd if row.cap_usd else Decimal(1)
        said = f"{dollars(row.free_usd)} of {dollars(row.cap_usd)} free, {share:.0%} spent"
        reserved = " (the rest is reserved)" if row.reserved_usd and not row.free_usd else ""
        level: AlarmLevel = "alarm" if share >= Decimal("0.9") else "notice"
        yield Alarm(level, f"budget {row.name}", said + reserved, _more_room(row.name))


def _more_room(instance: str) -> str:
    rule = instance.partition("~")[0].partition("@")[0].partition("#")[0]
    owner, _, name = rule.partition(":")
    if owner == "key":
        return "a key's budget stays as it is: `homa keys create --budget` makes another key"
    if owner == "schedule":
        return f"raise the budget of the schedule {name}"
    return f"raise budgets.{rule}.cap_usd, then `homa apply`"


def _limits(seen: FleetStatus) -> Iterator[Alarm]:
    told: set[str] = set()
    for row in seen.hot_limits:
        if row.frozen_s and row.scope not in told:
            told.add(row.scope)
            yield Alarm("notice", f"limit {row.scope}", row.state_words, f"`homa limits unfreeze {row.scope}` lifts it")


def _jobs(seen: FleetStatus, most_failed: int | None) -> Iterator[Alarm]:
    failed = seen.recent.failed
    if failed:
        level: AlarmLevel = "alarm" if most_failed is not None and failed > most_failed else "notice"
        yield Alarm(level, "jobs", f"{number(failed)} failed in the last hour", "`homa jobs list --state failed`")
    if seen.recent.expired:
        yield Alarm("notice", "jobs", f"{number(seen.recent.expired)} expired in the last hour")
    if seen.unresolved:
        yield Alarm("notice", "jobs", f"{number(seen.unresolved)} attempts of unknown cost", "`homa jobs resolve`")
