"""Good replies as workers tell them, together or one by one, and what the store holds afterwards."""

from __future__ import annotations

from typing import Any

import orjson

from homa_shared.calls.failures import Charge
from homa_shared.store.transitions.attempts import (
    Claim,
    Report,
    ReportResult,
    Settlement,
    settle_many,
    settle_one,
)
from tests.transitions.cell import COST, Cell

OK = ReportResult.OK
HOUR_MS = 3_600_000
#: Fields of records and states that are times, or follow from times.
_TIMES = {b"sb", b"as", b"en", b"dl", b"seen", b"good_at", b"other_at", b"created", b"completed", b"beat", b"looked"}
_TIMES |= {b"r", b"t", b"i", b"o", b"told_at", b"lowered", b"nonce", b"swept", b"rd", b"held_till"}


def settlement(claim: Claim, **report: Any) -> Settlement:
    told = {"charge": Charge.ACTUAL, "nano": COST, "input": 5, "output": 3, "health": "good"} | report
    told |= {"worker": told.get("worker", "w"), "target": claim.target}
    reply = orjson.dumps({"body": {"said": claim.id}, "cost_nano": told["nano"]})
    return Settlement((claim.id, claim.attempt), reply, Report("succeeded", **told).encode())


def together(cell: Cell, *told: Settlement) -> list[ReportResult | None]:
    return cell.run(settle_many(cell.keys, told))


def one_by_one(cell: Cell, *told: Settlement) -> list[ReportResult | None]:
    return [cell.run(settle_one(cell.keys, one)) for one in told]


def contents(cell: Cell) -> dict[bytes, Any]:
    """Everything in the store, but for times; and how many hours it stays there, None for ever."""
    found = {}
    for key in cell.redis("KEYS", cell.keys.prefix.replace("{", r"\{") + "*"):
        name, kind = key.removeprefix(cell.keys.prefix.encode()), cell.redis("TYPE", key)
        match kind:
            case b"hash":
                row = _pairs(cell.redis("HGETALL", key))
                value: Any = {field: text for field, text in row.items() if field not in _TIMES}
            case b"zset":
                value = sorted(cell.redis("ZRANGE", key, 0, -1))
            case b"set":
                value = sorted(cell.redis("SMEMBERS", key))
            case b"list":
                value = cell.redis("LRANGE", key, 0, -1)
            case b"stream":
                value = sorted(tuple(_flat(fields)) for _, fields in cell.redis("XRANGE", key, "-", "+"))
            case _:
                value = cell.redis("GET", key)
        found[name] = value, _hours_kept(cell, key)
    return found


def _hours_kept(cell: Cell, key: bytes) -> int | None:
    left_ms = cell.redis("PTTL", key)
    return round(left_ms / HOUR_MS) if left_ms >= 0 else None


def _pairs(flat: Any) -> dict[bytes, bytes]:
    return dict(flat) if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))


def _flat(fields: Any) -> list[bytes]:
    return [part for pair in fields.items() for part in pair] if isinstance(fields, dict) else list(fields)


def running(cell: Cell, *ids: str, **more: Any) -> list[Claim]:
    cell.submit(*ids, **more)
    return cell.take(len(ids)).claims
