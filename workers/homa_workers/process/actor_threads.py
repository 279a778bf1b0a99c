"""Threads for sync actors and hooks, that outlive whatever middleware raises in them.

Middleware may raise an exception in a thread at any moment (`raise_thread_exception`), also when the actor that it was
meant for is over. Work is therefore not fetched by a thread but given to one: it stays with the thread until its
outcome is told, however often the thread is interrupted on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

import structlog

from homa_shared.broker import HomaBroker

T = TypeVar("T")

log = structlog.get_logger("homa.actor")
#: How long idle threads may take for their hook at the end, s.
_GOODBYE_S = 2.0


class Escaped(Exception):
    """A call ended with what no event loop may be given: an interrupt, an exit."""


class Work(Generic[T]):
    """A call in a thread.

    Args:
        call: what to run.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call: Callable[[], T] | None = call
        self._loop = asyncio.get_running_loop()
        self._outcome: tuple[T | None, BaseException | None] | None = None
        self.future: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> None:
        """Runs the call, once, and tells its outcome to the loop."""
        try:
            if self._outcome is None and self._call is not None:
                self._outcome = (self._call(), None)
        except BaseException as error:
            self._outcome = self._outcome or (None, error)
        # It may have an actor's error in its hands, and with it all that the actor had.
        self._call = None
        # A loop that has closed waits for nothing any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if self.future.done() or self._outcome is None:
            return
        value, error = self._outcome
        self._outcome = (None, None)
        if error is None:
            self.future.set_result(value)  # type: ignore[arg-type]
        else:
            is_plain = isinstance(error, Exception) and not isinstance(error, StopIteration)
            self.future.set_exception(error if is_plain else Escaped(repr(error)))


class ActorThread(threading.Thread):
    """One thread: waits for work, runs it, says that it is free."""

    def __init__(self, broker: HomaBroker, freed: Callable[[ActorThread], None], number: int) -> None:
        super().__init__(name=f"homa-actor_{number}", daemon=True)
        self._broker = broker
        self._freed = freed
        #: What it runs; whoever gives it rings.
        self.work: Work[object] | None = None
        self.is_over = False
        self.bell: SimpleQueue[None] = SimpleQueue()

    def run(self) -> None:
        self._unless_interrupted(lambda: self._broker.emit_after("worker_thread_boot", self))
        while self._unless_interrupted(self._turn):
            pass
        self._unless_interrupted(lambda: self._broker.emit_before("worker_thread_shutdown", self))

    def _unless_interrupted(self, step: Callable[[], bool | None]) -> bool:
        try:
            return step() is not False
        except BaseException as error:
            # Raised in this thread for an actor that was over by then.
            log.warning("actor.interrupt_too_late", error=repr(error), thread=self.name)
            return True

    def _turn(self) -> bool:
        work = self.work
        if work is not None:
            work.run()
            self.work = None
            return True
        if self.is_over:
            return False
        # Before each wait: an interrupt after the work would else leave a thread that nobody knows to be free.
        self._freed(self)
        self.bell.get()
        return True


class ActorThreads:
    """As many threads as are needed, up to a number; belongs to one event loop.

    Args:
        broker: its middleware is told of threads that begin and end.
        most: threads at once; None: as many as there is work.
    """

    def __init__(self, broker: HomaBroker, most: int | None) -> None:
        self._broker = broker
        self._most = most
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[ActorThread] = []
        self._idle: list[ActorThread] = []
        self._waiting: deque[Work[object]] = deque()

    def submit(self, call: Callable[[], T]) -> Work[T]:
        """Runs a call in a thread, as soon as one is free."""
        self._loop = asyncio.get_running_loop()
        work: Work[T] = Work(call)
        self._waiting.append(work)  # type: ignore[arg-type]
        self._hand_out()
        return work

    def cancel(self, work: Work[T]) -> bool:
        """Takes back what has not begun; false where it has."""
        try:
            self._waiting.remove(work)  # type: ignore[arg-type]
        except ValueError:
            return False
        return True

    def _hand_out(self) -> None:
        while self._waiting and (thread := self._free()) is not None:
            thread.work = self._waiting.popleft()
            thread.bell.put(None)

    def _free(self) -> ActorThread | None:
        if self._idle:
            return self._idle.pop()
        if self._most is not None and len(self._threads) >= self._most:
            return None
        thread = ActorThread(self._broker, self._is_free, len(self._threads))
        self._threads.append(thread)
        thread.start()
        return thread

    def _is_free(self, thread: ActorThread) -> None:
        # Called in the thread.
        with contextlib.suppress(RuntimeError):
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._next, thread)

    def _next(self, thread: ActorThread) -> None:
        if thread.work is None and thread not in self._idle:
            self._idle.append(thread)
            self._hand_out()

    async def aclose(self) -> None:
        """Ends idle threads; one whose actor still runs is left behind."""
        for thread in self._threads:
            thread.is_over = True
            thread.bell.put(None)
        await asyncio.to_thread(self._wait_for_idle)

    def _wait_for_idle(self) -> None:
        for thread in self._threads:
            if thread.work is None:
                thread.join(_GOODBYE_S)
