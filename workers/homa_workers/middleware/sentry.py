"""Reports failed jobs and defects to Sentry; inert where none is set up."""

from __future__ import annotations

from homa_shared.calls.failures import ErrorKind
from homa_shared.model.records import State
from homa_shared.store.transitions.attempts import Claim, ReportResult
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.base import Middleware
from homa_workers.observe import sentry
from homa_workers.outcomes.outcomes import Ended, Outcome


class SentryReports(Middleware):
    """Jobs that end as failed here, once each, and defects; never an attempt that is tried again."""

    def attempt_ended(self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None) -> None:
        # Internal errors have been reported as defects.
        match outcome:
            case Ended(error, State.FAILED) if result is ReportResult.OK and error.kind is not ErrorKind.INTERNAL:
                sentry.dead_job(attempt.claim, error)

    def defect(self, error: BaseException, claim: Claim | None) -> None:
        sentry.unexpected(error, claim)
