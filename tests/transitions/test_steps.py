"""Each call of a job of several is charged once, and the next is reserved anew at its own bound."""

from __future__ import annotations

from dataclasses import replace

from homa_shared.calls.failures import Charge
from homa_shared.calls.request import Option
from homa_shared.model.records import State
from homa_shared.model.tokens import QuotaUse, Tokens
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import ReportResult
from homa_shared.store.transitions.steps import Leave
from tests.transitions.cell import BOUND, COST, MODEL, Cell, budget
from tests.transitions.step_calls import NEXT, go_on, record, sums


def test_a_step_turns_its_reservation_into_cost(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a")
    claim = cell.claim()
    assert budget(cell) == (0, 0, BOUND)
    assert record(cell, claim) is ReportResult.OK
    assert budget(cell) == (COST, 0, 0)
    assert sums(cell, "a") == (COST, 0)
    assert cell.state("a") is State.RUNNING


def test_a_step_that_is_reported_twice_is_charged_once(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a")
    claim = cell.claim()
    assert [record(cell, claim), record(cell, claim)] == [ReportResult.OK, ReportResult.OK]
    assert sums(cell, "a") == (COST, 0)
    assert budget(cell) == (COST, 0, 0)


def test_the_next_call_is_reserved_at_its_own_bound_once(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    assert [go_on(cell, claim).leave, go_on(cell, claim).leave] == [Leave.OK, Leave.OK]
    assert budget(cell) == (COST, 0, 2 * BOUND)
    cell.settle(claim)
    assert budget(cell) == (2 * COST, 0, 0)
    assert sums(cell, "a") == (2 * COST, 0)


def test_a_call_that_no_budget_allows_is_refused_and_holds_nothing(cell: Cell) -> None:
    cell.budget(COST + 2 * BOUND - 1)
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    permit = go_on(cell, claim)
    assert (permit.leave, permit.what) == (Leave.REJECT, "b")
    assert budget(cell) == (COST, 0, 0)
    cell.fail(claim, outcome="budget")
    assert sums(cell, "a") == (COST, 0)


def test_a_budget_that_defers_says_so_and_the_job_then_waits_for_it(cell: Cell) -> None:
    cell.budget(COST + 2 * BOUND - 1, on_exceed="defer")
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    assert go_on(cell, claim).leave is Leave.DEFER
    cell.requeue(claim, outcome="budget", counts=False, charge=Charge.UNRESOLVED)
    assert cell.taken() == []
    assert cell.job("a").waits_for == "budget:b"
    assert sums(cell, "a") == (COST, 0)


def test_others_reservations_are_waited_for(cell: Cell) -> None:
    cell.budget(COST + 2 * BOUND)
    cell.submit("a", "b")
    first, second = cell.take().claims
    record(cell, first)
    permit = go_on(cell, first)
    assert (permit.leave, permit.what) == (Leave.WAIT, "budget b")
    assert permit.wait_ms > 0
    cell.fail(second)
    assert go_on(cell, first).leave is Leave.OK


def test_a_call_without_a_price_is_refused_where_a_budget_applies(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    assert go_on(cell, claim, need=Option(MODEL)).leave is Leave.UNPRICED


def test_quota_is_settled_and_reserved_anew(cell: Cell) -> None:
    scope = cell.plan(rpm=60, tpm=6000, burst=1000)
    cell.submit("a", tokens=(100, 50, 50))
    claim = cell.claim()
    record(cell, claim, used=QuotaUse(1, Tokens(40, 20, 20)))
    permit = go_on(cell, claim)
    assert (permit.leave, permit.what) == (Leave.WAIT, "rpm")
    cell.redis("HSET", cell.keys.scope(scope), "r", 0, "t", 0)
    assert go_on(cell, claim).leave is Leave.OK
    assert cell.job("a").raw["rt"] == 30
    assert cell.numbers(cell.keys.scope(scope))["busy"] == 1


def test_a_full_account_does_not_stop_whom_it_holds_a_slot_for(cell: Cell) -> None:
    cell.plan(conc=1)
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    assert go_on(cell, claim).leave is Leave.OK


def test_an_open_breaker_is_waited_for(cell: Cell) -> None:
    cell.submit("a", "b")
    first, second = cell.take().claims
    record(cell, first)
    cell.fail(second, outcome="unauthorized", health="account", cool_ms=5000)
    permit = go_on(cell, first)
    assert (permit.leave, permit.what) == (Leave.WAIT, "breaker p")
    assert 0 < permit.wait_ms <= 5000


def test_what_is_larger_than_the_limit_itself_is_too_large(cell: Cell) -> None:
    cell.plan(tpm=100)
    cell.submit("a", tokens=(50, 50, 0))
    claim = cell.claim()
    record(cell, claim)
    assert go_on(cell, claim, need=replace(NEXT, tokens=(101, 101, 0))).leave is Leave.TOO_LARGE


def test_a_first_call_that_grew_is_reserved_anew(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a", tokens=(10, 5, 5))
    claim = cell.claim()
    assert go_on(cell, claim, 1).leave is Leave.OK
    assert budget(cell) == (0, 0, 2 * BOUND)
    cell.lose(claim)
    assert sums(cell, "a") == (0, 2 * BOUND)


def test_a_first_call_that_grew_beyond_the_budget_holds_nothing(cell: Cell) -> None:
    cell.budget(2 * BOUND - 1)
    cell.submit("a")
    claim = cell.claim()
    assert go_on(cell, claim, 1).leave is Leave.REJECT
    assert budget(cell) == (0, 0, 0)
    cell.fail(claim, outcome="budget", charge=Charge.UNRESOLVED)
    assert sums(cell, "a") == (0, 0)


def test_a_step_of_a_job_that_nobody_knows(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    assert record(cell, replace(claim, id="other")) is ReportResult.UNKNOWN
    cell.settle(claim)


def test_cancel_and_deadline_are_heeded_before_the_next_call(cell: Cell) -> None:
    cell.submit("a", "b", deadline_ms=60_000)
    first, second = cell.take().claims
    record(cell, first)
    record(cell, second)
    cell.run(admin.cancel(cell.keys, ["a"]))
    cell.redis("HSET", cell.keys.job("b"), "dl", 1)
    assert go_on(cell, first).leave is Leave.CANCELLED
    assert go_on(cell, second).leave is Leave.EXPIRED


def test_a_step_whose_cost_nobody_knows_stands_open_and_can_be_resolved(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim, charge=Charge.UNRESOLVED, nano=None)
    go_on(cell, claim)
    cell.settle(claim)
    assert sums(cell, "a") == (COST, BOUND)
    assert cell.run(reads.unresolved(cell.keys))[0][0] == "a:1"
    cell.run(admin.resolve(cell.keys, "a", 1, 40))
    assert sums(cell, "a") == (COST + 40, 0)
    assert budget(cell) == (COST + 40, 0, 0)
