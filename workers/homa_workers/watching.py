"""What people see of a worker: a structured line an attempt, Sentry for what is unexpected or dead.

Neither ever holds a prompt, a reply or a key.
"""

from __future__ import annotations

import time

import structlog

from homa_shared.failures import ErrorKind
from homa_shared.money import usd
from homa_shared.records import State
from homa_shared.store.working import Claim
from homa_workers import alarms
from homa_workers.outcomes import Deferred, Ended, Outcome, Released, Rerouted, Succeeded

#: While the store is away one line in so many seconds says so.
_QUIET_S = 10.0


class Watch:
    """Tells of attempts and of the store.

    Args:
        worker: the worker's id, in every line.
        price: nano-dollars of a completion at a target.
    """

    def __init__(self, worker: str) -> None:
        self.log = structlog.get_logger("homa.worker").bind(worker=worker)
        self._told_away = -_QUIET_S

    def attempt(self, claim: Claim, outcome: Outcome, latency_ms: int, cost_nano: int | None = None) -> None:
        """One line for an attempt that is over."""
        line: dict[str, object] = {"job": claim.id, "attempt": claim.attempt, "target": claim.target}
        if claim.batch:
            line["batch"] = claim.batch
        line |= {"queued_ms": claim.waited_ms, "latency_ms": latency_ms}
        match outcome:
            case Succeeded(completion):
                usage = completion.usage
                line |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
                line["cost_usd"] = None if cost_nano is None else usd(cost_nano)
                self.log.info("attempt.succeeded", **line)
            case Deferred(error, delay_ms):
                self.log.info("attempt.deferred", **line, error=str(error.kind), status=error.status, delay_ms=delay_ms)
            case Rerouted(error, fields):
                self.log.info("attempt.rerouted", **line, error=str(error.kind), status=error.status, to=fields["tg"])
            case Ended(error, state):
                self.log.warning(f"attempt.{state}", **line, error=str(error.kind), status=error.status)
                if state is State.FAILED and error.kind is not ErrorKind.INTERNAL:
                    alarms.dead_job(claim, error)
            case Released(why):
                self.log.info("attempt.released", **line, why=why)

    def unexpected(self, claim: Claim | None, error: BaseException) -> None:
        """A defect: ours, or an adapter's."""
        ids = {"job": claim.id, "attempt": claim.attempt, "target": claim.target} if claim else {}
        self.log.error("defect", **ids, error=type(error).__name__, exc_info=error)
        alarms.unexpected(error, claim)

    def store_away(self, error: Exception) -> None:
        """The store cannot be asked; told now and then, not at every try."""
        now = time.monotonic()
        if now - self._told_away >= _QUIET_S:
            self._told_away = now
            self.log.warning("store.away", error=str(error))
