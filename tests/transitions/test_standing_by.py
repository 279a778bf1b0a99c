"""What is reserved for a call that cannot leave yet goes back, and is reserved anew when it leaves."""

from __future__ import annotations

from typing import Any

from homa_shared.calls.request import Option
from homa_shared.model.tokens import PrefixTokens, Tokens
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.steps import Leave, Permit, next_step, stand_by
from tests.transitions.cell import BOUND, MODEL, Cell, budget

TOKENS = Tokens(10, 6, 4)


def stand(cell: Cell, claim: Claim, worker: str = "w") -> None:
    cell.run(stand_by(cell.keys, (claim.id, claim.attempt), worker=worker))


def leave(cell: Cell, claim: Claim) -> Permit:
    need = Option(MODEL, BOUND, TOKENS)
    return cell.run(next_step(cell.keys, (claim.id, claim.attempt), 1, need, worker="w"))


def submit(cell: Cell, *ids: str, **more: Any) -> None:
    cell.submit(*ids, **{"tokens": tuple(TOKENS), **more})


def wait_ms(cell: Cell, scope: str) -> float:
    """How far the limiter is ahead of the present."""
    return float(cell.redis("HGET", cell.keys.scope(scope), "r") or 0) / 1000 - cell.now()


def test_its_quota_is_there_for_others(cell: Cell) -> None:
    cell.plan(rpm=60, burst=1000)
    submit(cell, "a", "b")
    claim = cell.claim()
    assert cell.taken() == []
    stand(cell, claim)
    assert cell.taken() == ["b"]


def test_it_leaves_only_where_there_is_room(cell: Cell) -> None:
    scope = cell.plan(rpm=60, burst=1000)
    submit(cell, "a", "b")
    claim = cell.claim()
    stand(cell, claim)
    other = cell.claim()
    assert other.id == "b"
    assert leave(cell, claim).leave is Leave.WAIT
    cell.redis("HDEL", cell.keys.scope(scope), "r")
    assert leave(cell, claim).leave is Leave.OK
    assert wait_ms(cell, scope) > 900
    cell.settle(claim)
    cell.settle(other)


def test_said_twice_it_gives_back_once(cell: Cell) -> None:
    scope = cell.plan(rpm=60, burst=10_000)
    submit(cell, "a", "b", "c")
    first, *_ = cell.take(3).claims
    before = wait_ms(cell, scope)
    stand(cell, first)
    stand(cell, first)
    assert -1100 < wait_ms(cell, scope) - before < -900


def test_sent_twice_it_takes_no_reservation_that_was_made_since(cell: Cell) -> None:
    """The first sending may arrive last: by then its call has been reserved anew, and is in flight."""
    cell.budget(10 * BOUND)
    submit(cell, "a")
    claim = cell.claim()
    once = stand_by(cell.keys, (claim.id, claim.attempt), worker="w")
    cell.run(once)
    assert leave(cell, claim).leave is Leave.OK
    cell.run(once)
    assert budget(cell) == (0, 0, BOUND)
    cell.lose(claim)
    (attempt,) = cell.view("a").attempts
    assert (attempt.outcome, attempt.charge) == ("lost", "unresolved")


def test_a_reservation_is_asked_for_by_name_too_and_not_made_behind_the_calls_standing_by(cell: Cell) -> None:
    cell.budget(10 * BOUND)
    submit(cell, "a")
    claim = cell.claim()
    stand(cell, claim)
    once = next_step(cell.keys, (claim.id, claim.attempt), 1, Option(MODEL, BOUND, TOKENS), worker="w")
    assert cell.run(once).leave is Leave.OK
    assert cell.run(once).leave is Leave.OK, "sent twice"
    assert budget(cell) == (0, 0, BOUND)
    stand(cell, claim)
    assert cell.run(once) == Permit(Leave.WAIT, 0, "an answer of the store")
    assert budget(cell) == (0, 0, 0)
    assert leave(cell, claim).leave is Leave.OK
    assert budget(cell) == (0, 0, BOUND)
    cell.settle(claim)


