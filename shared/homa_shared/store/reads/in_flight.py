"""What calls in flight have reserved of each quota."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text

#: Leases that are looked at: a look takes about a millisecond of the store's time.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Reserved:
    """What calls of one quota scope have reserved together."""

    scope: str
    calls: int
    total_tokens: int
    input_tokens: int
    output_tokens: int


def in_flight(keys: Keys) -> Op[dict[str, Reserved]]:
    """By quota scope. With more calls in flight than are looked at, sums are those of a sample, scaled up."""

    def parse(answer: Any) -> dict[str, Reserved]:
        looked, leases, rows = answer
        scale = leases / looked if looked else 1.0
        found = [Reserved(text(row[0]), *(round(int(amount) * scale) for amount in row[1:])) for row in rows]
        return {row.scope: row for row in found}

    return call(keys, "in_flight", (_MOST,), parse)
