"""Taking: strict lanes, fair turns, one answer to one question, and nobody delayed by somebody else's limit."""

from __future__ import annotations

from collections import Counter

import pytest

from homa_shared.model.constants import LOOK_EACH_MS
from homa_shared.model.ids import new_nonce
from homa_shared.model.records import State
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reads
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import divert
from homa_shared.store.transitions.fleet import read_fleet, write_fleet
from homa_shared.store.transitions.next_target import NextTarget
from tests.transitions.cell import BOUND, MODEL, OTHER, Cell


def test_a_higher_lane_is_always_served_first(cell: Cell) -> None:
    cell.submit("b1", "b2", lane="bulk")
    cell.submit("d1", lane="default", target=OTHER)
    cell.submit("h1", lane="high", tenant="t")
    assert cell.taken(10) == ["h1", "d1", "b1", "b2"]


def test_jobs_of_a_group_are_served_in_order(cell: Cell) -> None:
    cell.submit(*(f"j{i}" for i in range(40)))
    assert cell.taken(25) + cell.taken(25) == [f"j{i}" for i in range(40)]


def test_targets_take_turns(cell: Cell) -> None:
    cell.submit(*(f"a{i}" for i in range(10)))
    cell.submit(*(f"b{i}" for i in range(10)), target=OTHER)
    first = [cell.claim().target for _ in range(4)]
    assert Counter(first) == {MODEL: 2, OTHER: 2}
    assert Counter(c.target for c in cell.take(8).claims) == {MODEL: 4, OTHER: 4}


def test_tenants_share_by_weight(cell: Cell) -> None:
    cell.config(weights={"heavy": 3})
    cell.submit(*(f"h{i}" for i in range(40)), tenant="heavy")
    cell.submit(*(f"l{i}" for i in range(40)), tenant="light")
    assert Counter(c.tenant for c in cell.take(20).claims) == {"heavy": 15, "light": 5}


def test_a_tenant_that_comes_back_is_not_paid_for_its_absence(cell: Cell) -> None:
    cell.submit(*(f"a{i}" for i in range(30)), tenant="a")
    cell.submit("b", tenant="b")
    cell.take(20)
    cell.submit(*(f"b{i}" for i in range(30)), tenant="b")
    assert Counter(c.tenant for c in cell.take(10).claims) == {"a": 5, "b": 5}


def test_what_one_takes_nobody_else_does(cell: Cell) -> None:
    cell.submit("a", "b")
    assert cell.taken(1, worker="w1") == ["a"]
    assert cell.taken(10, worker="w2") == ["b"]
    assert cell.taken(10, worker="w3") == []


def test_the_same_question_gets_the_same_answer(cell: Cell) -> None:
    cell.submit("a", "b", "c")
    first = cell.take(2, nonce="n1")
    again = cell.take(2, nonce="n1")
    assert [c.name for c in again.claims] == [c.name for c in first.claims] == ["a:1", "b:1"]
    assert cell.taken(2, nonce="n2") == ["c"]


def test_a_repeated_answer_leaves_out_what_has_ended_since(cell: Cell) -> None:
    cell.submit("a", "b")
    cell.settle(cell.take(2, nonce="n1").claims[0])
    assert cell.taken(2, nonce="n1") == ["b"]


def test_nothing_waiting_is_said_so(cell: Cell) -> None:
    assert cell.take().wait_ms is None


def test_a_blocked_model_delays_nobody_else(cell: Cell) -> None:
    cell.plan(MODEL, rpm=60)
    cell.submit(*(f"a{i}" for i in range(2000)))
    cell.submit(*(f"b{i}" for i in range(30)), target=OTHER)
    assert len(cell.taken(1)) == 1
    answer = cell.take(31)
    assert Counter(c.target for c in answer.claims)[OTHER] >= 29


