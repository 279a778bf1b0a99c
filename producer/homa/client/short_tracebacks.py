"""What a person sees of a failure: the lines of the own program, one of Homa, and the sentence.

Between a public method and the place where an error is made lie the flows and their driver, thirty frames that say
nothing to whoever calls. `HOMA_DEBUG=1` in the environment shows them, and what an error was caused by.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import FunctionType
from typing import Any, TypeVar

from homa_shared.model.errors import HomaError

C = TypeVar("C", bound=type)
#: Ctrl-C in a wait has a long way through the same frames. A defect of Homa's own is shown whole.
_SHORTENED = (HomaError, KeyboardInterrupt)


def short_tracebacks(cls: C) -> C:
    """A class whose public methods, inherited ones too, raise errors without the frames behind them."""
    members: dict[str, object] = {}
    for ancestor in reversed([each for each in cls.__mro__ if each.__module__.startswith("homa.")]):
        members.update(vars(ancestor))
    for name, found in members.items():
        if not name.startswith("_") or name in ("__init__", "__anext__", "__next__"):
            wrapped = _wrapped(found)
            if wrapped is not None:
                setattr(cls, name, wrapped)
    return cls


def _wrapped(found: object) -> object | None:
    if isinstance(found, classmethod):
        return classmethod(_short(found.__func__))
    return _short(found) if isinstance(found, FunctionType) else None


def _short(function: Callable[..., Any]) -> Callable[..., Any]:
    if hasattr(function, "__wrapped__"):
        return function
    if inspect.iscoroutinefunction(function):

        async def call_async(*args: Any, **options: Any) -> Any:
            try:
                return _following(await function(*args, **options))
            except _SHORTENED as error:
                if _debugging():
                    raise
                raise error.with_traceback(None) from None

        return _named(call_async, function)

    def call(*args: Any, **options: Any) -> Any:
        try:
            return _following(function(*args, **options))
        except _SHORTENED as error:
            if _debugging():
                raise
            raise error.with_traceback(None) from None

    return _named(call, function)


def _named(wrapper: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper that tracebacks and editors know by the name of what it wraps."""
    wrapper.__code__ = wrapper.__code__.replace(co_name=function.__name__)
    named: Callable[..., Any] = functools.wraps(function)(wrapper)
    return named


def _following(answer: Any) -> Any:
    """The same for what an iterator, or a coroutine that is awaited later, raises."""
    if inspect.isgenerator(answer):
        return _iterated(answer)
    if inspect.isasyncgen(answer):
        return _iterated_async(answer)
    return _awaited(answer) if inspect.iscoroutine(answer) else answer


def _iterated(values: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    try:
        return (yield from values)
    except _SHORTENED as error:
        if _debugging():
            raise
        raise error.with_traceback(None) from None


async def _iterated_async(values: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    try:
        async for value in values:
            yield value
    except _SHORTENED as error:
        if _debugging():
            raise
        raise error.with_traceback(None) from None
    finally:
        await values.aclose()


async def _awaited(answer: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await answer
    except _SHORTENED as error:
        if _debugging():
            raise
        raise error.with_traceback(None) from None


def _debugging() -> bool:
    return os.environ.get("HOMA_DEBUG", "") not in ("", "0")
