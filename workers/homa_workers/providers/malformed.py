"""Malformed replies: what a proxy or a faulty server sends must not end a job.

Whoever reads a reply trusts its shape, here and inside the SDKs, and fails in many ways where that trust is misplaced.
All of them mean the same: a reply that may have been paid for and cannot be used, which is MALFORMED and tried again.
"""

from __future__ import annotations

from array import array

from homa_shared.calls.failures import ErrorKind, ProviderError

#: What reading something of an unexpected shape raises: decoding and the SDKs' checks of types are ValueErrors.
SHAPE_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class well_formed:  # noqa: N801  named as it is used, like contextlib.suppress
    """Reads something that a server sent. Raises ProviderError (MALFORMED) where its shape is unexpected.

    A class, since every reply passes here: a generator would take twice the time.

    Args:
        what: is read, for the message.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SHAPE_ERRORS):
            raise ProviderError(ErrorKind.MALFORMED, f"{self._what} is malformed: {error!r:.200}") from error


def is_vector(value: object) -> bool:
    """Whether this is a list of numbers: some servers send null where their arithmetic went wrong."""
    try:
        return isinstance(value, list) and bool(array("d", value))
    except (OverflowError, TypeError):
        return False
