"""Exit statuses of the command line: 0 all done, 1 some jobs failed, 2 usage or settings, 3 could not go on."""

from __future__ import annotations

from homa.runs.errors import JobGivenUp, SignalReceived
from homa.supervision.crash_report import WorkerLost
from homa_shared.model.errors import (
    BudgetExceeded,
    CountFailed,
    HomaError,
    JobEnded,
    OutputUnwritable,
    ResultTimeout,
    StoreFull,
    StoreUnavailable,
)

DONE, SOME_FAILED, USAGE, STUCK = 0, 1, 2, 3
#: SIGINT's and SIGTERM's.
INTERRUPTED, TERMINATED = 130, 143

_STUCK = (StoreUnavailable, StoreFull, BudgetExceeded, OutputUnwritable, ResultTimeout, CountFailed)


class Stopped(Exception):
    """The command ends with a status; everything has been said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def status_of(error: HomaError | SignalReceived | JobGivenUp) -> int:
    """The exit status that an error stands for."""
    match error:
        case JobGivenUp():
            return status_of(error.cause)
        case SignalReceived():
            return status_of_signal(error.signal)
        case WorkerLost():
            return USAGE if error.misconfigured else STUCK
        case JobEnded():
            return SOME_FAILED
        case _:
            return STUCK if isinstance(error, _STUCK) else USAGE


def status_of_signal(number: int) -> int:
    """The exit status of a command that a signal ended, as shells count it."""
    return 128 + number
