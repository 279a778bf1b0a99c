"""Breakers: five failures in a row open one, one probe at a time tries again."""

from __future__ import annotations

import pytest

from homa_shared.store import reads
from tests.transitions.cell import MODEL, OTHER, Cell


def breaker(cell: Cell, name: str = MODEL) -> reads.LimitRow:
    cell.plan(name if ":" in name else MODEL)
    return next(r for r in cell.run(reads.limits(cell.keys)) if (r.scope, r.dimension) == (name, "breaker"))


def time_passes(cell: Cell, name: str = MODEL, *fields: str) -> None:
    cell.redis("HSET", cell.keys.breaker(name), *(part for field in fields or ("until",) for part in (field, 1)))


def trip(cell: Cell) -> None:
    cell.submit(*(f"f{i}" for i in range(5)))
    for claim in cell.take(5).claims:
        cell.fail(claim, health="bad")


def test_five_failures_in_a_row_open_it(cell: Cell) -> None:
    trip(cell)
    cell.submit("a")
    cell.submit("o", target=OTHER)
    answer = cell.take()
    assert [c.id for c in answer.claims] == ["o"]
    assert 4000 < (answer.wait_ms or 0) <= 5000
    assert breaker(cell).state == "open"
    assert "breaker.opened" in cell.events()


def test_a_good_reply_in_between_begins_the_count_anew(cell: Cell) -> None:
    cell.submit(*(f"f{i}" for i in range(9)))
    for n, claim in enumerate(cell.take(9).claims):
        if n == 4:
            cell.settle(claim)
        else:
            cell.fail(claim, health="bad")
    assert breaker(cell).state == "closed"


def test_one_probe_at_a_time_tries_again(cell: Cell) -> None:
    trip(cell)
    cell.submit("a", "b", "c")
    time_passes(cell)
    assert cell.taken() == ["a"]
    answer = cell.take(worker="v")
    assert (answer.claims, breaker(cell).state) == ([], "half-open")
    assert 29_000 < (answer.wait_ms or 0) <= 30_000


def test_a_good_probe_closes_it_and_wakes_who_slept(cell: Cell) -> None:
    trip(cell)
    cell.submit("a", "b", "c")
    time_passes(cell)
    claim = cell.claim()
    cell.redis("DEL", cell.keys.bell("p"))
    cell.settle(claim)
    assert breaker(cell).state == "closed"
    assert cell.redis("LLEN", cell.keys.bell("p")) == 8
    assert cell.taken() == ["b", "c"]


def test_each_bad_probe_doubles_the_wait_up_to_a_minute(cell: Cell) -> None:
    trip(cell)
    cell.submit("a")
    waits = []
    for _ in range(5):
        time_passes(cell)
        cell.requeue(cell.claim(), health="bad")
        waits.append(round(breaker(cell).wait_ms, -3))
    assert waits == [10_000, 20_000, 40_000, 60_000, 60_000]


def test_a_probe_that_never_answers_gives_way_to_another(cell: Cell) -> None:
    trip(cell)
    cell.submit("a", "b")
    time_passes(cell)
    assert cell.taken() == ["a"]
    time_passes(cell, MODEL, "probe")
    assert cell.taken() == ["b"]


def test_a_refused_key_opens_the_whole_account(cell: Cell) -> None:
    cell.submit("a", "b")
    cell.submit("o", target=OTHER)
    cell.requeue(cell.claim(), outcome="unauthorized", health="account", cool_ms=60_000)
    answer = cell.take()
    assert answer.claims == []
    assert 59_000 < (answer.wait_ms or 0) <= 60_000
    assert breaker(cell, "p").state == "open"


def test_an_unknown_model_opens_that_model_only(cell: Cell) -> None:
    cell.submit("a", "b")
    cell.submit("o", target=OTHER)
    cell.fail(cell.take(1).claims[0], outcome="model_not_found", health="model", cool_ms=60_000)
    assert cell.taken() == ["o"]


