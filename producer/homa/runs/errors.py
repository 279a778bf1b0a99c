"""How a run or a job that somebody waits for breaks off. The command line alone maps these to exit statuses."""

from __future__ import annotations

from homa.supervision.errors import WorkerLost


class SignalReceived(Exception):
    """A signal ends what is done at once."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        #: Its number.
        self.signal = signal


class JobGivenUp(Exception):
    """A job that somebody waited for was cancelled before it had ended; the person has been told."""

    def __init__(self, cause: SignalReceived | WorkerLost) -> None:
        super().__init__(cause)
        self.cause = cause
