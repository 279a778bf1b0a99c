"""What a lost worker's steps cost, and what of it stays open once a late reply comes in."""

from __future__ import annotations

import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim, ReportResult
from homa_shared.store.transitions.steps import Leave, journal
from tests.transitions.cell import BOUND, COST, MODEL, Cell, budget
from tests.transitions.step_calls import go_on, record, sums


def test_who_is_lost_between_two_calls_leaves_nothing_open(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a", on_ambiguous="fail")
    claim = cell.claim()
    record(cell, claim)
    cell.lose(claim)
    assert sums(cell, "a") == (COST, 0)
    assert budget(cell) == (COST, 0, 0)
    assert cell.state("a") is State.QUEUED, "nothing is ambiguous"


def test_who_is_lost_in_a_call_leaves_that_call_open(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    go_on(cell, claim)
    cell.lose(claim)
    assert sums(cell, "a") == (COST, 2 * BOUND)
    (attempt,) = cell.view("a").attempts
    assert (attempt.nano_usd, attempt.unresolved_nano_usd) == (COST, 2 * BOUND)


def test_a_late_step_of_a_lost_attempt_replaces_what_stood_open_and_serves_the_next(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.lose(claim)
    assert record(cell, claim, state=b'{"n":1}') is ReportResult.LATE
    assert record(cell, claim) is ReportResult.STALE
    assert sums(cell, "a") == (COST, 0)
    assert cell.run(journal(cell.keys, "a")).states == {1: b'{"n":1}'}


def test_a_late_step_does_not_meddle_with_an_attempt_that_runs(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.lose(claim)
    second = cell.claim()
    assert record(cell, claim) is ReportResult.LATE
    assert cell.run(journal(cell.keys, "a")).states == {}
    assert go_on(cell, claim).leave is Leave.STALE
    record(cell, second)
    assert sums(cell, "a") == (2 * COST, 0)


def lost_behind_a_step_without_usage(cell: Cell) -> Claim:
    """An attempt whose first call's cost nobody knows, and whose second was in flight when its worker was lost."""
    cell.budget(1000)
    cell.submit("a", max_attempts=1)
    claim = cell.claim()
    record(cell, claim, charge=Charge.UNRESOLVED)
    assert go_on(cell, claim).leave is Leave.OK
    cell.lose(claim)
    assert sums(cell, "a") == (0, 3 * BOUND)
    return claim


def open_attempts(cell: Cell) -> list[str]:
    return [name for name, _ in cell.run(reads.unresolved(cell.keys))]


def test_a_late_reply_leaves_open_what_steps_before_it_may_have_cost(cell: Cell) -> None:
    claim = lost_behind_a_step_without_usage(cell)
    for _ in range(2):
        cell.settle(claim, worker="w", target=MODEL)
        assert (sums(cell, "a"), budget(cell)) == ((COST, BOUND), (COST, BOUND, 0))
    (attempt,) = cell.view("a").attempts
    assert (attempt.charge, attempt.nano_usd, attempt.unresolved_nano_usd) == ("unresolved", COST, BOUND)
    assert open_attempts(cell) == ["a:1"]
    assert cell.run(admin.resolve(cell.keys, "a", 1, 30)) == "ok"
    assert (sums(cell, "a"), budget(cell), open_attempts(cell)) == ((COST + 30, 0), (COST + 30, 0, 0), [])


def test_a_late_word_that_the_call_cost_nothing_leaves_the_steps_before_it_open(cell: Cell) -> None:
    claim = lost_behind_a_step_without_usage(cell)
    for _ in range(2):
        cell.fail(claim, worker="w", target=MODEL)
        assert (sums(cell, "a"), budget(cell)) == ((0, BOUND), (0, BOUND, 0))
    assert open_attempts(cell) == ["a:1"]


def test_a_late_step_replaces_its_own_call_only_and_once(cell: Cell) -> None:
    claim = lost_behind_a_step_without_usage(cell)
    assert record(cell, claim, 2) is ReportResult.LATE
    assert record(cell, claim, 2) is ReportResult.STALE
    assert (sums(cell, "a"), budget(cell)) == ((COST, BOUND), (COST, BOUND, 0))


def test_a_late_word_from_between_two_calls_replaces_nothing(cell: Cell) -> None:
    cell.submit("a", max_attempts=1)
    claim = cell.claim()
    record(cell, claim, charge=Charge.UNRESOLVED)
    cell.lose(claim)
    assert cell.fail(claim, worker="w", target=MODEL) is ReportResult.STALE
    assert (sums(cell, "a"), open_attempts(cell)) == ((0, BOUND), ["a:1"])


@pytest.mark.parametrize(
    ("settled", "total"),
    [(0, COST), (COST - 1, COST), (COST + 50, COST + 50), (3 * BOUND, COST + BOUND)],
    ids=["nothing", "less than the call", "call and step", "all bounds"],
)
def test_of_what_was_settled_for_an_attempt_a_late_reply_leaves_the_part_of_its_steps(
    cell: Cell, settled: int, total: int
) -> None:
    claim = lost_behind_a_step_without_usage(cell)
    assert cell.run(admin.resolve(cell.keys, "a", 1, settled)) == "ok"
    for _ in range(2):
        cell.settle(claim, worker="w", target=MODEL)
        assert (sums(cell, "a"), budget(cell)) == ((total, 0), (total, 0, 0))
    assert open_attempts(cell) == []
