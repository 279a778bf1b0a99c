"""Exit statuses of the command line, and what each outcome of a command stands for.

0 all done, 1 some jobs failed, 2 usage or settings, 3 could not go on, 130 and 143 ended by SIGINT and SIGTERM.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from homa.runs.errors import JobGivenUp, SignalReceived
from homa.supervision.errors import WorkerLost
from homa_shared.model.errors import (
    BudgetExceeded,
    CountFailed,
    HomaError,
    JobEnded,
    OutputUnwritable,
    PlaceUnavailable,
    ResultTimeout,
    StoreFull,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from homa.runs.run_state import RunState
    from homa.runs.tally import RunTally

DONE, SOME_FAILED, USAGE, STUCK = 0, 1, 2, 3
#: SIGINT's.
INTERRUPTED = 130

_STUCK = (
    StoreUnavailable,
    StoreFull,
    BudgetExceeded,
    OutputUnwritable,
    PlaceUnavailable,
    ResultTimeout,
    CountFailed,
)
#: A disk that takes no more, or fails.
_DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


class Stopped(Exception):
    """The command ends with a status; everything has been said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def status_of(error: HomaError | SignalReceived | JobGivenUp | OSError) -> int:
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
        case HomaError():  # ResultTimeout, a TimeoutError, is an OSError too
            return STUCK if isinstance(error, _STUCK) else USAGE
        case OSError():
            return STUCK if is_disk_fault(error) else USAGE


def is_disk_fault(error: OSError) -> bool:
    """Whether the disk is full or fails, which is no fault of a path that somebody named."""
    return error.errno in _DISK_FAULTS


def status_of_signal(number: int) -> int:
    """The exit status of a command that a signal ended, as shells count it."""
    return 128 + number


def status_of_run(state: RunState) -> int:
    """The exit status of a run that has ended or stopped."""
    stop = state.stop
    if stop is None:
        return status_of_tally(state.tally)
    if stop.signal is not None:
        return status_of_signal(stop.signal)
    return USAGE if stop.misconfigured else STUCK


def status_of_tally(tally: RunTally) -> int:
    """The exit status of inputs that all have their line."""
    if tally.over_budget:
        return STUCK
    return SOME_FAILED if tally.unsuccessful else DONE
