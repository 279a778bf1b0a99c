"""A worker's middlewares in their order; whatever one of them does, attempts go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeGuard, TypeVar

from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.model.errors import ConfigError
from homa_shared.store.transitions.attempts import Claim, ReportResult
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.around import Around, content_of, expect_parameters
from homa_workers.middleware.base import Chore, Middleware, WorkerIdentity
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes.outcomes import Outcome
from homa_workers.stepwise import CUT_S, Stepwise

T = TypeVar("T")
M = TypeVar("M", bound=Middleware)


class _Hook(NamedTuple):
    """A method of a middleware that it overrides."""

    middleware: Middleware
    #: For logs.
    name: str
    call: Callable[..., Any]

    @classmethod
    def of(cls, middleware: Middleware, name: str) -> _Hook:
        return cls(middleware, f"{type(middleware).__name__}.{name}", getattr(middleware, name))


class MiddlewareChain:
    """Tells each middleware of those moments whose hooks it overrides.

    Args:
        middlewares: in the order in which they are told.
        log: told of what they raise.
        around: those around calls, the outermost first; the pipeline runs them.
    """

    def __init__(self, middlewares: Sequence[Middleware], log: WorkerLog, around: Sequence[Around] = ()) -> None:
        self._all = tuple(middlewares)
        self.around = tuple(around)
        self._log = log
        #: Of those that were started.
        self.chores: list[Chore] = []
        self._started: list[Middleware] = []
        self._adapt_call = self._overriding("adapt_call")
        self._rewrites = any(hook.middleware.adapts_content for hook in self._adapt_call)
        self._before_call = self._overriding("before_call")
        self._after_call = self._overriding("after_call")
        self._after_embedding = self._overriding("after_embedding")
        self._tool_ended = self._overriding("tool_ended")
        self._attempt_ended = self._overriding("attempt_ended")
        log.alarms += [hook.call for hook in self._overriding("defect")]

    def _overriding(self, name: str) -> tuple[_Hook, ...]:
        found = (m for m in self._all if getattr(type(m), name) is not getattr(Middleware, name))
        return tuple(_Hook.of(middleware, name) for middleware in found)

    def find(self, kind: type[M]) -> M:
        """The middleware of a class.

        Raises:
            LookupError: there is none.
        """
        for middleware in self._all:
            if isinstance(middleware, kind):
                return middleware
        raise LookupError(f"no {kind.__name__} among {[type(m).__name__ for m in self._all]}")

    async def start(self, worker: WorkerIdentity) -> None:
        """Starts all.

        Raises:
            ConfigError: one did not start; those before it are stopped.
        """
        for middleware in self._all:
            try:
                await middleware.start(worker)
                self._started.append(middleware)
                self.chores += middleware.chores()
            except Exception as error:
                await self.stop()
                raise ConfigError(
                    f"middleware {type(middleware).__name__} of {type(middleware).__module__} did not start: {error!r}"
                ) from error

    async def stop(self) -> None:
        """Stops those that were started, the last one first."""
        while self._started:
            middleware = self._started.pop()
            await self._bounded(_Hook.of(middleware, "stop"), middleware.stop())

    # -- before a call: one after the other, and waited for ----------------------------------------------------------

    async def adapt_call(self, attempt: RunningAttempt, call: Call) -> tuple[Call, bool]:
        """The call as all of them would have it, and whether its content is another than before."""
        content = latest = content_of(call) if self._rewrites else b""
        for hook in self._adapt_call:
            middleware = hook.middleware
            if attempt.hooks:
                await self._finished(attempt, middleware)
            try:
                found = hook.call(attempt, _copied(call) if middleware.adapts_content else call)
                if found is call:
                    continue
                adapted = _checked(await self._limited(middleware, found) if _waits(found) else found, call)
                if not middleware.adapts_content:
                    _expect_same_content(adapted, call)
                    call = adapted
                    continue
                latest = content_of(adapted)
                # A copy: what is reserved for now must not be changed any more by whoever holds the other.
                call = _copied(adapted)
            except BaseException as error:
                self._defect(hook, error, attempt.claim)
        return call, latest != content

    async def before_call(self, attempt: RunningAttempt, call: Call) -> None:
        """Returns when the call may be made."""
        for hook in self._before_call:
            if attempt.hooks:
                await self._finished(attempt, hook.middleware)
            try:
                found = hook.call(attempt, _copied(call) if hook.middleware.adapts_content else call)
                if found is not None:
                    await self._limited(hook.middleware, found)
            except BaseException as error:
                self._defect(hook, error, attempt.claim)

    # -- after it: each by itself, and not waited for until the attempt is acknowledged -------------------------------

    def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> None:
        self._tell(self._after_call, attempt, call, result)

    def after_embedding(self, attempt: RunningAttempt, texts: Sequence[str], result: Embeddings | Exception) -> None:
        self._tell(self._after_embedding, attempt, texts, result)

    def tool_ended(self, attempt: RunningAttempt, tool: str, call_id: str, began_ns: int, *, failed: bool) -> None:
        for hook in self._tool_ended:
            bound = hook._replace(call=partial(hook.call, failed=failed))
            self._tell((bound,), attempt, tool, call_id, began_ns)

    async def attempt_ended(self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None) -> None:
        """Returns when all have been told all of the attempt."""
        self._tell(self._attempt_ended, attempt, outcome, result)
        if attempt.hooks:
            try:
                await asyncio.wait(attempt.hooks.values())
            finally:
                for task in attempt.hooks.values():
                    task.cancel()

    def _tell(self, hooks: Sequence[_Hook], attempt: RunningAttempt, *facts: Any) -> None:
        """Calls hooks at once; what one leaves to be awaited becomes a task, behind what it was told before."""
        for hook in hooks:
            # By identity: a middleware may be equal to another, or have no hash.
            whose = id(hook.middleware)
            earlier = attempt.hooks.get(whose) if attempt.hooks else None
            if earlier is not None and not earlier.done():
                attempt.hooks[whose] = asyncio.create_task(self._behind(earlier, hook, attempt, *facts))
            elif (rest := self._called(hook, attempt, *facts)) is not None:
                attempt.hooks[whose] = asyncio.create_task(self._bounded(hook, rest, attempt.claim))

    async def _behind(self, earlier: asyncio.Task[None], hook: _Hook, attempt: RunningAttempt, *facts: Any) -> None:
        await asyncio.wait([earlier])
        if (rest := self._called(hook, attempt, *facts)) is not None:
            await self._bounded(hook, rest, attempt.claim)

    def _called(self, hook: _Hook, attempt: RunningAttempt, *facts: Any) -> Awaitable[None] | None:
        try:
            rest: Awaitable[None] | None = hook.call(attempt, *facts)
        except BaseException as error:
            self._defect(hook, error, attempt.claim)
            return None
        return rest

    async def _finished(self, attempt: RunningAttempt, middleware: Middleware) -> None:
        """Returns when a middleware has been told of the attempt's call before."""
        if (hook := attempt.hooks.pop(id(middleware), None)) is not None:
            await asyncio.wait([hook])

    async def _bounded(self, hook: _Hook, rest: Awaitable[None], claim: Claim | None = None) -> None:
        with self._guarding(hook, claim):
            await self._limited(hook.middleware, rest)

    @contextmanager
    def _guarding(self, hook: _Hook, claim: Claim | None) -> Iterator[None]:
        """Goes on behind whatever the hook raises within."""
        try:
            yield
        except BaseException as error:
            self._defect(hook, error, claim)

    def _defect(self, hook: _Hook, error: BaseException, claim: Claim | None) -> None:
        """What a hook raises is a defect of its own, `sys.exit()` too: the loop that all jobs share goes on.

        The order to cut this task goes on, and so does Ctrl-C.
        """
        if isinstance(error, KeyboardInterrupt) or (isinstance(error, asyncio.CancelledError) and _is_cut()):
            raise error
        self._log.defect(error, claim, hook=hook.name)

    async def _limited(self, middleware: Middleware, rest: Awaitable[T]) -> T:
        steps = Stepwise(_waiting(rest))
        try:
            async with asyncio.timeout(middleware.hook_s):
                return await _left_in_time(steps, middleware.hook_s)
        except asyncio.CancelledError as error:
            if _is_cut():
                raise
            raise RuntimeError("the hook awaited something that was cancelled") from error


