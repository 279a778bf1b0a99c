"""Ends of jobs, as one event loop hears of them: on one connection, however many jobs it waits for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from homa_shared.model.errors import HomaError

if TYPE_CHECKING:
    from homa_shared.store.client import AsyncStore

#: Longest wait for a message before the reader looks whether anybody still waits, s.
_TICK_S = 1.0
#: Channels that nobody waits for any more are unsubscribed from this many at a time.
_STALE = 100
#: Announced ends that nobody waits for yet are remembered, so many: a job may end before its submission has returned.
_EARLY = 4096


class Announced:
    """The end of one job as one waiter hears of it."""

    __slots__ = ("ended", "event")

    def __init__(self) -> None:
        #: Set by the end; whoever waits may set it for reasons of its own.
        self.event = asyncio.Event()
        self.ended = False

    def tell(self) -> None:
        self.ended = True
        self.event.set()


class Ends:
    """Listens for the ends of any number of jobs on one connection.

    Jobs that were submitted with the name of this process (`announced_to`) are told of on its own channel: waiting for
    one then costs the store nothing. Any other job has a channel of its own.

    A message may be lost with the connection; whoever waits looks at the job again from time to time.

    Args:
        store: is connected.
        announced_to: name under which this process submits; empty for none.
    """

    def __init__(self, store: AsyncStore, announced_to: str = "") -> None:
        self._store = store
        self._own = store.keys.channel_ends(announced_to) if announced_to else ""
        #: Channel -> what its message sets, and how many wait for it.
        self._waiting: dict[str, tuple[asyncio.Event, int]] = {}
        self._stale: list[str] = []
        #: Jobs of this process's own channel -> who waits for them.
        self._announced: dict[str, list[Announced]] = {}
        self._early: dict[str, None] = {}
        self._pubsub: Any = None
        self._reader: asyncio.Task[None] | None = None
        #: Set when the reader listens, or has given up.
        self._listening = asyncio.Event()

    async def listen(self) -> None:
        """Listens to this process's own channel from here on; before anything is submitted under its name."""
        if self._own and (self._reader is None or self._reader.done()):
            self._begin()
            await self._listening.wait()

    def expect(self, job_id: str) -> Announced:
        """The end of a job of this process, announced when it comes. Every `expect` is followed by a `forget`."""
        waiter = Announced()
        self._announced.setdefault(job_id, []).append(waiter)
        if job_id in self._early:
            waiter.tell()
        if self._reader is None or self._reader.done():
            self._begin()
        return waiter

    def forget(self, job_id: str, waiter: Announced) -> None:
        waiting = self._announced[job_id]
        waiting.remove(waiter)
        if not waiting:
            del self._announced[job_id]

    async def join(self, job_id: str) -> asyncio.Event:
        """Begins to listen for a job's end, which sets the event. Every `join` is followed by a `leave`."""
        channel = self._store.keys.channel_end(job_id)
        event, waiters = self._waiting.get(channel, (asyncio.Event(), 0))
        self._waiting[channel] = (event, waiters + 1)
        try:
            if self._reader is None or self._reader.done():
                self._begin()
            elif self._pubsub is not None and waiters == 0:
                await self._subscribe(channel)
            await self._listening.wait()
        except BaseException:  # cancelled: there will be no `leave`
            self.leave(job_id)
            raise
        return event

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

    def _begin(self) -> None:
        self._listening.clear()
        self._reader = asyncio.create_task(self._read())

    async def _subscribe(self, channel: str) -> None:
        from redis.exceptions import RedisError

        # The reader meets the same outage, and whoever waits looks at the job from time to time.
        with suppress(RedisError):
            await self._pubsub.subscribe(channel)

    async def _read(self) -> None:
        """Reads for as long as anybody waits. An outage ends it; the next one who waits begins it anew."""
        try:
            await self._listen([*self._waiting, *([self._own] if self._own else ())])
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
                while self._waiting or self._own:
                    self._tell(await pubsub.get_message(timeout=_TICK_S))
                    await self._unsubscribe(pubsub)
            finally:
                self._pubsub = None

    def _tell(self, message: Any) -> None:
        if message is None:
            return
        channel = message["channel"].decode()
        if channel == self._own:
            self._tell_own(message["data"].decode())
            return
        event, _ = self._waiting.get(channel, (None, 0))
        if event is not None:
            event.set()

    def _tell_own(self, job_id: str) -> None:
        waiting = self._announced.get(job_id)
        if waiting is None:
            self._early[job_id] = None
            if len(self._early) > _EARLY:
                del self._early[next(iter(self._early))]
            return
        for waiter in waiting:
            waiter.tell()

    async def _unsubscribe(self, pubsub: Any) -> None:
        stale = [channel for channel in self._stale if channel not in self._waiting]
        if len(stale) >= _STALE and (self._waiting or self._own):
            self._stale.clear()
            await pubsub.unsubscribe(*stale)
