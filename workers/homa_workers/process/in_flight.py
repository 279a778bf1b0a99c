"""The attempts in flight in one process: a task each, from claim to acknowledgement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from homa_shared.model.constants import SUSPECT_LEASES
from homa_shared.store.transitions.attempts import Claim
from homa_workers.observe.attempt_log import Watch


@dataclass(slots=True)
class Running:
    """One attempt in flight."""

    claim: Claim
    task: asyncio.Task[None]
    #: When its lease was last known to run, on this process's clock (s).
    renewed: float = field(default_factory=time.monotonic)

    @property
    def suspect(self) -> bool:
        return self.claim.expired_leases >= SUSPECT_LEASES


class InFlight:
    """All attempts of a worker.

    Args:
        watch: told of what an attempt's own handling did not catch.
        freed: called when one is over.
    """

    def __init__(self, watch: Watch, freed: Callable[[], None]) -> None:
        self._watch = watch
        self._freed = freed
        self._running: dict[str, Running] = {}
        self.suspects = 0
        self.started = 0
        self.ended = 0

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def start(self, claim: Claim, work: Coroutine[Any, Any, None], leased: float) -> None:
        """Runs an attempt as a task.

        Args:
            leased: when the store may first have leased it, on this process's clock (s).
        """
        task = asyncio.create_task(work, name=claim.name)
        running = self._running[claim.name] = Running(claim, task, leased)
        self.suspects += running.suspect
        self.started += 1
        # A callback, not a `finally` inside the task: it also runs when a task is cancelled before its first step.
        task.add_done_callback(self._over)

    def find(self, name: str) -> Running | None:
        return self._running.get(name)

    def ripe(self, age_s: float) -> list[Running]:
        """Those whose lease was last renewed so long ago."""
        oldest = time.monotonic() - age_s
        return [running for running in self._running.values() if running.renewed <= oldest]

    def cut(self) -> None:
        """Cancels all. A task that has not begun yet takes its first step before: it has a claim to hand back."""
        loop = asyncio.get_running_loop()
        for running in self._running.values():
            loop.call_soon(running.task.cancel)

    async def through(self) -> None:
        """Waits until none is left."""
        while self._running:
            await asyncio.wait([running.task for running in self._running.values()])

    def _over(self, task: asyncio.Task[None]) -> None:
        running = self._running.pop(task.get_name())
        self.suspects -= running.suspect
        self.ended += 1
        if not task.cancelled() and (error := task.exception()) is not None:
            self._watch.unexpected(running.claim, error)
        self._freed()
