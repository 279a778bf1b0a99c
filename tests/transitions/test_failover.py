"""A store that came back older: who waits for whom, and what becomes of calls that it has no trace of."""

from __future__ import annotations

import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim, Report, ReportResult, leave, rejoin, renew
from homa_shared.store.transitions.next_target import NextTarget
from homa_shared.store.transitions.steps import step
from tests.transitions.cell import BOUND, COST, LEASE_MS, MODEL, Cell
from tests.transitions.test_recovery import OlderStore


def beat(cell: Cell, worker: str, *attempts: str) -> list[str]:
    return cell.run(renew(cell.keys, worker=worker, lease_ms=LEASE_MS, facts={"provider": "p"}, attempts=attempts)).lost


def tells_all(cell: Cell, worker: str) -> None:
    """A worker says that it has told this server of all its attempts."""
    server = cell.run(rejoin(cell.keys, worker=worker, lease_ms=LEASE_MS, told=""))
    cell.run(rejoin(cell.keys, worker=worker, lease_ms=LEASE_MS, told=server))


def other_server(cell: Cell, *, ago_ms: int = 0) -> None:
    """The data is now held by another server than before; so long ago somebody first saw it."""
    cell.redis("HSET", cell.keys.beat(), "run", "another")
    tells_all(cell, "nobody")
    cell.run(leave(cell.keys, "nobody"))
    if ago_ms:
        cell.redis("HINCRBY", cell.keys.beat(), "born", -ago_ms)


def money(cell: Cell) -> tuple[int, int]:
    table = cell.run(reads.costs(cell.keys))
    return table.nano_usd, table.unresolved_nano_usd


def outcomes(cell: Cell) -> list[str]:
    return [line.outcome for line in cell.run(reads.ledger(cell.keys))]


# -- who waits --------------------------------------------------------------------------------------------------------


def test_a_store_that_was_never_held_by_another_server_holds_nobody_up(cell: Cell) -> None:
    cell.submit("a")
    assert cell.taken() == ["a"]


def test_nothing_is_handed_out_until_every_worker_that_lived_has_told_of_its_attempts(cell: Cell) -> None:
    cell.submit("a", "b")
    for worker in ("w1", "w2"):
        beat(cell, worker)
    before = OlderStore(cell)
    claim = cell.claim(worker="w1")
    before.comes_back()
    other_server(cell, ago_ms=3000)
    tells_all(cell, "w2")
    held = cell.take(worker="w2")
    assert held.claims == []
    assert held.wait_ms is not None
    assert 0 < held.wait_ms <= 100
    assert beat(cell, "w1", claim.name) == []
    tells_all(cell, "w1")
    assert cell.taken(worker="w2") == ["b"]


def test_a_worker_that_the_store_never_knew_has_time_to_tell_of_itself(cell: Cell) -> None:
    cell.submit("a")
    beat(cell, "w")
    other_server(cell)
    tells_all(cell, "w")
    held = cell.take()
    assert held.claims == []
    assert held.wait_ms is not None
    assert 0 < held.wait_ms <= 2000


def test_a_worker_that_does_not_come_back_holds_others_up_for_one_lease(cell: Cell) -> None:
    cell.submit("a")
    beat(cell, "gone")
    other_server(cell, ago_ms=LEASE_MS - 1000)
    assert cell.taken() == []
    cell.redis("HINCRBY", cell.keys.beat(), "born", -1000)
    assert cell.taken() == ["a"]


def test_a_worker_that_was_gone_before_holds_nobody_up(cell: Cell) -> None:
    cell.submit("a")
    beat(cell, "gone")
    cell.redis("ZADD", cell.keys.workers(), cell.now() - LEASE_MS - 10_000, "gone")
    other_server(cell, ago_ms=3000)
    assert cell.taken() == ["a"]


