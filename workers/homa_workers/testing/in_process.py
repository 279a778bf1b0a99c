"""A worker for each configured provider, in one thread of this process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from functools import partial

import structlog

from homa_shared.backoff import Backoff
from homa_shared.model.event_handlers import Handler
from homa_shared.settings.model import Settings
from homa_shared.settings.sections import ProviderSettings
from homa_shared.store.connection import StoreAddress
from homa_workers.handlers.group import HandlerLoops
from homa_workers.handlers.loop import PAUSES
from homa_workers.loop_thread import LoopThread
from homa_workers.middleware.entry_points import Given
from homa_workers.observe import logs
from homa_workers.process.build import Parts, WorkerProcess, build
from homa_workers.providers.base import Provider
from homa_workers.providers.secrets import Secrets
from homa_workers.schedules.ticker import Ticker
from homa_workers.testing.answering import Answering
from homa_workers.testing.moving_clock import MovingClock
from homa_workers.testing.recording import Record, Recording
from homa_workers.testing.scripted_provider import Answers, ScriptedProvider

#: How often handlers that are not through are looked at, s.
_LOOK_S = 0.005

__all__ = ["Given", "InProcessWorkers"]

#: How long answers that are being given may take once the block has ended, s.
_PARTING_S = 5.0
#: As far as a clock may be moved at once, s: a hundred years.
_FURTHEST_S = 100 * 365 * 86_400


class InProcessWorkers(LoopThread):
    """Workers whose providers are scripted; `start` them, `stop` them.

    Args:
        settings: providers, limits, prices, budgets.
        address: the store, whose scripts go by a clock that can be moved (`moved_clock`).
        answers: the script.
        record: is told of each call.
        middleware: of each worker.
        handlers: event handlers that it runs, too.
        jumps: whether the clock jumps over what would only be waited for.
    """

    def __init__(
        self,
        settings: Settings,
        address: StoreAddress,
        answers: Answers,
        record: Record,
        middleware: Sequence[Given] = (),
        handlers: Sequence[Handler] = (),
        *,
        jumps: bool,
    ) -> None:
        super().__init__("homa-testing")
        self._middleware, self._handlers = middleware, handlers
        self._settings, self._address, self._answers, self._jumps = settings, address, answers, jumps
        self._record = record
        self._answering = Answering()
        self._process: WorkerProcess
        self._clock: MovingClock
        self._ticker: Ticker
        self._loops: HandlerLoops

    def advance(self, seconds: float) -> None:
        """Moves the clock, and waits until what became due by it is done; from one tick of a schedule to the next.

        Raises:
            ValueError: that is no length of time.
            TimeoutError, RuntimeError: as `until_quiet`.
        """
        left_ms = _ms(seconds)
        while left_ms >= 0:
            step_ms = self._await(self._clock.until_tick(left_ms))
            self._await(self._clock.advance(step_ms))
            self.until_quiet()
            left_ms = left_ms - step_ms or -1

    def until_quiet(self) -> None:
        """Waits until nothing is left that can be done without moving the clock.

        Raises:
            TimeoutError: something still is after half a minute; it says what.
            RuntimeError: the workers have ended.
        """
        try:
            self._await(self._until_quiet())
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self._await(self._left())}") from None

    async def _until_quiet(self) -> None:
        """Until jobs, schedules and handlers are through, twice in a row: each may make work for the others."""
        quiet, enough = 0, 2 if self._handlers else 1
        while quiet < enough:
            await self._clock.until_quiet()
            if await self._ticks():
                quiet = 0
                continue
            quiet = quiet + 1 if await self._loops.is_quiet() else 0
            if not quiet:
                await asyncio.sleep(_LOOK_S)

    async def _ticks(self) -> bool:
        """Fires what schedules have due, and sums up runs that have ended; whether there was any."""
        moved = False
        while await self._ticker.turn() == 0:
            moved = True
        return moved

    def end(self) -> list[str]:
        """Stops them; returns the calls whose answers had not come some seconds later, which are given up."""
        if not self._thread.is_alive():
            return []
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(_PARTING_S)
        given_up = self._await(self._give_up()) if self._thread.is_alive() else []
        self.stop()
        return given_up

    async def _give_up(self) -> list[str]:
        return self._answering.give_up()

    async def _left(self) -> str:
        """What is left to be done, for people."""
        if pending := self._answering.pending:
            return f"the answers to {len(pending)} calls have not come, the first of {pending[0]}"
        if not await self._loops.is_quiet():
            return f"calls of event handlers go on: {', '.join(handler.name for handler in self._handlers)}"
        return await self._clock.left()

    def _end(self) -> None:
        self._process.drain()

    async def _serve(self) -> None:
        if not structlog.is_configured():
            logs.start("error", "auto")
        self._clock = MovingClock(jumps=self._jumps, lease_ms=round(self._settings.lease_s * 1000))
        parts = Parts(account=self._account, waiting=self._clock.waiting, fake=True)
        middleware = [*self._middleware, partial(Recording, self._record)]
        self._process = await build(self._settings, self._address, [], middleware=middleware, parts=parts)
        workers = self._process.workers
        self._clock.serve(self._process.store, workers)
        # In the name of the one that looks after schedules by itself, twice a second: none waits for that.
        self._ticker = Ticker(self._process.store, workers[0].id, workers[0].lease_ms)
        await self._clock.begin()
        pauses = Backoff(0.0, 0.0) if self._jumps else PAUSES
        self._loops = HandlerLoops(self._process.store, self._handlers, workers[0].id, pauses=pauses)
        await self._loops.begin()
        self._loops.start()
        jumping = asyncio.create_task(self._clock.run())
        self._started.set()
        try:
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker.serve())
        finally:
            await self._loops.aclose()
            jumping.cancel()
            await asyncio.gather(jumping, return_exceptions=True)
            await self._process.aclose()

    def _account(self, name: str, given: ProviderSettings, _: Secrets) -> Provider:
        return ScriptedProvider(name, str(given.kind), self._answers, self._answering)


def _ms(seconds: object) -> int:
    known = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not known or not math.isfinite(seconds) or not 0 <= seconds <= _FURTHEST_S:  # type: ignore[arg-type, operator]
        raise ValueError(f"the clock is moved by {seconds!r:.80}: expected seconds, 0 or more, at most a hundred years")
    return round(seconds * 1000)  # type: ignore[operator]
