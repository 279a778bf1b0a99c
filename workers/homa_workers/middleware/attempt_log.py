"""A structured line for each attempt. It never holds a prompt, a reply or a key."""

from __future__ import annotations

import logging
from typing import Any

from homa_shared.model.money import usd
from homa_shared.model.records import State
from homa_shared.store.transitions.attempts import ReportResult
from homa_shared.traces import trace_id
from homa_workers.attempt import RunningAttempt, Spent
from homa_workers.middleware.base import Middleware
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes.outcomes import Asked, Deferred, Ended, Outcome, Released, Rerouted, Succeeded, name_of


class AttemptLog(Middleware):
    """Writes how each attempt ended.

    Args:
        log: the worker's.
    """

    def __init__(self, log: WorkerLog) -> None:
        self._log = log

    def attempt_ended(self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None) -> None:
        log, claim = self._log.log, attempt.claim
        if result is ReportResult.UNKNOWN:
            # The store came back without this job: its ledger has the cost, but nobody has the reply.
            log.error("attempt.orphaned", job=claim.id, attempt=claim.attempt, target=claim.target)
        failed = isinstance(outcome, Ended) and outcome.state is State.FAILED
        if not log.is_enabled_for(logging.WARNING if failed else logging.INFO):
            return
        line = _line(attempt)
        if result not in (None, ReportResult.OK):
            line["store_said"] = str(result)
        event = f"attempt.{_NAMES[type(outcome)]}" if not isinstance(outcome, Ended) else f"attempt.{outcome.state}"
        (log.warning if failed else log.info)(event, **line, **_end(outcome), **_sums(attempt.spent))


_NAMES = {Succeeded: "succeeded", Deferred: "deferred", Rerouted: "rerouted", Released: "released", Asked: "asked"}


def _line(attempt: RunningAttempt) -> dict[str, Any]:
    claim = attempt.claim
    line: dict[str, Any] = {"job": claim.id, "attempt": claim.attempt, "target": claim.target}
    if claim.batch:
        line["batch"] = claim.batch
    if attempt.request.trace:
        line["trace_id"] = trace_id(attempt.request.trace)
    return line | {"queued_ms": claim.waited_ms, "latency_ms": attempt.latency_ms}


def _end(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Succeeded():
            return {}
        case Deferred(error, delay_ms):
            return {"error": name_of(error), "status": error.status, "delay_ms": delay_ms}
        case Rerouted(error, following):
            return {"error": name_of(error), "status": error.status, "to": following.target}
        case Ended(error):
            return {"error": name_of(error), "status": error.status}
        case Released(why):
            return {"why": why}
        case Asked(_, expires_ms):
            return {"expires_ms": expires_ms}


def _sums(spent: Spent) -> dict[str, Any]:
    """Of all calls that were paid: a job with tools, a schema or many texts takes several."""
    if not spent.calls:
        return {}
    sums = {
        "input_tokens": spent.usage.input_tokens,
        "output_tokens": spent.usage.output_tokens,
        "cost_usd": None if spent.nano is None else usd(spent.nano),
    }
    return sums if spent.calls == 1 else {"calls": spent.calls} | sums
