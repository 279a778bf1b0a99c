"""Freezes that a person lifts: of a quota scope or a whole account, after which quota opens slowly."""

from __future__ import annotations

from homa_shared.store import reads
from homa_shared.store.transitions import admin
from tests.transitions.cell import MODEL, OTHER, Cell


def frozen(cell: Cell, target: str = MODEL, **limits: int) -> str:
    """A scope that its provider froze for a minute, and a job that waits for it."""
    scope = cell.plan(target, **limits)
    cell.submit(f"first {target}", f"waits {target}", target=target)
    cell.requeue(cell.claim(), outcome="rate_limited", freeze_ms=60_000, delay_ms=600_000)
    return scope


def unfreeze(cell: Cell, scope: str) -> list[str] | None:
    return cell.run(admin.unfreeze(cell.keys, scope))


def test_what_waited_for_a_frozen_scope_may_run_at_once(cell: Cell) -> None:
    scope = frozen(cell, rpm=6000)
    assert cell.taken() == []
    assert unfreeze(cell, scope) == [scope]
    assert cell.taken() == [f"waits {MODEL}"]


def test_the_rest_of_an_adaptive_scope_ends_too_and_its_lower_rate_stays(cell: Cell) -> None:
    scope = frozen(cell, adaptive=1)
    cell.redis("HDEL", cell.keys.scope(scope), "r")
    rate = cell.redis("HGET", cell.keys.scope(scope), "rate")
    assert cell.taken() == []
    assert unfreeze(cell, scope) == [scope]
    assert cell.redis("HGET", cell.keys.scope(scope), "rate") == rate
    assert cell.taken() == [f"waits {MODEL}"]


def test_quota_opens_slowly_afterwards(cell: Cell) -> None:
    scope = frozen(cell, rpm=600)
    cell.redis("HDEL", cell.keys.scope(scope), "r")
    cell.submit(*(f"j{i}" for i in range(20)))
    unfreeze(cell, scope)
    # At a tenth of ten a second one call is larger than the burst; at the whole rate five would go.
    assert len(cell.taken(20)) == 1


def test_workers_that_sleep_are_woken(cell: Cell) -> None:
    scope = frozen(cell, rpm=6000)
    cell.redis("DEL", cell.keys.bell("p"))
    unfreeze(cell, scope)
    assert cell.redis("LLEN", cell.keys.bell("p")) > 0


def test_an_event_tells_of_it(cell: Cell) -> None:
    scope = frozen(cell, rpm=6000)
    unfreeze(cell, scope)
    event = cell.run(reads.latest_events(cell.keys, 1))[0]
    assert (event.name, event.target) == ("scope.unfrozen", scope)
    assert event.detail.endswith(" ms early")


def test_an_account_stands_for_all_its_scopes(cell: Cell) -> None:
    scopes = [frozen(cell, rpm=6000), frozen(cell, OTHER, rpm=6000)]
    assert unfreeze(cell, "p") == scopes
    assert sorted(cell.taken()) == [f"waits {MODEL}", f"waits {OTHER}"]


def test_a_scope_stands_for_itself_alone(cell: Cell) -> None:
    scope = frozen(cell, "p:meta", rpm=6000)
    below = frozen(cell, "p:meta/llama", rpm=6000)
    assert unfreeze(cell, scope) == [scope]
    assert unfreeze(cell, "p") == [below]


def test_a_scope_that_is_not_frozen_stays_as_it_is(cell: Cell) -> None:
    scope = frozen(cell, rpm=6000)
    unfreeze(cell, scope)
    before, events = cell.redis("HGETALL", cell.keys.scope(scope)), cell.events()
    cell.redis("DEL", cell.keys.bell("p"))
    assert unfreeze(cell, scope) == []
    assert (cell.redis("HGETALL", cell.keys.scope(scope)), cell.events()) == (before, events)
    assert cell.redis("LLEN", cell.keys.bell("p")) == 0


def test_a_scope_that_nobody_has_named_is_unknown(cell: Cell) -> None:
    frozen(cell, rpm=6000)
    assert unfreeze(cell, "p/none") is None
    assert cell.run(reads.scopes(cell.keys)) == ["p", "p/m"]
