"""Streamed text of any number of jobs, read on one connection by one command for all of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from homa_shared.model.errors import HomaError
from homa_shared.store.operation import Op

if TYPE_CHECKING:
    from homa_shared.store.client import AsyncStore

#: Most entries of one stream in one read.
_COUNT = 500
#: Longest wait in the store, ms; whoever follows looks at its job from time to time whatever happens here.
_BLOCK_MS = 10_000
#: Pause after a read went wrong, s.
_AWAY_S = 0.2
#: From so many streams on pieces are gathered for this long before the next read, s: each read names every stream.
_MANY, _GATHER_S = 64, 0.004
#: The stream that ends a read so that the next one includes who came meanwhile; dropped when unused for so long, ms.
_BELL_KEPT_MS = 60_000

Entry = tuple[bytes, Any]


class Follower:
    """Somebody who reads one stream from some entry on."""

    __slots__ = ("entries", "event", "key", "last")

    def __init__(self, key: bytes, after: str, event: asyncio.Event) -> None:
        self.key, self.event = key, event
        self.last = _order(after.encode())
        self.entries: list[Entry] = []

    def take(self) -> list[Entry]:
        """What has come since the last time."""
        taken, self.entries = self.entries, []
        return taken


class Deltas:
    """Reads the streams of all followers of an event loop.

    Args:
        store: is connected.
        name: of this reader in the store; no other process has it.
    """

    def __init__(self, store: AsyncStore, name: str) -> None:
        self._store = store
        self._bell = store.keys.own("deltas", name)
        self._followers: dict[bytes, list[Follower]] = {}
        #: Stream -> last entry that was read of it.
        self._read_to: dict[bytes, bytes] = {}
        self._reader: asyncio.Task[None] | None = None
        self._rung = False
        self._ringing: set[asyncio.Task[None]] = set()

    def join(self, job_id: str, after: str, event: asyncio.Event) -> Follower:
        """Begins to follow; the event is set whenever there are entries. Every `join` is followed by a `leave`."""
        key = self._store.keys.deltas(job_id).encode()
        follower = Follower(key, after, event)
        self._followers.setdefault(key, []).append(follower)
        known = self._read_to.get(key)
        if known is None or follower.last < _order(known):
            self._read_to[key] = after.encode()
            self._wake()
        return follower

    def leave(self, follower: Follower) -> None:
        left = self._followers[follower.key]
        left.remove(follower)
        if not left:
            del self._followers[follower.key], self._read_to[follower.key]

    async def aclose(self) -> None:
        for task in (self._reader, *self._ringing):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def _wake(self) -> None:
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_all())
        elif not self._rung:
            self._rung = True
            task = asyncio.create_task(self._ring())
            self._ringing.add(task)
            task.add_done_callback(self._ringing.discard)

    async def _ring(self) -> None:
        commands = (("XADD", self._bell, "MAXLEN", 1, "*", "w", 1), ("PEXPIRE", self._bell, _BELL_KEPT_MS))
        with suppress(HomaError):  # the reader meets the same outage
            await self._store.run(Op(commands, lambda _: None))

    async def _read_all(self) -> None:
        """Reads for as long as anybody follows anything."""
        heard = b"0-0"
        while self._followers:
            self._rung = False
            asked = dict(self._read_to)
            command = ("XREAD", "COUNT", _COUNT, "BLOCK", _BLOCK_MS, "STREAMS", self._bell, *asked, heard)
            try:
                reply = await self._store.wait(*command, *asked.values())
            except HomaError:
                await asyncio.sleep(_AWAY_S)
                continue
            for key, entries in (reply.items() if isinstance(reply, dict) else reply) or ():
                if key in self._followers:
                    self._hand_out(key, entries, asked[key])
                elif entries:
                    heard = entries[-1][0]
            if len(asked) > _MANY:
                await asyncio.sleep(_GATHER_S)

    def _hand_out(self, key: bytes, entries: list[Entry], behind: bytes) -> None:
        """Gives followers what was read behind an entry; who joined meanwhile and lacks earlier ones waits for them."""
        if self._read_to[key] == behind:
            self._read_to[key] = entries[-1][0]
        for follower in self._followers[key]:
            if follower.last < _order(behind):
                continue
            fresh = [entry for entry in entries if _order(entry[0]) > follower.last]
            if fresh:
                follower.last = _order(fresh[-1][0])
                follower.entries += fresh
                follower.event.set()


def _order(entry_id: bytes) -> tuple[int, int]:
    """An entry's id as the pair that its order goes by."""
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number or 0)
