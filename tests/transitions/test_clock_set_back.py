"""A store whose clock is set back delays nothing for longer: states are those that a clock ahead would have left."""

from __future__ import annotations

import pytest

from homa_shared.store import reads
from homa_shared.store.transitions.attempts import renew
from tests.transitions.cell import LEASE_MS, MODEL, Cell

#: By how much the clock was ahead, ms.
AHEAD_MS = 300_000


def ahead(cell: Cell, key: str, *fields: str, us: tuple[str, ...] = ()) -> None:
    """Times of a state as a clock that was ahead would have written them."""
    for field in ("seen", *fields):
        if value := float(cell.redis("HGET", key, field) or 0):
            cell.redis("HSET", key, field, value + AHEAD_MS)
    for field in us:
        cell.redis("HINCRBYFLOAT", key, field, AHEAD_MS * 1000)


def test_a_quota_goes_on_from_where_it_was(cell: Cell) -> None:
    scope = cell.plan(rpm=600, burst=1000)
    cell.submit(*(f"j{n}" for n in range(30)))
    assert len(cell.taken(30)) == 10
    ahead(cell, cell.keys.scope(scope), us=("r",))
    answer = cell.take(30)
    assert len(answer.claims) <= 1, "its bucket stays empty"
    assert 0 < (answer.wait_ms or 0) <= 100


def test_a_freeze_lasts_as_long_as_it_was_to_last(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.submit("a", "b")
    cell.requeue(cell.claim(), outcome="rate_limited", freeze_ms=5000, counts=False)
    ahead(cell, cell.keys.scope(scope), "frozen", "frozen_at", us=("r",))
    answer = cell.take()
    assert answer.claims == []
    assert 3000 < (answer.wait_ms or 0) <= 5000
    cell.redis("HINCRBYFLOAT", cell.keys.scope(scope), "frozen", -5000)
    cell.redis("HDEL", cell.keys.scope(scope), "r")
    assert len(cell.taken()) == 1, "it was moved once, and runs out"


def test_an_adaptive_rate_keeps_growing(cell: Cell) -> None:
    scope = cell.plan(adaptive=1)
    cell.submit(*(f"j{n}" for n in range(60)))
    cell.take(60)
    cell.take(60)
    ahead(cell, cell.keys.scope(scope), "grown", us=("r",))
    assert (cell.take(60).wait_ms or 0) <= 1000
    assert float(cell.redis("HGET", cell.keys.scope(scope), "grown")) <= cell.now()


def test_an_open_breaker_closes_in_time(cell: Cell) -> None:
    cell.submit(*(f"f{i}" for i in range(5)))
    for claim in cell.take(5).claims:
        cell.fail(claim, health="bad")
    ahead(cell, cell.keys.breaker(MODEL), "until")
    cell.submit("a")
    assert 0 < (cell.take().wait_ms or 0) <= 5000
    cell.redis("HSET", cell.keys.breaker(MODEL), "until", cell.now() - 1)
    assert cell.taken() == ["a"]


def test_what_a_release_before_wrote_is_left_as_it_is(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.submit("a")
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() + 20_000)
    assert 19_000 < (cell.take().wait_ms or 0) <= 20_000


@pytest.mark.parametrize("first", ["sweep", "renew"])
def test_leases_and_delays_end_in_time(cell: Cell, first: str) -> None:
    cell.submit("later", "a", "b")
    later = cell.now() + 3000
    cell.requeue(cell.claim(), delay_ms=3000)
    dead, live = cell.take(2).claims
    cell.redis("HSET", cell.keys.beat(), "last", cell.now() + AHEAD_MS)
    for key in (cell.keys.leases(), cell.keys.due()):
        for name, score in cell.scores(key).items():
            cell.redis("ZADD", key, score + AHEAD_MS, name)
    if first == "renew":
        facts = {"provider": "p"}
        cell.run(renew(cell.keys, worker="w", lease_ms=LEASE_MS, facts=facts, attempts=[live.name]))
    cell.sweep()
    assert cell.scores(cell.keys.leases())[dead.name] <= cell.now() + LEASE_MS
    assert cell.scores(cell.keys.due())["later"] <= later + 1000


def test_a_failover_holds_for_no_longer(cell: Cell) -> None:
    cell.submit("a")
    cell.take()
    cell.submit("b")
    cell.redis("HSET", cell.keys.beat(), "run", "another")
    assert 0 < (cell.take().wait_ms or 0) <= 2000
    cell.redis("HINCRBY", cell.keys.beat(), "born", AHEAD_MS)
    assert 0 < (cell.take().wait_ms or 0) <= 2000


def test_limits_are_told_as_they_are_then(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.submit("a")
    cell.requeue(cell.claim(), outcome="rate_limited", freeze_ms=5000, counts=False)
    ahead(cell, cell.keys.scope(scope), "frozen", "frozen_at", us=("r",))
    (row,) = [row for row in cell.run(reads.limits(cell.keys)) if row.scope == scope]
    assert 0 < row.frozen_ms <= 5000


def set_back(cell: Cell, ms: int) -> None:
    """The store's clock is set back: the fleet's beat, leases and delays lie ahead by so much more."""
    cell.redis("HINCRBY", cell.keys.beat(), "last", ms)
    for key in (cell.keys.leases(), cell.keys.due()):
        for name, score in cell.scores(key).items():
            cell.redis("ZADD", key, score + ms, name)


def beat(cell: Cell, *attempts: str) -> None:
    cell.run(renew(cell.keys, worker="w", lease_ms=LEASE_MS, facts={"provider": "p"}, attempts=attempts))


@pytest.mark.parametrize("then", [["sweep"] * 4, ["sweep", "beat"], ["beat", "sweep", "sweep"]], ids="-".join)
def test_a_small_step_back_moves_leases_and_delays_once(cell: Cell, then: list[str]) -> None:
    cell.submit("later", "held")
    cell.requeue(cell.claim(), delay_ms=60_000)
    held = cell.claim()
    beat(cell, held.name)
    began = cell.now()
    set_back(cell, 14_000)
    for step in then:
        if step == "sweep":
            cell.sweep()
        else:
            beat(cell)
    assert cell.scores(cell.keys.leases())[held.name] == pytest.approx(began + LEASE_MS, abs=2000)
    assert cell.scores(cell.keys.due())["later"] == pytest.approx(began + 60_000, abs=2000)


@pytest.mark.parametrize("first", ["sweep", "beat"])
def test_after_a_step_back_nobodys_lease_is_judged_before_its_holder_could_renew_it(cell: Cell, first: str) -> None:
    cell.submit("held")
    held = cell.claim()
    beat(cell, held.name)
    set_back(cell, 14_000)
    if first == "beat":
        beat(cell)
    cell.sweep()
    cell.redis("ZADD", cell.keys.leases(), 1, held.name)
    cell.sweep()
    assert cell.job("held").state == "running"
    cell.settle(held)
