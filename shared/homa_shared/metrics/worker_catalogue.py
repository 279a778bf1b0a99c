"""Metrics of a worker process: what its attempts came to, and how it is doing itself."""

from __future__ import annotations

from homa_shared.metrics.metric import Metric

ATTEMPTS = Metric(
    "homa_attempts_total",
    "counter",
    "Attempts that are over, by outcome: succeeded, deferred (again later), rerouted (to the next target), failed, "
    "cancelled, expired, released (handed back uncalled).",
    ("provider", "model", "outcome"),
)
ERRORS = Metric(
    "homa_attempt_errors_total",
    "counter",
    "Attempts without a good reply, by kind of error.",
    ("provider", "error"),
)
SECONDS = Metric(
    "homa_attempt_seconds",
    "histogram",
    "From an attempt's lease to its outcome, seconds: the call, and what comes before it.",
    ("provider", "model"),
)
FIRST_TOKEN = Metric(
    "homa_first_token_seconds",
    "histogram",
    "From an attempt's lease to the first streamed text, seconds. Of jobs that stream.",
    ("provider",),
)
WAITED = Metric(
    "homa_job_wait_seconds",
    "histogram",
    "From a job's submission to its first attempt, seconds.",
    ("provider", "lane"),
)
TOKENS = Metric(
    "homa_tokens_total",
    "counter",
    "Tokens that providers reported: input (all of the prompt), output (all of the answer); of these cached, "
    "cache_write and reasoning.",
    ("provider", "model", "kind"),
)
DOLLARS = Metric(
    "homa_cost_dollars_total",
    "counter",
    "Cost of attempts as they ended, US dollars: known, or unresolved (bounds of calls whose outcome nobody knows).",
    ("provider", "model", "certainty"),
)
UNPRICED = Metric(
    "homa_unpriced_attempts_total", "counter", "Attempts whose model has no price.", ("provider", "model")
)
IN_FLIGHT = Metric("homa_worker_in_flight", "gauge", "Attempts in flight in this process.", ("provider",))
SLOTS = Metric("homa_worker_slots", "gauge", "Most attempts at once in this process.", ("provider",))
RESERVED = Metric(
    "homa_worker_reserved_dollars",
    "gauge",
    "Bounds of the attempts in flight in this process, US dollars: what budgets hold for them.",
    ("provider",),
)
DRAINING = Metric("homa_worker_draining", "gauge", "1 once this process takes no more jobs, 0 before.")
BEAT_AGE = Metric(
    "homa_worker_beat_age_seconds", "gauge", "Since the store last took this process's heartbeat, seconds."
)
LOOP_LAG = Metric(
    "homa_worker_loop_lag_seconds",
    "histogram",
    "How much later than due the event loop ran a timer, seconds, sampled twice a second.",
)
STORE_SECONDS = Metric(
    "homa_worker_store_seconds",
    "histogram",
    "How long the store took to answer this process, seconds, asked twice a second.",
)

METRICS = (
    *(ATTEMPTS, ERRORS, SECONDS, FIRST_TOKEN, WAITED, TOKENS, DOLLARS, UNPRICED, IN_FLIGHT, SLOTS, RESERVED, DRAINING),
    *(BEAT_AGE, LOOP_LAG, STORE_SECONDS),
)
