"""Code of others: watched as it waits, cut off for good, and what it returns is checked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Generic, TypeVar

import orjson

from homa_shared.calls.reply import Completion

T = TypeVar("T")
#: Longest that code of others may take to end once it is cut off, s; then it is left where it waits.
CUT_S = 5.0


def _nobody_watches() -> None:
    pass


class Stepwise(Generic[T]):
    """A coroutine that is watched as it waits.

    Args:
        work: runs in the present task.
        suspended: called whenever it waits for something.
    """

    def __init__(self, work: Coroutine[Any, Any, T], suspended: Callable[[], None] = _nobody_watches) -> None:
        self._work, self._suspended = work, suspended
        #: Whether it is left where it waits, at the next error: it has swallowed the one that should have ended it.
        self.is_left = False

    def __await__(self) -> Generator[Any, Any, T]:
        work, suspended, plain = self._work, self._suspended, asyncio.Future
        step, given = work.send, None
        while True:
            try:
                waited = step(given)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            suspended()
            try:
                # Most waits are for a plain future, which a cancellation ends.
                given = (yield waited) if type(waited) is plain else (yield from self._over(waited))
                step = work.send
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:
                if self.is_left:
                    with suppress(BaseException):  # it may swallow this end, too
                        work.close()
                    raise
                given, step = error, work.throw

    def _over(self, waited: Any) -> Generator[Any, Any, Any]:
        """Waits for what the work waits for, and no longer than until the work is left.

        A task ends a wait for another one only when that has ended, which may swallow its end, too: so what is cut
        here is a future in its place, and the cancellation is passed on.
        """
        if not asyncio.isfuture(waited):
            return (yield waited)
        waited._asyncio_future_blocking = False  # noqa: SLF001 - it is not what the task waits for
        while True:
            turn = asyncio.get_running_loop().create_future()
            wake = partial(_wake, turn)
            waited.add_done_callback(wake)
            try:
                return (yield from turn)
            except asyncio.CancelledError:
                waited.remove_done_callback(wake)
                if not waited.cancel() or self.is_left:
                    raise


def _wake(turn: asyncio.Future[None], _: object) -> None:
    if not turn.done():
        turn.set_result(None)


async def apart(work: Coroutine[Any, Any, T]) -> T:
    """Runs code of others in a task of its own. A cancellation cuts it off, and does not wait for longer than CUT_S.

    What it returns or raises in that time is its outcome, as though it had run in the present task.

    Raises:
        RuntimeError: it awaited something that was cancelled.
    """
    steps = Stepwise(work)
    task = asyncio.ensure_future(steps)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        await end(task, steps)
        if task.cancelled():
            raise
    if task.cancelled():
        raise RuntimeError("it awaited something that was cancelled")
    return task.result()


async def end(task: asyncio.Task[Any], steps: Stepwise[Any]) -> None:
    """Cancels the task in which others' code runs; what goes on regardless is left where it waits."""
    task.cancel()
    try:
        await asyncio.wait([task], timeout=CUT_S)
    finally:
        steps.is_left = True
        task.cancel()
    await asyncio.wait([task])


def expect_reply(reply: Completion) -> None:
    """Raises where a body cannot be stored or read.

    Raises:
        TypeError: it is not JSON.
        ValueError: it is no chat completion.
    """
    orjson.dumps(reply.body)
    choices = reply.body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise _no_completion(choices)
    for choice in choices:
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise _no_completion(choices)


def _no_completion(choices: object) -> ValueError:
    return ValueError(f"its body has choices {choices!r}; expected those of a chat completion")


def storable(reply: Completion) -> Completion:
    """A paid reply without what may have been made of its body in place that nobody can store."""
    try:
        orjson.dumps(reply.body)
    except TypeError:
        return replace(reply, body={})
    return reply
