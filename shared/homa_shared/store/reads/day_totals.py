"""Totals of days as they stand in the store: by target and tenant, and by tag. All amounts are nano-dollars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from homa_shared.model.constants import MEASURES
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, mapping, text


@dataclass(frozen=True, slots=True)
class DayTotal:
    """Sums of one day's attempts that share target and tenant; or, in a row of its own, a tag."""

    #: YYYY-MM-DD, UTC.
    day: str
    #: Empty where the row is a tag's.
    target: str
    tenant: str
    #: `key=value`; empty where the row is a target's. A call with several tags stands in several rows.
    tag: str
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    nano_usd: int
    unresolved_nano_usd: int
    unpriced: int
    cache_saved_nano_usd: int


def day_totals(keys: Keys, since: date, until: date) -> Op[list[DayTotal]]:
    """Every total of some days, both included; a portion of the days in each script."""
    return _behind(keys, (since.isoformat(), until.isoformat()), [], "")


def _behind(keys: Keys, bounds: tuple[str, str], earlier: Sequence[Any], after: str) -> Op[list[DayTotal]]:
    def parse(answer: Any) -> list[DayTotal]:
        return [total for day, flat in [*earlier, *answer[0]] for total in _of_day(text(day), mapping(flat))]

    def rest(answer: Any) -> Op[list[DayTotal]] | None:
        rows, last = answer
        return _behind(keys, bounds, [*earlier, *rows], text(last)) if last else None

    return call(keys, "costs", ("day", *bounds, after), parse, rest)


def _of_day(day: str, fields: dict[str, str]) -> list[DayTotal]:
    rows: dict[str, dict[str, int]] = defaultdict(dict)
    for name, value in fields.items():
        row, _, measure = name.rpartition("|")
        if measure in MEASURES:
            rows[row][measure] = int(value)
    return [_total(day, row, amounts) for row, amounts in rows.items()]


def _total(day: str, row: str, amounts: dict[str, int]) -> DayTotal:
    sums = [amounts.get(measure, 0) for measure in MEASURES]
    if row.startswith("#"):
        return DayTotal(day, "", "", row[1:], *sums)
    target, _, tenant = row.rpartition("|")
    return DayTotal(day, target, tenant, "", *sums)
