"""Telling the store what must not be forgotten, for as long as it takes."""

from __future__ import annotations

import asyncio
import random
from typing import Any, TypeVar

from homa_shared.errors import StoreFull, StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.op import Op
from homa_workers.watching import Watch

T = TypeVar("T")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0


async def persist(store: AsyncStore, op: Op[T], watch: Watch) -> T:
    """Runs an operation until the store has taken it.

    The operations are idempotent, so one whose reply was lost may be sent again. Cancelling the caller doesn't end the
    attempt: the operation goes on, and the cancellation is passed on when it is through.
    """
    work = asyncio.ensure_future(_until_taken(store, op, watch))
    cancelled = None
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            if work.cancelled():
                raise
            cancelled = error
        except Exception:  # told by work.result() below
            break
    result = work.result()
    if cancelled is not None:
        raise cancelled
    return result


async def _until_taken(store: AsyncStore, op: Op[Any], watch: Watch) -> Any:
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await store.run(op)
        except (StoreUnavailable, StoreFull) as error:
            watch.store_away(error)
        await asyncio.sleep(pause_s * (0.5 + random.random() / 2))
        pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
