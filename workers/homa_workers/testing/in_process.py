"""A worker for each configured provider, in one thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from homa_shared.settings.model import Settings
from homa_shared.settings.sections import ProviderSettings
from homa_shared.store.connection import StoreAddress
from homa_workers.middleware.entry_points import Given
from homa_workers.observe import logs
from homa_workers.process.build import Parts, WorkerProcess, build
from homa_workers.providers.base import Provider
from homa_workers.providers.secrets import Secrets
from homa_workers.testing.moving_clock import MovingClock
from homa_workers.testing.recording import Record, Recording
from homa_workers.testing.scripted_provider import Answers, ScriptedProvider

__all__ = ["Given", "InProcessWorkers"]

T = TypeVar("T")

#: Seconds that starting, stopping or moving the clock may take.
_PATIENCE_S = 30.0


class InProcessWorkers:
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
        self._middleware = middleware
        self._settings, self._address, self._answers, self._jumps = settings, address, answers, jumps
        self._record = record
        self._thread = threading.Thread(target=self._run, name="homa-testing", daemon=True)
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._process: WorkerProcess
        self._clock: MovingClock

    def start(self) -> None:
        """Returns when they take jobs.

        Raises:
            ConfigError, StoreUnavailable: as a worker's start.
        """
        self._thread.start()
        self._started.wait(_PATIENCE_S)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Returns when what runs is through and the thread has ended."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._process.drain)
            self._thread.join(_PATIENCE_S)

    def advance(self, seconds: float) -> None:
        """Moves the clock, and waits until what became due by it is done."""
        self._call(lambda: self._clock.advance(round(seconds * 1000)))
        self.until_quiet()

    def until_quiet(self) -> None:
        """Waits until nothing is left that can be done without moving the clock."""
        self._call(lambda: self._clock.until_quiet())

    def _call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(_PATIENCE_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        if not structlog.is_configured():
            logs.start("error", "auto")
        self._loop = asyncio.get_running_loop()
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
