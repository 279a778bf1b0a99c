"""JSON on the wire, and what reply headers say of quotas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx2
import orjson

from homa_shared.calls.failures import ErrorKind, NotSent, ProviderError
from homa_shared.calls.reply import Quota
from homa_shared.model.json_safe import compact_json, sound

#: A limit with more digits is not believed.
_LIMIT_DIGITS = 15
#: Most values of a reply: of 2048 vectors with 4096 numbers there are 8.4 million. An empty list takes 64 bytes for the
#: three that are sent, so that a reply of the largest size could take gigabytes; an object counts as several.
MOST_VALUES = 12_000_000
_OBJECT_WEIGHT = 4
#: Bytes of a reply that cannot have too many.
_FEW_BYTES = 2 * 1024 * 1024


class RawReply(NamedTuple):
    """A reply as it came over HTTP."""

    content: bytes
    #: Names in lower case.
    headers: Mapping[str, str]

    def json(self) -> object:
        """Its body; None where it is not valid JSON."""
        return decoded(self.content)


def encoded(body: Mapping[str, Any]) -> bytes:
    """A request's body. Raises ProviderError (INVALID_REQUEST) for what JSON cannot hold."""
    try:
        return compact_json(body)
    except TypeError as error:
        raise NotSent(ErrorKind.INVALID_REQUEST, f"the request cannot be written as JSON: {error}") from error


def decoded(content: bytes) -> object:
    """A reply's body; None where it is not valid JSON. Invalid Unicode in it (cut off in an emoji) is repaired.

    Raises:
        ProviderError: REPLY_TOO_LARGE: it has so many values that they would fill the memory.
    """
    if len(content) > _FEW_BYTES:
        _expect_room_for_values(content)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return _repaired(content)


def _expect_room_for_values(content: bytes) -> None:
    """Upper bound of its values, told by the marks between them: text may hold marks, too, but not millions."""
    most = content.count(b",") + content.count(b"[") + _OBJECT_WEIGHT * content.count(b"{")
    if most > MOST_VALUES:
        message = f"the reply may hold {most} values, expected at most {MOST_VALUES}"
        raise ProviderError(ErrorKind.REPLY_TOO_LARGE, message)


def _repaired(content: bytes) -> object:
    try:
        return sound(json.loads(content.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return None


def plain(headers: httpx2.Headers) -> dict[str, str]:
    """Headers as a dictionary of lower-case names: each look-up in httpx2's walks all of them."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}


def quota(headers: Mapping[str, str], names: tuple[str, str, str, str]) -> Quota | None:
    """Limits that headers state.

    `names` are those of the headers for: limit and remaining requests, limit and remaining tokens.
    """
    values = [headers.get(name) for name in names]
    if not any(values):
        return None
    return Quota(*map(_limit, values))


def _limit(value: str | None) -> int | None:
    return int(value) if value and len(value) <= _LIMIT_DIGITS and value.isdecimal() else None
