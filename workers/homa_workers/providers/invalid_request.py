"""The error of a call that cannot be put in a provider's shape: nothing is sent, and no other attempt can do better."""

from __future__ import annotations

from homa_shared.calls.failures import ErrorKind, NotSent, ProviderError


def refused(what: str, why: str) -> ProviderError:
    """The error of a request that a provider cannot be asked.

    Args:
        what: the offending field, with its value where that is short.
        why: what was expected, or what the provider lacks.
    """
    return NotSent(ErrorKind.INVALID_REQUEST, f"{what}: {why}")


def unsupported(what: str, why: str) -> ProviderError:
    """The error of a request that another target can be asked for.

    Args:
        what: the offending field.
        why: what this provider lacks.
    """
    return NotSent(ErrorKind.UNSUPPORTED_BY_MODEL, f"{what}: {why}")


class chat_shaped:  # noqa: N801  named as it is used, like contextlib.suppress
    """Reads messages and parameters. Raises ProviderError (INVALID_REQUEST) where they are not those of a chat
    completion.

    A class, since every call passes here: a generator would take twice the time.
    """

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, AttributeError | KeyError | TypeError | ValueError):
            raise refused("messages or params", f"not in the shape of a chat completion request ({error!r})") from error
