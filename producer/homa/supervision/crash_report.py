"""What became of a worker process that ended before its work did."""

from __future__ import annotations

import errno
import signal
from dataclasses import dataclass
from pathlib import Path

from homa.supervision.processes import tail

#: Exit status of a worker whose settings are wrong: started again, it would end the same way.
MISCONFIGURED = 2
#: Why a process cannot be started where the settings lead to what is not there, or not this user's.
_MISLED = {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


@dataclass(frozen=True, slots=True)
class CrashReport:
    """One end of a worker process that nobody asked for."""

    #: Of the worker, for people.
    name: str
    #: None: it could not be started.
    pid: int | None
    #: Exit status; the negative number of the signal that killed it.
    status: int
    #: How often it had been started again.
    restarts: int
    #: None: its output went where this process's goes.
    log: Path | None = None
    #: Why it could not be started; None where it was.
    unstarted: OSError | None = None

    @property
    def misconfigured(self) -> bool:
        if self.unstarted is not None:
            return self.unstarted.errno in _MISLED
        return self.status == MISCONFIGURED

    @property
    def summary(self) -> str:
        """`worker openai was killed by SIGKILL`."""
        how = (
            f"cannot be started: {self.unstarted}"
            if self.unstarted is not None
            else f"was killed by {signal.Signals(-self.status).name}"
            if self.status < 0
            else f"ended with status {self.status}"
        )
        again = f" after {self.restarts} restart{'s' if self.restarts > 1 else ''}" if self.restarts else ""
        return f"{self.name} {how}{again}"

    def __str__(self) -> str:
        if self.unstarted is not None:
            return self.summary
        if self.log is not None:
            return f"{self.summary}; the end of {self.log}:\n{tail(self.log)}"
        return f"{self.summary}: its settings are wrong, see above" if self.misconfigured else self.summary
