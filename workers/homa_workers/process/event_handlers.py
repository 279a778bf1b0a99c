"""Calls event handlers: each is a consumer group of the stream of events, whose entries the fleet's workers share.

An entry is acknowledged when its handler has returned, or when it is a dead letter; until then it is pending, and what
a killed worker leaves is claimed by another. The store counts deliveries, so that one that kills workers ends as well.
"""

from __future__ import annotations

import asyncio
import inspect
from importlib import import_module
from typing import Any

import orjson
import structlog
from redis.exceptions import ResponseError

from homa_shared.backoff import Backoff
from homa_shared.model.errors import ConfigError, HomaError
from homa_shared.model.event_handlers import Handler
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Command, call, mapping, read, text
from homa_shared.store.reads.event_page import typed_event

log = structlog.get_logger("homa.events")

_BLOCK_MS = 1000
#: How often what others left is looked for, s.
_CLAIM_EACH_S = 5.0
_BACKOFF = Backoff(first_s=0.2, longest_s=30.0)
#: On top of time limit and longest pause, before a pending event is taken for left behind, s.
_GRACE_S = 10.0
_PAGE = 100


def import_handlers(modules: list[str]) -> None:
    """Imports modules with event handlers.

    Raises:
        ConfigError: a module cannot be found.
    """
    for name in modules:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise ConfigError(f"--handlers {name}: {error}; expected an importable module") from error


class HandlerLoop:
    """Reads one handler's events and calls it, until cancelled."""

    def __init__(self, store: AsyncStore, handler: Handler, consumer: str) -> None:
        self._store, self._handler, self._consumer = store, handler, consumer
        self._key, self._group = store.keys.events(), handler.name
        self._free = asyncio.Semaphore(handler.concurrency)
        self._left_behind_ms = round((handler.time_limit_s + _BACKOFF.longest_s + _GRACE_S) * 1000)

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                await self._begin()
                await self._read()
            # A group that is gone (its store was emptied) is made anew.
            except* (HomaError, ResponseError) as errors:
                failures += 1
                log.warning("events.unread", handler=self._group, error=str(errors.exceptions[0]))
            await asyncio.sleep(_BACKOFF.pause_s(failures))

    async def _begin(self) -> None:
        try:
            await self._ask("XGROUP", "CREATE", self._key, self._group, self._handler.since, "MKSTREAM")
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _ask(self, *command: Any) -> Any:
        return await self._store.run(read((command,), lambda replies: replies[0]))

    async def _read(self) -> None:
        loop, claimed_s = asyncio.get_running_loop(), 0.0
        async with asyncio.TaskGroup() as calls:
            while True:
                if loop.time() >= claimed_s:
                    claimed_s = loop.time() + _CLAIM_EACH_S
                    await self._claim(calls)
                ask: Command = ("XREADGROUP", "GROUP", self._group, self._consumer, "COUNT", _PAGE, "BLOCK", _BLOCK_MS)
                answer = await self._store.wait(*ask, "STREAMS", self._key, ">")
                await self._start(calls, _entries(answer), 1)

    async def _start(self, calls: asyncio.TaskGroup, entries: list[Any], delivery: int) -> None:
        others = []
        for entry in entries:
            if entry[1] and self._handler.wants(typed_event(entry)):
                await self._free.acquire()
                calls.create_task(self._handle(entry, delivery))
            else:
                others.append(entry[0])
        if others:
            await self._ask("XACK", self._key, self._group, *others)

    async def _handle(self, entry: Any, delivery: int) -> None:
        try:
            while (error := await self._call(entry)) is not None:
                if delivery >= self._handler.tries:
                    return await self._bury(entry, error)
                log.warning("events.handler_failed", handler=self._group, id=text(entry[0]), try_=delivery, error=error)
                await asyncio.sleep(_BACKOFF.pause_s(delivery))
                delivery += 1
                # Counted in the store, and younger again: nobody takes it for left behind.
                await self._ask("XCLAIM", self._key, self._group, self._consumer, 0, entry[0])
            await self._ask("XACK", self._key, self._group, entry[0])
        except HomaError as away:
            # It stays pending, and is claimed when the store is back.
            log.warning("events.store_away", handler=self._group, error=str(away))
        finally:
            self._free.release()

    async def _call(self, entry: Any) -> str | None:
        """What went wrong; None where the handler returned."""
        function, event = self._handler.function, typed_event(entry)
        try:
            async with asyncio.timeout(self._handler.time_limit_s):
                if inspect.iscoroutinefunction(function):
                    await function(event)
                else:
                    await asyncio.to_thread(function, event)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None

    async def _bury(self, entry: Any, error: str) -> None:
        """Keeps an event as a dead letter before it is acknowledged, so that it is never in neither place."""
        letter = orjson.dumps({"error": error, "event": mapping(entry[1])})
        await self._ask("HSET", self._store.keys.own("dead", self._group), entry[0], letter)
        await self._ask("XACK", self._key, self._group, entry[0])
        log.error("events.dead", handler=self._group, id=text(entry[0]), error=error)

    async def _claim(self, calls: asyncio.TaskGroup) -> None:
        """Takes over what others left, and tells what was trimmed before this handler's group got to it."""
        asked = (self._group, self._consumer, str(self._left_behind_ms), str(_PAGE))
        missed, left = await self._store.run(call(self._store.keys, "claim_events", asked, lambda answer: answer))
        if missed:
            log.error("events.missed", handler=self._group, count=missed)
        for delivered, entry in left:
            if int(delivered) >= self._handler.tries:
                await self._bury(entry, "its worker was lost at each try")
            else:
                await self._start(calls, [entry], int(delivered) + 1)


def _entries(answer: Any) -> list[Any]:
    if not answer:
        return []
    items = next(iter(answer.values())) if isinstance(answer, dict) else answer[0][1]
    if items and isinstance(items[0], list) and items[0] and isinstance(items[0][0], (list, tuple)):
        return list(items[0])
    return list(items)
