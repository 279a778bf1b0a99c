"""Scopes and targets that nothing uses any more leave the store; what is used again has its plan written again."""

from __future__ import annotations

import pytest

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


POOL = "pool-m"


def plan_pool(cell: Cell) -> None:
    """A pool of two members; plans as workers write them."""
    limits = {"account_limits": {"conc": None}, "quota_limits": {"rpm": 600}}
    rows = [
        {"name": f"{POOL}|{name}", "account": name, "quota": f"{name}/m", "real": f"{name}:m"} | limits
        for name in ("p", "q")
    ]
    cell.run(admin.write_plans(cell.keys, [{"name": POOL, "members": ["p", "q"]}, *rows]))


def sweep_unused(cell: Cell, *scopes: str) -> None:
    trim(cell)
    for scope in scopes:
        not_used_since_long(cell, scope)
        trim(cell)


def test_a_pool_stays_while_one_member_does(cell: Cell) -> None:
    plan_pool(cell)
    cell.config(version=1)
    sweep_unused(cell, "p/m")
    assert cell.redis("EXISTS", cell.keys.target(POOL), cell.keys.target(f"{POOL}|q")) == 2
    cell.submit("a", "b", queue=POOL, target=POOL)
    answer = cell.take(queues=("p", POOL), settings=1)
    assert (answer.claims, list(answer.unplanned)) == ([], [POOL]), "the member whose row went writes it again"
    assert cell.taken(1, provider="q", worker="v", queues=("q", POOL), settings=1) == ["a"]
    plan_pool(cell)
    assert cell.taken(queues=("p", POOL), settings=1) == ["b"]


def test_a_pool_goes_with_its_last_member_and_asks_for_its_plan_when_it_is_used_again(cell: Cell) -> None:
    plan_pool(cell)
    cell.config(version=1)
    sweep_unused(cell, "p/m", "q/m")
    assert cell.redis("SMEMBERS", cell.keys.targets()) in (set(), [])
    cell.submit("a", queue=POOL, target=POOL)
    answer = cell.take(queues=("p", POOL), settings=1)
    assert (answer.claims, list(answer.unplanned)) == ([], [POOL])
    assert cell.taken(queues=("p", POOL)) == [], "who knows no settings would call it by the pool's name"
    plan_pool(cell)
    assert cell.taken(queues=("p", POOL), settings=1) == ["a"]


def test_who_is_no_member_is_asked_for_no_plan(cell: Cell) -> None:
    plan_pool(cell)
    cell.config(version=1)
    cell.submit("a", queue=POOL, target=POOL)
    answer = cell.take(provider="r", queues=("r", POOL), settings=1)
    assert (answer.claims, list(answer.unplanned)) == ([], [])


def test_a_plan_tells_since_when_its_scope_is_known_and_is_no_use_of_it(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    assert float(cell.redis("HGET", cell.keys.scope(scope), "seen")) == pytest.approx(cell.now(), abs=1000)
    not_used_since_long(cell, scope)
    # Workers write all plans again with new settings, and those with days each half hour.
    cell.plan(rpm=600)
    trim(cell)
    assert scope not in names(cell)