async def _waiting(rest: Awaitable[T]) -> T:
    return await rest


async def _left_in_time(steps: Stepwise[T], limit_s: float | None) -> T:
    """Awaits a hook, and leaves one that goes on though its time limit has cut it off."""
    task = asyncio.current_task()
    if limit_s is None or task is None:
        return await steps

    def leave() -> None:
        steps.is_left = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(limit_s + min(limit_s, CUT_S), leave)
    try:
        return await steps
    finally:
        timer.cancel()
        if steps.is_left:
            task.uncancel()


def _is_cut() -> bool:
    """Whether the present task was told to stop."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _copied(call: Call) -> Call:
    """The same call, for a hook that may change it in place before it fails."""
    return replace(call, messages=deepcopy(call.messages), params=deepcopy(call.params))


def _expect_same_content(adapted: Call, call: Call) -> None:
    if adapted.messages is not call.messages or adapted.params is not call.params or adapted.api != call.api:
        raise ValueError("adapt_call changed what is paid for; expected adapts_content = True of such a middleware")


def _waits(found: object) -> TypeGuard[Awaitable[Call]]:
    return not isinstance(found, Call) and isinstance(found, Awaitable)


def _checked(adapted: object, call: Call) -> Call:
    """A call that may be made in the place of another.

    Raises:
        TypeError: it is not a call.
        ValueError: it asks another model, by a parameter too, whose price and limits are not those of the job's target.
    """
    if not isinstance(adapted, Call):
        raise TypeError(f"adapt_call returned {adapted!r}; expected a Call")
    if adapted.model != call.model:
        raise ValueError(f"adapt_call changed the model {call.model!r} to {adapted.model!r}; expected the same model")
    expect_parameters(adapted.params)
    return adapted
