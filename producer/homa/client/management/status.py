"""How the fleet is, in one look: what `homa status` prints and `homa top` shows.

A look takes the same five scripts and two commands however many jobs there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from homa.client.management.budgets import BudgetInfo
from homa.client.management.limits import LimitInfo
from homa.client.management.queues import QueueInfo
from homa.client.management.units import seconds_of, time_of
from homa.client.management.workers import WorkerInfo, worker_infos
from homa.drivers.effects import Flow, ask
from homa_shared.metrics.needed_workers import loads, needed_workers
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads import BudgetSum, LimitRow, Monitored, RecentEnds
from homa_shared.store.reads.money import BudgetRow
from homa_shared.store.safety_checks import StoreFacts, told_facts

#: Share of a quota or a cap from which it is shown.
HOT_SHARE = 0.8
#: "Lately": jobs that failed within this time are counted, ms.
RECENT_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A lane of a queue: how deep, how old, and what it waits for."""

    row: QueueInfo
    #: Since the oldest of the jobs that are next in their turn was submitted; None where none waits.
    oldest_s: float | None
    #: Live workers that take from it.
    workers: int
    #: What stands before the models that its jobs wait for: limits' names, concurrency, frozen, breaker.
    blocked_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """The workers of one provider together."""

    provider: str
    live: int
    draining: int
    #: Attempts in flight, of so many at most.
    running: int
    slots: int
    #: Worker processes that its jobs can keep busy.
    needed: int


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """One look at a fleet."""

    #: The store's clock.
    at: datetime
    store: StoreFacts
    #: Jobs: submitted, live, and those that ended, by state, since the store was made.
    counters: dict[str, int]
    #: Attempts whose cost nobody knows yet.
    unresolved: int
    #: Within the last hour.
    recent: RecentEnds
    queues: tuple[QueueStatus, ...]
    providers: tuple[ProviderStatus, ...]
    workers: tuple[WorkerInfo, ...]
    limits: tuple[LimitInfo, ...]
    budgets: tuple[BudgetInfo, ...]

    @property
    def hot_limits(self) -> tuple[LimitInfo, ...]:
        """Limits that are frozen, or used to four fifths and more of what may be used at once."""
        return tuple(row for row in self.limits if row.dimension != "breaker" and _hot(row))

    @property
    def open_breakers(self) -> tuple[LimitInfo, ...]:
        return tuple(row for row in self.limits if row.dimension == "breaker" and row.state != "closed")

    @property
    def near_budgets(self) -> tuple[BudgetInfo, ...]:
        """Budgets of which a fifth or less is free."""
        return tuple(row for row in self.budgets if row.free_usd <= row.cap_usd * (100 - round(HOT_SHARE * 100)) / 100)


def status(keys: Keys) -> Flow[FleetStatus]:
    """One look at the fleet."""
    store = yield from ask(told_facts())
    seen = yield from ask(reads.monitored(keys))
    limits = yield from ask(reads.limits(keys))
    rows = yield from ask(reads.workers(keys))
    recent = yield from ask(reads.recent_ends(keys, RECENT_MS))
    budgets = yield from ask(reads.budgets(keys))
    live = worker_infos([row for row in rows if row.live])
    needs = {name: needed_workers(load) for name, load in loads(seen, limits, rows).items()}
    return FleetStatus(
        at=time_of(seen.now_ms),
        store=store,
        counters=dict(seen.counters),
        unresolved=seen.unresolved,
        recent=recent,
        queues=tuple(_queue(row, seen, live) for row in seen.queues),
        providers=tuple(_provider(name, live, need) for name, need in needs.items()),
        workers=live,
        limits=_limits(limits),
        budgets=_budgets(budgets, seen.budgets),
    )


def _queue(row: reads.QueueRow, seen: Monitored, live: Sequence[WorkerInfo]) -> QueueStatus:
    oldest_ms = seen.oldest_ms.get((row.queue, row.lane))
    return QueueStatus(
        row=QueueInfo(row.queue, row.lane, row.queued, row.running, row.due, row.waiting, row.paused),
        oldest_s=None if oldest_ms is None else seconds_of(max(0, seen.now_ms - oldest_ms)),
        workers=sum(row.queue in worker.queues for worker in live),
        blocked_by=tuple(
            sorted({one.why for one in seen.demands if one.why and (one.queue, one.lane) == (row.queue, row.lane)})
        ),
    )


def _provider(name: str, live: Sequence[WorkerInfo], needed: int) -> ProviderStatus:
    own = [worker for worker in live if worker.facts.get("provider") == name]
    return ProviderStatus(
        provider=name,
        live=len(own),
        draining=sum(worker.state == "draining" for worker in own),
        running=sum(worker.running or 0 for worker in own),
        slots=sum(worker.concurrency or 0 for worker in own),
        needed=needed,
    )


def _limits(rows: Sequence[LimitRow]) -> tuple[LimitInfo, ...]:
    return tuple(LimitInfo.of(row, None) for row in rows)


def _hot(row: LimitInfo) -> bool:
    return bool(row.frozen_s) or (used_share(row) or 0.0) >= HOT_SHARE


def used_share(row: LimitInfo) -> float | None:
    """How much is used of what may be used of a limit at once; None where nothing limits it."""
    if row.available is None or row.used + row.available <= 0:
        return None
    return row.used / (row.used + row.available)


def _budgets(instances: Sequence[BudgetRow], sums: Sequence[BudgetSum]) -> tuple[BudgetInfo, ...]:
    """Budgets in their present periods: those for everybody all, of the others as many as the store gives at once."""
    found = {row.instance: BudgetInfo.of(row) for row in instances if not row.over}
    known = {name.partition("~")[0] for name in found}
    for total in sums:
        if total.name not in known:
            row = BudgetRow(total.name, total.spent, total.unresolved, total.reserved, total.cap, over=False)
            found[total.name] = BudgetInfo.of(row)
    return tuple(sorted(found.values(), key=lambda row: row.free_usd / row.cap_usd if row.cap_usd else 0))