def test_many_blocked_models_do_not_use_up_the_look_at_others(cell: Cell) -> None:
    for n in range(8):
        cell.plan(f"p:slow{n}", rpm=1)
        cell.submit(*(f"s{n}.{i}" for i in range(60)), target=f"p:slow{n}")
    cell.take(8)
    cell.submit(*(f"b{i}" for i in range(30)), target=OTHER)
    assert Counter(c.target for c in cell.take(30).claims) == {OTHER: 30}


def test_queues_of_other_providers_are_left_alone(cell: Cell) -> None:
    cell.submit("a", queue="q", target="q:m")
    assert cell.taken() == []
    assert cell.taken(provider="q", queues=("p", "q")) == ["a"]


def test_a_pool_is_served_by_whoever_has_quota(cell: Cell) -> None:
    for member, conc in (("p", 1), ("q", 5)):
        row = {"name": f"pool-fast|{member}", "account": member, "quota": f"{member}/m", "real": f"{member}:m"}
        row |= {"account_limits": {"conc": conc}, "quota_limits": {}}
        cell.run(admin.write_plans(cell.keys, [row]))
    cell.submit(*(f"j{i}" for i in range(6)), queue="pool-fast", target="pool-fast")
    at_p = cell.take(5, queues=("p", "pool-fast")).claims
    assert [c.target for c in at_p] == ["p:m"]
    at_q = cell.take(9, provider="q", worker="w2", queues=("q", "pool-fast")).claims
    assert [c.target for c in at_q] == ["q:m"] * 5
    cell.settle(at_p[0])
    assert cell.view(at_p[0].id).attempts[0].number == 1
    assert cell.run(reads.ledger(cell.keys))[0].target == "p:m"


def test_a_job_that_became_due_is_taken_at_its_own_place(cell: Cell) -> None:
    cell.submit("a", due_ms=60_000)
    cell.submit("b")
    cell.redis("ZADD", cell.keys.due(), 1, "a")
    assert cell.taken() == ["a", "b"]


def test_a_paused_queue_gives_nothing_until_it_is_resumed(cell: Cell) -> None:
    cell.submit("a")
    assert cell.run(admin.pause_queue(cell.keys, "p"))
    assert not cell.run(admin.pause_queue(cell.keys, "p"))
    assert cell.taken() == []
    assert cell.run(reads.queues(cell.keys))[0].paused
    assert cell.run(admin.resume_queue(cell.keys, "p"))
    assert cell.taken() == ["a"]


def test_a_job_past_its_deadline_expires_instead_of_being_called(cell: Cell) -> None:
    cell.submit("a", "b", deadline_ms=60_000)
    cell.redis("HSET", cell.keys.job("a"), "dl", 1)
    assert cell.taken() == ["b"]
    assert cell.state("a") is State.EXPIRED
    assert "deadline" in cell.error("a")["message"]


def test_housekeeping_expires_what_waits_past_its_deadline(cell: Cell) -> None:
    cell.submit("a", deadline_ms=60_000)
    cell.submit("b", deadline_ms=60_000, due_ms=600_000)
    for job_id in "ab":
        cell.redis("ZADD", cell.keys.deadlines(), 1, job_id)
    cell.sweep()
    assert cell.state("a") is cell.state("b") is State.EXPIRED
    assert cell.counters()["live"] == 0


def test_a_recovered_job_keeps_its_deadline(cell: Cell) -> None:
    cell.submit("a", deadline_ms=600_000)
    claim = cell.claim()
    cell.redis("ZADD", cell.keys.deadlines(), 1, "a")
    cell.sweep()  # it runs: its worker keeps the deadline
    assert cell.scores(cell.keys.deadlines()) == {}
    cell.lose(claim)
    assert cell.scores(cell.keys.deadlines()).keys() == {"a"}


