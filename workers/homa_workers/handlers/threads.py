"""Threads of one event handler that is a sync function: as many as it may have calls at once.

They are daemons: one that hangs holds up neither the loop's executor, which resolves host names, nor the end of the
process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

Work = Callable[[], None]


class Threads:
    """Runs work in threads that are started when they are first needed.

    Args:
        most: threads, those included whose work hangs.
        name: of the threads, for who debugs.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._works: SimpleQueue[Work | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        #: Works that are not over, hanging ones included.
        self.busy = 0
        self._freed = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return self.busy >= self._most

    async def until_free(self) -> None:
        """Waits for a thread whose work is over: what waits for one has not begun, and its time does not run."""
        while self.is_full:
            self._freed.clear()
            await self._freed.wait()

    async def run(self, function: Callable[[], object]) -> object:
        """What a function returns; raises what it raises. Where this is cancelled, the thread goes on."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[object] = loop.create_future()

        def work() -> None:
            outcome: object = None
            error: BaseException | None = None
            try:
                outcome = function()
            except BaseException as raised:
                error = raised
            # A loop that is closed has no need of it.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._over, result, outcome, error)

        self.busy += 1
        if len(self._threads) < min(self.busy, self._most):
            thread = threading.Thread(target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._works.put(work)
        return await result

    def _over(self, result: asyncio.Future[object], outcome: object, error: BaseException | None) -> None:
        self.busy -= 1
        self._freed.set()
        if result.done():
            return
        if isinstance(error, StopIteration):
            # A future cannot end with it.
            result.set_exception(RuntimeError("raised StopIteration"))
        elif error is not None:
            result.set_exception(error)
        else:
            result.set_result(outcome)

    def _serve(self) -> None:
        while (work := self._works.get()) is not None:
            work()

    def close(self) -> None:
        """Ends threads whose work is over; others end with their work."""
        for _ in self._threads:
            self._works.put(None)
