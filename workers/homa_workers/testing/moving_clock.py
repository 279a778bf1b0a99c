"""The clock of a test's store, which can be moved, and jumps by itself over what would only be waited for.

It is the store's own clock and how far the test is ahead of it: a key of the namespace, which every script reads
(`homa_shared.store.scripts.moved_clock`). Where all workers sleep, nothing runs, and it is known when a limit, a freeze
or the pause before a retry ends, that moment is made to be now. A job that was to begin later is not reached so: its
delay is what a test wants to see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from homa_shared.model.record_fields import short
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op, mapping, pairs, read
from homa_shared.store.reads import queues, server_time
from homa_shared.store.transitions.attempts import sweep
from homa_workers.process.waiting import Waiting

#: How long nothing may happen before the clock jumps, s: what rang a bell a moment ago is about to be taken.
_QUIET_S = 0.002
#: Added to a jump, ms: the moment is surely reached.
_BEYOND_MS = 2
_SLICE = 500


class Served(Protocol):
    """A worker that goes by the clock."""

    id: str

    @property
    def running(self) -> int:
        """Attempts in flight."""

    def queues_served(self) -> list[str]: ...


class MovingClock:
    """The clock of one namespace, in the event loop that its workers run in.

    Args:
        jumps: whether it moves by itself.
        lease_ms: length of the workers' leases.
    """

    def __init__(self, *, jumps: bool, lease_ms: int) -> None:
        self._jumps = jumps
        self._lease_ms = lease_ms
        self._store: AsyncStore
        self._workers: Sequence[Served] = ()
        #: How long each sleeping worker sleeps at most, ms; None where nothing waits.
        self._asleep: dict[int, int | None] = {}
        self._moved = asyncio.Event()
        self._fell_asleep = asyncio.Event()

    def serve(self, store: AsyncStore, workers: Sequence[Served]) -> None:
        """These workers are those that go by it."""
        self._store, self._workers = store, workers

    async def begin(self) -> None:
        """From now on the namespace is known for a fake fleet's (`is_fake`)."""
        await self._store.run(_begin(self._store))

    def waiting(self) -> Waiting:
        """What one worker sleeps by."""
        return _Sleep(self)

    def _is_quiet(self) -> bool:
        return len(self._asleep) == len(self._workers) and self._running() == 0

    async def until_quiet(self) -> None:
        """Until nothing happens any more without the clock being moved."""
        while await self._is_at_work():  # noqa: ASYNC110 (several workers and the store are asked)
            await asyncio.sleep(_QUIET_S)

    async def _is_at_work(self) -> bool:
        """Whether something runs, is about to be noticed, or will be jumped to."""
        if not self._is_quiet():
            return True
        await asyncio.sleep(_QUIET_S)
        if not self._is_quiet() or await self._jump_ms() is not None:
            return True
        # A bell that was rung just now has not reached its worker yet: nobody says what the job waits for.
        return all(ms is None for ms in self._asleep.values()) and await self._waiting() > 0

    async def _waiting(self) -> int:
        """Entries that one of these workers could take; those of a queue that none serves wait for others."""
        served = {queue for worker in self._workers for queue in worker.queues_served()}
        rows = await self._store.run(queues(self._store.keys))
        return sum(row.queued for row in rows if row.queue in served and not row.paused)

    async def left(self) -> str:
        """What is left to be done, for people."""
        return f"{self._running()} calls are in flight, {await self._waiting()} jobs are queued"

    def _running(self) -> int:
        """Attempts in flight, of all workers together."""
        return sum(worker.running for worker in self._workers)

    async def advance(self, ms: int) -> None:
        """Moves it, and wakes whoever sleeps by it."""
        now_ms = await self._store.run(server_time(self._store.keys)) + ms
        await self._store.run(_move(self._store, ms, now_ms, [worker.id for worker in self._workers]))
        while await self._store.run(sweep(self._store.keys, slice_size=_SLICE, lease_ms=self._lease_ms)):
            pass
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def until_tick(self, most_ms: int) -> int:
        """How far the clock may be moved at once, ms: to the next tick of a schedule, and no further than `most_ms`."""
        keys = self._store.keys
        now_ms = await self._store.run(server_time(keys))
        ticks = ("ZRANGE", keys.schedules(), f"({now_ms}", "+inf", "BYSCORE", "LIMIT", 0, 1, "WITHSCORES")
        found = await self._store.run(read((ticks,), lambda r: pairs(r[0])))
        return min([most_ms, *(int(due_ms) - now_ms for _, due_ms in found)])

    async def run(self) -> None:
        """Jumps when there is something to jump over, until cancelled."""
        while True:
            await self._fell_asleep.wait()
            self._fell_asleep.clear()
            await asyncio.sleep(_QUIET_S)
            # What runs while all sleep ends without waking one. Whoever is awake will fall asleep.
            while len(self._asleep) == len(self._workers) and self._running():  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(_QUIET_S)
            if (ms := await self._jump_ms()) is not None:
                await self.advance(ms)

    async def _jump_ms(self) -> int | None:
        """How far the next jump is; None where there is nothing to jump over."""
        waits = [ms for ms in self._asleep.values() if ms is not None]
        if not (self._jumps and self._is_quiet() and waits):
            return None
        begins_ms = await self._first_beginning_ms()
        ms = min(waits) + _BEYOND_MS
        return None if begins_ms is not None and begins_ms <= ms else ms

    async def _first_beginning_ms(self) -> int | None:
        """In how many ms the first job becomes ready, where that is one which was to begin later."""
        keys = self._store.keys
        first = await self._store.run(read((("ZRANGE", keys.due(), 0, 0, "WITHSCORES"),), lambda r: pairs(r[0])))
        if not first:
            return None
        job, due_ms = first[0]
        record = await self._store.run(read((("HGETALL", keys.job(job)),), lambda r: mapping(r[0])))
        if int(record.get(short("attempt")) or 0) > 0:
            return None
        return int(due_ms) - await self._store.run(server_time(keys))

    async def sleep(self, worker: Waiting, wait_ms: int | None, sleeping: asyncio.Task[None]) -> None:
        """A worker's sleep, which the clock ends when it is moved."""
        self._asleep[id(worker)] = wait_ms
        self._fell_asleep.set()
        moved = asyncio.create_task(self._moved.wait())
        try:
            await asyncio.wait((sleeping, moved), return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._asleep[id(worker)]
            moved.cancel()
        if not sleeping.done():
            sleeping.cancel()
            await asyncio.gather(sleeping, return_exceptions=True)
            return
        sleeping.result()


class _Sleep(Waiting):
    """A worker's sleep by a clock that moves."""

    def __init__(self, clock: MovingClock) -> None:
        super().__init__()
        self._clock = clock

    async def for_bell(
        self, store: AsyncStore, queues: Sequence[str], wait_ms: int | None, *, or_slot: bool = False,
        or_own: bool = False,
    ) -> None:  # fmt: skip
        bell = super().for_bell(store, queues, wait_ms, or_slot=or_slot, or_own=or_own)
        listening = asyncio.create_task(bell)
        await self._clock.sleep(self, wait_ms, listening)


def _begin(store: AsyncStore) -> Op[None]:
    return Op((("SET", store.keys.moved_by(), 0, "NX"),), lambda _: None)


def _move(store: AsyncStore, ms: int, now_ms: int, workers: Sequence[str]) -> Op[None]:
    """Moves the clock; workers live on, whose next beat by the clock would be late."""
    keys = store.keys
    beats = (("ZADD", keys.workers(), "XX", now_ms, worker) for worker in workers)
    beat = ("HSET", keys.beat(), "last", now_ms)
    return Op((("INCRBY", keys.moved_by(), ms), *beats, beat), lambda _: None)
