"""A worker for each configured provider, in one thread of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from homa_shared.settings.model import Settings
from homa_shared.settings.sections import ProviderSettings
from homa_shared.store.connection import StoreAddress
from homa_workers.loop_thread import LoopThread
from homa_workers.middleware.entry_points import Given
from homa_workers.observe import logs
from homa_workers.process.build import Parts, WorkerProcess, build
from homa_workers.providers.base import Provider
from homa_workers.providers.secrets import Secrets
from homa_workers.testing.moving_clock import MovingClock
from homa_workers.testing.recording import Record, Recording
from homa_workers.testing.scripted_provider import Answers, ScriptedProvider

__all__ = ["Given", "InProcessWorkers"]


class InProcessWorkers(LoopThread):
    """Workers whose providers are scripted; `start` them, `stop` them.

    Args:
        settings: providers, limits, prices, budgets.
        address: the store, whose scripts go by a clock that can be moved (`moved_clock`).
        answers: the script.
        record: is told of each call.
        middleware: of each worker.
        jumps: whether the clock jumps over what would only be waited for.
    """

    def __init__(
        self,
        settings: Settings,
        address: StoreAddress,
        answers: Answers,
        record: Record,
        middleware: Sequence[Given] = (),
        *,
        jumps: bool,
    ) -> None:
        super().__init__("homa-testing")
        self._middleware = middleware
        self._settings, self._address, self._answers, self._jumps = settings, address, answers, jumps
        self._record = record
        self._process: WorkerProcess
        self._clock: MovingClock

    def advance(self, seconds: float) -> None:
        """Moves the clock, and waits until what became due by it is done."""
        self._await(self._clock.advance(round(seconds * 1000)))
        self.until_quiet()

    def until_quiet(self) -> None:
        """Waits until nothing is left that can be done without moving the clock."""
        self._await(self._clock.until_quiet())

    def _end(self) -> None:
        self._process.drain()

    async def _serve(self) -> None:
        if not structlog.is_configured():
            logs.start("error", "auto")
        self._clock = MovingClock(jumps=self._jumps, lease_ms=round(self._settings.lease_s * 1000))
        parts = Parts(account=self._account, waiting=self._clock.waiting)
        middleware = [*self._middleware, partial(Recording, self._record)]
        self._process = await build(self._settings, self._address, [], middleware=middleware, parts=parts)
        workers = self._process.workers
        self._clock.serve(self._process.store, [w.id for w in workers], lambda: sum(w.running for w in workers))
        jumping = asyncio.create_task(self._clock.run())
        self._started.set()
        try:
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker.serve())
        finally:
            jumping.cancel()
            await asyncio.gather(jumping, return_exceptions=True)
            await self._process.aclose()

    def _account(self, name: str, given: ProviderSettings, _: Secrets) -> Provider:
        return ScriptedProvider(name, str(given.kind), self._answers)
