"""Requests that are looked at and not sent: what an SDK would send tells what need not be asked of it for each call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, NamedTuple, TypeVar

#: Most recordings kept by one account: one of them for each model.
MOST_KEPT = 256

T = TypeVar("T")
_SEEN: ContextVar[list[Any] | None] = ContextVar("_SEEN", default=None)


def held_back() -> list[Any] | None:
    """Where requests of this task go instead of to the wire; None where they are to be sent."""
    return _SEEN.get()


class NothingSeen(Exception):
    """The SDK has failed before there was a request."""


class Seen(NamedTuple):
    """What a call would send."""

    #: As its transport has them.
    requests: list[Any]
    #: How the call ended, which is answered with as little as most SDKs bear.
    error: Exception | None


async def seen_of(post: Callable[[], Awaitable[object]]) -> Seen:
    """Makes a call of which nothing is sent.

    Raises:
        NothingSeen: it failed before there was a request. What is wrong with it, the SDK will say of a real one.
    """
    with _recording() as requests:
        try:
            await post()
        except Exception as error:
            if not requests:
                raise NothingSeen from error
            return Seen(requests, error)
    return Seen(requests, None)


class Recordings(Generic[T]):
    """What was recorded of an SDK's requests, by what they share; the oldest go first."""

    def __init__(self) -> None:
        self._known: dict[str, T | None] = {}

    def get(self, name: str) -> T | None:
        """What is recorded under a name; None also where nothing was."""
        return self._known.get(name)

    async def made(self, name: str, record: Callable[[], Awaitable[T | None]]) -> T | None:
        """What is recorded under a name, now at the latest; None where the SDK has to make each call.

        Args:
            record: is asked once, and again where it has raised NothingSeen.
        """
        if name in self._known:
            return self._known[name]
        try:
            found = await record()
        except NothingSeen:
            return None
        if len(self._known) >= MOST_KEPT and name not in self._known:
            del self._known[next(iter(self._known))]
        self._known[name] = found
        return found


@contextmanager
def _recording() -> Iterator[list[Any]]:
    seen: list[Any] = []
    token = _SEEN.set(seen)
    try:
        yield seen
    finally:
        _SEEN.reset(token)
