"""Checks of fields that the gateway itself goes by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.model.errors import InvalidRequest


def flag(body: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false, and false where it is missing.

    Raises:
        InvalidRequest: it is something else.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(f"{name} is {value!r:.80}: expected true or false")
    return bool(value)


def optional_object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A field that is an object, and an empty one where it is missing; raises as `flag`."""
    value = body.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise InvalidRequest(f"{name} is {value!r:.80}: expected an object")
    return value or {}
