"""Drives flows for an event loop: every effect is awaited.

However many jobs a loop waits for, one connection listens for their ends and wakes whoever waits for each.
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
from homa.drivers.effects import AwaitEnd, Block, Effect, Emit, Flow, GetBlob, Hurried, NeedWorker, PutBlob, Sleep
from homa_shared.model.errors import HomaError

if TYPE_CHECKING:
    from homa.drivers.source import ClientSource
    from homa_shared.store.client import AsyncStore

T = TypeVar("T")

#: Longest wait for a message before the reader looks whether anybody still waits, s.
_TICK_S = 1.0
#: Channels that nobody waits for any more are unsubscribed from this many at a time.
_STALE = 100


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
        ends, stores = self._ends, [self._store, self._hurried[1] if self._hurried else None]
        mine = self._home == _here()
        self._ends = self._store = self._home = self._hurried = None
        if ends is not None and mine:
            await ends.aclose()
        for store in stores if mine else ():
            if store is not None:
                await store.aclose()

    async def _drive(self, flow: Flow[T], result: list[T]) -> AsyncIterator[Any]:
        send, argument = flow.send, None
        joined: dict[str, tuple[Ends, asyncio.Event]] = {}
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
                    send, argument = flow.send, await self._perform(effect, joined)
                except Exception as error:
                    send, argument = flow.throw, error
        finally:
            flow.close()
            for job_id, (ends, _) in joined.items():
                ends.leave(job_id)

    async def _perform(self, effect: Effect, joined: dict[str, tuple[Ends, asyncio.Event]]) -> Any:
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
        store = await self._connected()
        if isinstance(effect, Block):
            return await store.wait(*effect.command)
        if isinstance(effect, AwaitEnd):
            return await self._await_end(effect, joined)
        assert not isinstance(effect, Emit)
        return await store.run(effect)

    async def _await_end(self, effect: AwaitEnd, joined: dict[str, tuple[Ends, asyncio.Event]]) -> None:
        assert self._ends is not None
        if effect.job_id not in joined:
            joined[effect.job_id] = (self._ends, await self._ends.join(effect.job_id))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(effect.seconds):
                await joined[effect.job_id][1].wait()

    async def _connected(self) -> AsyncStore:
        await self._follow()
        if self._store is not None:
            return self._store
        async with self._connecting:
            if self._store is None:
                store = await self._context.connect_async()
                self._store, self._ends = store, Ends(store)
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


class Ends:
    """Listens for the ends of any number of jobs on one connection.

    A message may be lost with the connection; whoever waits looks at the job again from time to time.
    """

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        #: Channel -> what its message sets, and how many wait for it.
        self._waiting: dict[str, tuple[asyncio.Event, int]] = {}
        self._stale: list[str] = []
        self._pubsub: Any = None
        self._reader: asyncio.Task[None] | None = None
        #: Set when the reader listens, or has given up.
        self._listening = asyncio.Event()

    async def join(self, job_id: str) -> asyncio.Event:
        """Begins to listen for a job's end, which sets the event. Every `join` is followed by a `leave`."""
        channel = self._store.keys.channel_end(job_id)
        event, waiters = self._waiting.get(channel, (asyncio.Event(), 0))
        self._waiting[channel] = (event, waiters + 1)
        try:
            if self._reader is None or self._reader.done():
                self._listening.clear()
                self._reader = asyncio.create_task(self._read())
            elif self._pubsub is not None and waiters == 0:
                await self._subscribe(channel)
            await self._listening.wait()
        except BaseException:  # cancelled: there will be no `leave`
            self.leave(job_id)
            raise
        return event

    async def _subscribe(self, channel: str) -> None:
        from redis.exceptions import RedisError

        # The reader meets the same outage, and whoever waits looks at the job from time to time.
        with suppress(RedisError):
            await self._pubsub.subscribe(channel)

    def leave(self, job_id: str) -> None:
        channel = self._store.keys.channel_end(job_id)
        event, waiters = self._waiting.pop(channel)
        if waiters > 1:
            self._waiting[channel] = (event, waiters - 1)
        else:
            self._stale.append(channel)

    async def aclose(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def _read(self) -> None:
        """Reads for as long as anybody waits. An outage ends it; the next one who waits begins it anew."""
        try:
            await self._listen(list(self._waiting))
        except HomaError:
            return
        finally:
            self._listening.set()

    async def _listen(self, first: list[str]) -> None:
        async with self._store.subscription(first) as pubsub:
            while late := self._waiting.keys() - set(first):
                await pubsub.subscribe(*late)
                first += late
            self._pubsub = pubsub
            self._listening.set()
            try:
                while self._waiting:
                    self._tell(await pubsub.get_message(timeout=_TICK_S))
                    await self._unsubscribe(pubsub)
            finally:
                self._pubsub = None

    def _tell(self, message: Any) -> None:
        if message is not None:
            event, _ = self._waiting.get(message["channel"].decode(), (None, 0))
            if event is not None:
                event.set()

    async def _unsubscribe(self, pubsub: Any) -> None:
        stale = [channel for channel in self._stale if channel not in self._waiting]
        if len(stale) >= _STALE and self._waiting:
            self._stale.clear()
            await pubsub.unsubscribe(*stale)


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
