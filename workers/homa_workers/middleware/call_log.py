"""Lines for debugging: when each call was sent, and what came of it. They hold no texts."""

from __future__ import annotations

from time import monotonic
from typing import Any

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Completion
from homa_shared.traces import trace_id
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.base import Middleware
from homa_workers.observe.worker_log import WorkerLog

#: Its place among an attempt's notes.
_SENT_S = "call_log.sent_s"


class CallLog(Middleware):
    """Writes each call's beginning and end.

    Args:
        log: the worker's.
    """

    def __init__(self, log: WorkerLog) -> None:
        self._log = log

    def before_call(self, attempt: RunningAttempt, call: Call) -> None:
        attempt.notes[_SENT_S] = now_s = monotonic()
        held_ms = round((now_s - attempt.started_s) * 1000)
        claim = attempt.claim
        reserved = {"bound_nano_usd": claim.bound, "tokens": list(claim.tokens), "stood_by": not attempt.is_reserved}
        queued = {"queued_ms": claim.waited_ms, "held_ms": held_ms}
        params = sorted(name for name, value in call.params.items() if value is not None)
        self._log.log.debug(
            "call.sent", **_facts(attempt), **queued, **reserved, messages=len(call.messages), parameters=params
        )

    def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> None:
        took_ms = round((monotonic() - attempt.notes.pop(_SENT_S, attempt.started_s)) * 1000)
        self._log.log.debug("call.returned", **_facts(attempt), took_ms=took_ms, **_came(result))


def _facts(attempt: RunningAttempt) -> dict[str, Any]:
    claim = attempt.claim
    facts = {"job": claim.id, "attempt": claim.attempt, "step": attempt.steps.count + 1, "target": claim.target}
    return facts | {"trace_id": trace_id(attempt.request.trace)} if attempt.request.trace else facts


def _came(result: Completion | Exception) -> dict[str, Any]:
    if isinstance(result, Completion):
        return {
            "request_id": result.request_id,
            "input_tokens": result.usage.input_tokens,
            "output_tokens": result.usage.output_tokens,
            "finish_reason": result.finish_reason,
        }
    kind = str(result.kind) if isinstance(result, ProviderError) else type(result).__name__
    return {"error": kind, "status": getattr(result, "status", None), "request_id": getattr(result, "request_id", None)}
