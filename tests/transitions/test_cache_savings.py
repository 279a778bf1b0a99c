"""What a provider's prompt cache saved stands beside the cost: in ledger, record, history, day and batch."""

from __future__ import annotations

from homa_shared.calls.failures import Charge
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Report, ReportResult, fail
from homa_shared.store.transitions.steps import step
from tests.transitions.cell import COST, Cell

SAVED = 40
PAID = {"charge": Charge.ACTUAL, "nano": COST, "cached": 5, "saved": SAVED}


def saved_in_total(cell: Cell, by: reads.By = "provider") -> int:
    return cell.run(reads.costs(cell.keys, by)).cache_saved_nano_usd


def saved_by_lines(cell: Cell) -> list[int]:
    return [line.cache_saved_nano_usd for line in cell.run(reads.ledger(cell.keys))]


def test_a_good_replys_saving_is_counted_with_its_cost(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "b1", {"name": "", "tenant": "", "cap": ""}))
    cell.submit("a", batch="b1", tags="team=x")
    cell.settle(cell.claim(), cached=5, saved=SAVED)
    assert saved_by_lines(cell) == [SAVED]
    for by in ("provider", "model", "tenant", "tag", "day", "batch"):
        assert saved_in_total(cell, by) == SAVED, by
    batch = cell.run(reads.batch(cell.keys, "b1"))
    assert batch is not None
    assert batch.cache_saved_nano_usd == SAVED
    (attempt,) = cell.view("a").attempts
    assert (cell.job("a").cache_saved_nano_usd, attempt.cache_saved_nano_usd) == (SAVED, SAVED)


def test_what_writing_cost_more_is_a_saving_below_zero(cell: Cell) -> None:
    cell.submit("a", "b")
    cell.settle(cell.claim(), saved=-SAVED)
    cell.settle(cell.claim(), saved=3 * SAVED)
    assert saved_by_lines(cell) == [-SAVED, 3 * SAVED]
    assert saved_in_total(cell) == 2 * SAVED


def test_a_reply_told_twice_saves_once(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.settle(claim, saved=SAVED)
    cell.settle(claim, saved=SAVED)
    assert (saved_in_total(cell), cell.job("a").cache_saved_nano_usd) == (SAVED, SAVED)


def test_each_attempt_has_its_own(cell: Cell) -> None:
    cell.submit("a")
    cell.requeue(cell.claim(), outcome="truncated", **PAID)
    cell.settle(cell.claim(), saved=2 * SAVED)
    first, second = cell.view("a").attempts
    assert (first.cache_saved_nano_usd, second.cache_saved_nano_usd) == (SAVED, 2 * SAVED)
    assert cell.job("a").cache_saved_nano_usd == 3 * SAVED


def test_a_late_reply_brings_its_saving_to_an_attempt_that_was_given_up(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.fail(claim, outcome="ambiguous", charge=Charge.UNRESOLVED)
    assert saved_in_total(cell) == 0
    assert cell.settle(claim, cached=5, saved=SAVED) is ReportResult.LATE
    (attempt,) = cell.view("a").attempts
    assert (saved_in_total(cell), attempt.cache_saved_nano_usd) == (SAVED, SAVED)
    assert cell.job("a").cache_saved_nano_usd == SAVED


def test_a_call_that_the_store_has_no_trace_of_brings_its_own(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim(worker="w")
    cell.settle(claim, saved=SAVED, worker="w")
    report = Report("truncated", **PAID, worker="other")
    assert cell.run(fail(cell.keys, ("a", claim.attempt), "failed", b"{}", report, "")) is ReportResult.LATE
    duplicate = next(attempt for attempt in cell.view("a").attempts if attempt.outcome == "duplicate")
    assert (saved_in_total(cell), duplicate.cache_saved_nano_usd) == (2 * SAVED, SAVED)
    assert cell.job("a").cache_saved_nano_usd == 2 * SAVED


def test_steps_count_for_their_attempt(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    name, worker = (claim.id, claim.attempt), "w"
    report = Report("step", **PAID, health="good", worker=worker)
    assert cell.run(step(cell.keys, name, 1, worker, report, b"{}")) is ReportResult.OK
    assert cell.run(step(cell.keys, name, 1, worker, report, b"{}")) is ReportResult.OK
    (paid,) = cell.view("a").steps
    assert paid.cache_saved_nano_usd == SAVED
    cell.requeue(claim, outcome="stopped")
    cell.settle(cell.claim(), saved=2 * SAVED)
    first, second = cell.view("a").attempts
    assert (first.cache_saved_nano_usd, second.cache_saved_nano_usd) == (SAVED, 2 * SAVED)
    assert saved_in_total(cell) == 3 * SAVED


def test_a_line_of_an_earlier_release_saved_nothing(cell: Cell) -> None:
    fields = {"job": "a", "attempt": 1, "target": "p:m", "tenant": "", "batch": "", "outcome": "succeeded"}
    fields |= dict.fromkeys(("input", "output", "cached", "nano", "unres", "unpriced"), 0)
    cell.redis("XADD", cell.keys.ledger(), "*", *(part for pair in fields.items() for part in pair))
    assert saved_by_lines(cell) == [0]
