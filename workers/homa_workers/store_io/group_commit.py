"""Good replies are settled several at a time: those that arrive within a few milliseconds share one script.

Each is told by itself as soon as waiting would gain nothing or cost something: where nothing else is in flight, where
it is large, where the worker is to stop. Whoever is told that the store has a reply is told so once it has; until then
it is as if the reply had arrived a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions.attempts import (
    SETTLED_AT_ONCE,
    ReportResult,
    Settlement,
    settle_many,
    settle_one,
)

#: Most bytes of one script, so that none keeps the store busy for long.
MOST_BYTES = 512 * 1024
#: A larger reply is told by itself, bytes.
LARGE_BYTES = 64 * 1024

#: A reply, and where its answer is awaited: None where it has to be told by itself.
_Gathered = tuple[Settlement, asyncio.Future[ReportResult | None]]


class GroupCommit:
    """Gathers the good replies of one worker.

    Args:
        store: takes them.
        gather_s: how long the first one waits for others, s.
        in_flight: how many attempts might still bring one, those that wait here included.
    """

    def __init__(self, store: AsyncStore, gather_s: float, in_flight: Callable[[], int]) -> None:
        self._store = store
        self._gather_s = gather_s
        self._in_flight = in_flight
        self._gathered: list[_Gathered] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def settle(self, told: Settlement) -> ReportResult:
        """How the store took a good reply.

        One whose caller is cancelled is sent at once, with those that wait: the caller may send it again, which changes
        nothing.

        Raises:
            StoreUnavailable, StoreFull: it may have been taken or not; it is to be told again.
        """
        if told.size <= LARGE_BYTES and (answer := await self._with_others(told)) is not None:
            return answer
        return await self._store.run(settle_one(self._store.keys, told))

    def flush(self) -> None:
        """Sends what is gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gathered:
            task = asyncio.create_task(self._send(self._gathered))
            self._gathered, self._bytes = [], 0
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _with_others(self, told: Settlement) -> ReportResult | None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ReportResult | None] = loop.create_future()
        self._gathered.append((told, future))
        self._bytes += told.size
        if self._is_complete():
            self.flush()
        elif self._timer is None:
            self._timer = loop.call_later(self._gather_s, self.flush)
        try:
            return await future
        except asyncio.CancelledError:
            self.flush()
            raise

    def _is_complete(self) -> bool:
        """Whether there is room for no more, or nobody left to wait for."""
        count = len(self._gathered)
        return count >= min(SETTLED_AT_ONCE, self._in_flight()) or self._bytes >= MOST_BYTES or self._gather_s <= 0

    async def _send(self, batch: list[_Gathered]) -> None:
        answers: Sequence[ReportResult | None]
        try:
            answers = await self._told([told for told, _ in batch])
        except (StoreUnavailable, StoreFull) as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        except Exception:
            # Nothing was written (settle_many.lua). Told by itself each finds out whether it was the cause.
            answers = [None] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _told(self, told: Sequence[Settlement]) -> Sequence[ReportResult | None]:
        if len(told) == 1:
            return [await self._store.run(settle_one(self._store.keys, told[0]))]
        return await self._store.run(settle_many(self._store.keys, told))
