"""What the client tells of a fleet, as JSON: moments in ms since 1970, dollars as decimal strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any


def document_of(record: object) -> dict[str, Any]:
    """A record of the client's; `submitted_at` is told as `submitted_ms`.

    Args:
        record: a dataclass.
    """
    assert is_dataclass(record)
    return {_name(field.name): _value(getattr(record, field.name)) for field in fields(record)}


def _name(name: str) -> str:
    return f"{name.removesuffix('_at')}_ms" if name.endswith("_at") else name


def _value(value: object) -> Any:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return document_of(value)
    if isinstance(value, Mapping):
        return {str(key): _value(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [_value(item) for item in value]
    return value
