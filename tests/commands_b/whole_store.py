"""All that a namespace holds, read key by key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from homa_shared.store.client import Store
from homa_shared.store.operation import Op

_READ: dict[bytes, tuple[Any, ...]] = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"list": ("LRANGE", 0, -1),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"stream": ("XRANGE", "-", "+"),
}


def whole_store(store: Store) -> Iterator[tuple[str, str]]:
    """Each key without the namespace, and what it holds, as text."""
    for key in sorted(_asked(store, "KEYS", f"{store.keys.prefix}*")):
        command, *rest = _READ[_asked(store, "TYPE", key)]
        yield key.decode().removeprefix(store.keys.prefix), repr(_asked(store, command, key, *rest))


def keys_with(store: Store, words: str) -> list[str]:
    """Keys whose name or value has some words."""
    return [key for key, value in whole_store(store) if words in key or words in value]


def _asked(store: Store, *command: Any) -> Any:
    return store.run(Op((command,), lambda replies: replies[0]))
