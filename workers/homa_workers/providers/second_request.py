"""A request that was refused for free is made once more inside its call, as the provider says that it would take it.

Only a refusal by an HTTP status, before anything was generated, is certainly free: what came back otherwise may be
billed, and is the pipeline's to judge. Each refused request counts in the provider's quota, and is told to whoever
makes the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

from homa_shared.calls.failures import REFUSED, Charge, ProviderError

T = TypeVar("T")

#: How the second request differs, for people; and what makes it.
Another = tuple[str, Callable[[], Awaitable[T]]]

#: Most characters of what the provider said that are told.
_SAID_CHARS = 200
_REFUSALS: ContextVar[list[str] | None] = ContextVar("_REFUSALS", default=None)


def noted_refusals() -> list[str]:
    """A list to which each refused request adds a sentence, from now on and in this task."""
    noted: list[str] = []
    _REFUSALS.set(noted)
    return noted


def was_refused_free(error: ProviderError) -> bool:
    """Whether a request was certainly refused before any work."""
    return error.status in REFUSED and error.usage is None and error.charge is Charge.NONE


async def once_more(first: Callable[[], Awaitable[T]], another: Callable[[ProviderError], Another[T] | None]) -> T:
    """A request, and a second one where the first was refused for free.

    Args:
        first: makes the request.
        another: the second one after such a refusal; None where there is nothing else to ask.

    Raises:
        ProviderError: what became of the last request.
    """
    try:
        return await first()
    except ProviderError as error:
        found = another(error) if was_refused_free(error) else None
        if found is None:
            raise
        how, second = found
        _note(error, how)
    return await second()


def _note(refusal: ProviderError, how: str) -> None:
    noted = _REFUSALS.get()
    if noted is not None:
        said = " ".join(refusal.message[:_SAID_CHARS].split())
        noted.append(f"sent once more {how}: the first request was refused ({refusal.status}: {said})")
