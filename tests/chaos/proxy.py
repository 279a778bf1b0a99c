"""A TCP proxy before the store that loses its replies.

A reply is what the store wrote at once, of one or of several pipelined commands. A lost one has been carried out, and
nobody learns of it: its connection is cut, or stays open and mute until the client gives up.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from random import Random

_CHUNK = 1 << 20


class LossyProxy:
    """Runs in a thread of its own.

    Args:
        port: of the store.
        seed: of what it loses.
        drop: share of replies that are lost.
        mute: share of the lost ones whose connection stays open.
        delay_s: longest time by which a reply is late; drawn evenly.
    """

    def __init__(self, port: int, *, seed: int = 0, drop: float = 0.0, mute: float = 0.0, delay_s: float = 0.0) -> None:
        self._store_port = port
        self._random = Random(seed)
        self.drop, self.mute, self.delay_s = drop, mute, delay_s
        #: Replies that went through, were lost, and of these the mute ones.
        self.passed = self.dropped = self.muted = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lossy-proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> LossyProxy:
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def cut(self) -> None:
        """Cuts every connection at once."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._serve(reader, writer)
        self._tasks.discard(task)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_connection("127.0.0.1", self._store_port)
        asked = asyncio.create_task(_copy(reader, store_writer))
        answered = asyncio.create_task(self._answer(store_reader, writer))
        try:
            await asyncio.wait([asked, answered], return_when=asyncio.FIRST_COMPLETED)
            if answered.done() and answered.exception() is None and answered.result():
                await asked  # mute: until the client gives up
        finally:
            asked.cancel()
            answered.cancel()
            await asyncio.gather(asked, answered, return_exceptions=True)
            store_writer.close()

    async def _answer(self, store: asyncio.StreamReader, client: asyncio.StreamWriter) -> bool:
        """Passes replies on until one is lost or the store closes; true when the connection is to stay, mute."""
        while reply := await store.read(_CHUNK):
            if self.delay_s:
                await asyncio.sleep(self._random.uniform(0, self.delay_s))
            if self._random.random() < self.drop:
                self.dropped += 1
                mute = self._random.random() < self.mute
                self.muted += mute
                return mute
            self.passed += 1
            client.write(reply)
            await client.drain()
        return False


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
