"""Items of runs of flows as they stand in the store: objects of fields, each by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from homa_shared.model.errors import InvalidRequest

#: A chunk of items is sent when it has so many, or so many bytes.
CHUNK_ITEMS, CHUNK_BYTES = 100, 1_000_000
#: Largest item, bytes as JSON.
MOST_BYTES = 8_000_000


def fields_of_input(place: str, given: object) -> dict[str, Any]:
    """The fields of an input.

    Raises:
        InvalidRequest: it is no object of fields.
    """
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InvalidRequest(f'{place} is {given!r:.80}: expected an object of fields, such as {{"text": …}}')
    return dict(given)


def fields_of_part(place: str, given: object) -> dict[str, Any]:
    """The fields of a part, which may be a text.

    Raises:
        InvalidRequest: it is neither a text nor an object of fields.
    """
    return {"text": given} if isinstance(given, str) else fields_of_input(place, given)


def encoded(place: str, fields: Mapping[str, Any]) -> bytes:
    """An item as the store keeps it.

    Raises:
        InvalidRequest: it is no JSON, or too large.
    """
    try:
        raw = orjson.dumps(fields)
    except TypeError as error:
        raise InvalidRequest(f"{place} is no JSON: {error}; expected text, numbers, lists and objects only") from error
    if len(raw) > MOST_BYTES:
        raise InvalidRequest(f"{place} has {len(raw):,} bytes: expected at most {MOST_BYTES:,}; split it into parts")
    return raw
