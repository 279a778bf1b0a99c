"""Why a delivery did not arrive."""

from __future__ import annotations


class Undelivered(Exception):
    """A try of a delivery failed.

    Args:
        why: in words for people; neither the target nor what was to be delivered.
        is_final: another try would fail in the same way.
    """

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final
