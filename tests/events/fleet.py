"""Workers that run the declared event handlers of a test, and what the store says of the handler `h`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from homa_shared.backoff import Backoff
from homa_shared.model.event_handlers import HANDLERS
from homa_shared.store.client import AsyncStore
from homa_shared.store.reads.handlers import HandlerRow, Letter, handlers
from homa_shared.store.reads.handlers import letters as read_letters
from homa_workers.handlers.group import HandlerLoops
from tests.commands_b.stand import Stand

AT_ONCE = Backoff(0.0, 0.0)


@asynccontextmanager
async def workers(stand: Stand, *names: str, lease_s: float = 30.0) -> AsyncIterator[list[HandlerLoops]]:
    """Workers of these names, which are told to stop at the end."""
    store = AsyncStore(stand.store.address, stand.store.keys.namespace)
    declared = list(HANDLERS.values())
    groups = [HandlerLoops(store, declared, name, lease_s=lease_s, pauses=AT_ONCE) for name in names]
    for group in groups:
        await group.begin()
        group.start()
    try:
        yield groups
    finally:
        for group in groups:
            await group.aclose()
        await store.aclose()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the condition is the store's
            await asyncio.sleep(0.02)


async def work(stand: Stand, *names: str, until: Callable[[], object], lease_s: float = 30.0) -> None:
    """Workers of these names until a condition holds."""
    async with workers(stand, *names, lease_s=lease_s):
        await _until(until)


_until = until


def row(stand: Stand, name: str = "h") -> HandlerRow:
    return next(row for row in stand.store.run(handlers(stand.store.keys)) if row.name == name)


def pending(stand: Stand) -> int:
    return row(stand).pending


def letters(stand: Stand) -> list[Letter]:
    return stand.store.run(read_letters(stand.store.keys, "h"))


def trim(stand: Stand, most: int) -> None:
    stand.store.wait("XTRIM", stand.store.keys.events(), "MAXLEN", most)
