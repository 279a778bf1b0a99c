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
    Name,
    ReportResult,
    Settlement,
    settle_many,
    settle_one,
)
from homa_workers.observe.worker_log import WorkerLog

#: Most bytes of one script, so that none keeps the store busy for long.
MOST_BYTES = 512 * 1024
#: A larger reply is told by itself, bytes.
LARGE_BYTES = 64 * 1024

#: Where the answer to a reply is awaited: None where it has to be told by itself.
_Answering = asyncio.Future[ReportResult | None]
_Gathered = tuple[Settlement, _Answering]


class GroupCommit:
    """Gathers the good replies of one worker.

    Args:
        store: takes them.
        gather_s: how long the first one waits for others, s.
        in_flight: how many attempts might still bring one, those that wait here included.
        log: told why replies could not be told together.
    """

    def __init__(self, store: AsyncStore, gather_s: float, in_flight: Callable[[], int], log: WorkerLog) -> None:
        self._store = store
        self._gather_s = gather_s
        self._in_flight = in_flight
        self._log = log
        self._gathered: list[_Gathered] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()
        #: Of replies that are sent, or were, while their callers were cancelled: what these will ask for again.
        self._unheard: dict[Name, _Answering] = {}

    async def settle(self, told: Settlement) -> ReportResult:
        """How the store took a good reply.

        One whose caller is cancelled is sent at once, with those that wait. Told again it is not sent again: the
        answer is that of the first time.

        Raises:
            StoreUnavailable, StoreFull: it may have been taken or not; it is to be told again.
        """
        if told.size > LARGE_BYTES:
            return await self._alone(told)
        answering = self._unheard.get(told.name) or self._gather(told)
        try:
            answer = await answering
        except asyncio.CancelledError:
            # Cancelled with its caller, unless the answer was there already.
            self._unheard[told.name] = self._heard_later(told) if answering.cancelled() else answering
            self.flush()
            raise
        except Exception:
            self._unheard.pop(told.name, None)
            raise
        self._unheard.pop(told.name, None)
        return await self._alone(told) if answer is None else answer

    def flush(self) -> None:
        """Sends what is gathered."""
        if self._gathered:
            # Where there is no loop to send on, the timer is still there to do it.
            loop = asyncio.get_running_loop()
            task = loop.create_task(self._send(self._gathered))
            self._gathered, self._bytes = [], 0
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def stop_gathering(self) -> None:
        """Sends what is gathered, and from now on each reply at once: the worker is to stop."""
        self._gather_s = 0
        self.flush()

    def _gather(self, told: Settlement) -> _Answering:
        loop = asyncio.get_running_loop()
        answering: _Answering = loop.create_future()
        self._gathered.append((told, answering))
        self._bytes += told.size
        if self._is_complete():
            self.flush()
        elif self._timer is None:
            self._timer = loop.call_later(self._gather_s, self.flush)
        return answering

    def _heard_later(self, told: Settlement) -> _Answering:
        """Where a caller that was cancelled finds the answer."""
        answering = self._unheard.get(told.name)
        if answering is None or answering.cancelled():
            answering = self._unheard[told.name] = asyncio.get_running_loop().create_future()
        return answering

    def _is_complete(self) -> bool:
        """Whether there is room for no more, or nobody left to wait for."""
        count = len(self._gathered)
        return count >= min(SETTLED_AT_ONCE, self._in_flight()) or self._bytes >= MOST_BYTES or self._gather_s <= 0

    async def _send(self, batch: list[_Gathered]) -> None:
        answers: Sequence[ReportResult | None]
        try:
            answers = await self._together([told for told, _ in batch])
        except Exception as error:
            if len(batch) == 1 or isinstance(error, StoreUnavailable | StoreFull):
                for told, answering in batch:
                    (self._heard_later(told) if answering.cancelled() else answering).set_exception(error)
                return
            # Told by itself each finds out whether it was the cause; one that was written is not written again.
            self._log.defect(error)
            answers = [None] * len(batch)
        for (told, answering), answer in zip(batch, answers, strict=True):
            (self._heard_later(told) if answering.cancelled() else answering).set_result(answer)

    async def _together(self, told: Sequence[Settlement]) -> Sequence[ReportResult | None]:
        if len(told) == 1:
            return [await self._alone(told[0])]
        answers = await self._store.run(settle_many(self._store.keys, told))
        if len(answers) != len(told):
            raise ValueError(f"settle_many: {len(answers)} answers to {len(told)} replies")
        return answers

    async def _alone(self, told: Settlement) -> ReportResult:
        return await self._store.run(settle_one(self._store.keys, told))
