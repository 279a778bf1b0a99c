"""Requests and replies in the log, for those who ask for them: a line a call, redacted, of a share of the jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.base import Middleware
from homa_workers.observe.redaction import Redaction
from homa_workers.observe.worker_log import WorkerLog


class BodyLog(Middleware):
    """Writes what was sent and what came back.

    Args:
        log: the worker's.
        share: of the jobs, above 0 and at most 1.
        redaction: what is hidden.
    """

    def __init__(self, log: WorkerLog, share: float, redaction: Redaction) -> None:
        self._log, self._share, self._redaction = log, share, redaction

    def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> None:
        if is_sampled(attempt.claim.id, self._share):
            request = {"model": call.model, "messages": call.messages, **call.params}
            self._tell(attempt, request, result.body if isinstance(result, Completion) else result)

    def after_embedding(self, attempt: RunningAttempt, texts: Sequence[str], result: Embeddings | Exception) -> None:
        if is_sampled(attempt.claim.id, self._share):
            reply = {"vectors": len(result.vectors)} if isinstance(result, Embeddings) else result
            self._tell(attempt, {"model": attempt.claim.target.partition(":")[2], "input": list(texts)}, reply)

    def _tell(self, attempt: RunningAttempt, request: dict[str, Any], result: dict[str, Any] | Exception) -> None:
        claim, redaction = attempt.claim, self._redaction
        came = {"reply": redaction.of(result)} if isinstance(result, dict) else _failure(redaction, result)
        facts = {"job": claim.id, "attempt": claim.attempt, "step": attempt.steps.count + 1, "target": claim.target}
        self._log.log.info("call.bodies", **facts, request=redaction.of(request), **came)


def is_sampled(job: str, share: float) -> bool:
    """Whether a job is among a share of all: the same at each worker, and among a larger share, too."""
    place = int.from_bytes(hashlib.blake2b(job.encode(), digest_size=8).digest(), "big")
    return place < share * 2**64


def _failure(redaction: Redaction, error: Exception) -> dict[str, Any]:
    if not isinstance(error, ProviderError):
        return {"error": type(error).__name__}
    partial = {"partial": redaction.of(error.partial_text)} if error.partial_text else {}
    return {"error": str(error.kind), "message": redaction.of(error.message)} | partial