def test_a_job_whose_target_is_out_of_reach_is_offered_to_its_next(cell: Cell) -> None:
    cell.plan(MODEL)
    cell.submit("a", "b", fallbacks_left=1)
    cell.submit("c")
    cell.redis("HSET", cell.keys.breaker(MODEL), "state", "open", "until", cell.now() + 60_000, "open_ms", 60_000)
    answer = cell.take()
    assert [(why, claim.id) for why, claim in answer.diverts] == [("breaker p:m", "a"), ("breaker p:m", "b")]
    following = NextTarget("q:m", "q")
    assert cell.run(divert(cell.keys, "a", MODEL, "breaker p:m", following)) == "ok"
    assert cell.run(divert(cell.keys, "a", MODEL, "breaker p:m", following)) == "stale"
    assert cell.taken(provider="q", queues=("q",)) == ["a"]
    assert [a.outcome for a in cell.view("a").attempts] == ["diverted"]
    assert {row.queue for row in cell.run(reads.queues(cell.keys))} == {"p", "q"}


def test_a_job_that_is_given_is_not_offered_to_its_next_target_by_the_same_call(cell: Cell) -> None:
    cell.plan(MODEL, conc=1)
    cell.submit("a", "b", fallbacks_left=1, slack_ms=1)
    answer = cell.take()
    assert [claim.id for claim in answer.claims] == ["a"]
    assert [claim.id for _, claim in answer.diverts] == ["b"]


@pytest.mark.parametrize("tenants", [[""], ["t"], ["t", "u", "v"]])
def test_a_call_that_gives_the_last_job_says_that_nothing_waits(cell: Cell, tenants: list[str]) -> None:
    for tenant in tenants:
        cell.submit(f"a{tenant}", f"b{tenant}", tenant=tenant)
    answer = cell.take(20)
    assert len(answer.claims) == 2 * len(tenants)
    assert answer.wait_ms is None
    assert cell.redis("EXISTS", cell.keys.group("p", "default", MODEL), cell.keys.lane("p", "default")) == 0


def test_a_short_wait_is_borne(cell: Cell) -> None:
    scope = cell.plan(MODEL, rpm=60)
    cell.submit("a", fallbacks_left=1)
    cell.submit("b", fallbacks_left=1, slack_ms=100, target=MODEL)
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() + 20_000)
    assert [claim.id for _, claim in cell.take().diverts] == ["b"]


def test_jobs_without_a_fallback_do_not_hide_those_that_have_one(cell: Cell) -> None:
    scope = cell.plan(MODEL, rpm=60)
    cell.submit(*(f"n{i}" for i in range(17)))
    cell.submit(*(f"f{i}" for i in range(1000)), fallbacks_left=1)
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() + 600_000)
    offered: set[str] = set()
    for n in range(20):
        offered |= {claim.id for _, claim in cell.take(worker=f"w{n}").diverts}
    assert any(job_id.startswith("f") for job_id in offered)


def test_who_found_none_to_divert_looks_again_soon_but_not_at_once(cell: Cell) -> None:
    scope = cell.plan(MODEL, rpm=60)
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() + 20_000)
    cell.submit("a", fallbacks_left=1)
    first = cell.take()
    assert (first.diverts, 19_000 < (first.wait_ms or 0) <= 20_000) == ([], True)
    cell.submit("b", fallbacks_left=1, slack_ms=100)
    again = cell.take()
    assert again.diverts == []
    assert again.wait_ms == LOOK_EACH_MS, "it asks again when it may look"
    cell.redis("HSET", cell.keys.worker("w"), "looked", cell.now() - LOOK_EACH_MS)
    assert [claim.id for _, claim in cell.take().diverts] == ["b"]
    assert [claim.id for _, claim in cell.take().diverts] == ["b"], "who found one looks at once for more"


def test_a_look_of_a_clock_that_was_ahead_keeps_nobody_from_looking(cell: Cell) -> None:
    scope = cell.plan(MODEL, rpm=60)
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() + 20_000)
    cell.submit("b", fallbacks_left=1, slack_ms=100)
    cell.redis("HSET", cell.keys.worker("w"), "looked", cell.now() + 60_000)
    assert [claim.id for _, claim in cell.take().diverts] == ["b"]


