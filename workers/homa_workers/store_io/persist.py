"""Telling the store what must not be forgotten, for as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from homa_shared.backoff import Backoff
from homa_shared.calls.failures import Charge
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.model.tokens import NOTHING_USED
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import Claim, Report, requeue
from homa_shared.store.transitions.messages import Enqueued, ack
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.store_io.replay_buffer import Recent

T = TypeVar("T")

#: Pauses while the store does not take an operation.
BACKOFF = Backoff(first_s=0.05, longest_s=2.0)
#: What is handed back because this worker cannot do it is left for others for so long, ms.
NOT_HERE_MS = 5000


async def persist(
    store: AsyncStore,
    op: Op[T],
    log: WorkerLog,
    recent: Recent | None = None,
    sent: Callable[[], Awaitable[T]] | None = None,
) -> T:
    """Runs an operation until the store has taken it.

    The operations are idempotent, so one whose reply was lost may be sent again. Cancelling the caller doesn't end
    this: the operation goes on, and the cancellation is passed on when it is through.

    Args:
        recent: keeps a report that the store has taken, to be told again should the store come back without it.
        sent: sends the operation, where it goes together with others.
    """
    cancelled: asyncio.CancelledError | None = None
    try:
        return await _taken(store, op, recent, sent)
    except (StoreUnavailable, StoreFull) as error:
        log.store_away(error)
    except asyncio.CancelledError as error:
        cancelled = error
    result = await shielded(_until_taken(store, op, log, recent, sent, failures=0 if cancelled else 1))
    if cancelled is not None:
        raise cancelled
    return result


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Does several things that belong together: a cancellation is passed on when all are through."""
    result, cancelled = await to_the_end(work)
    if cancelled is not None:
        raise cancelled
    return result


async def to_the_end(work: Coroutine[Any, Any, T]) -> tuple[T, asyncio.CancelledError | None]:
    """Does what must not be left half done, with the cancellation that came meanwhile: the caller is to act on it."""
    task, cancelled = asyncio.ensure_future(work), None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except Exception:  # told by task.result() below
            break
    return task.result(), cancelled


async def hand_back(store: AsyncStore, claim: Claim, log: WorkerLog, *, delay_ms: int = 0) -> None:
    """Gives a job or message back unsent, as if it had not been taken."""
    name = (claim.id, claim.attempt)
    if claim.kind == "m":
        again = Enqueued(claim.id, claim.queue, claim.lane, claim.request, delay_ms, as_stored=True)
        await persist(store, ack(store.keys, name, "again", again=again), log)
        return
    unsent = Report("released", Charge.NONE, used=NOTHING_USED, worker=log.worker)
    await persist(store, requeue(store.keys, name, "job.released", delay_ms=delay_ms, report=unsent, counts=False), log)


async def _taken(store: AsyncStore, op: Op[T], recent: Recent | None, sent: Callable[[], Awaitable[T]] | None) -> T:
    result = await (store.run(op) if sent is None else sent())
    if recent is not None:
        recent.note(op)
    return result


async def _until_taken(
    store: AsyncStore,
    op: Op[T],
    log: WorkerLog,
    recent: Recent | None,
    sent: Callable[[], Awaitable[T]] | None,
    *,
    failures: int,
) -> T:
    while True:
        if failures:
            await asyncio.sleep(BACKOFF.pause_s(failures))
        try:
            return await _taken(store, op, recent, sent)
        except (StoreUnavailable, StoreFull) as error:
            log.store_away(error)
            failures += 1
