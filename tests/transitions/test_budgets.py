"""Budgets: nothing is dispatched unless spent + unresolved + reserved + its own bound fit under every cap."""

from __future__ import annotations

import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.money import usd
from homa_shared.model.records import State
from homa_shared.store import reads, scripts
from homa_shared.store.scripts.prelude import with_prelude
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import sweep
from homa_shared.store.transitions.next_target import NextTarget
from tests.transitions.cell import BOUND, COST, LEASE_MS, Cell


def instance(cell: Cell, name: str = "b") -> tuple[int, int, int]:
    sums = cell.numbers(cell.keys.budget(name))
    return sums.get("spent", 0), sums.get("unres", 0), sums.get("reserved", 0)


def test_a_bound_is_reserved_while_it_runs_and_replaced_by_its_cost(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a")
    claim = cell.claim()
    assert instance(cell) == (0, 0, BOUND)
    cell.settle(claim)
    assert instance(cell) == (COST, 0, 0)


def test_a_job_that_the_cap_leaves_no_room_for_is_rejected(cell: Cell) -> None:
    cell.budget(150)
    cell.submit("a", "b")
    cell.settle(cell.claim())
    cell.submit("c", bound=80)
    assert cell.taken() == ["c"]
    assert cell.state("b") is State.FAILED
    assert cell.error("b")["kind"] == "budget"


def test_one_that_only_others_reservations_hinder_waits_and_holds_nothing(cell: Cell) -> None:
    cell.budget(150)
    cell.submit("a", "b")
    claim = cell.take().claims[0]
    assert cell.state("b") is State.WAITING
    assert instance(cell) == (0, 0, BOUND)
    cell.settle(claim, nano=10)
    assert cell.taken() == ["b"]


def test_deferred_jobs_wait_for_the_next_period(cell: Cell) -> None:
    cell.budget(150, period="day", on_exceed="defer")
    cell.submit("a", "b")
    cell.settle(cell.claim(), nano=120)
    assert cell.taken() == []
    job = cell.job("b")
    assert job.state is State.WAITING
    cell.sweep()
    assert cell.taken() == []
    # The day turns: what is set aside belongs to a day that is over.
    yesterday = "budget:b~2001-02-03"
    cell.redis("RENAME", cell.keys.waiting(job.waits_for), cell.keys.waiting(yesterday))
    cell.redis("ZADD", cell.keys.reasons(), 1, yesterday)
    cell.redis("HSET", cell.keys.job("b"), "why", yesterday)
    cell.sweep()
    assert cell.state("b") is State.QUEUED


def test_deferred_jobs_of_a_total_go_on_when_the_cap_is_raised(cell: Cell) -> None:
    cell.budget(150, on_exceed="defer")
    cell.submit("a", "b")
    cell.settle(cell.claim(), nano=150)
    cell.take()
    cell.sweep()
    assert cell.state("b") is State.WAITING
    cell.budget(1000, on_exceed="defer")
    cell.sweep()
    assert cell.taken() == ["b"]


def test_jobs_wait_no_longer_for_a_budget_that_is_gone(cell: Cell) -> None:
    cell.budget(150, on_exceed="defer")
    cell.submit("a", "b")
    cell.settle(cell.claim(), nano=150)
    cell.take()
    cell.config(budgets=[])
    cell.sweep()
    assert cell.taken() == ["b"]


def test_what_is_unresolved_counts_until_it_is_known(cell: Cell) -> None:
    cell.budget(150, on_exceed="defer")
    cell.submit("a", "b")
    claim = cell.claim()
    cell.fail(claim, charge=Charge.UNRESOLVED)
    assert instance(cell) == (0, BOUND, 0)
    assert cell.taken() == []
    assert cell.run(admin.resolve(cell.keys, "a", 1, 20)) == "ok"
    assert instance(cell) == (20, 0, 0)
    cell.sweep()
    assert cell.taken() == ["b"]


def test_what_a_stream_delivered_is_the_least_that_is_unresolved(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a")
    cell.fail(cell.claim(), charge=Charge.UNRESOLVED, floor=3 * BOUND)
    assert instance(cell) == (0, 3 * BOUND, 0)


def test_each_tenant_has_its_own_instance(cell: Cell) -> None:
    cell.budget(150, scope="tenant")
    cell.submit("a", "b", tenant="t1")
    cell.submit("c", tenant="t2")
    assert sorted(cell.taken()) == ["a", "c"]
    assert instance(cell, "b@t1") == instance(cell, "b@t2") == (0, 0, BOUND)


def test_a_budget_of_one_tenant_binds_nobody_else(cell: Cell) -> None:
    cell.budget(50, scope="tenant", match="t1")
    cell.submit("a", tenant="t1")
    cell.submit("b", tenant="t2")
    assert cell.taken() == ["b"]
    assert cell.state("a") is State.FAILED


@pytest.mark.parametrize(("match", "expected"), [("team", "b#team=x"), ("team=x", "b#team=x")])
def test_a_tag_has_its_own_instance(cell: Cell, match: str, expected: str) -> None:
    cell.budget(150, scope="tag", match=match)
    cell.submit("a", tags="team=x")
    cell.submit("b", tags="other=y")
    cell.take()
    assert instance(cell, expected) == (0, 0, BOUND)


@pytest.mark.parametrize(("period", "digits"), [("day", 10), ("month", 7), ("total", 0)])
def test_an_instance_is_named_by_its_period(cell: Cell, period: str, digits: int) -> None:
    cell.budget(1000, period=period)
    cell.submit("a")
    cell.take()
    (row,) = cell.run(reads.budgets(cell.keys))
    name, _, suffix = row.instance.partition("~")
    assert (name, len(suffix), row.over) == ("b", digits, False)
    assert (row.reserved_nano_usd, row.cap_nano_usd, row.free_nano_usd) == (BOUND, 1000, 900)


def test_a_jobs_own_cap_covers_all_its_attempts(cell: Cell) -> None:
    cell.submit("a", job_budget=150)
    cell.requeue(cell.claim(), charge=Charge.UNRESOLVED)
    assert cell.taken() == []
    assert cell.state("a") is State.FAILED
    assert cell.error("a")["message"].startswith("budget: job:a")


def test_a_batchs_cap_covers_all_its_lines(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "x", {"cap": 150}))
    cell.submit("x-0", "x-1", batch="x")
    cell.settle(cell.claim(), nano=100)
    assert cell.taken() == []
    assert cell.state("x-1") is State.FAILED
    view = cell.run(reads.batch(cell.keys, "x"))
    assert view is not None
    assert (view.cap_nano_usd, view.nano_usd, view.failed) == (150, 100, 1)
    # Caps of single jobs and batches do not crowd the list of the settings' budgets.
    assert cell.run(reads.budgets(cell.keys)) == []


def test_an_unpriced_job_is_refused_where_a_budget_applies(cell: Cell) -> None:
    cell.submit("a", bound=None)
    assert cell.taken() == ["a"]
    cell.budget(1000)
    cell.submit("b", bound=None)
    assert cell.taken() == []
    assert cell.error("b")["kind"] == "unpriced"


def test_an_unpriced_next_target_is_refused_too(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a")
    cell.requeue(cell.claim(), "job.rerouted", to=NextTarget("p:free", "p"))
    assert cell.taken() == []
    assert cell.error("a")["kind"] == "unpriced"


def test_reservations_follow_the_bound_of_the_next_target(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a")
    cell.requeue(cell.claim(), "job.rerouted", to=NextTarget("p:dear", "p", 400))
    claim = cell.claim()
    assert (claim.bound, instance(cell)) == (400, (0, 0, 400))
    cell.settle(claim)
    assert instance(cell) == (COST, 0, 0)


def test_half_four_fifths_and_all_of_a_cap_are_told_once(cell: Cell) -> None:
    cell.budget(300)
    cell.submit("a", "b", "c")
    for claim in cell.take().claims:
        cell.settle(claim, nano=100)
    told = [e.detail for e in cell.run(reads.events(cell.keys)) if e.name == "budget.used"]
    assert told == ["b 50%", "b 80%", "b 100%"]


def test_no_number_of_workers_passes_the_cap(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit(*(f"j{i}" for i in range(40)))
    claims = [c for n in range(8) for c in cell.take(5, worker=f"w{n}").claims]
    assert len(claims) == 10
    for claim in claims:
        cell.settle(claim, nano=BOUND)
    cell.take(40)
    cell.sweep()
    assert instance(cell) == (1000, 0, 0)
    cell.take(40)
    assert cell.counters()["failed"] == 30


def test_a_reply_whose_price_is_not_known_holds_its_bound_where_a_budget_applies(cell: Cell) -> None:
    cell.budget(BOUND + 50)
    cell.submit("a", "b")
    claim = cell.claim()
    cell.settle(claim, nano=None)
    cell.take()
    assert cell.error("b")["kind"] == "budget", "what the first one cost may have left no room"
    assert cell.run(reads.costs(cell.keys)).unresolved_nano_usd == BOUND
    assert cell.run(admin.resolve(cell.keys, "a", claim.attempt, 20)) == "ok"
    cell.submit("c")
    assert cell.taken() == ["c"]


def test_nor_does_a_late_reply_without_a_price_make_room(cell: Cell) -> None:
    cell.budget(BOUND + 50)
    cell.submit("a")
    claim = cell.claim()
    cell.lose(claim)
    assert cell.settle(claim, nano=None) == "late"
    assert instance(cell) == (0, BOUND, 0)
    assert cell.state("a") is State.SUCCEEDED
    assert cell.settle(claim) == "ok"


def test_a_refusal_names_the_budget_and_the_bound_in_dollars(cell: Cell) -> None:
    cell.budget(1000)
    cell.submit("a", bound=200_159_000)
    assert cell.taken() == []
    assert cell.error("a")["message"] == "budget: b leaves no room for a call of up to $0.200159"


@pytest.mark.parametrize("nano_usd", [0, 1, 100, 200_159_000, 10**9, 12_345_678_901, 2**53 - 1, -5, -1_500_000_000])
def test_scripts_write_money_as_python_does(cell: Cell, nano_usd: int) -> None:
    parts = "".join(scripts.source(f"lib/{name}") for name in ("time", "clock", "money"))
    code = with_prelude(parts + "return usd(ARGV[1])")
    expected = f"${usd(nano_usd)}" if nano_usd >= 0 else f"-${usd(-nano_usd)}"
    assert cell.redis("EVAL", code, 1, cell.keys.prefix, nano_usd).decode() == expected


def test_the_jobs_of_many_tenants_go_on_soon_when_the_period_turns(cell: Cell) -> None:
    cell.budget(1, scope="tenant", on_exceed="defer")
    tenants = [f"t{i}" for i in range(1500)]
    for tenant in tenants:
        cell.submit(tenant, tenant=tenant)
    while cell.take(50).wait_ms is not None and cell.redis("ZCARD", cell.keys.reasons()) < len(tenants):
        pass
    assert cell.redis("ZCARD", cell.keys.reasons()) == len(tenants)
    cell.config(budgets=[])
    sweeps = 1
    cell.redis("HDEL", cell.keys.beat(), "swept")
    while cell.run(sweep(cell.keys, slice_size=200, lease_ms=LEASE_MS)):
        sweeps += 1
    assert sweeps <= 20, "each of them at least a hundred tenants' jobs"
    assert cell.redis("ZCARD", cell.keys.reasons()) == 0
    assert cell.state("t0") is cell.state("t1499") is State.QUEUED