def test_a_reservation_whose_refusal_was_lost_is_asked_for_anew(cell: Cell) -> None:
    cell.budget(BOUND)
    submit(cell, "a", "b")
    claim = cell.claim()
    stand(cell, claim)
    other = cell.claim()
    once = next_step(cell.keys, (claim.id, claim.attempt), 1, Option(MODEL, BOUND, TOKENS), worker="w")
    assert cell.run(once) == Permit(Leave.WAIT, 1000, "budget b")
    cell.release(other)
    assert cell.run(once) == Permit(Leave.WAIT, 0, "an answer of the store")
    assert leave(cell, claim).leave is Leave.OK
    cell.settle(claim)


def test_another_workers_attempt_is_left_alone(cell: Cell) -> None:
    cell.plan(rpm=60, burst=1000)
    submit(cell, "a", "b")
    stand(cell, cell.claim(), worker="v")
    assert cell.taken() == []


def test_its_bound_is_there_for_others_and_their_wait_ends(cell: Cell) -> None:
    cell.budget(BOUND)
    submit(cell, "a", "b")
    claim = cell.claim()
    assert cell.taken() == []
    stand(cell, claim)
    assert cell.taken() == ["b"]
    assert leave(cell, claim).leave is Leave.WAIT


def test_one_that_ends_meanwhile_costs_nothing(cell: Cell) -> None:
    cell.budget(BOUND)
    submit(cell, "a")
    claim = cell.claim()
    stand(cell, claim)
    cell.lose(claim)
    (attempt,) = cell.view("a").attempts
    assert (attempt.outcome, attempt.charge) == ("lost", "none")


def test_the_probe_of_a_breaker_or_a_freeze_makes_way(cell: Cell) -> None:
    cell.plan(rpm=6000)
    submit(cell, "f0", "f1", "f2", "f3", "f4")
    for claim in cell.take(5).claims:
        cell.fail(claim, health="bad")
    cell.redis("HSET", cell.keys.breaker(MODEL), "until", 1)
    submit(cell, "a", "b")
    claim = cell.claim()
    assert cell.taken() == []
    stand(cell, claim)
    assert cell.taken() == ["b"]


def test_what_the_prompt_cache_holds_is_not_reserved_anew(cell: Cell) -> None:
    row = {"name": MODEL, "account": "p", "quota": "p/m", "real": MODEL, "exempts": 1}
    row |= {"account_limits": {"conc": None}, "quota_limits": {"itpm": 6000, "burst": 10_000}}
    cell.run(admin.write_plans(cell.keys, [row]))
    cell.submit("a", tokens=(1010, 1000, 10), prefix=PrefixTokens(900, "ab12"))
    claim = cell.claim()
    stand(cell, claim)
    cell.redis("SET", cell.keys.shared_prefix(MODEL, "ab12"), 1)
    need = Option(MODEL, BOUND, Tokens(1010, 1000, 10))
    assert cell.run(next_step(cell.keys, ("a", claim.attempt), 1, need, worker="w")).leave is Leave.OK
    ahead_ms = float(cell.redis("HGET", cell.keys.scope("p/m"), "i")) / 1000 - cell.now()
    assert 900 < ahead_ms < 1002, "a hundred tokens at a hundred a second"


def test_one_that_asks_for_more_does_not_wait_for_itself_as_a_breakers_probe(cell: Cell) -> None:
    cell.plan(rpm=6000)
    submit(cell, "f0", "f1", "f2", "f3", "f4")
    for claim in cell.take(5).claims:
        cell.fail(claim, health="bad")
    cell.redis("HSET", cell.keys.breaker(MODEL), "until", 1)
    submit(cell, "a", "b")
    claim = cell.claim()
    assert leave(cell, claim).leave is Leave.OK
    assert cell.taken() == [], "it is the probe again"


def test_one_that_asks_for_more_does_not_wait_for_itself_as_a_freezes_probe(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    submit(cell, "a", "b")
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() + 86_400_000, "frozen_at", cell.now(), "probe", 1)
    claim = cell.claim()
    assert leave(cell, claim).leave is Leave.OK
    assert cell.taken() == [], "it is the probe again"


def test_what_one_that_may_not_have_more_gives_back_is_there_for_others(cell: Cell) -> None:
    cell.budget(BOUND)
    submit(cell, "a", "b")
    claim = cell.claim()
    assert cell.taken() == []
    need = Option(MODEL, 2 * BOUND, TOKENS)
    assert cell.run(next_step(cell.keys, ("a", claim.attempt), 1, need, worker="w")).leave is Leave.REJECT
    assert cell.taken() == ["b"]
