"""Metrics of the store: what the fleet as a whole has before it, may use, and has spent."""

from __future__ import annotations

from homa_shared.metrics.metric import Metric

UP = Metric(
    "homa_store_up", "gauge", "1 where the store answered this scrape, 0 where it did not; then nothing else is told."
)
LOOK = Metric("homa_store_look_seconds", "gauge", "How long the store took to answer this scrape's questions, seconds.")
MEMORY = Metric("homa_store_memory_bytes", "gauge", "Memory that the store uses, bytes.")
MEMORY_LIMIT = Metric(
    "homa_store_memory_limit_bytes",
    "gauge",
    "The store's maxmemory, bytes; 0 is no limit. New jobs are refused above 80 % of it.",
)
JOBS = Metric(
    "homa_jobs",
    "gauge",
    "Live jobs, by queue, lane and state: queued (may run), running (in flight), due (later), waiting (for a batch, a "
    "budget or an equal job).",
    ("queue", "lane", "state"),
)
OLDEST = Metric(
    "homa_queue_oldest_seconds",
    "gauge",
    "Since the oldest of the jobs that are next in their turn was submitted, seconds, by queue and lane.",
    ("queue", "lane"),
)
PAUSED = Metric("homa_queue_paused", "gauge", "1 while a queue is paused, 0 else.", ("queue",))
BLOCKED = Metric(
    "homa_blocked_models",
    "gauge",
    "Idle because: models that jobs of a queue wait for and that may not be called now, by what stands in the way (a "
    "limit's name, concurrency, frozen, breaker).",
    ("queue", "reason"),
)
LIMITER_WAIT = Metric(
    "homa_limiter_wait_seconds",
    "gauge",
    "Until the next call that jobs wait for may leave, seconds; 0 is now.",
    ("provider", "model"),
)
LIMIT = Metric(
    "homa_limit",
    "gauge",
    "What is allowed, by limit: rpm, rpd (requests), tpm, itpm, otpm (tokens), concurrency (calls at once). Model is a "
    "model or a group of models; empty is the whole account.",
    ("provider", "model", "limit"),
)
LIMIT_USED = Metric(
    "homa_limit_used_ratio",
    "gauge",
    "Share of what may be used of a limit at once that is used now: 0 is idle, 1 is used up.",
    ("provider", "model", "limit"),
)
FROZEN = Metric(
    "homa_limit_frozen_seconds",
    "gauge",
    "Until calls may leave again after a provider refused them for its rate limit, seconds; 0 is not frozen.",
    ("provider", "model"),
)
BREAKER = Metric(
    "homa_breaker_state",
    "gauge",
    "Circuit breaker of an account or a model: 0 closed, 1 half-open, 2 open. Those that ever counted a failure.",
    ("provider", "model"),
)
NEEDED = Metric(
    "homa_needed_workers",
    "gauge",
    "Worker processes that a provider's jobs can keep busy: min(backlog, quota x latency) / concurrency, rounded up.",
    ("provider",),
)
WORKERS = Metric("homa_workers", "gauge", "Live worker processes, by provider.", ("provider",))
SUBMITTED = Metric("homa_jobs_submitted_total", "counter", "Jobs accepted since the store was made.")
ENDED = Metric("homa_jobs_ended_total", "counter", "Jobs ended since the store was made, by state.", ("state",))
CACHE = Metric(
    "homa_cache_requests_total",
    "counter",
    "Requests to the cache, by what it holds (replies, vectors) and what came of it (hits, misses, followers of an "
    "equal job in flight).",
    ("cache", "result"),
)
CACHE_ENTRIES = Metric("homa_cache_entries", "gauge", "Replies and vectors that the cache holds.", ("cache",))
UNRESOLVED = Metric("homa_unresolved_attempts", "gauge", "Attempts whose cost nobody knows yet.")
BUDGET = Metric(
    "homa_budget_dollars",
    "gauge",
    "Budgets that count for everybody, in their present period, US dollars: cap, spent (known), unresolved, reserved.",
    ("budget", "amount"),
)

METRICS = (
    *(UP, LOOK, MEMORY, MEMORY_LIMIT, JOBS, OLDEST, PAUSED, BLOCKED, LIMITER_WAIT, LIMIT, LIMIT_USED, FROZEN, BREAKER),
    *(NEEDED, WORKERS, SUBMITTED, ENDED, CACHE, CACHE_ENTRIES, UNRESOLVED, BUDGET),
)
