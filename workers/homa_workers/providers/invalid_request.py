"""The error of a call that cannot be put in a provider's shape: nothing is sent, and no other attempt can do better."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from homa_shared.calls.failures import ErrorKind, ProviderError


def refused(what: str, why: str) -> ProviderError:
    """The error of a request that a provider cannot be asked.

    Args:
        what: the offending field, with its value where that is short.
        why: what was expected, or what the provider lacks.
    """
    return ProviderError(ErrorKind.INVALID_REQUEST, f"{what}: {why}")


@contextmanager
def chat_shaped() -> Iterator[None]:
    """Reads messages and parameters. Raises ProviderError (INVALID_REQUEST) where they are not those of a chat
    completion."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise refused("messages or params", f"not in the shape of a chat completion request ({error!r})") from error
