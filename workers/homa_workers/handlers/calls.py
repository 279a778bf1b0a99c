"""Calls of one event handler: at most so many at once, each within its time limit.

Runners take events from one queue. A watch over all of them cuts calls that take too long, so that a call within its
limit sets no timer. What a handler raises, `SystemExit` too, is the call's error: the loop that jobs run on goes on.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from homa_shared.model.event_handlers import Handler
from homa_shared.store.transitions.event_handlers import Delivery
from homa_workers.handlers.threads import Threads

#: How long a call that was cut may take to end before another runner takes its place, s.
_END_S = 5.0
#: Characters of an error that are kept.
_MOST_WORDS = 2000
#: Share of the mean that the newest call's duration makes.
_NEWEST = 0.1

#: Is told of each event that was called, and what went wrong (None: nothing).
Ended = Callable[[Delivery, str | None], Coroutine[Any, Any, None]]


class _Runner:
    """A task that calls a handler with one event after another."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None]
        self.delivery: Delivery | None = None
        #: When the present call began, and when it was cut, on the loop's clock (s).
        self.began_s = 0.0
        self.cut_s: float | None = None
        #: Another has taken its place.
        self.is_left = False


class Calls:
    """Calls of one handler.

    Args:
        handler: what is called.
        ended: is told of each call's end.
        is_held: whether an event is still this worker's, asked before it is called.
    """

    def __init__(self, handler: Handler, ended: Ended, is_held: Callable[[Delivery], bool]) -> None:
        self._handler, self._ended, self._is_held = handler, ended, is_held
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._threads = None if _is_async(handler) else Threads(handler.concurrency, f"homa-{handler.name}")
        self._runners: list[_Runner] = []
        #: Runners that another has taken the place of, and that have not ended.
        self._left: set[asyncio.Task[None]] = set()
        self._outcomes: set[asyncio.Task[None]] = set()
        self._stopping = False
        #: Mean duration of a call, s; None before the first.
        self.mean_s: float | None = None

    @property
    def running(self) -> int:
        return sum(runner.delivery is not None for runner in self._runners)

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    @property
    def is_stuck(self) -> bool:
        """Whether nothing can be called before a call ends that goes on beyond its limit."""
        if self._threads is not None:
            return self._threads.is_full and not self.running
        return len(self._left) >= self._handler.concurrency

    def runs(self, delivery: Delivery) -> bool:
        return any(runner.delivery is delivery for runner in self._runners)

    def put(self, delivery: Delivery) -> None:
        """Calls the handler with an event as soon as a runner is free."""
        if not self._stopping:
            self._queue.put_nowait(delivery)

    async def serve(self) -> None:
        """Runs until cancelled, which cuts the calls."""
        for _ in range(self._handler.concurrency):
            self._start()
        try:
            await self._watch()
        finally:
            await self._stop()

    async def finish(self) -> None:
        """Drops what has not begun, and returns when the rest has ended."""
        while not self._queue.empty():
            self._queue.get_nowait()
        while self.running:  # noqa: ASYNC110 (a call that ends tells nobody)
            await asyncio.sleep(0.02)

    def _start(self) -> None:
        runner = _Runner()
        runner.task = asyncio.create_task(self._run(runner))
        self._runners.append(runner)

    async def _run(self, me: _Runner) -> None:
        loop = asyncio.get_running_loop()
        while True:
            delivery = await self._queue.get()
            if self._threads is not None and self._threads.is_full:
                await self._threads.until_free()
            if not self._is_held(delivery):
                continue
            me.delivery, me.began_s = delivery, loop.time()
            try:
                error = await self._call(me, delivery)
            finally:
                me.delivery = None
            if me.is_left:
                return
            took_s = loop.time() - me.began_s
            self.mean_s = took_s if self.mean_s is None else self.mean_s + _NEWEST * (took_s - self.mean_s)
            await self._ended(delivery, error)

    async def _call(self, me: _Runner, delivery: Delivery) -> str | None:
        """What went wrong; None where the handler returned."""
        try:
            if self._threads is None:
                await self._handler.function(delivery.event)
                return None
            result = await self._threads.run(partial(self._handler.function, delivery.event))
            # A sync function may return something to await, as a wrapped async one does.
            if inspect.isawaitable(result):
                await result
            return None
        except BaseException as error:
            return self._error(me, error)
        finally:
            if me.cut_s is not None:
                me.cut_s = None
                me.task.uncancel()

    def _error(self, me: _Runner, error: BaseException) -> str:
        ends = isinstance(error, asyncio.CancelledError) and me.cut_s is None and self._stopping
        if ends or not asyncio.get_running_loop().is_running():
            raise error
        if me.cut_s is not None:
            return f"not through within {self._handler.time_limit_s:g} s ({type(error).__name__})"
        return f"{type(error).__name__}: {_words(error)}"

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        limit_s = self._handler.time_limit_s
        while True:
            await asyncio.sleep(min(1.0, max(0.01, limit_s / 20)))
            now_s = loop.time()
            for runner in [one for one in self._runners if one.delivery is not None]:
                if runner.cut_s is None and now_s - runner.began_s > limit_s:
                    runner.cut_s = now_s
                    runner.task.cancel()
                elif runner.cut_s is not None and now_s - runner.cut_s > _END_S:
                    self._leave(runner)
            self._left = {task for task in self._left if not task.done()}
            if len(self._runners) + len(self._left) < self._handler.concurrency:
                self._start()

    def _leave(self, runner: _Runner) -> None:
        """Goes on without a runner whose call does not end though it was cut."""
        assert runner.delivery is not None
        self._runners.remove(runner)
        runner.is_left = True
        self._left.add(runner.task)
        error = f"not through within {self._handler.time_limit_s:g} s, and goes on though it was cancelled"
        outcome = asyncio.create_task(self._ended(runner.delivery, error))
        self._outcomes.add(outcome)
        outcome.add_done_callback(self._outcomes.discard)

    async def _stop(self) -> None:
        self._stopping = True
        tasks = [*(runner.task for runner in self._runners), *self._left, *self._outcomes]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_END_S)
        if self._threads is not None:
            self._threads.close()


def _words(error: BaseException) -> str:
    """What an error says, as far as a dead letter keeps it."""
    try:
        said = str(error)
    except Exception as unsaid:
        said = f"(its text cannot be had: {type(unsaid).__name__})"
    return said if len(said) <= _MOST_WORDS else f"{said[:_MOST_WORDS]}…"


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler.function)
