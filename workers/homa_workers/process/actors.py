"""Runs ordinary Dramatiq messages: the same hooks in the same order as Dramatiq's own worker, on Homa's event loop.

A sync actor runs in a thread together with its hooks, in a context of the run's own, so that blocking code blocks
nobody; an async actor runs on the loop, its hooks in threads. What is enqueued on the way is committed with the ack.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import dramatiq
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.errors import DecodeError
from dramatiq.middleware import Interrupt, Shutdown, TimeLimitExceeded

from homa_shared.broker import HomaBroker, MessageRun
from homa_shared.interrupts import asks_for_notice, time_limit_ms
from homa_shared.model.errors import SealedPayload
from homa_shared.store.client import AsyncStore
from homa_shared.store.sealing import Kind, opened
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.messages import ack
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.process.actor_run import ActorRun
from homa_workers.process.actor_threads import ActorThreads, Escaped
from homa_workers.store_io.persist import NOT_HERE_MS, hand_back, persist

T = TypeVar("T")

log = structlog.get_logger("homa.actor")

#: Threads for the hooks of async actors: hooks are short.
_HOOK_THREADS = 8


class MessageRunner:
    """Runs messages of a broker's actors.

    Args:
        broker: knows actors and middleware.
        store: where acks go.
        log: told when the store is away.
        threads: sync actors that may run at once.
    """

    def __init__(self, broker: HomaBroker, store: AsyncStore, log: WorkerLog, *, threads: int) -> None:
        self.broker = broker
        self.store = store
        self.log = log
        self._threads_most = threads
        self._runs: set[ActorRun] = set()
        #: Runs whose actor is sync: each has a thread, or waits for one.
        self._sync_runs = 0
        self._threads = ActorThreads(broker, threads)
        self._hooks = ActorThreads(broker, _HOOK_THREADS)
        #: For hooks of middleware that may interrupt the thread that it was called in: one for each async run.
        self._own = ActorThreads(broker, None)

    @property
    def free_threads(self) -> int:
        """How many more sync actors could begin at once."""
        return max(0, self._threads_most - self._sync_runs)

    def run(self, claim: Claim) -> Coroutine[Any, Any, None]:
        """One run of a message, from claim to ack: to be awaited.

        A run that is cancelled is handed back. Only a sync actor in mid-run can't be cancelled: it is acked when it
        ends, or its lease runs out if its process ends before.
        """
        try:
            body = opened(self.store.keys, Kind.REQUEST, claim.request)
            message = MessageProxy(dramatiq.Message.decode(body))
        except SealedPayload as error:
            if error.is_damaged:
                return self._unreadable(claim, error)
            log.error("message.sealed", message=claim.id, key=error.key_id)
            return hand_back(self.store, claim, self.log, delay_ms=NOT_HERE_MS)
        except DecodeError as error:
            return self._unreadable(claim, error)
        run = ActorRun(self.broker, claim, message, self.broker.actors.get(message.actor_name))
        # Here and not in the coroutine: whoever takes next has to know of it.
        self._sync_runs += run.needs_thread
        return self._run(run)

    async def _run(self, run: ActorRun) -> None:
        self._runs.add(run)
        timer = self._limit(run)
        try:
            await self._process(run)
        except _CutOff:
            await hand_back(self.store, run.claim, self.log)
            return
        except Escaped as error:
            # Aimed at the actor, and arrived in a hook after it: what the hooks have said until then stands.
            log.warning("actor.interrupt_too_late", message=run.message.message_id, error=str(error))
        finally:
            self._sync_runs -= run.needs_thread
            self._runs.discard(run)
            if timer is not None:
                timer.close()
        await self._ack(run.claim, run.kept_back, failed=run.message.failed)
        run.message.clear_exception()

    async def _process(self, run: ActorRun) -> None:
        if run.actor is None:
            await self._in_thread(self._hooks, run, run.processing.refuse)
        elif run.needs_thread:
            await self._in_thread(self._threads, run, run.in_thread)
        elif self.broker.may_interrupt:
            await self._beside(run)
        elif await self._in_thread(self._hooks, run, run.processing.begin):
            try:
                result, error = await run.as_task()
            except asyncio.CancelledError:
                raise _CutOff from None
            hook = partial(run.processing.succeeded, result) if error is None else partial(run.processing.raised, error)
            await self._in_thread(self._hooks, run, hook)

    async def _in_thread(self, threads: ActorThreads, run: ActorRun, call: Callable[[], T]) -> T:
        work = threads.submit(partial(run.context.run, call))
        try:
            return await asyncio.shield(work.future)
        except asyncio.CancelledError:
            if threads.cancel(work):
                raise _CutOff from None
            # It runs and can't be stopped. Whoever waits for the worker to end decides how long it may go on.
            return await work.future

    async def _beside(self, run: ActorRun) -> None:
        work = self._own.submit(partial(run.beside, asyncio.get_running_loop()))
        try:
            await asyncio.shield(work.future)
        except asyncio.CancelledError:
            run.cut()
            await work.future
            raise _CutOff from None

    async def _unreadable(self, claim: Claim, error: Exception) -> None:
        log.error("message.unreadable", message=claim.id, error=str(error))
        await self._ack(claim, MessageRun(claim.id), failed=True)

    async def _ack(self, claim: Claim, run: MessageRun, *, failed: bool) -> None:
        again = None if failed else run.again
        if run.again is not None and again is None:
            # Enqueued by a hook and failed all the same: the one record is dead, the other waits.
            run.enqueued.append(replace(run.again, id=f"{claim.id}.again"))
        state = "failed" if failed else "again" if again else "succeeded"
        name = (claim.id, claim.attempt)
        await persist(self.store, ack(self.store.keys, name, state, again=again, enqueued=run.enqueued), self.log)

    def _limit(self, run: ActorRun) -> _TimeLimit | None:
        if run.actor is None:
            return None
        limit_ms = time_limit_ms(self.broker.middleware, run.message.options, run.actor.options)
        return None if limit_ms == float("inf") else _TimeLimit(run, limit_ms / 1000)

    def notify_shutdown(self) -> None:
        """Interrupts the actors that asked for it (`notify_shutdown`): the worker is about to end."""
        for run in self._runs:
            if run.actor is not None and asks_for_notice(self.broker.middleware, run.actor, run.message):
                log.info("actor.shutdown", actor=run.actor.actor_name, message=run.message.message_id)
                run.interrupt(Shutdown)

    async def aclose(self) -> None:
        """Lets go of the threads; a sync actor that still runs is not waited for."""
        for threads in (self._threads, self._hooks, self._own):
            await threads.aclose()


class _CutOff(Exception):
    """A run was stopped before it came to its end, and nothing of it goes on."""


class _TimeLimit:
    """Interrupts an actor that runs for too long, counted from its own beginning.

    Args:
        limit_s: how long it may run, s.
    """

    def __init__(self, run: ActorRun, limit_s: float) -> None:
        self._run = run
        self._limit_s = limit_s
        self._timer = asyncio.get_running_loop().call_later(limit_s, self._look)

    def _look(self) -> None:
        began, now = self._run.began, time.monotonic()
        left_s = self._limit_s if began is None else began + self._limit_s - now
        if left_s > 0:
            self._timer = asyncio.get_running_loop().call_later(left_s, self._look)
            return
        kind: type[Interrupt] = TimeLimitExceeded
        log.warning("actor.time_limit", message=self._run.message.message_id, limit_s=self._limit_s)
        self._run.interrupt(kind)

    def close(self) -> None:
        self._timer.cancel()
