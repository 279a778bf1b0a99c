"""What `homa status --json` prints, as a type: its JSON schema is `homa schema status`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from typing_extensions import TypedDict

from homa.client.management.alarms import Alarm, AlarmLevel
from homa.client.management.budgets import BudgetInfo
from homa.client.management.limits import LimitInfo
from homa.client.management.status import FleetStatus, ProviderStatus, QueueStatus, used_share
from homa.client.management.units import ms_of_known_span, ms_of_span, nano_of
from homa_shared.model.money import usd


class AlarmDocument(TypedDict):
    level: AlarmLevel
    about: str
    said: str
    what_to_do: str


class StoreDocument(TypedDict):
    server: str
    used_bytes: int
    #: 0: no limit.
    limit_bytes: int
    #: How long this look took, ms.
    look_ms: int


class JobsDocument(TypedDict):
    submitted: int
    live: int
    #: Attempts whose cost nobody knows.
    unresolved: int
    failed_last_hour: int
    expired_last_hour: int
    cancelled_last_hour: int


class QueueDocument(TypedDict):
    queue: str
    lane: str
    queued: int
    running: int
    due: int
    waiting: int
    paused: bool
    oldest_ms: int | None
    workers: int
    blocked_by: list[str]


class ProviderDocument(TypedDict):
    provider: str
    workers: int
    draining: int
    needed_workers: int
    running: int
    slots: int


class LimitDocument(TypedDict):
    scope: str
    dimension: str
    limit: int | None
    used: int
    available: int | None
    used_share: float | None
    frozen_ms: int


class BreakerDocument(TypedDict):
    scope: str
    state: str
    failures: int
    wait_ms: int


class BudgetDocument(TypedDict):
    budget: str
    cap_usd: str
    spent_usd: str
    unresolved_usd: str
    reserved_usd: str
    free_usd: str


class StatusDocument(TypedDict):
    """One look at the fleet. Amounts are decimal strings of dollars; times are whole milliseconds."""

    status: Literal["ok", "alarm"]
    at: datetime
    alarms: list[AlarmDocument]
    store: StoreDocument
    jobs: JobsDocument
    queues: list[QueueDocument]
    providers: list[ProviderDocument]
    #: Frozen ones, and those used to 80 % and more.
    hot_limits: list[LimitDocument]
    open_breakers: list[BreakerDocument]
    #: The one with the smallest free share first.
    budgets: list[BudgetDocument]


def document(seen: FleetStatus, found: list[Alarm], look_ms: int) -> StatusDocument:
    """A look as a document.

    Args:
        found: what wants attention in it.
        look_ms: how long the store took to answer.
    """
    return {
        "status": "alarm" if any(alarm.level == "alarm" for alarm in found) else "ok",
        "at": seen.at,
        "alarms": [
            {"level": one.level, "about": one.about, "said": one.said, "what_to_do": one.what_to_do} for one in found
        ],
        "store": {
            "server": f"{seen.store.kind} {seen.store.version}",
            "used_bytes": seen.store.used_memory_bytes,
            "limit_bytes": seen.store.maxmemory_bytes,
            "look_ms": look_ms,
        },
        "jobs": {
            "submitted": seen.counters.get("submitted", 0),
            "live": seen.counters.get("live", 0),
            "unresolved": seen.unresolved,
            "failed_last_hour": seen.recent.failed,
            "expired_last_hour": seen.recent.expired,
            "cancelled_last_hour": seen.recent.cancelled,
        },
        "queues": list(map(_queue, seen.queues)),
        "providers": list(map(_provider, seen.providers)),
        "hot_limits": list(map(_limit, seen.hot_limits)),
        "open_breakers": list(map(_breaker, seen.open_breakers)),
        "budgets": list(map(_budget, seen.budgets)),
    }


def _queue(one: QueueStatus) -> QueueDocument:
    row = one.row
    return {
        "queue": row.queue,
        "lane": row.lane,
        "queued": row.queued,
        "running": row.running,
        "due": row.due,
        "waiting": row.waiting,
        "paused": row.paused,
        "oldest_ms": ms_of_known_span(one.oldest_s),
        "workers": one.workers,
        "blocked_by": list(one.blocked_by),
    }


def _provider(one: ProviderStatus) -> ProviderDocument:
    return {
        "provider": one.provider,
        "workers": one.live,
        "draining": one.draining,
        "needed_workers": one.needed,
        "running": one.running,
        "slots": one.slots,
    }


def _limit(row: LimitInfo) -> LimitDocument:
    share = used_share(row)
    return {
        "scope": row.scope,
        "dimension": row.dimension,
        "limit": row.limit,
        "used": row.used,
        "available": row.available,
        "used_share": None if share is None else round(share, 4),
        "frozen_ms": ms_of_span(row.frozen_s),
    }


def _breaker(row: LimitInfo) -> BreakerDocument:
    return {"scope": row.scope, "state": row.state, "failures": row.used, "wait_ms": ms_of_span(row.wait_s)}


def _budget(row: BudgetInfo) -> BudgetDocument:
    return {
        "budget": row.name,
        "cap_usd": usd(nano_of(row.cap_usd)),
        "spent_usd": usd(nano_of(row.spent_usd)),
        "unresolved_usd": usd(nano_of(row.unresolved_usd)),
        "reserved_usd": usd(nano_of(row.reserved_usd)),
        "free_usd": usd(nano_of(row.free_usd)),
    }
