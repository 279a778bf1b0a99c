"""JSON on the wire, and what reply headers say of quotas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx2
import orjson

from homa_shared.calls.failures import ErrorKind, NotSent
from homa_shared.calls.reply import Quota
from homa_shared.model.json_safe import compact_json, sound

#: A limit with more digits is not believed.
_LIMIT_DIGITS = 15


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
    """A reply's body; None where it is not valid JSON. Invalid Unicode in it (cut off in an emoji) is repaired."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return _repaired(content)


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
