"""Failures by cause: counted as jobs end, so that nobody has to go through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.model.constants import HOUR_MS
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, mapping, read


@dataclass(frozen=True, slots=True)
class FailureRow:
    """Jobs that failed alike, and were not retried."""

    #: Kind of the error; `unknown` where it had none.
    cause: str
    #: Where they were when they failed.
    target: str
    count: int
    first_ms: int
    last_ms: int
    #: The latest of them.
    sample: str


def failures(keys: Keys, now_ms: int, hours: int) -> Op[list[FailureRow]]:
    """Failures of the present hour and those before it, the most frequent cause first.

    Args:
        now_ms: the store's clock.
        hours: at most 48, the present one included.
    """
    present = now_ms // HOUR_MS
    return _rows([keys.failures(str(hour)) for hour in range(present, present - hours, -1)])


def batch_failures(keys: Keys, batch_id: str) -> Op[list[FailureRow]]:
    """The same of a batch's lines, as they stand."""
    return _rows([keys.batch_failures(batch_id)])


def _rows(names: Sequence[str]) -> Op[list[FailureRow]]:
    def parse(replies: list[Any]) -> list[FailureRow]:
        found: dict[tuple[str, str], FailureRow] = {}
        for reply in replies:
            for row in _of_hash(mapping(reply)):
                before = found.get((row.cause, row.target))
                found[row.cause, row.target] = row if before is None else _sum(before, row)
        rows = [row for row in found.values() if row.count > 0]
        return sorted(rows, key=lambda row: (-row.count, row.cause, row.target))

    return read([("HGETALL", name) for name in names], parse)


def _of_hash(fields: dict[str, str]) -> Iterable[FailureRow]:
    for name, count in fields.items():
        row, _, measure = name.rpartition("|")
        if measure != "count":
            continue
        cause, _, target = row.partition("|")
        first, last = (int(fields.get(f"{row}|{each}", 0)) for each in ("first", "last"))
        yield FailureRow(cause, target, int(count), first, last, fields.get(f"{row}|sample", ""))


def _sum(a: FailureRow, b: FailureRow) -> FailureRow:
    later = a if a.last_ms >= b.last_ms else b
    first_ms = min(a.first_ms, b.first_ms)
    return FailureRow(a.cause, a.target, a.count + b.count, first_ms, later.last_ms, later.sample)
