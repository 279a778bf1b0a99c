"""Dramatiq's life cycle of a worker, around one that is a coroutine: `start`, `stop`, `pause`, `resume`, `join`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import dramatiq

from homa_shared.broker import HomaBroker
from homa_workers.process.waiting import Waiting

#: What is cut is waited for so long, s: a sync actor can't be cut.
_CUT_S = 10.0


class ThreadedWorker(dramatiq.Worker):
    """A `dramatiq.Worker` whose work is the coroutine `serve`: in the caller's event loop, or in a thread of its own.

    Args:
        broker: actors, middleware, and the store's address.
        queues, worker_timeout, worker_threads: as Dramatiq has them.
        waiting: what it sleeps by.
    """

    def __init__(
        self,
        broker: HomaBroker,
        *,
        queues: set[str] | None,
        worker_threads: int,
        worker_timeout: int,
        waiting: Waiting | None = None,
    ) -> None:
        super().__init__(broker, queues=queues, worker_threads=worker_threads, worker_timeout=worker_timeout)
        self.homa_broker = broker
        self._waiting = waiting or Waiting()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()

    @abstractmethod
    async def serve(self) -> None:
        """Works until `drain` or `stop_now`; cancelling it is `stop_now`, too."""

    @abstractmethod
    def stop_now(self) -> None:
        """Cuts what runs, too. Jobs cut in mid-call go back to their queues with their cost open."""

    def drain(self) -> None:
        """Stops taking; `serve` returns when what runs is through."""
        self._waiting.stop()

    def start(self) -> None:
        """Runs the worker in a thread of its own; returns when it takes."""
        self._thread = threading.Thread(target=self._run_thread, name="homa-worker", daemon=True)
        self._thread.start()
        self._ready.wait()

    def _run_thread(self) -> None:
        try:
            asyncio.run(self.serve())
        finally:
            self._ready.set()

    def _begin(self) -> None:
        """`serve` runs in the present loop."""
        self._loop = asyncio.get_running_loop()

    def stop(self, timeout: int = 600_000) -> None:
        """Drains: takes nothing more, waits up to `timeout` ms for what runs, then cuts it.

        A sync actor that still runs is left behind with its thread.
        """
        if self._thread is None:
            return
        self._call(self.drain)
        self._thread.join(timeout / 1000)
        if self._thread.is_alive():
            self._call(self.stop_now)
            self._thread.join(_CUT_S)

    def pause(self) -> None:
        """Takes nothing until `resume`; what runs goes on."""
        self._waiting.is_paused = True

    def resume(self) -> None:
        """Takes again."""
        self._waiting.is_paused = False
        self._call(self._waiting.freed.set)

    def join(self) -> None:
        """Waits until nothing runs and nothing waits on the broker's queues."""
        for queue in self.homa_broker.get_declared_queues():
            self.homa_broker.join(queue)

    def _call(self, function: Callable[[], Any]) -> None:
        if self._loop is not None:
            # A loop that has just closed has nothing left to stop or wake.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function)
