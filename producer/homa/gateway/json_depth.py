"""How deeply a document may be nested that is put into others."""

from __future__ import annotations

from typing import Any

import orjson

#: orjson reads 1024 levels of lists and objects, and writes 254: a body is put into others, within so many more.
_LEVELS, _ROOM = 254, 20
TOO_DEEP = f"is nested too deeply: expected at most {_LEVELS - _ROOM} levels"


def is_too_deep(data: bytes, body: Any) -> bool:
    """Whether a document is nested so deeply that it could not be written within others.

    Args:
        data: it as JSON.
        body: it as it was read.
    """
    return data.count(b"[") + data.count(b"{") > _LEVELS - _ROOM and _is_too_deep(body)


def _is_too_deep(body: Any) -> bool:
    for _ in range(_ROOM):
        body = [body]
    try:
        orjson.dumps(body)
    except TypeError:
        return True
    return False
