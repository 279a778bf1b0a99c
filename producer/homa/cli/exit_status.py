"""Exit statuses of the command line: 0 all done, 1 some jobs failed, 2 usage or settings, 3 could not go on."""

from __future__ import annotations

from homa_shared.model.errors import (
    BudgetExceeded,
    HomaError,
    JobEnded,
    OutputUnwritable,
    ResultTimeout,
    StoreFull,
    StoreUnavailable,
)

DONE, SOME_FAILED, USAGE, STUCK = 0, 1, 2, 3
#: 128 + the signal's number.
INTERRUPTED, TERMINATED = 130, 143

_STUCK = (StoreUnavailable, StoreFull, BudgetExceeded, OutputUnwritable, ResultTimeout)


class Stopped(Exception):
    """The command ends with a status; everything has been said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def status_of(error: HomaError) -> int:
    """The exit status that an error stands for."""
    if isinstance(error, JobEnded):
        return SOME_FAILED
    return STUCK if isinstance(error, _STUCK) else USAGE
