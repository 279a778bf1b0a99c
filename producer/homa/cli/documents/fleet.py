"""Documents of what looks at the fleet: queues, limits, workers, budgets, costs, models, cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired

from typing_extensions import TypedDict


class QueueDocument(TypedDict):
    queue: str
    lane: str
    queued: int
    running: int
    due: int
    waiting: int
    paused: bool


class QueuesDocument(TypedDict):
    queues: list[QueueDocument]


class QueueChangedDocument(TypedDict):
    queue: str
    paused: bool
    changed: bool


class LimitDocument(TypedDict):
    scope: str
    dimension: str
    #: null: nothing limits it.
    limit: int | None
    used: int
    available: int | None
    frozen_ms: int
    frozen_why: str | None
    #: null: a limit is configured.
    adaptive_rps: float | None
    state: str | None
    wait_ms: int
    #: Mean error of estimates of input tokens, as a part of them.
    estimate_error: float | None


class EstimateErrorDocument(TypedDict):
    target: str
    scope: str
    error: float | None
    factor: float
    replies: int
    estimated_tokens: int
    actual_tokens: int


class LimitsDocument(TypedDict):
    limits: list[LimitDocument]
    estimates: list[EstimateErrorDocument]


class UnfrozenDocument(TypedDict):
    scope: str
    unfrozen: list[str]


class WorkerDocument(TypedDict):
    """A worker as its last beat told; workers of other releases may lack facts."""

    worker: str
    live: bool
    beat_age_ms: int
    provider: NotRequired[str]
    queues: NotRequired[list[str]]
    concurrency: NotRequired[int]
    running: NotRequired[int]
    taken: NotRequired[int]
    ended: NotRequired[int]
    typical_s: NotRequired[float]
    draining: NotRequired[bool]
    #: Versions of records that it reads, by their kind.
    reads: NotRequired[dict[str, int]]
    release: NotRequired[str]
    host: NotRequired[str]
    pid: NotRequired[int]


class WorkersDocument(TypedDict):
    workers: list[WorkerDocument]


class BudgetDocument(TypedDict):
    budget: str
    cap_usd: str | None
    spent_usd: str | None
    unresolved_usd: str | None
    reserved_usd: str | None
    free_usd: str | None
    #: Its period has passed.
    over: bool


class BudgetsDocument(TypedDict):
    budgets: list[BudgetDocument]


class CostRowDocument(TypedDict):
    key: str
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: str | None
    unresolved_usd: str | None
    unpriced_jobs: int
    cache_saved_usd: str | None
    tiers_usd: dict[str, str | None]
    fees: Mapping[str, int]


class CostsDocument(TypedDict):
    total_usd: str | None
    unresolved_usd: str | None
    unpriced_jobs: int
    cache_saved_usd: str | None
    rows: list[CostRowDocument]


class ModelDocument(TypedDict):
    target: str
    alias: str | None
    context_window: int | None
    input_usd_per_million: str | None
    output_usd_per_million: str | None
    priced: bool
    price_source: str | None
    ends: str | None
    retired: bool
    successor: str | None
    features: list[str]


class ModelsDocument(TypedDict):
    models: list[ModelDocument]


class CacheStatsDocument(TypedDict):
    """Counts of replies, and those of single texts in jobs of embeddings."""

    hits: int
    misses: int
    followers: int
    stored: int
    entries: int
    vector_hits: int
    vector_misses: int
    vectors_stored: int
    vector_bytes: int
    vectors: int


class CacheClearedDocument(TypedDict):
    cleared: int
