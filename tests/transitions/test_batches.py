"""Batches: open, sealed, complete; paused, resumed, cancelled; and whole again after a line was retried."""

from __future__ import annotations

import pytest

from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from tests.transitions.cell import COST, Cell


def view(cell: Cell) -> reads.BatchView:
    found = cell.run(reads.batch(cell.keys, "b"))
    assert found is not None
    return found


@pytest.fixture
def batch(cell: Cell) -> Cell:
    """A cell with an open batch `b`."""
    assert cell.run(admin.open_batch(cell.keys, "b", {"name": "invoices", "tenant": "acme", "cap": None})) == "open"
    return cell


def lines(cell: Cell, count: int, first: int = 0, **more: object) -> None:
    cell.submit(*(f"b-{n}" for n in range(first, first + count)), batch="b", **more)


def test_a_batch_is_open_then_sealed_then_complete(batch: Cell) -> None:
    lines(batch, 2)
    assert (view(batch).state, view(batch).total, view(batch).live) == ("open", None, 2)
    assert batch.run(admin.seal_batch(batch.keys, "b", 2)) == "sealed"
    first, second = batch.take().claims
    batch.settle(first)
    assert view(batch).state == "sealed"
    batch.fail(second)
    found = view(batch)
    assert (found.complete, found.succeeded, found.failed, found.ended, found.live) == (True, 1, 1, 2, 0)
    assert (found.name, found.tenant, found.cap_nano_usd) == ("invoices", "acme", None)
    assert (found.nano_usd, found.requests, found.input_tokens, found.output_tokens) == (COST, 2, 5, 3)
    assert found.completed_ms is not None
    assert batch.events().count("batch.completed") == 1
    assert batch.run(reads.batches(batch.keys)) == ["b"]


def test_a_batch_is_not_complete_before_it_is_sealed(batch: Cell) -> None:
    lines(batch, 1)
    batch.settle(batch.claim())
    assert view(batch).state == "open"
    assert batch.run(admin.seal_batch(batch.keys, "b", 1)) == "complete"
    assert batch.events().count("batch.completed") == 1


def test_a_batch_of_nothing_is_complete_at_once(batch: Cell) -> None:
    assert batch.run(admin.seal_batch(batch.keys, "b", 0)) == "complete"


def test_orders_are_repeated_without_effect(batch: Cell) -> None:
    lines(batch, 1)
    assert batch.run(admin.open_batch(batch.keys, "b", {"name": "other"})) == "open"
    assert view(batch).name == "invoices"
    batch.run(admin.seal_batch(batch.keys, "b", 1))
    assert batch.run(admin.seal_batch(batch.keys, "b", 9)) == "sealed"
    assert view(batch).total == 1
    assert batch.run(admin.pause_batch(batch.keys, "nobody", "")) == ""


def test_lines_are_told_in_the_order_in_which_they_end(batch: Cell) -> None:
    lines(batch, 3)
    for claim in reversed(batch.take().claims):
        batch.settle(claim)
    assert batch.run(reads.batch_done(batch.keys, "b", 0, 2)) == ["b-2", "b-1"]
    assert batch.run(reads.batch_done(batch.keys, "b", 2, 2)) == ["b-0"]


def test_lines_of_a_paused_batch_step_aside(batch: Cell) -> None:
    lines(batch, 3)
    batch.submit("other")
    batch.run(admin.pause_batch(batch.keys, "b", "the first 20 all failed alike"))
    assert batch.taken() == ["other"]
    found = view(batch)
    assert (found.paused, found.paused_why) == (True, "the first 20 all failed alike")
    assert batch.state("b-0") is State.WAITING
    batch.sweep()
    assert batch.taken() == []
    batch.run(admin.resume_batch(batch.keys, "b"))
    assert not view(batch).paused
    assert batch.taken() == ["b-0", "b-1", "b-2"]


def test_what_runs_when_a_batch_is_paused_goes_on(batch: Cell) -> None:
    lines(batch, 1)
    claim = batch.claim()
    batch.run(admin.pause_batch(batch.keys, "b"))
    assert batch.settle(claim) == "ok"
    assert view(batch).succeeded == 1


def test_a_long_batch_resumes_in_slices(batch: Cell) -> None:
    lines(batch, 700)
    batch.run(admin.pause_batch(batch.keys, "b"))
    batch.take(10)
    batch.take(10)
    batch.run(admin.resume_batch(batch.keys, "b"))
    batch.sweep()
    assert batch.numbers(batch.keys.queue("p")) == {"default.queued": 700, "default.waiting": 0}


def test_cancelling_ends_what_waits_and_tells_what_runs(batch: Cell) -> None:
    lines(batch, 3)
    claim = batch.claim()
    batch.run(admin.cancel_batch(batch.keys, "b"))
    found = view(batch)
    assert (found.cancel, found.state, found.total) == (True, "sealed", 3)
    batch.sweep()
    assert batch.orders() == ["cancel b-0 1"]
    assert batch.state("b-1") is batch.state("b-2") is State.CANCELLED
    batch.fail(claim, "cancelled")
    assert (view(batch).complete, view(batch).cancelled) == (True, 3)


