"""Puts the store that `make_store.py` wrote down into a namespace, as though it had been written just now."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from tests.transitions.cell import Cell

MADE: dict[str, Any] = orjson.loads((Path(__file__).parent / "store_9f4e3b9.json").read_bytes())
#: A time of the store's clock, ms or us, wherever it stands.
_TIME = re.compile(r"(?<!\d)1[6-9]\d{11}(\d{3})?(?!\d)")


def restore(cell: Cell) -> None:
    """Writes every key. The server of the test passes for the one that wrote it, so that nothing seems lost."""
    passed_ms = cell.now() - MADE["made_ms"]

    def later(value: object) -> str:
        return _TIME.sub(lambda found: str(int(found[0]) + passed_ms * (1000 if found[1] else 1)), str(value))

    for name, (kind, lives_ms, value) in MADE["keys"].items():
        key = cell.keys.prefix + name
        for verb, words in _commands(kind, value, later):
            cell.redis(verb, key, *words)
        if lives_ms > 0:
            cell.redis("PEXPIRE", key, lives_ms)
    cell.redis("HSET", cell.keys.beat(), "run", cell.redis("INFO", "server")["run_id"])


def _commands(kind: str, value: Any, later: Callable[[object], str]) -> Iterable[tuple[str, list[str]]]:
    match kind:
        case "string":
            yield "SET", [later(value)]
        case "hash":
            yield "HSET", [part for field, text in value.items() for part in (field, later(text))]
        case "set":
            yield "SADD", value
        case "list":
            yield "RPUSH", value
        case "zset":
            yield "ZADD", [part for member, score in value.items() for part in (later(score), member)]
        case "stream":
            for line_id, fields in value:
                yield "XADD", [later(line_id), *(part for item in fields.items() for part in item)]
