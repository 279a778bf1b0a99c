"""Runs ordinary Dramatiq messages: the same hooks in the same order as Dramatiq's own worker, on Homa's event loop.

Hooks and sync actors run in threads, in a context of the run's own, so that blocking code blocks nobody; async actors run
on the loop. Whatever is enqueued on the way is committed with the ack.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from inspect import iscoroutinefunction
from typing import Any, TypeVar

import dramatiq
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.errors import ActorNotFound, DecodeError, RateLimitExceeded, Retry
from dramatiq.middleware import SkipMessage

from homa_shared.broker import HomaBroker, Run, current_run
from homa_shared.store.client import AsyncStore
from homa_shared.store.working import Claim, ack
from homa_workers.persistence import persist
from homa_workers.watching import Watch

T = TypeVar("T")

log = structlog.get_logger("homa.actor")


class MessageRunner:
    """Runs messages of a broker's actors.

    Args:
        broker: knows actors and middleware.
        store: where acks go.
        threads: sync actors and hooks that may run at once.
    """

    def __init__(self, broker: HomaBroker, store: AsyncStore, watch: Watch, *, threads: int) -> None:
        self.broker = broker
        self.store = store
        self.watch = watch
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="homa-actor")

    async def run(self, claim: Claim) -> None:
        """One run of a message, from claim to ack. A run that is cancelled acks nothing: its lease runs out."""
        try:
            message = MessageProxy(dramatiq.Message.decode(claim.request))
        except DecodeError as error:
            log.error("message.unreadable", message=claim.id, error=str(error))
            await persist(self.store, ack(self.store.keys, (claim.id, claim.attempt), "failed"), self.watch)
            return
        context = contextvars.copy_context()
        run = Run(claim.id)
        context.run(current_run.set, run)
        await self._process(message, context)
        state = "failed" if message.failed else "succeeded"
        await self._in_thread(context, self._emit_end, message)
        operation = ack(
            self.store.keys,
            (claim.id, claim.attempt),
            "again" if run.again and not message.failed else state,
            again=run.again if not message.failed else None,
            enqueued=run.enqueued,
        )
        await persist(self.store, operation, self.watch)
        message.clear_exception()

    async def _process(self, message: MessageProxy, context: contextvars.Context) -> None:
        actor: dramatiq.Actor[Any, Any] | None = None
        try:
            await self._in_thread(context, self.broker.emit_before, "process_message", message)
            result = None
            if not message.failed:
                actor = self.broker.get_actor(message.actor_name)
                result = await self._call(actor, message, context)
            await self._in_thread(context, self._emit_after, message, result, None)
        except SkipMessage as error:
            if message.failed:
                message.stuff_exception(error)
            await self._in_thread(context, self.broker.emit_after, "skip_message", message)
        except ActorNotFound as error:
            log.error("actor.unknown", actor=message.actor_name, message=message.message_id)
            message.fail()
            message.stuff_exception(error)
        except Exception as error:
            message.stuff_exception(error)
            self._tell(actor, message, error)
            await self._in_thread(context, self._emit_after, message, None, error)

    async def _call(self, actor: dramatiq.Actor[Any, Any], message: MessageProxy, context: contextvars.Context) -> Any:
        # Dramatiq wraps coroutine functions so that threads can wait for them; here the loop is at hand.
        inner = getattr(actor.fn, "__wrapped__", None)
        if inner is not None and iscoroutinefunction(inner):
            return await asyncio.create_task(inner(*message.args, **message.kwargs), context=context)
        return await self._in_thread(context, actor, *message.args, **message.kwargs)

    def _emit_after(self, message: MessageProxy, result: Any, error: BaseException | None) -> None:
        if error is None:
            self.broker.emit_after("process_message", message, result=result)
        else:
            # Retries notes the traceback of the exception being handled.
            try:
                raise error
            except Exception:
                self.broker.emit_after("process_message", message, exception=error)

    def _emit_end(self, message: MessageProxy) -> None:
        signal = "nack" if message.failed else "ack"
        self.broker.emit_before(signal, message)
        self.broker.emit_after(signal, message)

    async def _in_thread(self, context: contextvars.Context, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: context.run(call, *args, **kwargs))

    def _tell(self, actor: dramatiq.Actor[Any, Any] | None, message: MessageProxy, error: Exception) -> None:
        throws = message.options.get("throws") or (actor and actor.options.get("throws"))
        expected = isinstance(error, (RateLimitExceeded, Retry)) or (throws and isinstance(error, throws))
        tell = log.info if expected else log.error
        tell("actor.failed", actor=message.actor_name, message=message.message_id, error=repr(error))

    def close(self) -> None:
        """Lets go of the threads; a sync actor that still runs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