def test_a_line_cancelled_behind_a_blocked_one_ends_once(cell: Cell) -> None:
    scope = cell.plan(MODEL, tpm=1000)
    cell.redis("HSET", cell.keys.scope(scope), "burst", 60_000)
    cell.submit("a1", "a2", tenant="a", tokens=(600, 0, 0))
    cell.submit("b1", "b2", tenant="b", tokens=(10, 0, 0))
    cell.redis("HSET", cell.keys.job("b2"), "cx", 1)
    for _ in range(3):
        cell.take(10)
    assert cell.counters()["cancelled"] == 1
    assert cell.state("b2") is State.CANCELLED


def test_ordinary_messages_stand_under_no_limit(cell: Cell) -> None:
    cell.plan(MODEL, conc=1)
    cell.submit("m1", "m2", target="actor", kind="m")
    assert cell.taken() == ["m1", "m2"]
    assert cell.numbers(cell.keys.scope("p")).get("busy", 0) == 0


def test_a_hundred_jobs_cost_one_question(cell: Cell) -> None:
    cell.submit(*(f"j{i}" for i in range(300)))
    assert len(cell.take(300).claims) == 300


def test_a_question_that_arrives_behind_a_later_one_takes_nothing(cell: Cell) -> None:
    cell.submit("a", "b")
    first, second = new_nonce(), new_nonce()
    assert cell.taken(1, nonce=first) == ["a"]
    assert cell.taken(0, nonce=second) == []
    assert cell.taken(1, nonce=first) == [], "its asker has its answer and would not hear of another"
    assert cell.state("b") is State.QUEUED
    assert cell.taken(1) == ["b"]


def test_a_worker_that_was_started_again_under_its_id_is_heard(cell: Cell) -> None:
    cell.submit("a", "b")
    assert cell.taken(1, nonce="aa-7") == ["a"]
    assert cell.taken(1, nonce="bb-1") == ["b"]


def test_a_store_without_settings_hands_nothing_to_a_worker_that_knows_some(cell: Cell) -> None:
    cell.submit("a")
    cell.run(Op((("DEL", cell.keys.config()),), lambda replies: replies))
    held = cell.take(settings=3)
    assert held.claims == []
    assert held.wait_ms == 500
    cell.config(version=3)
    assert cell.take(settings=3).unplanned == [MODEL], "its limits are as unknown"
    cell.plan(MODEL, rpm=60)
    assert cell.taken(settings=3) == ["a"]


def test_settings_that_were_lost_are_written_by_whoever_knows_them(cell: Cell) -> None:
    cell.run(Op((("DEL", cell.keys.config(), cell.keys.fleet()),), lambda replies: replies))
    assert cell.run(write_fleet(cell.keys, Fleet(version=3), seen=3)) == 4
    assert cell.run(write_fleet(cell.keys, Fleet(version=3), seen=3)) == 4, "the second one comes too late"
    found = cell.run(read_fleet(cell.keys))
    assert found is not None
    assert found.version == 4


def test_tenants_whose_last_job_is_given_leave_no_trace_among_those_that_wait(cell: Cell) -> None:
    for tenant in ("a", "b", "c"):
        cell.submit(f"plain-{tenant}", tenant=tenant)
        cell.submit(f"cached-{tenant}", tenant=tenant, cache_key=tenant)
    assert len(cell.taken(6)) == 6
    assert not cell.redis("EXISTS", cell.keys.group("p", "default", MODEL))
    assert not cell.redis("EXISTS", cell.keys.lane("p", "default"))


def test_a_backlog_that_is_read_again_does_not_show_what_was_given(cell: Cell) -> None:
    cell.budget(10**9)
    ids = [f"j{i}" for i in range(40)]
    cell.submit(*ids)
    assert cell.taken(35) == ids[:35]
    assert cell.taken(35) == ids[35:]
    assert cell.numbers(cell.keys.budget("b"))["reserved"] == 40 * BOUND
