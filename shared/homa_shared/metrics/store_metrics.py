"""The store's metrics: one look at it, and the look as families. Any process that reaches the store can serve them.

    exposition(families(look(store), labels))

A look takes the same few commands however many jobs there are.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric as Family

from homa_shared.metrics import store_catalogue as names
from homa_shared.metrics.families import Families, dollars
from homa_shared.metrics.metric import BUDGETS_SHOWN, QUEUES_SHOWN, BoundedNames, ModelLabels
from homa_shared.metrics.needed_workers import loads, needed_workers
from homa_shared.model.errors import StoreUnavailable
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore, Store
from homa_shared.store.safety_checks import StoreFacts

_BREAKER = {"closed": 0, "half-open": 1, "open": 2}
#: Counters of the cache, by what it holds.
_CACHES = {"replies": ("hits", "misses", "followers"), "vectors": ("vector_hits", "vector_misses")}
#: How long scrapers share a look, s.
_SHARED_S = 1.0
_ENDED = ("succeeded", "failed", "cancelled", "expired")
_STATES = ("queued", "running", "due", "waiting")


@dataclass(frozen=True, slots=True)
class Look:
    """What the store answered."""

    seen: reads.Monitored
    limits: Sequence[reads.LimitRow]
    workers: Sequence[reads.WorkerRow]
    #: Providers of the fleet's settings.
    configured: Sequence[str]
    facts: StoreFacts
    #: How long it took, s.
    seconds: float


class Labels:
    """Names that became labels; one object for as long as a process exports, so that they stay what they are."""

    def __init__(self) -> None:
        self.queues = BoundedNames(QUEUES_SHOWN)
        self.budgets = BoundedNames(BUDGETS_SHOWN)
        self.models = ModelLabels()


def look(store: Store) -> Look | None:
    """What the store says now; None where it does not answer."""
    began = time.monotonic()
    try:
        seen = store.run(reads.monitored(store.keys))
        limits, workers = store.run(reads.limits(store.keys)), store.run(reads.workers(store.keys))
        configured = store.run(reads.configured_providers(store.keys))
        return Look(seen, limits, workers, configured, store.facts(), time.monotonic() - began)
    except StoreUnavailable:
        return None


async def look_async(store: AsyncStore) -> Look | None:
    """The same on an event loop."""
    began = time.monotonic()
    try:
        seen, limits, workers, configured = await asyncio.gather(
            store.run(reads.monitored(store.keys)),
            store.run(reads.limits(store.keys)),
            store.run(reads.workers(store.keys)),
            store.run(reads.configured_providers(store.keys)),
        )
        return Look(seen, limits, workers, configured, await store.facts(), time.monotonic() - began)
    except StoreUnavailable:
        return None


class StoreExporter:
    """The store's metrics for a process that serves them from threads.

    Scrapers that ask at once share a look: however many there are, the store is asked once a second at most.

    Args:
        store: used by one thread at a time.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._labels = Labels()
        self._lock = threading.Lock()
        self._looked_s = -math.inf
        self._found: Look | None = None

    def collect(self) -> Iterable[Family]:
        """What is to be exported now."""
        with self._lock:
            return families(self._look(), self._labels)

    def away_why(self) -> str:
        """Why there is nothing to export; empty where there is."""
        with self._lock:
            return "" if self._look() is not None else f"the store {self._store.address} does not answer"

    def _look(self) -> Look | None:
        if time.monotonic() - self._looked_s >= _SHARED_S:
            self._found, self._looked_s = look(self._store), time.monotonic()
        return self._found


def families(found: Look | None, labels: Labels) -> Iterable[Family]:
    """A look as Prometheus' families; of a store that did not answer, that it did not."""
    told = Families()
    told.add(names.UP, float(found is not None))
    if found is not None:
        told.add(names.LOOK, found.seconds)
        told.add(names.MEMORY, found.facts.used_memory_bytes)
        told.add(names.MEMORY_LIMIT, found.facts.maxmemory_bytes)
        _queues(told, found.seen, labels)
        _demands(told, found.seen, labels)
        _limits(told, found.limits, labels)
        _workers(told, found, labels)
        _counters(told, found.seen)
        _budgets(told, found.seen.budgets, labels)
    return told


def _queues(told: Families, seen: reads.Monitored, labels: Labels) -> None:
    for row in seen.queues:
        queue = labels.queues.label(row.queue)
        for state in _STATES:
            told.add(names.JOBS, getattr(row, state), queue, row.lane, state)
        told.highest(names.PAUSED, float(row.paused), queue)
    for (name, lane), at_ms in seen.oldest_ms.items():
        age_s = max(0, seen.now_ms - at_ms) / 1000
        told.highest(names.OLDEST, age_s, labels.queues.label(name), lane)


def _demands(told: Families, seen: reads.Monitored, labels: Labels) -> None:
    blocked: set[tuple[str, str, str]] = set()
    for demand in seen.demands:
        model = demand.target.partition(":")[2]
        told.highest(names.LIMITER_WAIT, demand.wait_ms / 1000, *labels.models.of(demand.provider, model))
        if demand.why:
            blocked.add((demand.queue, demand.why, demand.target))
    for queue, why, _ in blocked:
        told.add(names.BLOCKED, 1, labels.queues.label(queue), why)


def _limits(told: Families, rows: Sequence[reads.LimitRow], labels: Labels) -> None:
    for row in rows:
        if row.dimension == "breaker":
            provider, _, model = row.scope.partition(":")
            told.highest(names.BREAKER, _BREAKER.get(row.state, 2), *labels.models.of(provider, model))
            continue
        provider, _, model = row.scope.partition("/")
        whose = labels.models.of(provider, model)
        told.highest(names.FROZEN, row.frozen_ms / 1000, *whose)
        if row.limit is not None:
            told.highest(names.LIMIT, row.limit, *whose, row.dimension)
        if row.available is not None and row.used + row.available > 0:
            told.highest(names.LIMIT_USED, row.used / (row.used + row.available), *whose, row.dimension)


def _workers(told: Families, found: Look, labels: Labels) -> None:
    for provider, load in loads(found.seen, found.limits, found.workers, found.configured).items():
        shown = labels.models.provider(provider)
        told.add(names.NEEDED, needed_workers(load), shown)
        live = sum(row.live and row.facts.get("provider") == provider for row in found.workers)
        told.add(names.WORKERS, live, shown)


def _counters(told: Families, seen: reads.Monitored) -> None:
    told.add(names.SUBMITTED, seen.counters.get("submitted", 0))
    for state in _ENDED:
        told.add(names.ENDED, seen.counters.get(state, 0), state)
    for cache, counts in _CACHES.items():
        for count in counts:
            told.add(names.CACHE, seen.cache.get(count, 0), cache, count.removeprefix("vector_"))
    told.add(names.CACHE_ENTRIES, seen.cache_entries, "replies")
    told.add(names.CACHE_ENTRIES, seen.vectors, "vectors")
    told.add(names.UNRESOLVED, seen.unresolved)


def _budgets(told: Families, budgets: Sequence[reads.BudgetSum], labels: Labels) -> None:
    for row in budgets:
        name = labels.budgets.label(row.name)
        amounts = {"cap": row.cap, "spent": row.spent, "unresolved": row.unresolved, "reserved": row.reserved}
        for amount, nano_usd in amounts.items():
            told.add(names.BUDGET, dollars(nano_usd), name, amount)
