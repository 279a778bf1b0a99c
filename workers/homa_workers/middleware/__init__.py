"""Hooks around attempts, for Homa's own optional parts and for those of others; all that one needs to import."""

from __future__ import annotations

from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.store.transitions.attempts import Claim, ReportResult
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.base import Chore, Middleware, WorkerIdentity
from homa_workers.outcomes.outcomes import Deferred, Ended, Outcome, Released, Rerouted, Succeeded

__all__ = [
    "Call",
    "Chore",
    "Claim",
    "Completion",
    "Deferred",
    "Embeddings",
    "Ended",
    "Middleware",
    "Outcome",
    "Released",
    "ReportResult",
    "Rerouted",
    "RunningAttempt",
    "Succeeded",
    "WorkerIdentity",
]
