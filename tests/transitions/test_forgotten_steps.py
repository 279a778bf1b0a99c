"""Steps of workers that a store which came back older has forgotten."""

from __future__ import annotations

from dataclasses import replace

from homa_shared.calls.failures import Charge
from homa_shared.store.transitions.attempts import Claim, Report, ReportResult, renew
from homa_shared.store.transitions.steps import Begin, Leave, journal, step
from tests.transitions.cell import BOUND, COST, LEASE_MS, Cell, budget
from tests.transitions.step_calls import begin, end, go_on, record
from tests.transitions.test_recovery import OlderStore


def test_a_store_that_came_back_older_is_told_of_the_attempt(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.requeue(claim, outcome="released", counts=False)
    later = replace(claim, attempt=claim.attempt + 1)
    assert record(cell, later) is ReportResult.OK
    assert go_on(cell, later).leave is Leave.OK
    assert cell.run(renew(cell.keys, worker="w", lease_ms=LEASE_MS, facts={}, attempts=[later.name])).lost == []
    assert cell.settle(later) is ReportResult.OK


def two_workers_under_one_number(cell: Cell) -> Claim:
    """Worker `one` called; the store forgot it and gave the job to `two`, whose call is in flight."""
    cell.submit("a")
    before = OlderStore(cell)
    first = cell.claim(worker="one")
    before.comes_back()
    second = cell.claim(worker="two")
    assert first.name == second.name
    return second


def test_a_worker_that_the_store_forgot_gets_no_call_on_anothers_reservation(cell: Cell) -> None:
    cell.budget(1000)
    claim = two_workers_under_one_number(cell)
    assert go_on(cell, claim, worker="one").leave is Leave.STALE
    assert budget(cell) == (0, 0, BOUND), "what `two` has reserved stands"
    cell.settle(claim, worker="two")


def test_a_worker_that_the_store_forgot_neither_begins_nor_ends_anothers_tool_calls(cell: Cell) -> None:
    claim = two_workers_under_one_number(cell)
    told = Report("step", Charge.ACTUAL, nano=COST)
    cell.run(step(cell.keys, (claim.id, claim.attempt), 1, "two", told, b"{}"))
    assert begin(cell, claim, worker="one")[0] is Begin.STALE
    assert begin(cell, claim, worker="two")[0] is Begin.RUN
    assert begin(cell, claim, worker="one", idempotent=True)[0] is Begin.STALE
    end(cell, claim, "the answer to another question", worker="one")
    assert cell.run(journal(cell.keys, "a")).results == {}
    end(cell, claim, "mine", worker="two")
    assert cell.run(journal(cell.keys, "a")).results == {(1, 0): "mine"}
    cell.settle(claim, worker="two")
