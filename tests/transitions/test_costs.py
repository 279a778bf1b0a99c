"""Costs by day, tenant, model and tag, read in slices."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from homa_shared.calls.failures import Charge
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import Op
from homa_shared.store.reads.money import By, CostTable
from tests.transitions.cell import COST, MODEL, OTHER, Cell


def test_costs_are_summed_by_any_key(cell: Cell) -> None:
    cell.submit("a", tenant="t1", tags="team=x\nkind=mail")
    cell.submit("b", tenant="t2", target=OTHER, tags="team=x")
    cell.settle(cell.claim())
    cell.fail(cell.claim(), charge=Charge.UNRESOLVED)

    def rows(by: By) -> dict[str, tuple[int, int]]:
        table = cell.run(reads.costs(cell.keys, by))
        assert (table.nano_usd, table.unresolved_nano_usd, table.unpriced) == (COST, 100, 0)
        return {r.key: (r.nano_usd, r.unresolved_nano_usd) for r in table.rows}

    assert rows("provider") == {"p": (COST, 100)}
    assert rows("model") == {MODEL: (COST, 0), OTHER: (0, 100)}
    assert rows("tenant") == {"t1": (COST, 0), "t2": (0, 100)}
    assert rows("tag") == {"team=x": (COST, 100), "kind=mail": (COST, 0)}
    today = date(1970, 1, 1) + timedelta(days=cell.now() // 86_400_000)
    assert rows("day") == {today.isoformat(): (COST, 100)}
    (row,) = cell.run(reads.costs(cell.keys, "provider", since=today, until=today)).rows
    assert (row.requests, row.input_tokens, row.output_tokens, row.cached_tokens) == (2, 5, 3, 0)
    assert cell.run(reads.costs(cell.keys, until=today - timedelta(days=1))).rows == []


def test_costs_of_years_are_read_a_few_days_a_script(cell: Cell) -> None:
    days = [(date(2024, 1, 1) + timedelta(days=n)).isoformat() for n in range(60)]
    for day in days:
        cell.redis("SADD", cell.keys.days(), day)
        totals = {f"p:m|t{n}|nano": 1 for n in range(1000)}
        cell.redis("HSET", cell.keys.day(day), *(part for pair in totals.items() for part in pair))
    asked: list[Op[Any]] = []

    def slices(op: Op[CostTable]) -> CostTable:
        while True:
            asked.append(op)
            rest = op.next(cell.store._replies(op))
            if rest is None:
                return cell.run(op)
            op = rest

    by_day = slices(reads.costs(cell.keys, "day"))
    assert [(row.key, row.nano_usd) for row in by_day.rows] == [(day, 1000) for day in days]
    assert len(asked) == 12, "5000 totals a script"
    assert cell.run(reads.costs(cell.keys)).nano_usd == 60_000
    some = cell.run(reads.costs(cell.keys, "day", since=date(2024, 1, 4), until=date(2024, 2, 10)))
    assert [row.key for row in some.rows] == days[3:41]
    cell.cooked = True


async def test_an_event_loop_reads_years_of_costs_to_their_end_as_well(
    cell: Cell, store_url: str, namespace: str
) -> None:
    for n in range(3):
        cell.redis("SADD", cell.keys.days(), f"2024-01-0{n + 1}")
        totals = {f"p:m|t{i}|nano": 1 for i in range(3000)}
        cell.redis("HSET", cell.keys.day(f"2024-01-0{n + 1}"), *(part for pair in totals.items() for part in pair))
    store = AsyncStore(StoreAddress.parse(store_url), namespace, role="test")
    table = await store.run(reads.costs(cell.keys))
    await store.aclose()
    assert table.nano_usd == 9000
    cell.cooked = True


def test_a_bar_in_a_models_name_moves_no_cost_to_another_tenant(cell: Cell) -> None:
    cell.submit("a", target="p:m|victim", tenant="t")
    cell.settle(cell.claim())
    assert [row.key for row in cell.run(reads.costs(cell.keys, "tenant")).rows] == ["t"]
    assert [row.key for row in cell.run(reads.costs(cell.keys, "model")).rows] == ["p:m|victim"]
