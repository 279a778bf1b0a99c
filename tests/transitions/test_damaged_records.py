"""A record that holds a text where a number must stand blocks nobody: its job fails and says which field it was."""

from __future__ import annotations

import pytest

from homa_shared.model.record_fields import RECORD_FIELDS, FieldType, Place
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import renew, sweep
from tests.transitions.cell import BOUND, LEASE_MS, MODEL, Cell

#: Fields that a job keeps for as long as it lives: no span, nothing of an attempt, of a wait or of its end.
_ELSEWHERE = Place.RECKONED | Place.RUNNING | Place.WAITING
NUMBERS = [
    field.short
    for field in RECORD_FIELDS
    if field.is_number and not field.places & _ELSEWHERE and field.short not in ("en", "wa")
]
#: What a running job may have in its record.
OF_RUNNING = [
    field.short for field in RECORD_FIELDS if field.type is FieldType.NUMBER and Place.RECKONED not in field.places
]
#: Of those, what the loss of its lease writes anew or takes away.
WRITTEN_ANEW = {"px", "un", "uo", *(field.short for field in RECORD_FIELDS if Place.RUNNING in field.places)}


def damage(cell: Cell, job_id: str, field: str, value: str = "many") -> None:
    cell.redis("HSET", cell.keys.job(job_id), field, value)


@pytest.mark.parametrize("kind", ["j", "m"])
@pytest.mark.parametrize("field", NUMBERS)
def test_one_in_a_queue_fails_and_names_its_field(cell: Cell, field: str, kind: str) -> None:
    target = MODEL if kind == "j" else "actor"
    cell.budget(10 * BOUND)
    cell.submit("a", "b", "c", kind=kind, target=target)
    damage(cell, "a", field)
    assert cell.taken() == ["b", "c"]
    assert cell.state("a") is State.FAILED
    said = cell.error("a")
    assert (said["kind"], said["message"]) == ("damaged", f"damaged: its record has no number in {field}: many")
    assert cell.counters()["failed"] == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
def test_neither_nan_nor_infinity_is_a_number(cell: Cell, value: str) -> None:
    cell.budget(10 * BOUND)
    cell.submit("a", "b", "c")
    damage(cell, "a", "bn", value)
    damage(cell, "b", "rt", value)
    assert cell.taken() == ["c"]
    assert cell.state("a") is State.FAILED
    assert cell.state("b") is State.FAILED


@pytest.mark.parametrize("field", ["at", "tr", "sq"])
def test_a_number_without_which_no_attempt_can_be_made_must_be_there(cell: Cell, field: str) -> None:
    cell.submit("a", "b")
    cell.redis("HDEL", cell.keys.job("a"), field)
    assert cell.taken() == ["b"]
    assert cell.error("a")["message"] == f"damaged: its record has no number in {field}"


def test_one_without_a_time_of_submission_runs(cell: Cell) -> None:
    cell.submit("a")
    cell.redis("HDEL", cell.keys.job("a"), "sb")
    claim = cell.claim()
    assert claim.waited_ms == 0
    cell.settle(claim)


@pytest.mark.parametrize("field", NUMBERS)
def test_one_that_waits_for_a_target_out_of_reach_blocks_nobody(cell: Cell, field: str) -> None:
    cell.plan(rpm=60, burst=1000)
    cell.submit("first", fallbacks_left=1)
    cell.claim()
    cell.submit("a", "b", fallbacks_left=1, slack_ms=1)
    damage(cell, "a", field)
    taken = cell.take()
    assert taken.claims == []
    assert [claim.id for _, claim in taken.diverts] == ["b"]


@pytest.mark.parametrize("field", NUMBERS)
def test_one_that_is_due_is_brought_in_and_fails(cell: Cell, field: str) -> None:
    cell.submit("a", "b", due_ms=60_000)
    damage(cell, "a", field)
    cell.redis("ZADD", cell.keys.due(), 1, "a", 2, "b")
    assert cell.taken() == ["b"]
    assert cell.state("a") is State.FAILED