def test_a_later_signal_never_shortens_an_earlier_one(cell: Cell) -> None:
    cell.submit("a", "b")
    first, second = cell.take(2).claims
    cell.fail(first, health="account", cool_ms=600_000)
    cell.fail(second, health="account", cool_ms=1000)
    assert breaker(cell, "p").wait_ms > 590_000


@pytest.mark.parametrize("how", ["released", "rate_limited", "lost", "cancelled"])
def test_a_probe_that_told_nothing_makes_way_for_the_next_at_once(cell: Cell, how: str) -> None:
    trip(cell)
    cell.submit("a", "b")
    time_passes(cell)
    claim = cell.claim()
    if how == "released":
        cell.release(claim)
    elif how == "rate_limited":
        cell.requeue(claim, outcome=how, counts=False, freeze_ms=0)
        cell.redis("HDEL", cell.keys.scope("p"), "frozen")
    elif how == "lost":
        cell.lose(claim)
    else:
        cell.fail(claim, "cancelled", how)
    assert len(cell.taken()) == 1
    assert cell.take().claims == [], "still one at a time"


def test_a_call_from_before_makes_no_way_for_a_second_probe(cell: Cell) -> None:
    cell.submit("slow")
    slow = cell.claim()
    cell.redis("HSET", cell.keys.job("slow"), "as", cell.now() - 60_000)
    trip(cell)
    cell.submit("a", "b")
    time_passes(cell)
    assert cell.taken() == ["a"]
    cell.release(slow)
    assert cell.taken() == []


def test_failures_of_one_tenant_open_nothing_while_another_fares_well(cell: Cell) -> None:
    cell.submit("good", tenant="b")
    cell.settle(cell.claim())
    cell.submit(*(f"f{i}" for i in range(40)), tenant="a")
    for claim in cell.take(40).claims:
        cell.fail(claim, health="bad")
    assert breaker(cell).state == "closed"


def test_they_open_it_where_nobody_else_fared_well_of_late(cell: Cell) -> None:
    cell.submit("good", tenant="b")
    cell.settle(cell.claim())
    cell.redis("HSET", cell.keys.breaker(MODEL), "good_at", cell.now() - 31_000)
    cell.submit(*(f"f{i}" for i in range(5)), tenant="a")
    for claim in cell.take(5).claims:
        cell.fail(claim, health="bad")
    assert breaker(cell).state == "open"


def test_failures_of_several_tenants_open_it(cell: Cell) -> None:
    cell.submit("good", tenant="c")
    cell.settle(cell.claim())
    cell.submit(*(f"f{i}" for i in range(4)), tenant="a")
    cell.submit("g", tenant="b")
    for claim in cell.take(5).claims:
        cell.fail(claim, health="bad")
    assert breaker(cell).state == "open"


def test_failures_of_one_job_open_nothing(cell: Cell) -> None:
    cell.submit("f")
    for _ in range(8):
        cell.requeue(cell.claim(), health="bad")
    assert breaker(cell).state == "closed"


def test_a_target_that_never_failed_has_no_breaker_to_show(cell: Cell) -> None:
    cell.plan()
    cell.submit("a")
    cell.settle(cell.claim())
    assert [row for row in cell.run(reads.limits(cell.keys)) if row.dimension == "breaker"] == []


def test_a_refused_resource_stops_its_model_first_and_the_account_where_another_one_is_refused_too(cell: Cell) -> None:
    cell.plan()
    cell.plan(OTHER)
    cell.submit("a", "b")
    cell.fail(cell.claim(), outcome="unauthorized", health="resource", cool_ms=60_000)
    assert breaker(cell).state == "open"
    cell.submit("o1", "o2", target=OTHER)
    claim = cell.claim()
    assert claim.target == OTHER
    cell.fail(claim, outcome="unauthorized", health="resource", cool_ms=60_000)
    assert breaker(cell, "p").state == "open"
    assert cell.taken() == []


def test_two_refusals_of_one_resource_leave_the_account_alone(cell: Cell) -> None:
    cell.plan()
    cell.submit("a", "b")
    for claim in cell.take(2).claims:
        cell.fail(claim, outcome="unauthorized", health="resource", cool_ms=60_000)
    cell.submit("o", target=OTHER)
    assert cell.taken() == ["o"]
