"""At each reply of the store that is lost, and at each cancel of a worker, an event is still handled at least once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from homa import on
from homa.events import JobCancelled
from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_workers.handlers import loop as handler_loop
from homa_workers.handlers.loop import HandlerLoop
from tests.commands_b.stand import Stand
from tests.events.fleet import AT_ONCE, HANDLERS, letters, pending, row

T = TypeVar("T")
EVENTS = 12


class Faulty(AsyncStore):
    """A store of which one thing goes wrong, behind its so-manieth operation.

    Args:
        at: number of the operation, from 0.
        fault: what happens then; the operation is done.
    """

    def __init__(self, stand: Stand, at: int, fault: Callable[[], object]) -> None:
        super().__init__(stand.store.address, stand.store.keys.namespace)
        self._at, self._fault, self.done = at, fault, 0
        #: Whether that operation is sent twice, as redis-py does where no reply came in time.
        self.twice = False

    async def run(self, op: Op[T]) -> T:
        answer = await super().run(op)
        if self.twice and self.done == self._at:
            answer = await super().run(op)
        self._count()
        return answer

    async def wait(self, *command: Any) -> Any:
        answer = await super().wait(*command)
        self._count()
        return answer

    def _count(self) -> None:
        self.done += 1
        if self.done == self._at + 1:
            self._fault()


def lost() -> None:
    raise StoreUnavailable("the reply is lost")


def handled(broken: list[str]) -> list[str]:
    """A handler that fails at its first call with each third event, and always with broken ones."""
    seen: list[str] = []
    calls: dict[str, int] = {}

    @on(JobCancelled, name="h", since="-", tries=3, concurrency=3)
    async def handle(event: JobCancelled) -> None:
        calls[event.id] = calls.get(event.id, 0) + 1
        await asyncio.sleep(0)
        number = sorted(calls).index(event.id)
        if event.job in broken or (number % 3 == 0 and calls[event.id] == 1):
            raise ValueError("not yet")
        seen.append(event.job)

    return seen


async def until_done(stand: Stand) -> None:
    async with asyncio.timeout(30):
        while True:
            now = row(stand)
            if now.behind == 0 and not now.pending and not now.put_back:
                return
            await asyncio.sleep(0.02)


def prepared(stand: Stand) -> tuple[list[str], set[str]]:
    broken: list[str] = []
    seen = handled(broken)
    jobs = [stand.cancelled() for _ in range(EVENTS)]
    broken.append(jobs[-1])
    return seen, set(jobs)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_loop, "_OUTAGE", AT_ONCE)
    monkeypatch.setattr(handler_loop, "_BLOCK_MS", 50)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("at", range(16))
async def test_a_lost_reply_loses_no_event(stand: Stand, at: int, twice: bool) -> None:
    seen, jobs = prepared(stand)
    store = Faulty(stand, at, int if twice else lost)
    store.twice = twice
    run = asyncio.create_task(HandlerLoop(store, HANDLERS["h"], "one", lease_s=0.3, pauses=AT_ONCE).run())
    async with asyncio.timeout(30):
        while store.done <= at:  # noqa: ASYNC110 - the store is asked
            await asyncio.sleep(0.01)
    await until_done(stand)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await store.aclose()
    [dead] = letters(stand)
    assert set(seen) | {getattr(dead.event, "job", "")} == jobs
    assert pending(stand) == 0


@pytest.mark.parametrize("at", range(16))
async def test_a_cancel_at_any_moment_loses_no_event(stand: Stand, at: int) -> None:
    seen, jobs = prepared(stand)
    holder: list[asyncio.Task[None]] = []
    store = Faulty(stand, at, lambda: holder[0].cancel())
    holder.append(asyncio.create_task(HandlerLoop(store, HANDLERS["h"], "one", lease_s=30, pauses=AT_ONCE).run()))
    async with asyncio.timeout(30):
        await asyncio.wait(holder)
    await store.aclose()
    after = AsyncStore(stand.store.address, stand.store.keys.namespace)
    # What the first gave back is taken over at once: its leases have not ended.
    run = asyncio.create_task(HandlerLoop(after, HANDLERS["h"], "two", lease_s=30, pauses=AT_ONCE).run())
    await until_done(stand)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await after.aclose()
    [dead] = letters(stand)
    assert set(seen) | {getattr(dead.event, "job", "")} == jobs
    assert pending(stand) == 0
    assert dead.tries == 3
