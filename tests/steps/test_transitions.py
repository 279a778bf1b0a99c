"""The store's side of steps: charged once, reserved anew, journaled, and never worse for being asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from homa_shared.calls.failures import Charge
from homa_shared.calls.request import Option
from homa_shared.model.records import State
from homa_shared.model.tokens import QuotaUse, Tokens
from homa_shared.store import reads
from homa_shared.store.audit import audit
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim, Report, ReportResult, renew
from homa_shared.store.transitions.steps import Begin, Leave, Permit, begin_tool, end_tool, journal, next_step, step
from tests.transitions.cell import BOUND, COST, LEASE_MS, MODEL, Cell
from tests.transitions.test_recovery import OlderStore

NEXT = Option(MODEL, 2 * BOUND, (30, 20, 10))


@pytest.fixture
def cell(store_url: str, namespace: str) -> Iterator[Cell]:
    found = Cell(StoreAddress.parse(store_url), namespace)
    yield found
    assert audit(found.store) == []
    found.store.close()


def record(cell: Cell, claim: Claim, number: int = 1, state: bytes = b"{}", **report: Any) -> ReportResult:
    told = {"charge": Charge.ACTUAL, "nano": COST, "input": 5, "output": 3, "health": "good"} | report
    name = (claim.id, claim.attempt)
    return cell.run(step(cell.keys, name, number, "w", Report("step", **told), state))


def go_on(cell: Cell, claim: Claim, number: int = 2, need: Option = NEXT, *, worker: str = "w") -> Permit:
    return cell.run(next_step(cell.keys, (claim.id, claim.attempt), number, need, worker=worker))


def begin(
    cell: Cell, claim: Claim, index: int = 0, *, idempotent: bool = False, worker: str = "w"
) -> tuple[Begin, str]:
    """The tool calls of the first step."""
    name = (claim.id, claim.attempt)
    return cell.run(begin_tool(cell.keys, name, 1, index, idempotent=idempotent, worker=worker))


def end(cell: Cell, claim: Claim, result: str, *, worker: str = "w") -> None:
    cell.run(end_tool(cell.keys, (claim.id, claim.attempt), 1, 0, result, worker=worker))


def sums(cell: Cell, job_id: str) -> tuple[int, int]:
    """Known and unresolved cost; the same in record, ledger and the day's totals."""
    job = cell.job(job_id)
    lines = cell.run(reads.ledger(cell.keys))
    known, unresolved = sum(x.nano_usd for x in lines), sum(x.unresolved_nano_usd for x in lines)
    table = cell.run(reads.costs(cell.keys))
    assert (known, unresolved) == (job.cost_nano_usd, job.unresolved_nano_usd)
    assert (known, unresolved) == (table.nano_usd, table.unresolved_nano_usd)
    return known, unresolved


def budget(cell: Cell) -> tuple[int, int, int]:
    found = cell.numbers(cell.keys.budget("b"))
    return found.get("spent", 0), found.get("unres", 0), found.get("reserved", 0)


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


def test_a_store_that_came_back_older_is_told_of_the_attempt(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.requeue(claim, outcome="released", counts=False)
    later = replace(claim, attempt=claim.attempt + 1)
    assert record(cell, later) is ReportResult.OK
    assert go_on(cell, later).leave is Leave.OK
    assert cell.run(renew(cell.keys, worker="w", lease_ms=LEASE_MS, facts={}, attempts=[later.name])).lost == []
    assert cell.settle(later) is ReportResult.OK


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


def test_a_tool_call_is_run_once(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    assert begin(cell, claim) == (Begin.RUN, "")
    # Its answer was lost on the way, and is asked for again.
    assert begin(cell, claim)[0] is Begin.RUN
    end(cell, claim, "two\n= lines")
    end(cell, claim, "another end")
    assert begin(cell, claim, idempotent=True) == (Begin.DONE, "two\n= lines")
    assert cell.run(journal(cell.keys, "a")).results == {(1, 0): "two\n= lines"}
    cell.settle(claim)


@pytest.mark.parametrize(("idempotent", "answer"), [(True, Begin.RUN), (False, Begin.UNKNOWN)])
def test_a_tool_call_without_an_end(cell: Cell, idempotent: bool, answer: Begin) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    begin(cell, claim)
    cell.lose(claim)
    assert begin(cell, claim, 1, idempotent=True)[0] is Begin.STALE
    second = cell.claim()
    assert begin(cell, second, idempotent=idempotent)[0] is answer


def test_a_tool_that_ends_after_its_attempt_still_serves_the_next(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    begin(cell, claim)
    cell.lose(claim)
    end(cell, claim, "late")
    second = cell.claim()
    assert begin(cell, second) == (Begin.DONE, "late")


def test_a_tool_that_ends_after_its_job_leaves_nothing(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    begin(cell, claim)
    cell.settle(claim)
    end(cell, claim, "late")
    assert cell.redis("EXISTS", cell.keys.steps("a")) == 0


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


def test_a_tool_call_begun_under_the_release_before_is_ended_by_its_attempt(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    cell.redis("HSET", cell.keys.steps("a"), "1.0", "1")
    assert begin(cell, claim)[0] is Begin.RUN
    cell.redis("HSET", cell.keys.steps("a"), "1.0", "1")
    end(cell, claim, "done")
    assert cell.run(journal(cell.keys, "a")).results == {(1, 0): "done"}
    cell.settle(claim)
