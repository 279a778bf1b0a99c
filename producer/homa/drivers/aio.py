"""Drives flows for an event loop: every effect is awaited.

However many jobs a loop waits for, one connection listens for their ends and wakes whoever waits for each, and one
reads what they stream.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from homa.drivers.context import Context
from homa.drivers.deltas import Deltas, Follower
from homa.drivers.effects import (
    AwaitEnd,
    AwaitEntries,
    Block,
    Effect,
    Emit,
    Flow,
    GetBlob,
    Hurried,
    NeedWorker,
    PutBlob,
    Sleep,
)
from homa.drivers.ends import Announced, Ends
from homa_shared.model.ids import new_nonce

if TYPE_CHECKING:
    from homa.drivers.source import ClientSource
    from homa_shared.store.client import AsyncStore

T = TypeVar("T")


class _Waits:
    """What one flow waits for, as the loop's listeners know it."""

    def __init__(self) -> None:
        self._joined: dict[str, tuple[Ends, asyncio.Event]] = {}
        self._expected: dict[str, tuple[Ends, Announced]] = {}
        self._followed: dict[str, tuple[Deltas, Follower]] = {}

    async def end(self, ends: Ends, effect: AwaitEnd) -> None:
        """Waits for a job's end; the first time for one that is not announced it begins to listen, and returns."""
        if effect.announced:
            await _wait(self._expect(ends, effect.job_id).event, effect.seconds)
        elif effect.job_id in self._joined:
            await _wait(self._joined[effect.job_id][1], effect.seconds)
        else:
            self._joined[effect.job_id] = (ends, await ends.join(effect.job_id))

    async def entries(self, deltas: Deltas, ends: Ends, effect: AwaitEntries) -> list[Any]:
        """What has been streamed since the last time; empty when the time is over or an announced end has come."""
        expected = self._expect(ends, effect.job_id) if effect.announced else None
        if effect.job_id not in self._followed:
            event = asyncio.Event() if expected is None else expected.event
            self._followed[effect.job_id] = (deltas, deltas.join(effect.job_id, effect.after, event))
        follower = self._followed[effect.job_id][1]
        if not follower.entries and not (expected is not None and expected.ended):
            follower.event.clear()
            await _wait(follower.event, effect.seconds)
        return follower.take()

    def _expect(self, ends: Ends, job_id: str) -> Announced:
        if job_id not in self._expected:
            self._expected[job_id] = (ends, ends.expect(job_id))
        return self._expected[job_id][1]

    def leave(self) -> None:
        for job_id, (ends, _) in self._joined.items():
            ends.leave(job_id)
        for job_id, (ends, waiter) in self._expected.items():
            ends.forget(job_id, waiter)
        for deltas, follower in self._followed.values():
            deltas.leave(follower)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class AwaitingDriver:
    """Runs flows against the store of a context. One loop at a time; another loop, or a forked child, connects anew."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._home: tuple[int, asyncio.AbstractEventLoop] | None = None
        self._store: AsyncStore | None = None
        self._hurried: tuple[float, AsyncStore] | None = None
        #: The fake fleet that they were connected for.
        self._fake = context.fake
        self._ends: Ends | None = None
        self._deltas: Deltas | None = None
        self._connecting = asyncio.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        from homa.drivers.source import ClientSource

        return _driver_at, (ClientSource.of(self._context),)

    async def run(self, flow: Flow[T]) -> T:
        """A flow's result."""
        result: list[T] = []
        async for _ in self._drive(flow, result):
            pass
        return result[0]

    async def iterate(self, flow: Flow[None]) -> AsyncIterator[Any]:
        """The values that a flow emits."""
        async for value in self._drive(flow, []):
            yield value

    async def aclose(self) -> None:
        """Closes the connections; the next flow opens new ones."""
        listeners, stores = (self._ends, self._deltas), [self._store, self._hurried[1] if self._hurried else None]
        mine = self._home == _here()
        self._ends = self._deltas = self._store = self._home = self._hurried = None
        for listener in listeners if mine else ():
            if listener is not None:
                await listener.aclose()
        for store in stores if mine else ():
            if store is not None:
                await store.aclose()

    async def _drive(self, flow: Flow[T], result: list[T]) -> AsyncIterator[Any]:
        send, argument = flow.send, None
        waits = _Waits()
        try:
            while True:
                try:
                    effect = send(argument)
                except StopIteration as stop:
                    result.append(stop.value)
                    return
                if isinstance(effect, Emit):
                    yield effect.value
                    send, argument = flow.send, None
                    continue
                try:
                    send, argument = flow.send, await self._perform(effect, waits)
                except Exception as error:
                    send, argument = flow.throw, error
        finally:
            flow.close()
            waits.leave()

    async def _perform(self, effect: Effect, waits: _Waits) -> Any:
        if isinstance(effect, Sleep):
            await asyncio.sleep(effect.seconds)
            return None
        if isinstance(effect, NeedWorker):
            return self._context.need_worker(effect.queue)
        if isinstance(effect, PutBlob):
            await self._context.need_blobs().put_async(effect.path, effect.data)
            return None
        if isinstance(effect, GetBlob):
            return await self._context.need_blobs().get_async(effect.path)
        if isinstance(effect, Hurried):
            return await (await self._in_a_hurry(effect.seconds)).run(effect.op)
        store = await self.connected()
        if isinstance(effect, Block):
            return await store.wait(*effect.command)
        assert self._ends is not None
        assert self._deltas is not None
        if isinstance(effect, AwaitEnd):
            return await waits.end(self._ends, effect)
        if isinstance(effect, AwaitEntries):
            return await waits.entries(self._deltas, self._ends, effect)
        assert not isinstance(effect, Emit)
        return await store.run(effect)

    async def connected(self) -> AsyncStore:
        """The store, for operations that stand beside flows.

        Raises:
            StoreUnavailable: it cannot be reached, or is none that may be used.
        """
        await self._follow()
        if self._store is not None:
            return self._store
        async with self._connecting:
            if self._store is None:
                store = await self._context.connect_async()
                ends = Ends(store, self._context.announced_to)
                await ends.listen()
                self._store, self._ends, self._deltas = store, ends, Deltas(store, new_nonce())
            return self._store

    async def _in_a_hurry(self, seconds: float) -> AsyncStore:
        await self._follow()
        async with self._connecting:
            if self._hurried is None or self._hurried[0] != seconds:
                self._hurried = (seconds, await self._context.connect_async(seconds))
            return self._hurried[1]

    async def _follow(self) -> None:
        """Leaves connections of another loop or process alone, and those to another store than the context's."""
        if self._fake is not self._context.fake:
            self._fake = self._context.fake
            await self.aclose()
        if self._home != _here():
            # A lock binds to the loop that first waits for it.
            self._connecting, self._home, self._store, self._hurried = asyncio.Lock(), _here(), None, None
            self._ends = self._deltas = None


def _here() -> tuple[int, asyncio.AbstractEventLoop]:
    """This process and loop: connections belong to both."""
    return os.getpid(), asyncio.get_running_loop()


#: Of handles that were unpickled here: those of one store share the connections of a loop.
_unpickled: WeakValueDictionary[tuple[ClientSource, int], AwaitingDriver] = WeakValueDictionary()
_unpickling = threading.Lock()


def _driver_at(source: ClientSource) -> AwaitingDriver:
    try:
        name = source, id(asyncio.get_running_loop())
    except RuntimeError:
        name = source, 0
    with _unpickling:
        driver = _unpickled.get(name)
        if driver is None:
            driver = _unpickled[name] = AwaitingDriver(source.context())
        return driver
