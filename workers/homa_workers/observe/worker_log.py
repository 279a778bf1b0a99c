"""What a worker says of itself: an absent store, lost leases, jobs too new for it, defects.

No line ever holds a prompt, a reply or a key, unless it is for debugging or bodies are asked for.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from redis.exceptions import ResponseError

from homa_shared.store.transitions.attempts import Claim

#: While the store is away, or a defect repeats itself, one line in so many seconds says so.
_QUIET_S = 10.0

#: Is told of a defect: the error, and the claim that it happened to.
Alarm = Callable[[BaseException, Claim | None], None]


class WorkerLog:
    """The log of one worker.

    Args:
        worker: the worker's id, in every line.
        alarms: told of each defect that is logged.
        debug: log all of a defect's traceback.
    """

    def __init__(self, worker: str, alarms: Iterable[Alarm] = (), *, debug: bool = False) -> None:
        self._debug = debug
        self.worker = worker
        self.log = structlog.get_logger("homa.worker").bind(worker=worker)
        self.alarms = list(alarms)
        self._told: dict[str, float] = {}
        self._told_of_newer = False

    def defect(self, error: BaseException, claim: Claim | None = None, *, hook: str = "") -> None:
        """A defect: of Homa, an adapter or a middleware. One that repeats itself is told now and then.

        An exception may quote the prompt: its words stay out of the log, unless it is for debugging; its place goes in.
        Of a reply of the store the place says nothing, and its words name keys and fields alone.

        Args:
            hook: of a middleware, that raised it.
        """
        if not self._is_due(f"{type(error).__name__} {_place(error)} {hook}"):
            return
        self._tell(error, claim, hook)
        for alarm in self.alarms:
            try:
                alarm(error, claim)
            except Exception as failed:
                self._tell(failed, claim, getattr(alarm, "__qualname__", ""))

    def _tell(self, error: BaseException, claim: Claim | None, hook: str) -> None:
        facts: dict[str, Any] = {"job": claim.id, "attempt": claim.attempt, "target": claim.target} if claim else {}
        if hook:
            facts["hook"] = hook
        if isinstance(error, ResponseError):
            # What follows are the arguments of a command that the store does not know.
            facts["said"] = str(error).partition(", with args")[0][:200]
        if self._debug:
            facts["traceback"] = "".join(traceback.format_exception(error))
        self.log.error("defect", **facts, error=type(error).__name__, at=_place(error))

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


def _place(error: BaseException) -> str:
    """Where an exception was raised: file and line of the innermost frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
