"""Values read together: what several attempts ask for in one turn of the loop goes to the store in one command."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import read
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.store_io.persist import persist

#: Most keys of one command.
MOST_KEYS = 200

_Asked = tuple[Sequence[str], "asyncio.Future[list[bytes | None]]"]


class GatheredReads:
    """Reads values of one worker.

    Args:
        store: holds them.
        log: told of an absent store.
    """

    def __init__(self, store: AsyncStore, log: WorkerLog) -> None:
        self._store, self._log = store, log
        self._asked: list[_Asked] = []
        #: The loop keeps no task alive by itself.
        self._reading: set[asyncio.Task[None]] = set()

    async def values(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of some keys, in their order, however long the store is away."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[bytes | None]] = loop.create_future()
        self._asked.append((keys, found))
        if len(self._asked) == 1:
            loop.call_soon(self._read_all)
        return await found

    def _read_all(self) -> None:
        asked, self._asked = self._asked, []
        part: list[_Asked] = []
        for each in asked:
            if part and sum(len(keys) for keys, _ in part) + len(each[0]) > MOST_KEYS:
                self._begin(part)
                part = []
            part.append(each)
        self._begin(part)

    def _begin(self, part: list[_Asked]) -> None:
        task = asyncio.get_running_loop().create_task(self._read(part))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, part: list[_Asked]) -> None:
        wanted = [key for keys, _ in part for key in keys]
        try:
            values = await persist(self._store, read([("MGET", *wanted)], lambda replies: list(replies[0])), self._log)
        except BaseException as error:
            for _, found in part:
                if not found.done():
                    found.set_exception(error)
            return
        start = 0
        for keys, found in part:
            if not found.done():
                found.set_result(values[start : start + len(keys)])
            start += len(keys)
