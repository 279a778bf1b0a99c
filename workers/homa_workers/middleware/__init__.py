"""Hooks of attempts and functions around calls, of Homa and of others; all that one needs to import."""

from __future__ import annotations

from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.store.transitions.attempts import Claim, ReportResult
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.around import Around, CallNext, Request, around
from homa_workers.middleware.base import Chore, Middleware, WorkerIdentity
from homa_workers.outcomes.outcomes import Asked, Deferred, Ended, Outcome, Released, Rerouted, Succeeded

__all__ = [
    "Around",
    "Asked",
    "Call",
    "CallNext",
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
    "Request",
    "Rerouted",
    "RunningAttempt",
    "Succeeded",
    "WorkerIdentity",
    "around",
]
