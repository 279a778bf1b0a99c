"""A thread with an event loop of its own, for synchronous tests and scripts beside it."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds that starting, stopping, or a call may take.
_PATIENCE_S = 30.0


class LoopThread(ABC):
    """Something that serves on an event loop in a thread.

    Args:
        name: the thread's.
    """

    def __init__(self, name: str) -> None:
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop

    @abstractmethod
    async def _serve(self) -> None:
        """Sets `_started` once it serves; serves until `_end`."""

    @abstractmethod
    def _end(self) -> None:
        """Lets `_serve` come to its end; called on the loop."""

    def start(self) -> None:
        """Begin to serve; returns when it does.

        Raises:
            TimeoutError: it does not within half a minute. What keeps it from serving is raised as it is.
        """
        self._thread.start()
        if not self._started.wait(_PATIENCE_S):
            raise TimeoutError(f"{self._thread.name} does not serve within {_PATIENCE_S:.0f} s")
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Stop, and wait until the thread has ended."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join(_PATIENCE_S)

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns that runs on the loop.

        Raises:
            RuntimeError: the thread has ended, or is another process's.
            TimeoutError: it does not return within half a minute.
        """
        if not self._thread.is_alive():
            work.close()
            raise RuntimeError(f"{self._thread.name} does not run here, or has ended") from self._error
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result(_PATIENCE_S)
        except TimeoutError:
            if running.done():
                raise
            running.cancel()
            raise TimeoutError(f"{self._thread.name} has not done its work within {_PATIENCE_S:g} s") from None

    def _run(self) -> None:
        try:
            asyncio.run(self._serving())
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()

    async def _serving(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._serve()
