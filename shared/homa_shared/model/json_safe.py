"""JSON of what models write, whatever they write.

Half of a surrogate pair (a model cut off in an emoji, a server that sends its halves in two pieces) is no text that
UTF-8 can carry, and a number may lie beyond 64 bits. A reply that was paid for is not lost over that.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

#: The spare buffer of longer values is not worth a copy, bytes.
_LARGE = 32_768


def valid_text(text: str) -> str:
    """Text without lone surrogates, which UTF-8 cannot carry: U+FFFD stands in for each."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def compact_json(value: Any) -> bytes:
    """A value as UTF-8 JSON in no more memory than it needs: what orjson returns keeps its buffer, of 4 KB and more.

    For what outlives the call that makes it: requests in flight, reports that may be sent again.

    Raises:
        TypeError: the value holds what is not JSON.
    """
    data = orjson.dumps(value)
    return data if len(data) > _LARGE else bytes(memoryview(data))


def sound_json(value: Any) -> bytes:
    """A value as UTF-8 JSON; what JSON cannot carry is put as near as text can."""
    try:
        return compact_json(value)
    except TypeError:
        return valid_text(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)).encode()


def sound(value: Any) -> Any:
    """The same value where JSON can carry it, else one that it can."""
    try:
        orjson.dumps(value)
    except TypeError:
        return json.loads(sound_json(value))
    return value
