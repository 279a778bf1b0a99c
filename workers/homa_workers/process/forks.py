"""What Dramatiq's middleware wants to run in processes beside the worker (`forks`), each in one of its own.

Such a process ends when the worker's end of its standard input closes, however the worker ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from importlib import import_module

import structlog
from dramatiq.middleware import Middleware

log = structlog.get_logger("homa.actor")

#: How long a process may take to end, s.
_END_S = 5.0


class Forks:
    """The processes of a broker's middleware.

    Args:
        middleware: of the broker.
    """

    def __init__(self, middleware: Sequence[Middleware]) -> None:
        self._paths = [f"{fork.__module__}:{fork.__qualname__}" for each in middleware for fork in each.forks]
        self._processes: list[Process] = []
        self._watchers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts each of them."""
        for path in self._paths:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, path, stdin=PIPE)
            self._processes.append(process)
            self._watchers.append(asyncio.create_task(_watch(path, process)))

    async def stop(self) -> None:
        """Ends them."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*(_end(process) for process in self._processes), return_exceptions=True)


async def _watch(path: str, process: Process) -> None:
    """A port that is taken ends Dramatiq's Prometheus server, for instance: the worker goes on without."""
    status = await process.wait()
    log.error("fork.ended", fork=path, status=status, what="the worker goes on without it; its output says why")


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def main(path: str) -> int:
    """Runs one function, `module:name`, until it returns or whoever started this process is gone."""
    # A terminal sends it to all at once; the worker says when it is time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_until_orphaned, daemon=True).start()
    module, _, name = path.partition(":")
    function: Callable[[], int] = getattr(import_module(module), name)
    return function()


def _until_orphaned() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
