"""Runs operations: `Store` for threads, `AsyncStore` for an event loop.

A script that the store does not know yet (a fresh or restarted one) is loaded and asked again. `AsyncStore` sends what
concurrent tasks ask in one turn of the loop as one write: at two thousand calls in flight that is most of a worker's
cost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.exceptions import DataError, NoScriptError, RedisError

from homa_shared.store.audit_trail import note_action
from homa_shared.store.connection import StoreAddress, connect_async, connect_sync, store_error
from homa_shared.store.operation import Op
from homa_shared.store.safety_checks import StoreFacts, read_facts, read_facts_async
from homa_shared.store.sealing import keys_of

T = TypeVar("T")

#: Most operations in one write, so that no single write keeps the store busy for long.
_WRITE_OPS = 64
#: Most connections that wait at once (results, streams): whoever waits needs one of its own.
_WAITING_CONNECTIONS = 1000


#: An operation, and where its replies are awaited.
_Asked = tuple[Op[Any], asyncio.Future[list[Any]]]


class Store:
    """The store for threads. Connects at the first operation.

    Args:
        within_s: how long one operation may take at a store that is mute; None: half a minute.
    """

    def __init__(
        self, address: StoreAddress, namespace: str, *, role: str = "client", within_s: float | None = None
    ) -> None:
        self.address = address
        self.keys = keys_of(namespace, address.keyring)
        self._client = connect_sync(address, role=role, within_s=within_s)
        self._waiting: redis.Redis | None = None
        self._role = role

    def run(self, op: Op[T]) -> T:
        """The operation's answer.

        Raises:
            StoreUnavailable, StoreFull: the store cannot be asked, or has no room.
        """
        if op.audit is not None:
            self.run(note_action(self.keys, op.audit, self._role))
        replies = self._replies(op)
        while (rest := op.next(replies)) is not None:
            op, replies = rest, self._replies(rest)
        return op.parse(replies)

    def _replies(self, op: Op[Any]) -> list[Any]:
        try:
            try:
                return self._send(op)
            except NoScriptError:
                assert op.script is not None
                self._client.script_load(op.script.text)
                return self._send(op)
        except RedisError as error:
            raise self._translated(error) from error

    def _send(self, op: Op[Any]) -> list[Any]:
        if len(op.commands) == 1:
            return [self._client.execute_command(*op.commands[0])]
        pipe = self._client.pipeline(transaction=False)
        for command in op.commands:
            pipe.execute_command(*command)
        return list(pipe.execute())

    def _translated(self, error: Exception) -> Exception:
        """The error in Homa's words; one that is a defect of ours is seen as it is."""
        return store_error(error, self.address) or error

    def wait(self, *command: Any) -> Any:
        """A command that waits in the store (BLPOP, XREAD BLOCK), on a connection of its own."""
        try:
            return self._waiters().execute_command(*command)
        except RedisError as error:
            raise self._translated(error) from error

    @contextmanager
    def subscription(self, channels: Sequence[str]) -> Iterator[Any]:
        """A redis-py PubSub on channels, closed at the end."""
        pubsub = self._waiters().pubsub(ignore_subscribe_messages=True)
        try:
            pubsub.subscribe(*channels)
            yield pubsub
        except RedisError as error:
            raise self._translated(error) from error
        finally:
            pubsub.close()

    def _waiters(self) -> redis.Redis:
        if self._waiting is None:
            self._waiting = connect_sync(
                self.address, role=f"{self._role}-wait", blocking=True, max_connections=_WAITING_CONNECTIONS
            )
        return self._waiting

    def facts(self) -> StoreFacts:
        """What the server is and how it is set up."""
        try:
            return read_facts(self._client)
        except RedisError as error:
            raise self._translated(error) from error

    def close(self) -> None:
        self._client.close()
        if self._waiting is not None:
            self._waiting.close()


