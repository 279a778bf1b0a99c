"""Starts what was taken: a job in the pipeline, a message at its actor; what cannot be done here is handed back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.middleware import MiddlewareError

from homa_shared.broker import COMPLETE, HomaBroker
from homa_shared.calls.failures import ProviderError
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions.attempts import Claim, Taken
from homa_shared.store.versions import own_versions
from homa_workers.attempt import RunningAttempt
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes.outcomes import Deferred, Ended, Rerouted
from homa_workers.pipeline.pipeline import Pipeline
from homa_workers.pipeline.skipping import divert_job
from homa_workers.process.actors import MessageRunner
from homa_workers.process.in_flight import InFlight
from homa_workers.process.own_queues import OwnQueues
from homa_workers.process.waiting import Waiting
from homa_workers.store_io.persist import NOT_HERE_MS, hand_back


class Dispatcher:
    """Makes a task of each claim.

    Args:
        store: where claims are handed back.
        broker: its middleware sees jobs as messages to one actor.
        messages: runs actors.
        pipeline: runs jobs; None where this worker does none.
        in_flight: where tasks are kept.
        waiting: knows whether the worker is to stop.
        log: the worker's.
        own: what does the messages of Homa's own queues.
    """

    def __init__(
        self,
        store: AsyncStore,
        broker: HomaBroker,
        messages: MessageRunner,
        pipeline: Pipeline | None,
        in_flight: InFlight,
        waiting: Waiting,
        log: WorkerLog,
        own: OwnQueues,
    ) -> None:
        self._store = store
        self._broker = broker
        self._messages = messages
        self._pipeline = pipeline
        self._in_flight = in_flight
        self._waiting = waiting
        self._log = log
        self._own = own

    def start(self, claim: Claim, asked: float) -> None:
        """Starts a claim, unless it runs already.

        Args:
            asked: when it was asked for, on this process's clock (s): its lease began no earlier.
        """
        if claim.name in self._in_flight:
            return
        attempt: RunningAttempt | None = None
        if self._waiting.is_stopping:
            # Asked for before the order to stop came: it has not been sent, so that nobody needs to wait for it.
            work = hand_back(self._store, claim, self._log)
        elif claim.version > own_versions().record:
            self._log.too_new(claim)
            work = hand_back(self._store, claim, self._log, delay_ms=NOT_HERE_MS)
        elif claim.kind == "m" and (own := self._own.get(claim.queue)) is not None:
            work = own.run(claim)
        elif claim.kind == "m":
            work = self._messages.run(claim)
        elif self._pipeline is None:
            work = hand_back(self._store, claim, self._log, delay_ms=NOT_HERE_MS)
        else:
            attempt = RunningAttempt(claim, reserved_s=asked)
            work = self._run(attempt, self._pipeline)
        self._in_flight.start(claim, work, asked, attempt)

    async def divert(self, taken: Taken) -> bool:
        """Sends jobs on whose targets are out of reach; true when one of them had somewhere to go.

        Targets whose limits the store has lost are written again. What goes wrong with one of them is told, and holds
        up nobody: the jobs that were taken with them have begun.
        """
        pipeline = self._pipeline
        if pipeline is None:
            return False
        if taken.unplanned:
            await self._attended(pipeline.book.write_again(taken.unplanned), None)
        if not taken.diverts:
            return False
        moving = (
            self._attended(divert_job(self._store, pipeline.book, why, claim), claim) for why, claim in taken.diverts
        )
        return any(await asyncio.gather(*moving))

    async def _attended(self, work: Awaitable[bool | None], claim: Claim | None) -> bool:
        """What comes of some work beside the jobs that run; false where it fails."""
        try:
            return bool(await work)
        except (StoreUnavailable, StoreFull):
            return False
        except Exception as error:
            self._log.defect(error, claim)
            return False

    def _run(self, attempt: RunningAttempt, pipeline: Pipeline) -> Coroutine[Any, Any, Any]:
        return self._run_watched(attempt, pipeline) if self._broker.watched else pipeline.run(attempt)

    async def _run_watched(self, attempt: RunningAttempt, pipeline: Pipeline) -> None:
        """As Dramatiq's middleware sees it, a job is a message to one actor."""
        claim = attempt.claim
        message = dramatiq.Message[None](claim.queue, COMPLETE, (), {}, {}, message_id=claim.id)
        proxy = MessageProxy(message)
        error: ProviderError | None = None
        match await pipeline.run(attempt, self._before(proxy)):
            case Deferred(error) | Rerouted(error) | Ended(error):
                await asyncio.to_thread(self._broker.emit_after, "process_message", proxy, exception=error)
            case _:
                await asyncio.to_thread(self._broker.emit_after, "process_message", proxy, result=None)

    async def _before(self, message: MessageProxy) -> None:
        """Hooks in a thread, as those of actors: what they use may refuse an event loop."""
        with contextlib.suppress(MiddlewareError):
            # Middleware watches jobs; it can't skip one that is leased and paid for.
            await asyncio.to_thread(self._broker.emit_before, "process_message", message)
