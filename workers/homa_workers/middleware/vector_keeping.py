"""Keeps the vectors that a reply brought for later jobs, once that reply is stored."""

from __future__ import annotations

from collections.abc import Awaitable

from homa_shared.store.transitions.attempts import ReportResult
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.vector_cache import VectorCache
from homa_workers.middleware.base import Middleware
from homa_workers.outcomes.outcomes import Outcome, Succeeded


class VectorKeeping(Middleware):
    """Writes new vectors to the cache.

    Args:
        vectors: the cache.
    """

    #: `VectorCache` keeps a limit of its own.
    hook_s = None

    def __init__(self, vectors: VectorCache) -> None:
        self._vectors = vectors

    def attempt_ended(
        self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None
    ) -> Awaitable[None] | None:
        if attempt.is_acknowledged and isinstance(outcome, Succeeded) and outcome.recalled is not None:
            return self._vectors.keep(outcome.recalled.entries)
        return None
