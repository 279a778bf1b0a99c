"""A look at the fleet as tables: `homa status` prints them below one another, `homa top` shows them in panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homa.client.management.budgets import BudgetInfo
from homa.client.management.limits import LimitInfo
from homa.client.management.status import FleetStatus, QueueStatus, used_share
from homa.client.management.units import ms_of_known_span, ms_of_span
from homa.client.management.wording import dollars, number, span
from homa.client.management.workers import WorkerInfo


@dataclass(frozen=True, slots=True)
class FleetTable:
    """Rows under headers; the first column names what a row is about."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()
    wraps: frozenset[str] = frozenset()


def summary(seen: FleetStatus) -> list[tuple[str, str]]:
    """Names and values of what is one number for the whole fleet."""
    store, counters, recent = seen.store, seen.counters, seen.recent
    room = f" of {in_bytes(store.maxmemory_bytes)}" if store.maxmemory_bytes else ", no limit"
    ended = [(name, counters.get(name, 0)) for name in ("succeeded", "failed", "cancelled", "expired")]
    states = [(name, sum(getattr(one.row, name) for one in seen.queues)) for name in _STATES]
    lately = [(name, getattr(recent, name)) for name in ("failed", "expired", "cancelled")]
    return [
        ("store", f"{store.kind} {store.version}, {in_bytes(store.used_memory_bytes)}{room}"),
        ("live", f"{number(counters.get('live', 0))} jobs: {_counted(states)}"),
        ("ended", _counted(ended)),
        ("last hour", _counted(lately)),
    ]


def tables(seen: FleetStatus) -> list[FleetTable]:
    """What there is to see, in the order in which one looks; a table may be empty."""
    return [queues(seen), workers(seen), limits(seen), breakers(seen), budgets(seen)]


def queues(seen: FleetStatus) -> FleetTable:
    headers = ("QUEUE", "LANE", "QUEUED", "RUNNING", "DUE", "WAITING", "OLDEST", "WORKERS", "HELD BY")
    right = frozenset(headers) - {"QUEUE", "LANE", "HELD BY"}
    return FleetTable("queues", headers, [_queue(one) for one in seen.queues], right, frozenset({"HELD BY"}))


def _queue(one: QueueStatus) -> Sequence[str]:
    row = one.row
    held = "paused" if row.paused else " ".join(one.blocked_by)
    counts = [number(getattr(row, name)) for name in _STATES]
    return (row.queue, row.lane, *counts, span(ms_of_known_span(one.oldest_s)), number(one.workers), held)


def workers(seen: FleetStatus) -> FleetTable:
    headers = ("PROVIDER", "WORKERS", "NEEDED", "RUNNING", "SLOTS", "STATE")
    rows = [
        (
            one.provider,
            number(one.live),
            number(one.needed),
            number(one.running),
            number(one.slots),
            f"{number(one.draining)} draining" if one.draining else "",
        )
        for one in seen.providers
    ]
    return FleetTable("workers", headers, rows, frozenset(headers) - {"PROVIDER", "STATE"})


def each_worker(seen: FleetStatus) -> FleetTable:
    """A row a process, for whoever looks closer."""
    headers = ("WORKER", "RUNNING", "SLOTS", "ENDED", "BEAT", "HOST", "STATE")
    rows = list(map(_worker, seen.workers))
    return FleetTable("worker processes", headers, rows, frozenset(headers[1:5]), frozenset({"HOST"}))


def _worker(one: WorkerInfo) -> Sequence[str]:
    beat = f"{span(ms_of_span(one.beat_age_s))} ago"
    return (one.id, number(one.running), number(one.concurrency), number(one.ended), beat, one.host, one.state)


def limits(seen: FleetStatus) -> FleetTable:
    """Limits that are hot."""
    return _limits("hot limits", seen.hot_limits)


def every_limit(seen: FleetStatus) -> FleetTable:
    return _limits("limits", [row for row in seen.limits if row.dimension != "breaker"])


def _limits(title: str, rows: Sequence[LimitInfo]) -> FleetTable:
    headers = ("SCOPE", "DIMENSION", "LIMIT", "USED", "AVAILABLE", "SHARE", "STATE")
    return FleetTable(title, headers, list(map(_limit, rows)), frozenset(headers[2:6]), frozenset({"STATE"}))


def _limit(row: LimitInfo) -> Sequence[str]:
    share = used_share(row)
    said = "" if share is None else f"{share:.0%}"
    amounts = (row.limit, row.used, row.available)
    return (row.scope, row.dimension, *map(number, amounts), said, row.state_words)


def breakers(seen: FleetStatus) -> FleetTable:
    rows = [(row.scope, row.state_words, number(row.used)) for row in seen.open_breakers]
    return FleetTable("open breakers", ("BREAKER", "STATE", "FAILURES"), rows, frozenset({"FAILURES"}))


def budgets(seen: FleetStatus) -> FleetTable:
    """Budgets near their end."""
    return _budgets("budgets near their end", seen.near_budgets)


def every_budget(seen: FleetStatus) -> FleetTable:
    return _budgets("budgets", seen.budgets)


def _budgets(title: str, rows: Sequence[BudgetInfo]) -> FleetTable:
    headers = ("BUDGET", "CAP", "SPENT", "UNRESOLVED", "RESERVED", "FREE")
    return FleetTable(title, headers, list(map(_budget, rows)), frozenset(headers[1:]), frozenset({"BUDGET"}))


def _budget(row: BudgetInfo) -> Sequence[str]:
    amounts = (row.cap_usd, row.spent_usd, row.unresolved_usd, row.reserved_usd, row.free_usd)
    return (row.name, *map(dollars, amounts))


_STATES = ("queued", "running", "due", "waiting")


def _counted(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{number(count)} {name}" for name, count in counts)


def in_bytes(amount: int) -> str:
    for size, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if amount >= size:
            return f"{amount / size:.1f} {unit}"
    return f"{amount} B"