def test_housekeeping_judges_nobody_meanwhile(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    beat(cell, "w")
    cell.redis("ZADD", cell.keys.leases(), 1, claim.name)
    cell.redis("HSET", cell.keys.beat(), "run", "another")
    cell.sweep()
    assert cell.state("a") is State.RUNNING


def test_an_answer_that_was_lost_with_the_store_is_given_again_at_once(cell: Cell) -> None:
    cell.submit("a")
    cell.taken(nonce="n")
    other_server(cell)
    assert cell.taken(nonce="n") == ["a"]


# -- what the store has no trace of -----------------------------------------------------------------------------------


def two_calls_under_one_number(cell: Cell) -> Claim:
    """Worker `one` called; the store forgot it and gave the job to `two`, under the same number."""
    cell.budget(1000)
    cell.submit("a")
    before = OlderStore(cell)
    first = cell.claim(worker="one")
    before.comes_back()
    second = cell.claim(worker="two")
    assert first.name == second.name
    return first


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_both_calls_are_paid_for_and_seen_in_whatever_order_they_end(cell: Cell, order: tuple[str, str]) -> None:
    claim = two_calls_under_one_number(cell)
    for worker in order:
        cell.settle(claim, worker=worker)
    assert cell.state("a") is State.SUCCEEDED
    assert money(cell) == (2 * COST, 0)
    assert cell.job("a").cost_nano_usd == 2 * COST
    sums = cell.numbers(cell.keys.budget("b"))
    assert (sums["spent"], sums.get("unres", 0), sums["reserved"]) == (2 * COST, 0, 0)
    assert sum(attempt.nano_usd for attempt in cell.view("a").attempts) == 2 * COST


def test_a_report_that_comes_twice_counts_once(cell: Cell) -> None:
    claim = two_calls_under_one_number(cell)
    for worker in ("two", "one", "two", "one", "one"):
        cell.settle(claim, worker=worker)
    assert money(cell) == (2 * COST, 0)
    assert outcomes(cell).count("duplicate") == 1


def test_no_attempt_ever_comes_to_stand_under_a_duplicates_number(cell: Cell) -> None:
    claim = two_calls_under_one_number(cell)
    assert cell.fail(claim, outcome="ambiguous", charge=Charge.UNRESOLVED, worker="one") == "late"
    # Refusals for want of quota use up none of its attempts: there may be thousands.
    cell.requeue(claim, outcome="rate_limited", counts=False, worker="two")
    cell.redis("HSET", cell.keys.job("a"), "at", 1000)
    late = cell.claim(worker="two")
    assert late.attempt == 1001
    cell.fail(late, outcome="ambiguous", charge=Charge.UNRESOLVED, worker="two")
    found = {attempt.number: attempt.outcome for attempt in cell.view("a").attempts}
    assert sorted(found.values()) == ["ambiguous", "duplicate", "rate_limited"]
    assert money(cell) == (0, 2 * BOUND)


def test_a_good_reply_of_the_forgotten_call_ends_the_job_and_calls_the_other_off(cell: Cell) -> None:
    claim = two_calls_under_one_number(cell)
    assert cell.settle(claim, worker="one") == "late"
    assert cell.orders("two") == ["cancel a 1"]
    # What the other one may have cost is open until its worker tells.
    assert money(cell) == (COST, BOUND)
    cell.fail(claim, "cancelled", outcome="cancelled", charge=Charge.UNRESOLVED, worker="two")
    assert money(cell) == (COST, BOUND)
    assert cell.settle(claim, worker="two") == "late"
    assert money(cell) == (2 * COST, 0)


def test_a_failure_of_the_forgotten_call_leaves_the_other_alone(cell: Cell) -> None:
    claim = two_calls_under_one_number(cell)
    assert cell.fail(claim, charge=Charge.ACTUAL, nano=9, worker="one") == "late"
    assert cell.state("a") is State.RUNNING
    assert cell.requeue(claim, charge=Charge.NONE, worker="one") == "stale"
    assert cell.settle(claim, worker="two") == "ok"
    assert money(cell) == (COST + 9, 0)


def test_a_forgotten_call_whose_cost_nobody_knows_can_be_resolved(cell: Cell) -> None:
    claim = two_calls_under_one_number(cell)
    cell.settle(claim, worker="two")
    cell.fail(claim, charge=Charge.UNRESOLVED, outcome="ambiguous", worker="one")
    assert money(cell) == (COST, BOUND)
    [name] = [row[0] for row in cell.run(reads.unresolved(cell.keys))]
    job_id, _, number = name.rpartition(":")
    cell.run(admin.resolve(cell.keys, job_id, int(number), 5, "bill"))
    assert money(cell) == (COST + 5, 0)
    assert cell.redis("PTTL", cell.keys.attempts("a")) > 0


def test_an_attempt_that_the_store_forgot_before_a_later_one_is_written_down(cell: Cell) -> None:
    cell.submit("a")
    before = OlderStore(cell)
    first = cell.claim(worker="one")
    cell.requeue(first, charge=Charge.ACTUAL, nano=9, worker="one")
    second = cell.claim(worker="two")
    before.comes_back()
    beat(cell, "two", second.name)
    assert cell.requeue(first, charge=Charge.ACTUAL, nano=9, worker="one") == "late"
    assert cell.requeue(first, charge=Charge.ACTUAL, nano=9, worker="one") == "stale"
    cell.settle(second, worker="two")
    assert money(cell) == (COST + 9, 0)
    assert [attempt.number for attempt in cell.view("a").attempts] == [1, 2]


def test_a_step_of_a_forgotten_attempt_is_paid_for_and_seen(cell: Cell) -> None:
    claim = two_calls_under_one_number(cell)
    name = (claim.id, claim.attempt)
    paid = Report("step", Charge.ACTUAL, nano=7)
    assert cell.run(step(cell.keys, name, 1, "two", paid, b"{}")) is ReportResult.OK
    assert cell.run(step(cell.keys, name, 1, "one", paid, b"{}")) is ReportResult.LATE
    assert cell.run(step(cell.keys, name, 1, "one", paid, b"{}")) is ReportResult.STALE
    assert cell.run(step(cell.keys, name, 1, "two", paid, b"{}")) is ReportResult.OK
    assert money(cell) == (14, 0)


def test_a_reroute_that_the_store_forgot_costs_at_the_target_that_was_called(cell: Cell) -> None:
    cell.submit("a")
    first = cell.claim(worker="one")
    before = OlderStore(cell)
    cell.requeue(first, "job.rerouted", to=NextTarget("p:other", "p", BOUND), worker="one")
    second = cell.claim(worker="one")
    before.comes_back()
    cell.settle(second, worker="one", target=second.target)
    assert [line.target for line in cell.run(reads.ledger(cell.keys)) if line.nano_usd] == ["p:other"]


# -- jobs that are gone with their records ----------------------------------------------------------------------------


def orphan(cell: Cell) -> Claim:
    """A call of a job that was accepted and taken in the moments that the store forgot."""
    cell.budget(1000)
    before = OlderStore(cell)
    cell.submit("a", tenant="acme")
    claim = cell.claim(worker="one")
    before.comes_back()
    assert cell.redis("EXISTS", cell.keys.job("a")) == 0
    return claim


@pytest.mark.parametrize("kind", ["settle", "fail", "requeue"])
def test_a_call_of_a_job_that_is_gone_costs_once(cell: Cell, kind: str) -> None:
    claim = orphan(cell)
    for _ in range(3):
        told = {"charge": Charge.ACTUAL, "nano": COST, "worker": "one", "target": MODEL}
        assert getattr(cell, kind)(claim, **told) is ReportResult.UNKNOWN
    assert money(cell) == (COST, 0)
    assert cell.numbers(cell.keys.budget("b"))["spent"] == COST
    (row,) = cell.run(reads.costs(cell.keys, "model")).rows
    assert (row.key, row.nano_usd, row.requests) == (MODEL, COST, 1)
    assert cell.redis("EXISTS", cell.keys.job("a")) == 0


def test_each_paid_reply_of_such_an_attempt_counts_once(cell: Cell) -> None:
    claim = orphan(cell)
    name = (claim.id, claim.attempt)
    paid = Report("step", Charge.ACTUAL, nano=COST, worker="one", target=MODEL)
    for _ in range(2):
        for number in (1, 2):
            assert cell.run(step(cell.keys, name, number, "one", paid, b"{}")) is ReportResult.UNKNOWN
        assert cell.settle(claim, worker="one", target=MODEL) is ReportResult.UNKNOWN
    assert money(cell) == (3 * COST, 0)


def test_one_whose_cost_nobody_knows_is_unpriced_and_not_free(cell: Cell) -> None:
    claim = orphan(cell)
    cell.fail(claim, charge=Charge.UNRESOLVED, floor=7, worker="one", target=MODEL)
    table = cell.run(reads.costs(cell.keys, "model"))
    assert (table.nano_usd, table.unresolved_nano_usd, table.unpriced) == (0, 7, 1)


def test_one_that_was_not_charged_leaves_no_line(cell: Cell) -> None:
    claim = orphan(cell)
    cell.requeue(claim, outcome="rate_limited", worker="one", target=MODEL)
    assert cell.run(reads.ledger(cell.keys)) == []


def test_a_call_whose_record_had_its_time_is_not_charged_again(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim(worker="one")
    cell.settle(claim, worker="one", target=MODEL)
    cell.run(admin.purge(cell.keys, ["a"]))
    cell.redis("DEL", cell.keys.job("a"), cell.keys.attempts("a"))
    assert cell.settle(claim, worker="one", target=MODEL) is ReportResult.UNKNOWN
    assert money(cell) == (COST, 0)


def test_a_late_reply_to_a_lost_call_whose_record_had_its_time_is_charged(cell: Cell) -> None:
    cell.submit("a", max_attempts=1)
    claim = cell.claim(worker="one")
    cell.lose(claim)
    cell.redis("DEL", cell.keys.job("a"), cell.keys.attempts("a"))
    assert cell.settle(claim, worker="one", target=MODEL) is ReportResult.UNKNOWN
    assert money(cell) == (COST, BOUND)
    cell.cooked = True
