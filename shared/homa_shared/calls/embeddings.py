"""Vectors as text.

They are kept as base64 of little-endian 32-bit floats, as OpenAI's `encoding_format="base64"` has them: a third of
their size as JSON numbers.
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Sequence

from homa_shared.model.errors import InvalidRequest


def pack(vector: Sequence[float]) -> str:
    """A vector as text."""
    return base64.b64encode(_little_endian(array("f", vector)).tobytes()).decode()


def unpack(text: str) -> list[float]:
    """A vector from its text.

    Raises:
        InvalidRequest: it is none.
    """
    return _floats(text).tolist()


def unpack_bytes(text: str) -> bytes:
    """A vector from its text, as 32-bit floats of this machine; raises as `unpack`."""
    return _floats(text).tobytes()


def _floats(text: str) -> array[float]:
    try:
        found = array("f", base64.b64decode(text, validate=True))
    except ValueError as error:
        raise InvalidRequest(f"{text[:40]!r} is no vector ({error}): expected base64 of 32-bit floats") from error
    return _little_endian(found)


def _little_endian(values: array[float]) -> array[float]:
    if sys.byteorder == "big":
        values.byteswap()
    return values
