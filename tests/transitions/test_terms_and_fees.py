"""What a call was served on, and what was billed beside tokens, stand beside the cost: ledger, history, totals."""

from __future__ import annotations

import pytest

from homa_shared.calls.failures import Charge
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Report, ReportResult
from homa_shared.store.transitions.steps import step
from tests.transitions.cell import COST, Cell

FLEX = {"terms": "flex", "fees": {"web_searches": 5}}
PAID = {"charge": Charge.ACTUAL, "nano": COST}


def totals(cell: Cell, by: reads.By) -> list[tuple[dict[str, int], dict[str, int]]]:
    return [(row.terms_nano_usd, row.fees) for row in cell.run(reads.costs(cell.keys, by)).rows]


@pytest.mark.parametrize("by", ["provider", "model", "tenant", "tag", "day", "batch"])
def test_totals_name_them_whatever_a_row_is(cell: Cell, by: reads.By) -> None:
    cell.run(admin.open_batch(cell.keys, "b1", {"name": "", "tenant": "", "cap": ""}))
    cell.submit("a", "b", "c", batch="b1", tags="team=x")
    cell.settle(cell.claim(), **FLEX)
    cell.settle(cell.claim(), terms="fast+us", fees={"web_searches": 2, "storage_searches": 1})
    cell.settle(cell.claim())
    assert totals(cell, by) == [({"fast+us": COST, "flex": COST}, {"storage_searches": 1, "web_searches": 7})]
    (row,) = cell.run(reads.costs(cell.keys, by)).rows
    assert row.nano_usd == 3 * COST
    assert [line.terms for line in cell.run(reads.ledger(cell.keys))] == ["flex", "fast+us", ""]


def test_each_attempt_and_step_has_its_own(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.run(step(cell.keys, (claim.id, claim.attempt), 1, "w", Report("step", **PAID, **FLEX), b"{}"))
    cell.requeue(claim, outcome="truncated", **PAID, terms="priority")
    fast = {"terms": "fast", "fees": {"web_searches": 1}}
    cell.settle(cell.claim(), {"body": {}, "cost_nano": COST, **fast}, **fast)
    view = cell.view("a")
    assert [(one.terms, one.fees) for one in view.steps] == [("flex", {"web_searches": 5})]
    assert [(one.terms, one.fees) for one in view.attempts] == [("priority", {}), ("fast", {"web_searches": 1})]


def test_a_late_reply_brings_its_own(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.fail(claim, outcome="ambiguous", charge=Charge.UNRESOLVED)
    assert cell.settle(claim, **FLEX) is ReportResult.LATE
    (attempt,) = cell.view("a").attempts
    assert (attempt.terms, attempt.fees) == ("flex", {"web_searches": 5})
    assert totals(cell, "provider") == [({"flex": COST}, {"web_searches": 5})]


def used(cell: Cell) -> tuple[int, int, int]:
    (row,) = cell.run(reads.costs(cell.keys, "provider")).rows
    return row.input_tokens, row.output_tokens, row.requests


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("fees", [{"web_searches": 5, "pages": 1}, {"web_searches": 1}, {}])
def test_a_late_reply_replaces_what_a_broken_stream_told_of_tokens_and_fees(
    cell: Cell, *, by_hand: bool, fees: dict[str, int]
) -> None:
    cell.submit("a")
    claim = cell.claim()
    broken = {"input": 100, "output": 7, "fees": {"web_searches": 3}}
    cell.fail(claim, outcome="ambiguous", charge=Charge.UNRESOLVED, **broken)
    assert used(cell) == (100, 7, 1)
    if by_hand:
        assert cell.run(admin.resolve(cell.keys, "a", 1, 5)) == "ok"
        assert used(cell) == (100, 7, 1)
        assert totals(cell, "provider") == [({}, {"web_searches": 3})]
    assert cell.settle(claim, input=120, output=40, fees=fees) is ReportResult.LATE
    assert used(cell) == (120, 40, 1)
    assert cell.settle(claim, input=120, output=40, fees=fees) is ReportResult.OK, "told twice"
    assert used(cell) == (120, 40, 1)
    assert totals(cell, "provider") == [({}, fees)]


def test_a_reply_told_twice_counts_once(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.settle(claim, **FLEX)
    cell.settle(claim, **FLEX)
    assert totals(cell, "provider") == [({"flex": COST}, {"web_searches": 5})]


@pytest.mark.parametrize("at_first", ["", "flex"])
@pytest.mark.parametrize("late", ["", "flex", "priority"])
def test_what_a_person_settled_counts_on_the_terms_that_a_late_reply_names(
    cell: Cell, at_first: str, late: str
) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.fail(claim, outcome="ambiguous", charge=Charge.UNRESOLVED, terms=at_first)
    assert cell.run(admin.resolve(cell.keys, "a", 1, 5)) == "ok"
    assert totals(cell, "provider") == [({at_first: 5} if at_first else {}, {})]
    assert cell.settle(claim, terms=late) is ReportResult.LATE
    assert totals(cell, "provider") == [({late: COST} if late else {}, {})]
    (attempt,) = cell.view("a").attempts
    assert (attempt.nano_usd, attempt.terms) == (COST, late)


def test_a_late_reply_without_a_price_leaves_the_terms_of_what_was_settled(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.fail(claim, outcome="ambiguous", charge=Charge.UNRESOLVED, terms="flex")
    cell.run(admin.resolve(cell.keys, "a", 1, 5))
    assert cell.settle(claim, nano=None, terms="priority") is ReportResult.LATE
    assert totals(cell, "provider") == [({"flex": 5}, {})]
