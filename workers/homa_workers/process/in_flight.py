"""The attempts in flight in one process: a task each, from claim to acknowledgement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from homa_shared.model.constants import SUSPECT_LEASES
from homa_shared.store.transitions.attempts import Claim
from homa_workers.attempt import RunningAttempt
from homa_workers.observe.worker_log import WorkerLog


@dataclass(slots=True)
class HeldLease:
    """The lease of one attempt in flight."""

    claim: Claim
    task: asyncio.Task[Any]
    #: When it was last known to run, on this process's clock (s).
    renewed: float = field(default_factory=time.monotonic)
    #: None for a message, and for what is handed back.
    attempt: RunningAttempt | None = None

    @property
    def is_given_up(self) -> bool:
        return self.attempt is not None and self.attempt.is_acknowledged

    @property
    def suspect(self) -> bool:
        return self.claim.expired_leases >= SUSPECT_LEASES


#: What the attempt that ended last counts in the typical time.
_NEWEST = 1 / 16


class InFlight:
    """All attempts of a worker.

    Args:
        log: told of what an attempt's own handling did not catch.
        freed: called with the claim of each one that is over.
    """

    def __init__(self, log: WorkerLog, freed: Callable[[Claim], None]) -> None:
        self._log = log
        self._freed = freed
        self._running: dict[str, HeldLease] = {}
        self.suspects = 0
        self.started = 0
        self.ended = 0
        #: How long attempts of jobs take of late, s; 0 before the first has ended.
        self.typical_s = 0.0

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def start(
        self, claim: Claim, work: Coroutine[Any, Any, Any], leased: float, attempt: RunningAttempt | None = None
    ) -> None:
        """Runs a claim as a task.

        Args:
            leased: when the store may first have leased it, on this process's clock (s).
            attempt: of a job, that may be cancelled.
        """
        name = claim.name
        task = asyncio.create_task(work, name=name)
        running = self._running[name] = HeldLease(claim, task, leased, attempt)
        self.suspects += running.suspect
        self.started += 1
        # A callback, not a `finally` inside the task: it also runs when a task is cancelled before its first step.
        task.add_done_callback(self._over)

    def cancel(self, name: str) -> None:
        """Stops the attempt of a job that was cancelled, if it runs here."""
        running = self._running.get(name)
        if running is not None and running.attempt is not None:
            running.attempt.cancel()

    def ripe(self, age_s: float) -> list[HeldLease]:
        """Those whose lease was last renewed so long ago. Once acknowledged an attempt has none.

        Another thread may ask, too.
        """
        oldest = time.monotonic() - age_s
        return [lease for lease in list(self._running.values()) if lease.renewed <= oldest and not lease.is_given_up]

    def bounds_nano(self) -> int:
        """Nano-dollars reserved in budgets for all that run. Another thread may ask, too."""
        return sum(lease.claim.bound or 0 for lease in list(self._running.values()))

    def cut(self) -> None:
        """Cancels all. A task that has not begun yet takes its first step before: it has a claim to hand back."""
        loop = asyncio.get_running_loop()
        for running in self._running.values():
            loop.call_soon(running.task.cancel)

    async def through(self) -> None:
        """Waits until none is left."""
        while self._running:
            await asyncio.wait([running.task for running in self._running.values()])

    def _over(self, task: asyncio.Task[Any]) -> None:
        running = self._running.pop(task.get_name())
        self.suspects -= running.suspect
        self.ended += 1
        if running.attempt is not None:
            self.typical_s += (running.attempt.latency_ms / 1000 - self.typical_s) * _NEWEST
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.defect(error, running.claim)
        self._freed(running.claim)
