"""Requests that are looked at and not sent: what an SDK would send tells what need not be asked of it for each call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_SEEN: ContextVar[list[Any] | None] = ContextVar("_SEEN", default=None)


def held_back() -> list[Any] | None:
    """Where requests of this task go instead of to the wire; None where they are to be sent."""
    return _SEEN.get()


@contextmanager
def recording() -> Iterator[list[Any]]:
    """Holds back what this task would send, as its transport has it, and answers with as little as its SDK bears."""
    seen: list[Any] = []
    token = _SEEN.set(seen)
    try:
        yield seen
    finally:
        _SEEN.reset(token)