class AsyncStore:
    """The store for one event loop. Connects at the first operation; arguments as for `Store`."""

    def __init__(
        self, address: StoreAddress, namespace: str, *, role: str = "client", within_s: float | None = None
    ) -> None:
        self.address = address
        self.keys = keys_of(namespace, address.keyring)
        self._client = connect_async(address, role=role, within_s=within_s)
        self._waiting: redis.asyncio.Redis | None = None
        self._role = role
        self._asked: deque[_Asked] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def run(self, op: Op[T]) -> T:
        """The operation's answer; raises as `Store.run`."""
        if op.audit is not None:
            await self.run(note_action(self.keys, op.audit, self._role))
        replies = await self._replies(op)
        while (rest := op.next(replies)) is not None:
            op, replies = rest, await self._replies(rest)
        return op.parse(replies)

    async def _replies(self, op: Op[Any]) -> list[Any]:
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._asked.append((op, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        # One turn of the loop, so that every task that is ready joins the same write.
        await asyncio.sleep(0)
        while self._asked:
            batch = [self._asked.popleft() for _ in range(min(len(self._asked), _WRITE_OPS))]
            batch = [(op, future) for op, future in batch if not future.done()]
            if batch:
                await self._write_batch(batch)

    async def _write_batch(self, batch: list[_Asked]) -> None:
        try:
            replies = await self._send([command for op, _ in batch for command in op.commands])
        except (UnicodeError, DataError) as error:
            # A write is encoded as a whole before any of it is sent: what cannot be is refused by itself.
            if len(batch) == 1:
                _refuse(batch, error)
            for asked in batch if len(batch) > 1 else ():
                await self._write_batch([asked])
            return
        except RedisError as error:
            _refuse(batch, self._translated(error))
            return
        except BaseException as error:
            _refuse(batch, error)
            raise
        unknown = self._answer(batch, replies)
        if unknown:
            # Asked again before the scripts are there: should loading fail, the next write tells everybody why.
            self._asked.extendleft(reversed(unknown))
            await self._load(unknown)

    def _answer(self, batch: list[_Asked], replies: list[Any]) -> list[_Asked]:
        """Gives everybody what was asked for; returns those whose script the store does not know."""
        unknown = []
        position = 0
        for op, future in batch:
            mine = replies[position : position + len(op.commands)]
            position += len(op.commands)
            failed = next((reply for reply in mine if isinstance(reply, Exception)), None)
            if isinstance(failed, NoScriptError):
                unknown.append((op, future))
            elif future.done():
                continue
            elif failed is not None:
                future.set_exception(self._translated(failed))
            else:
                future.set_result(mine)
        return unknown

    async def _load(self, asked: list[_Asked]) -> None:
        scripts = {op.script.sha: op.script for op, _ in asked if op.script is not None}
        with contextlib.suppress(RedisError):
            replies = await self._send([("SCRIPT LOAD", code.text) for code in scripts.values()])
            # A store that refuses a script would say for ever that it does not know it.
            refused = {sha: reply for sha, reply in zip(scripts, replies, strict=True) if isinstance(reply, Exception)}
            for op, future in asked:
                if op.script is not None and op.script.sha in refused:
                    _refuse([(op, future)], self._translated(refused[op.script.sha]))

    async def _send(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute(raise_on_error=False))

    def _translated(self, error: Exception) -> Exception:
        """The error in Homa's words; one that is a defect of ours is seen as it is."""
        return store_error(error, self.address) or error

    async def wait(self, *command: Any) -> Any:
        """A command that waits in the store, on a connection of its own."""
        try:
            return await self._waiters().execute_command(*command)
        except RedisError as error:
            raise self._translated(error) from error

    @asynccontextmanager
    async def subscription(self, channels: Sequence[str]) -> AsyncIterator[Any]:
        """A redis-py asyncio PubSub on channels, closed at the end."""
        pubsub = self._waiters().pubsub(ignore_subscribe_messages=True)
        try:
            await pubsub.subscribe(*channels)
            yield pubsub
        except RedisError as error:
            raise self._translated(error) from error
        finally:
            await pubsub.aclose()

    def _waiters(self) -> redis.asyncio.Redis:
        if self._waiting is None:
            self._waiting = connect_async(
                self.address, role=f"{self._role}-wait", blocking=True, max_connections=_WAITING_CONNECTIONS
            )
        return self._waiting

    async def facts(self) -> StoreFacts:
        """What the server is and how it is set up."""
        try:
            return await read_facts_async(self._client)
        except RedisError as error:
            raise self._translated(error) from error

    async def aclose(self) -> None:
        if self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer])
        await self._client.aclose()
        if self._waiting is not None:
            await self._waiting.aclose()


def _refuse(batch: list[_Asked], error: BaseException) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
