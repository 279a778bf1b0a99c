"""A word that stands in every payload of a test, and where it is looked for: whatever a store and its blobs hold."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from homa_shared.store.client import Store
from homa_shared.store.operation import read, text

WORD = "kanarienvogel7311"


def spellings(word: str = WORD) -> dict[str, bytes]:
    """The word as it might stand somewhere: as it is, in capitals, in base64 at each of its three offsets."""
    raw = word.encode()
    found = {"plain": raw, "upper case": raw.upper(), "hex": raw.hex().encode(), "UTF-16": word.encode("utf-16-le")}
    for offset in range(3):
        # Letters at both ends depend on what stands beside it.
        coded = base64.b64encode(b"\0" * offset + raw)
        found[f"base64 at {offset}"] = coded[(offset and 4) : len(coded) - 4]
    return found


def dump(store: Store) -> Iterator[tuple[str, bytes]]:
    """Every value of a namespace, with the name of where it stands; names of keys and fields, too."""
    cursor: Any = 0
    while True:
        cursor, names = _run(store, "SCAN", cursor, "MATCH", f"{store.keys.prefix}*", "COUNT", 1000)
        for name in names:
            key = text(name)
            yield f"the name of {key}", bytes(name)
            for value in _flat(_content(store, key)):
                yield key, value
        if int(cursor) == 0:
            return


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def found_in(places: Iterator[tuple[str, bytes]], word: str = WORD) -> list[str]:
    """Where the word stands, and how it is spelled there."""
    wanted = spellings(word)
    return [
        f"{place}: {how}: {value[:300]!r}"
        for place, value in places
        for how, spelled in wanted.items()
        if any(spelled in each for each in (value, _inflated(value)))
    ]


def _inflated(value: bytes) -> bytes:
    for bits in (15, 31, -15):
        try:
            return zlib.decompress(value, bits)
        except zlib.error:
            continue
    return b""


def _run(store: Store, *command: Any) -> Any:
    return store.run(read((command,), lambda replies: replies[0]))


def _content(store: Store, key: str) -> Any:
    match text(_run(store, "TYPE", key)):
        case "string":
            return _run(store, "GET", key)
        case "hash":
            return _run(store, "HGETALL", key)
        case "list":
            return _run(store, "LRANGE", key, 0, -1)
        case "set":
            return _run(store, "SMEMBERS", key)
        case "zset":
            return _run(store, "ZRANGE", key, 0, -1)
        case "stream":
            return _run(store, "XRANGE", key, "-", "+")
        case "none":  # it went since its name was told
            return None
        case other:
            raise AssertionError(f"{key} is of the type {other}: a dump that leaves it out proves nothing")


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(key)
            yield from _flat(each)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _flat(each)
    elif value is not None:
        yield value if isinstance(value, bytes) else str(value).encode()
