"""What people see of a worker: a structured line an attempt, Sentry for what is unexpected or dead.

Neither ever holds a prompt, a reply or a key.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import structlog

from homa_shared.calls.failures import ErrorKind
from homa_shared.model.money import usd
from homa_shared.model.records import State
from homa_shared.store.transitions.attempts import Answer, Claim
from homa_workers.observe import sentry
from homa_workers.outcomes.outcomes import Deferred, Ended, Outcome, Released, Rerouted, Spent, Succeeded, name_of

#: While the store is away, or a defect repeats itself, one line in so many seconds says so.
_QUIET_S = 10.0


class Watch:
    """Tells of attempts, of the store and of defects.

    Args:
        worker: the worker's id, in every line.
    """

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.log = structlog.get_logger("homa.worker").bind(worker=worker)
        self._told: dict[str, float] = {}
        self._told_of_newer = False

    def attempt(
        self,
        claim: Claim,
        outcome: Outcome,
        latency_ms: int,
        spent: Spent,
        answer: Answer | None = None,
    ) -> None:
        """One line for an attempt that is over.

        Args:
            spent: what its paid replies come to.
            answer: how the store took it, where that is worth a word.
        """
        failed = outcome.error if isinstance(outcome, Ended) and outcome.state is State.FAILED else None
        if failed and answer is Answer.OK and failed.kind is not ErrorKind.INTERNAL:
            sentry.dead_job(claim, failed)
        if answer is Answer.UNKNOWN:
            # The store came back without this job: its ledger has the cost, but nobody has the reply.
            self.log.error("attempt.orphaned", job=claim.id, attempt=claim.attempt, target=claim.target)
        if not self.log.is_enabled_for(logging.WARNING if failed else logging.INFO):
            return
        line = _line(claim, latency_ms)
        if answer not in (None, Answer.OK):
            line["store_said"] = str(answer)
        event = f"attempt.{_NAMES[type(outcome)]}" if not isinstance(outcome, Ended) else f"attempt.{outcome.state}"
        (self.log.warning if failed else self.log.info)(event, **line, **_details(outcome, spent))

    def unexpected(self, claim: Claim | None, error: BaseException) -> None:
        """A defect: ours, or an adapter's. One that repeats itself is told now and then.

        An exception may quote the prompt: its words stay out of the log, its place goes in.
        """
        if not self._is_due(f"{type(error).__name__} {_place(error)}"):
            return
        ids = {"job": claim.id, "attempt": claim.attempt, "target": claim.target} if claim else {}
        self.log.error("defect", **ids, error=type(error).__name__, at=_place(error))
        sentry.unexpected(error, claim)

    def store_away(self, error: Exception) -> None:
        """The store cannot be asked; told now and then, not at every try."""
        if self._is_due("store"):
            self.log.warning("store.away", error=str(error))

    def too_new(self, claim: Claim) -> None:
        """A job that only a newer release can do; told once, since such jobs come by the thousand."""
        if not self._told_of_newer:
            self._told_of_newer = True
            self.log.warning(
                "release.outdated",
                job=claim.id,
                version=claim.version,
                what_to_do="upgrade this worker: it hands such jobs back for newer ones",
            )

    def lost(self, attempts: list[str]) -> None:
        """Leases that ran out under this worker: the jobs may run elsewhere, too."""
        if attempts and self._is_due("lost"):
            self.log.warning("leases.lost", attempts=attempts[:20], count=len(attempts))

    def _is_due(self, subject: str) -> bool:
        now = time.monotonic()
        if now - self._told.get(subject, -_QUIET_S) < _QUIET_S:
            return False
        self._told[subject] = now
        return True


_NAMES = {Succeeded: "succeeded", Deferred: "deferred", Rerouted: "rerouted", Released: "released"}


def _line(claim: Claim, latency_ms: int) -> dict[str, Any]:
    line: dict[str, Any] = {"job": claim.id, "attempt": claim.attempt, "target": claim.target}
    if claim.batch:
        line["batch"] = claim.batch
    return line | {"queued_ms": claim.waited_ms, "latency_ms": latency_ms}


def _details(outcome: Outcome, spent: Spent) -> dict[str, Any]:
    return _end(outcome) | (_sums(spent) if spent.calls else {})


def _sums(spent: Spent) -> dict[str, Any]:
    """Of all calls that were paid: a job with tools, a schema or many texts takes several."""
    sums = {
        "input_tokens": spent.usage.input_tokens,
        "output_tokens": spent.usage.output_tokens,
        "cost_usd": None if spent.nano is None else usd(spent.nano),
    }
    return sums if spent.calls == 1 else {"calls": spent.calls} | sums


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


def _place(error: BaseException) -> str:
    """Where an exception was raised: file and line of the innermost frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
