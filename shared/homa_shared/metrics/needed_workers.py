"""How many worker processes a provider's jobs can keep busy, for autoscaling.

    needed = ceil(min(backlog, quota × latency) ÷ concurrency)

* backlog: jobs of the provider that may run now or run already; those of pools that it serves among them.
* quota × latency: calls in flight that its quota can feed (Little's law): over the scopes that jobs wait for, calls a
  second times seconds a call. A scope that nothing may leave for a minute feeds none, and the account's own limit of
  concurrency bounds the sum.
* concurrency: slots of one worker process.

A backlog alone would scale to workers that quota cannot feed. Never fewer than what runs needs, nor less than one while
anything waits: somebody has to send jobs on to their next target, and to find out when a provider is well again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, inf

from homa_shared.model.pools import alias_of
from homa_shared.store.reads import Demand, LimitRow, Monitored, WorkerRow

#: How long a call takes, s, and slots of a worker, while no worker has told: the defaults of a worker that starts.
USUAL_CALL_S, USUAL_SLOTS = 10.0, 1000
#: A scope that nothing may leave for longer feeds no worker, ms.
LONG_MS = 60_000


@dataclass(frozen=True, slots=True)
class Load:
    """What one provider has to do, and how."""

    #: Jobs that may run now, and attempts in flight.
    queued: int
    running: int
    #: Calls a second that its quota allows; infinite where nothing limits it.
    calls_a_s: float
    #: Most calls at once of the account; None: not limited.
    at_once: int | None
    #: How long a call takes, s.
    call_s: float
    #: Attempts at once in one worker process.
    slots: int


def needed_workers(load: Load) -> int:
    """Worker processes that a load can keep busy."""
    if not load.queued and not load.running:
        return 0
    fed = min(load.queued + load.running, load.calls_a_s * load.call_s)
    if load.at_once is not None:
        fed = min(fed, load.at_once)
    return max(1, ceil(max(fed, load.running) / load.slots))


def loads(
    seen: Monitored, limits: Sequence[LimitRow], workers: Sequence[WorkerRow], configured: Iterable[str] = ()
) -> dict[str, Load]:
    """What each provider that is known to the store has to do.

    Args:
        configured: those of the fleet's settings: one that has had no job yet is told, too, since autoscaling takes no
            answer for a fault.
    """
    mine = {row.facts.get("provider", "") for row in workers if row.live}
    accounts = {row.scope for row in limits if "/" not in row.scope and ":" not in row.scope}
    names = (mine | accounts | {demand.provider for demand in seen.demands}).union(configured) - {""}
    return {name: _load(name, seen, limits, workers) for name in sorted(names)}


def _load(name: str, seen: Monitored, limits: Sequence[LimitRow], workers: Sequence[WorkerRow]) -> Load:
    demands = [demand for demand in seen.demands if demand.provider == name]
    pools = {demand.queue for demand in demands if alias_of(demand.queue) is not None}
    rows = [row for row in seen.queues if row.queue in pools | {name}]
    own = [row for row in workers if row.facts.get("provider") == name]
    in_flight = sum(int(row.facts.get("running", 0)) for row in own if row.live)
    limit = next((row.limit for row in limits if row.scope == name and row.dimension == "concurrency"), None)
    return Load(
        queued=sum(row.queued for row in rows if not row.paused),
        running=max(in_flight, sum(row.running for row in rows if row.queue == name)),
        calls_a_s=_calls_a_s(demands),
        at_once=limit,
        call_s=_mean(_told(own, "typical_s")) or USUAL_CALL_S,
        slots=round(_mean(_told(own, "concurrency"))) or USUAL_SLOTS,
    )


def _calls_a_s(demands: Iterable[Demand]) -> float:
    """Calls a second that the scopes of what waits allow together, each by the model that takes most of it."""
    by_scope: dict[str, float] = {}
    for demand in demands:
        rate = 0.0 if demand.wait_ms > LONG_MS else inf if not demand.quota_s else 1 / demand.quota_s
        by_scope[demand.scope] = min(rate, by_scope.get(demand.scope, inf))
    return sum(by_scope.values()) if by_scope else inf


def _told(workers: Sequence[WorkerRow], fact: str) -> list[float]:
    """What live workers tell of themselves, else those of the last hour; what says nothing is left out."""
    some = [row for row in workers if row.live] or list(workers)
    values = (row.facts.get(fact, 0) for row in some)
    return [float(value) for value in values if isinstance(value, int | float) and value > 0]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
