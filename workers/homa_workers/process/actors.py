"""Runs ordinary Dramatiq messages: the same hooks in the same order as Dramatiq's own worker, on Homa's event loop.

A sync actor runs in a thread together with its hooks, in a context of the run's own, so that blocking code blocks
nobody; an async actor runs on the loop, its hooks in threads. What is enqueued on the way is committed with the ack.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from inspect import iscoroutinefunction
from typing import Any, TypeVar

import dramatiq
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.errors import DecodeError, RateLimitExceeded, Retry
from dramatiq.middleware import SkipMessage

from homa_shared.broker import HomaBroker, MessageRun, current_run
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions.attempts import Claim, ack
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.store_io.persist import hand_back, persist

T = TypeVar("T")
Actor = dramatiq.Actor[Any, Any]

log = structlog.get_logger("homa.actor")


def is_async(actor: Actor) -> bool:
    """Whether an actor is a coroutine function, which Dramatiq wraps so that a thread can wait for it."""
    return iscoroutinefunction(getattr(actor.fn, "__wrapped__", None))


class MessageRunner:
    """Runs messages of a broker's actors.

    Args:
        broker: knows actors and middleware.
        store: where acks go.
        log: told when the store is away.
        threads: sync actors and hooks that may run at once.
    """

    def __init__(self, broker: HomaBroker, store: AsyncStore, log: WorkerLog, *, threads: int) -> None:
        self.broker = broker
        self.store = store
        self.log = log
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="homa-actor")

    async def run(self, claim: Claim) -> None:
        """One run of a message, from claim to ack.

        A run that is cancelled is handed back. Only a sync actor in mid-run can't be interrupted: it is acked when it
        ends, or its lease runs out if its process ends before.
        """
        try:
            message = MessageProxy(dramatiq.Message.decode(claim.request))
        except DecodeError as error:
            log.error("message.unreadable", message=claim.id, error=str(error))
            await self._ack(claim, MessageRun(claim.id), failed=True)
            return
        run, context = MessageRun(claim.id, message.message_id, claim.queue, claim.lane), contextvars.copy_context()
        context.run(current_run.set, run)
        processing = _Processing(self.broker, message, run)
        try:
            await self._process(processing, context)
        except _CutOff:
            await hand_back(self.store, claim, self.log)
            return
        await self._ack(claim, run, failed=message.failed)
        message.clear_exception()

    async def _process(self, processing: _Processing, context: contextvars.Context) -> None:
        actor = self.broker.actors.get(processing.message.actor_name)
        if actor is None:
            await self._in_thread(context, processing.refuse)
        elif not is_async(actor):
            await self._in_thread(context, processing.whole, actor)
        elif await self._in_thread(context, processing.begin):
            result, error = await _called(actor, processing.message, context)
            await self._in_thread(context, processing.finish, result, error)

    async def _ack(self, claim: Claim, run: MessageRun, *, failed: bool) -> None:
        again = None if failed else run.again
        if run.again is not None and again is None:
            # Enqueued by a hook and failed all the same: the one record is dead, the other waits.
            run.enqueued.append(replace(run.again, id=f"{claim.id}.again"))
        state = "failed" if failed else "again" if again else "succeeded"
        name = (claim.id, claim.attempt)
        await persist(self.store, ack(self.store.keys, name, state, again=again, enqueued=run.enqueued), self.log)

    async def _in_thread(self, context: contextvars.Context, call: Callable[..., T], *args: Any) -> T:
        work = self._threads.submit(context.run, call, *args)
        try:
            return await asyncio.shield(asyncio.wrap_future(work))
        except asyncio.CancelledError:
            if work.cancel():
                raise _CutOff from None
            # It runs and can't be stopped. Whoever waits for the worker to end decides how long it may go on.
            return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Lets go of the threads; a sync actor that still runs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _CutOff(Exception):
    """A run was stopped before it came to its end, and nothing of it goes on."""


async def _called(
    actor: Actor, message: MessageProxy, context: contextvars.Context
) -> tuple[Any, BaseException | None]:
    """Result or error of an async actor."""
    inner: Callable[..., Any] = actor.fn.__wrapped__  # type: ignore[attr-defined]

    async def body() -> tuple[Any, BaseException | None]:
        try:
            return await inner(*message.args, **message.kwargs), None
        except BaseException as error:
            # An actor that calls sys.exit() fails; the loop that a thousand others run on goes on.
            return None, error

    task = asyncio.create_task(body(), context=context)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        raise _CutOff from None


class _Processing:
    """Dramatiq's `WorkerThread.process_message`, in steps."""

    def __init__(self, broker: HomaBroker, message: MessageProxy, run: MessageRun) -> None:
        self.broker = broker
        self.message = message
        self.run = run

    def whole(self, actor: Actor) -> None:
        """Everything, in the present thread."""
        if not self.begin():
            return
        result: Any = None
        error: BaseException | None = None
        try:
            result = actor(*self.message.args, **self.message.kwargs)
        except BaseException as raised:
            error = raised
        self.finish(result, error)

    def begin(self) -> bool:
        """The hooks before the run; true when the actor is to be called."""
        try:
            self.broker.emit_before("process_message", self.message)
        except Exception as error:
            self.finish(None, error)
            return False
        if self.message.failed:
            self.finish(None, None)
            return False
        return True

    def finish(self, result: Any, error: BaseException | None) -> None:
        """The hooks after the run, and those around its ack."""
        self.run.is_ending = True
        if error is None:
            self.broker.emit_after("process_message", self.message, result=result)
        elif isinstance(error, SkipMessage):
            if self.message.failed:
                self.message.stuff_exception(error)
            self.broker.emit_after("skip_message", self.message)
        else:
            self.message.stuff_exception(error)
            self._tell(error)
            try:
                # Retries notes the traceback of the exception being handled.
                raise error
            except BaseException:
                self.broker.emit_after("process_message", self.message, exception=error)
        self._acknowledge()

    def refuse(self) -> None:
        """A message for an actor that nobody has declared: dead, as in Dramatiq."""
        log.error("actor.unknown", actor=self.message.actor_name, message=self.message.message_id)
        self.message.fail()
        self._acknowledge()

    def _acknowledge(self) -> None:
        signal = "nack" if self.message.failed else "ack"
        self.broker.emit_before(signal, self.message)
        self.broker.emit_after(signal, self.message)

    def _tell(self, error: BaseException) -> None:
        actor = self.broker.actors.get(self.message.actor_name)
        throws = self.message.options.get("throws") or (actor and actor.options.get("throws"))
        facts = {"actor": self.message.actor_name, "message": self.message.message_id}
        if isinstance(error, RateLimitExceeded | Retry) or (throws and isinstance(error, throws)):
            log.info("actor.failed", **facts, error=repr(error))
        else:
            log.error("actor.failed", **facts, exc_info=error)
