"""The event handlers of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from homa_shared.backoff import Backoff
from homa_shared.model.event_handlers import Handler
from homa_shared.store.client import AsyncStore
from homa_shared.store.reads.handlers import handlers as read_handlers
from homa_workers.handlers.loop import PAUSES, HandlerLoop


class HandlerLoops:
    """Event handlers of one process: `start` them, then `finish` them or `stop_now`, then `aclose`."""

    def __init__(
        self,
        store: AsyncStore,
        handlers: Sequence[Handler],
        consumer: str,
        *,
        lease_s: float = 30.0,
        pauses: Backoff = PAUSES,
    ) -> None:
        self._store = store
        self._names = {handler.name for handler in handlers}
        self._loops = [HandlerLoop(store, one, consumer, lease_s=lease_s, pauses=pauses) for one in handlers]
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Makes the handlers' groups."""
        for loop in self._loops:
            await loop.begin()

    def start(self) -> None:
        self._tasks = [asyncio.create_task(loop.run()) for loop in self._loops]

    async def finish(self) -> None:
        """Takes nothing more, and waits for the calls that run."""
        await asyncio.gather(*(loop.finish() for loop in self._loops))

    def stop_now(self) -> None:
        """Cuts the calls."""
        for task in self._tasks:
            task.cancel()

    async def aclose(self) -> None:
        self.stop_now()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def is_quiet(self) -> bool:
        """Whether every event so far is handled, or a dead letter."""
        if not self._loops:
            return True
        if not all(loop.is_idle for loop in self._loops):
            return False
        rows = await self._store.run(read_handlers(self._store.keys))
        return not any(row.behind or row.pending or row.put_back for row in rows if row.name in self._names)
