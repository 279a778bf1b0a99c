"""Scopes and targets that nothing uses any more leave the store; what is used again has its plan written again."""

from __future__ import annotations

from homa_shared.model.constants import LEDGER_KEPT_MS
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from tests.transitions.cell import MODEL, OTHER, Cell


def names(cell: Cell) -> set[str]:
    return {str(row.scope) for row in cell.run(reads.limits(cell.keys))}


def trim(cell: Cell) -> None:
    """Housekeeping comes by a minute later."""
    cell.redis("HDEL", cell.keys.beat(), "trimmed")
    cell.sweep()


def not_used_since_long(cell: Cell, scope: str) -> None:
    cell.redis("HSET", cell.keys.scope(scope), "seen", cell.now() - LEDGER_KEPT_MS - 1)


def test_one_that_nothing_uses_goes_with_its_targets(cell: Cell) -> None:
    scope, kept = cell.plan(rpm=600), cell.plan(OTHER, rpm=600)
    trim(cell)
    assert {scope, kept} <= names(cell), "nobody knows yet since when"
    not_used_since_long(cell, scope)
    trim(cell)
    assert kept in names(cell)
    assert scope not in names(cell)
    assert cell.redis("EXISTS", cell.keys.target(MODEL), cell.keys.scope(scope)) == 0
    assert cell.redis("EXISTS", cell.keys.target(OTHER)) == 1


def test_one_that_is_used_stays(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    trim(cell)
    not_used_since_long(cell, scope)
    cell.submit("a")
    cell.settle(cell.claim())
    trim(cell)
    assert scope in names(cell)


def test_one_that_has_a_call_in_flight_stays(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.submit("a")
    claim = cell.claim()
    not_used_since_long(cell, scope)
    trim(cell)
    assert scope in names(cell)
    cell.settle(claim)


def test_work_for_one_that_went_asks_for_its_plan_and_is_not_called_without_limits(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.config(version=1)
    trim(cell)
    not_used_since_long(cell, scope)
    trim(cell)
    cell.submit("a")
    answer = cell.take(settings=1)
    assert (answer.claims, list(answer.unplanned)) == ([], [MODEL])
    cell.plan(rpm=600)
    assert cell.taken(settings=1) == ["a"]


def test_a_pool_goes_with_its_members(cell: Cell) -> None:
    limits = {"account_limits": {"conc": None}, "quota_limits": {"rpm": 600}}
    member = {"name": "pool-m|p", "account": "p", "quota": "p/m", "real": MODEL} | limits
    cell.run(admin.write_plans(cell.keys, [{"name": "pool-m", "members": ["p"]}, member]))
    trim(cell)
    not_used_since_long(cell, "p/m")
    trim(cell)
    assert cell.redis("SMEMBERS", cell.keys.targets()) in (set(), [])
