"""One run of an actor: in a thread where it is sync, as a task where it is async; and how each is interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from queue import Empty, SimpleQueue
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Interrupt, raise_thread_exception

from homa_shared.broker import HomaBroker, MessageRun, current_run
from homa_shared.store.transitions.attempts import Claim
from homa_workers.process.processing import Processing
from homa_workers.stepwise import Stepwise, end

Actor = dramatiq.Actor[Any, Any]
#: What an actor returned, or what it raised.
Outcome = tuple[Any, BaseException | None]

#: How often a thread that waits for an async actor looks whether it was interrupted, s.
_LOOK_S = 0.1


def is_async(actor: Actor) -> bool:
    """Whether an actor is a coroutine function, which Dramatiq wraps so that a thread can wait for it."""
    return iscoroutinefunction(getattr(actor.fn, "__wrapped__", None))


class ActorRun:
    """A message that runs.

    Args:
        broker: its middleware is told.
        claim: the lease that it runs under.
        message: what to run.
        actor: what runs it; None: nobody has declared it.
    """

    def __init__(self, broker: HomaBroker, claim: Claim, message: MessageProxy, actor: Actor | None) -> None:
        self.claim = claim
        self.message = message
        self.actor = actor
        self.kept_back = MessageRun(claim.id, message.message_id, claim.queue, claim.lane)
        self.processing = Processing(broker, message, self.kept_back)
        self.context = contextvars.copy_context()
        self.context.run(current_run.set, self.kept_back)
        #: It was stopped, and nothing of it goes on.
        self.is_cut = False
        #: When the actor began, on this process's clock (s).
        self.began: float | None = None
        self._lock = threading.Lock()
        #: The thread in which the actor itself runs; None during hooks.
        self._thread: int | None = None
        self._task: asyncio.Task[Outcome] | None = None
        self._waiter: asyncio.Task[Outcome] | None = None
        self._interrupt: BaseException | None = None

    @property
    def needs_thread(self) -> bool:
        """Whether the actor itself runs in a thread."""
        return self.actor is not None and not is_async(self.actor)

    def in_thread(self) -> None:
        """Hooks and sync actor, one after the other."""
        assert self.actor is not None
        if not self.processing.begin():
            return
        try:
            result = self._call_here(self.actor)
        except BaseException as error:
            self.processing.failed(error)
        else:
            self.processing.succeeded(result)

    def _call_here(self, actor: Actor) -> Any:
        self.began = time.monotonic()
        with self._lock:
            self._thread = threading.get_ident()
        try:
            return actor(*self.message.args, **self.message.kwargs)
        finally:
            # From here on nobody raises anything in this thread for this run.
            with self._lock:
                self._thread = None

    async def as_task(self) -> Outcome:
        """Result or error of an async actor.

        Raises:
            asyncio.CancelledError: the run was cut; the actor's task is over by then.
        """
        self.began = time.monotonic()
        steps = Stepwise(self._work())
        task = self._task = asyncio.create_task(self._body(steps), context=self.context)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                # Interrupted before its first step.
                return None, self._interrupt or asyncio.CancelledError()
            await end(task, steps)
            raise
        finally:
            self._task = self._interrupt = None

    async def _work(self) -> Any:
        inner: Callable[..., Any] = self.actor.fn.__wrapped__  # type: ignore[union-attr]
        return await inner(*self.message.args, **self.message.kwargs)

    async def _body(self, work: Awaitable[Any]) -> Outcome:
        try:
            return await work, None
        except asyncio.CancelledError as error:
            return None, self._interrupt or error
        except BaseException as error:
            # An actor that calls sys.exit() fails; the loop that a thousand others run on goes on.
            return None, error

    def beside(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hooks in the present thread, which waits while the async actor runs on the loop.

        Middleware may have noted the thread of its hook in order to raise an exception there: that cancels the task.
        """
        if not self.context.run(self.processing.begin):
            return
        result, error = self._awaited(loop)
        if self.is_cut:
            return
        if error is None:
            self.context.run(self.processing.succeeded, result)
        else:
            self.context.run(self.processing.raised, error)

    def _awaited(self, loop: asyncio.AbstractEventLoop) -> Outcome:
        outcome: SimpleQueue[Outcome] = SimpleQueue()
        loop.call_soon_threadsafe(self._launch, outcome)
        while True:
            try:
                return _polled(outcome)
            except BaseException as error:
                loop.call_soon_threadsafe(self._cancel, error)

    def _launch(self, outcome: SimpleQueue[Outcome]) -> None:
        if self.is_cut:
            outcome.put((None, None))
            return
        self._waiter = asyncio.create_task(self.as_task())
        self._waiter.add_done_callback(lambda task: outcome.put((None, None) if task.cancelled() else task.result()))

    def cut(self) -> None:
        """Stops it, on the worker's loop: no hook hears of it any more."""
        self.is_cut = True
        if self._waiter is not None:
            self._waiter.cancel()

    def interrupt(self, kind: type[Interrupt]) -> None:
        """Raises an exception in a sync actor, or cancels an async one, which then ends with that exception.

        Does nothing where the actor does not run: not yet, or no more. On the worker's loop.
        """
        if self._task is not None:
            self._cancel(kind())
            return
        with self._lock:
            if self._thread is not None:
                raise_thread_exception(self._thread, kind)

    def _cancel(self, error: BaseException) -> None:
        if self._task is not None:
            self._interrupt = error
            self._task.cancel()


def _polled(outcome: SimpleQueue[Outcome]) -> Outcome:
    """Waits, and wakes now and then: an exception that is raised in a thread arrives when the thread wakes."""
    while True:
        with contextlib.suppress(Empty):
            return outcome.get(timeout=_LOOK_S)