@pytest.mark.parametrize("field", NUMBERS)
def test_one_that_waits_for_its_batch_comes_back_and_fails(cell: Cell, field: str) -> None:
    cell.run(admin.open_batch(cell.keys, "x", {}))
    cell.run(admin.pause_batch(cell.keys, "x"))
    cell.submit("x-0", "x-1", batch="x")
    assert cell.taken() == []
    damage(cell, "x-0", field)
    cell.run(admin.resume_batch(cell.keys, "x"))
    cell.sweep()
    assert cell.taken() == ["x-1"]
    assert cell.state("x-0") is State.FAILED


@pytest.mark.parametrize("field", OF_RUNNING)
def test_one_whose_worker_was_lost_keeps_no_others_lease_from_ending(cell: Cell, field: str) -> None:
    cell.cooked = True
    cell.submit("a", "b")
    a, b = cell.take().claims
    damage(cell, "a", field)
    cell.redis("ZADD", cell.keys.leases(), 1, a.name, 2, b.name)
    cell.sweep()
    assert cell.state("b") is State.QUEUED
    assert cell.redis("ZCARD", cell.keys.leases()) == 0
    runs_again = field in WRITTEN_ANEW
    assert sorted(cell.taken()) == (["a", "b"] if runs_again else ["b"])
    assert cell.state("a") is (State.RUNNING if runs_again else State.FAILED)


@pytest.mark.parametrize("field", OF_RUNNING)
def test_one_that_runs_ends_by_its_reply(cell: Cell, field: str) -> None:
    cell.cooked = True
    cell.budget(10 * BOUND)
    cell.submit("a", "b")
    a, b = cell.take().claims
    damage(cell, "a", field)
    assert cell.settle(a, worker="w") == "ok"
    assert cell.settle(b) == "ok"
    assert cell.state("a") is State.SUCCEEDED
    assert cell.redis("ZCARD", cell.keys.leases()) == 0


@pytest.mark.parametrize("field", NUMBERS)
def test_it_is_shown_but_not_retried(cell: Cell, field: str) -> None:
    cell.submit("a")
    damage(cell, "a", field)
    assert cell.taken() == []
    assert cell.view("a").job.state is State.FAILED
    assert [job.id for job in cell.run(reads.jobs(cell.keys, state="failed")).jobs] == ["a"]
    assert cell.run(admin.retry(cell.keys, "a", "r")).answer == "damaged"


@pytest.mark.parametrize("field", ["swept", "grace", "more", "trimmed", "last", "batches"])
def test_a_time_of_housekeeping_that_is_no_number_stops_none(cell: Cell, field: str) -> None:
    cell.submit("a", due_ms=60_000)
    cell.redis("ZADD", cell.keys.due(), 1, "a")
    cell.redis("HSET", cell.keys.beat(), field, "many")
    cell.run(renew(cell.keys, worker="w", lease_ms=LEASE_MS, facts={}, attempts=[]))
    cell.redis("HSET", cell.keys.beat(), field, "many")
    cell.run(sweep(cell.keys, slice_size=500, lease_ms=LEASE_MS))
    assert cell.state("a") is State.QUEUED


def test_a_time_of_a_failover_that_is_no_number_holds_nobody_for_ever(cell: Cell) -> None:
    cell.submit("a")
    cell.redis("HSET", cell.keys.beat(), "born", cell.now() - 5000, "before", "many")
    assert cell.taken() == ["a"]
    cell.submit("b")
    cell.redis("HSET", cell.keys.beat(), "born", "many", "before", 1)
    assert cell.taken() == ["b"]


@pytest.mark.parametrize("field", ["swept", "lines"])
def test_a_cancelled_batch_that_holds_no_number_stops_no_housekeeping(cell: Cell, field: str) -> None:
    cell.run(admin.open_batch(cell.keys, "x", {}))
    cell.submit("x-0", "x-1", batch="x")
    cell.run(admin.cancel_batch(cell.keys, "x"))
    cell.redis("HSET", cell.keys.batch("x"), field, "many")
    cell.submit("a", due_ms=60_000)
    cell.redis("ZADD", cell.keys.due(), 1, "a")
    cell.sweep()
    assert cell.taken() == ["a"]
