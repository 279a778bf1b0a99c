"""Ends of an attempt that are decided before a call, or between two: nothing is in flight."""

from __future__ import annotations

from typing import Any

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Completion
from homa_shared.model.records import State
from homa_workers.attempt import RunningAttempt
from homa_workers.outcomes.outcomes import Deferred, Ended, Interrupted, Outcome, Released, name_of


class Halted(Exception):
    """The attempt is over, with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


class Unsent(Interrupted):
    """Ended before a call or between two, where nothing is in flight: it costs nothing, whatever the reason."""

    @property
    def charge(self) -> Charge:
        return Charge.NONE


class Unfit(Interrupted):
    """A paid reply that is not an answer, where no further call may be made.

    Args:
        why: malformed or step_limit.
        completion: the last reply, which is kept.
    """

    def __init__(self, why: str, message: str, completion: Completion) -> None:
        super().__init__(why, message)
        self.kind = ErrorKind.MALFORMED
        self.request_id = completion.request_id
        self.usage = completion.usage if completion.metered else None
        self.body: dict[str, Any] = completion.body


def ended(error: ProviderError, state: State = State.FAILED) -> Halted:
    """The job ends without an answer."""
    return Halted(Ended(error, state))


def stopped(message: str) -> Halted:
    """The job goes on in another attempt, from its last step."""
    return Halted(Deferred(Unsent("stopped", message), 0, counts=False))


def waiting(why: str, message: str) -> Halted:
    """The job waits in its queue for what its next call needs."""
    return Halted(Deferred(Unsent(why, message), 0, counts=False))


def refused(message: str) -> Halted:
    """The job cannot be done as it stands; nothing was sent, so that breakers learn nothing, and no quota is used."""
    error = Unsent(str(ErrorKind.INVALID_REQUEST), message)
    error.kind = ErrorKind.INVALID_REQUEST
    return ended(error)


def stopped_before_call(attempt: RunningAttempt) -> Halted:
    """Its task was cancelled before a call: because the job was, or because the worker stops."""
    if attempt.is_cancelled:
        return ended(Unsent("cancelled", "cancelled before its call"), State.CANCELLED)
    why = "stopped before its call"
    # One without steps goes back as if it had not been taken.
    return stopped(why) if attempt.steps.count else Halted(Released(why))


def is_stop(halt: Halted) -> bool:
    """Whether an attempt ends because somebody stops it."""
    outcome = halt.outcome
    return isinstance(outcome, Released) or (isinstance(outcome, Deferred) and name_of(outcome.error) == "stopped")