def test_take_heeds_the_cancel_of_a_batch_before_housekeeping_does(batch: Cell) -> None:
    lines(batch, 2)
    batch.run(admin.cancel_batch(batch.keys, "b"))
    assert batch.taken() == []
    assert view(batch).complete


def test_cancelling_a_paused_batch_ends_what_stands_aside(batch: Cell) -> None:
    lines(batch, 2)
    batch.run(admin.pause_batch(batch.keys, "b"))
    batch.take()
    batch.run(admin.cancel_batch(batch.keys, "b"))
    batch.sweep()
    assert (view(batch).complete, view(batch).cancelled) == (True, 2)


def test_an_open_batch_all_of_whose_lines_have_ended_completes_when_cancelled(batch: Cell) -> None:
    lines(batch, 1)
    batch.settle(batch.claim())
    assert batch.run(admin.cancel_batch(batch.keys, "b")) == "complete"


def test_a_million_lines_would_be_cancelled_in_slices(batch: Cell) -> None:
    lines(batch, 1200)
    batch.run(admin.cancel_batch(batch.keys, "b"))
    batch.sweep(slice_size=500)
    assert view(batch).cancelled == 1200


def test_a_retried_line_makes_the_batch_incomplete_again(batch: Cell) -> None:
    lines(batch, 2, custom_id="row")
    batch.run(admin.seal_batch(batch.keys, "b", 2))
    first, second = batch.take().claims
    batch.fail(first)
    batch.settle(second)
    assert view(batch).complete
    assert batch.run(admin.retry(batch.keys, "b-0", "r1")) == admin.Retried("ok", "r1")
    found = view(batch)
    assert (found.state, found.failed, found.live, found.completed_ms) == ("sealed", 0, 1, None)
    assert batch.run(reads.batch_retried(batch.keys, "b")) == {0: "r1"}
    batch.settle(batch.claim())
    found = view(batch)
    assert (found.complete, found.succeeded, found.ended) == (True, 2, 2)
    assert batch.run(reads.batch_done(batch.keys, "b", 0, 9)) == ["b-0", "b-1", "r1"]
    old, new = batch.job("b-0"), batch.job("r1")
    assert (old.state, old.retried_by, new.retry_of, new.custom_id) == (State.FAILED, "r1", "b-0", "row")
    assert [j.id for j in batch.run(reads.jobs(batch.keys, batch="b")).jobs] == ["r1", "b-1"]


def test_a_retried_line_may_be_retried_again(batch: Cell) -> None:
    lines(batch, 1)
    batch.run(admin.seal_batch(batch.keys, "b", 1))
    batch.fail(batch.claim())
    batch.run(admin.retry(batch.keys, "b-0", "r1"))
    batch.fail(batch.claim())
    assert view(batch).complete
    batch.run(admin.retry(batch.keys, "r1", "r2"))
    assert batch.run(reads.batch_retried(batch.keys, "b")) == {0: "r2"}
    batch.settle(batch.claim())
    assert (view(batch).complete, view(batch).succeeded, view(batch).failed) == (True, 1, 0)


def test_a_cancelled_batch_is_not_retried(batch: Cell) -> None:
    lines(batch, 1)
    batch.run(admin.cancel_batch(batch.keys, "b"))
    batch.sweep()
    assert batch.run(admin.retry(batch.keys, "b-0", "r1")).answer == "batch cancelled"


def test_costs_of_a_batch_are_its_own(batch: Cell) -> None:
    lines(batch, 1)
    batch.submit("other")
    for claim in batch.take().claims:
        batch.settle(claim)
    assert [(r.key, r.nano_usd) for r in batch.run(reads.costs(batch.keys, "batch")).rows] == [("b", COST)]
    assert batch.run(reads.costs(batch.keys, batch="b")).nano_usd == COST
    assert batch.run(reads.costs(batch.keys)).nano_usd == 2 * COST


def test_an_unknown_batch_is_none(cell: Cell) -> None:
    assert cell.run(reads.batch(cell.keys, "nobody")) is None


def test_lines_that_came_without_those_between_them_are_cancelled_as_well(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "b", {}))
    cell.submit("b-0", "b-7", batch="b", due_ms=3_600_000)
    cell.run(admin.cancel_batch(cell.keys, "b"))
    cell.sweep()
    assert cell.state("b-7") is State.CANCELLED
    view = cell.run(reads.batch(cell.keys, "b"))
    assert view is not None
    assert (view.state, view.total) == ("complete", 2)


def test_lines_that_landed_before_another_client_sealed_it_belong_to_it(batch: Cell) -> None:
    lines(batch, 3)
    # Whoever seals it had looked before the third came.
    assert batch.run(admin.seal_batch(batch.keys, "b", 2)) == "sealed"
    found = view(batch)
    assert (found.total, found.submitted) == (3, 3)
    for claim in batch.take(2).claims:
        batch.settle(claim)
    assert view(batch).state == "sealed"
    batch.settle(batch.claim())
    assert view(batch).state == "complete"
