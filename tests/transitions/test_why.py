"""Why a job waits: what holds it, and for how long."""

from __future__ import annotations

from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from tests.transitions.cell import Cell


def hold(cell: Cell, job_id: str) -> reads.Hold:
    why = cell.run(reads.why(cell.keys, job_id))
    assert why is not None
    return why.holds[0]


def test_a_job_that_only_needs_a_worker_is_held_by_nothing(cell: Cell) -> None:
    cell.submit("a")
    assert cell.run(reads.why(cell.keys, "a")) == reads.Why(State.QUEUED, [])


def test_why_names_the_limit_and_when_it_passes(cell: Cell) -> None:
    scope = cell.plan(rpm=60)
    cell.submit("a", "b")
    cell.claim()
    found = hold(cell, "b")
    assert (found.kind, found.name, found.limit) == ("limit", scope, "rpm")
    assert found.detail == "rpm: all of 60 a minute is taken"
    assert 0 < (found.wait_ms or 0) <= 1000


def test_why_names_what_a_call_takes_of_a_limit_of_tokens(cell: Cell) -> None:
    scope = cell.plan(tpm=6000)
    cell.submit("a", "b", tokens=(4000, 0, 0))
    cell.claim()
    found = hold(cell, "b")
    assert (found.name, found.limit) == (scope, "tpm")
    assert found.detail == "tpm: this call takes 4000 of 6000 a minute, and less is free"
    assert 30_000 < (found.wait_ms or 0) <= 40_000


def test_why_says_where_a_limit_is_the_providers_word_or_a_guess(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.submit("a", "b")
    cell.claim()
    key = cell.keys.scope(scope)
    cell.redis("HSET", key, "hrpm", 30, "told_at", cell.now())
    assert hold(cell, "b").detail == "rpm: all of 30 a minute, as the provider says, is taken"
    cell.redis("HDEL", key, "hrpm", "told_at", "rpm")
    cell.redis("HSET", key, "adaptive", 1, "rate", 0.5)
    assert hold(cell, "b").detail == "rpm: all of 30 a minute, as far as its refusals showed, is taken"


def test_why_names_freeze_slots_breaker_and_size(cell: Cell) -> None:
    scope = cell.plan(tpm=100, conc=1)
    cell.submit("a", "b", tokens=(1, 0, 0))
    claim = cell.claim()
    assert (hold(cell, "b").name, hold(cell, "b").limit) == ("p", "concurrency")
    assert hold(cell, "b").detail == "concurrency: 1 of 1 calls at once are under way"
    cell.requeue(claim, outcome="rate_limited", freeze_ms=9000)
    assert (hold(cell, "b").name, hold(cell, "b").detail) == (scope, "frozen: p:m refused a, which asked for 9 s")
    cell.redis("HSET", cell.keys.breaker("p"), "state", "open", "until", cell.now() + 9000)
    assert (hold(cell, "b").kind, hold(cell, "b").name) == ("breaker", "p")
    cell.submit("huge", tokens=(101, 0, 0))
    why = cell.run(reads.why(cell.keys, "huge"))
    assert why is not None
    assert any(h.detail == "too large for tpm" or h.detail.startswith("frozen: ") for h in why.holds)


def test_why_names_budget_pause_leader_due_deadline_and_run(cell: Cell) -> None:
    cell.submit("run")
    cell.claim()
    assert (hold(cell, "run").kind, hold(cell, "run").name) == ("running", "w")
    cell.submit("due", due_ms=60_000, deadline_ms=90_000)
    why = cell.run(reads.why(cell.keys, "due"))
    assert why is not None
    assert [h.kind for h in why.holds] == ["due", "deadline"]
    assert 59_000 < (why.holds[0].wait_ms or 0) <= 60_000
    cell.submit("lead", "follow", cache_key="k")
    cell.take()
    assert (hold(cell, "follow").kind, hold(cell, "follow").name) == ("leader", "lead")
    cell.run(admin.open_batch(cell.keys, "b", {}))
    cell.run(admin.pause_batch(cell.keys, "b", "too many failures"))
    cell.submit("b-0", "b-1", batch="b")
    assert hold(cell, "b-0").detail == "its batch is paused: too many failures"
    cell.take()
    assert hold(cell, "b-0").kind == "pause"
    cell.run(admin.cancel_batch(cell.keys, "b"))
    assert hold(cell, "b-0").kind == "cancel"
    cell.run(admin.pause_queue(cell.keys, "p"))
    cell.submit("q")
    assert (hold(cell, "q").kind, hold(cell, "q").name) == ("pause", "p")


def test_why_names_the_budget_and_its_sums(cell: Cell) -> None:
    cell.budget(150, period="day", on_exceed="defer")
    cell.submit("a", "b")
    claim = cell.take().claims[0]
    found = hold(cell, "b")
    assert (found.kind, found.detail.split(":")[0]) == ("budget", "wait")
    cell.settle(claim, nano=100)
    cell.take()
    found = hold(cell, "b")
    assert found.detail.startswith("defer: spent $0.0000001, unresolved $0.00, reserved $0.00")
    assert 0 < (found.wait_ms or 0) <= 86_400_000
    cell.budget(1000, period="day")
    assert hold(cell, "b").detail.startswith("there is room again")
    cell.submit("c", bound=None)
    assert "unpriced" in hold(cell, "c").detail


def test_why_tells_how_many_stand_before_a_job(cell: Cell) -> None:
    cell.submit("a", "b", "c")
    assert hold(cell, "c").detail == "2 jobs of its group stand before it"
    assert hold(cell, "c").wait_ms is None


def test_why_tells_which_limit_paces_those_before_a_job_and_for_how_long(cell: Cell) -> None:
    scope = cell.plan(rpm=60, tpm=1000)
    cell.submit("a", "b", "c", tokens=(100, 0, 0))
    found = hold(cell, "c")
    assert (found.kind, found.limit) == ("backlog", "tpm")
    assert found.detail == f"2 jobs of its group stand before it, for which tpm of {scope} has 1000 a minute"
    assert found.wait_ms == 12_000


def test_a_pool_is_held_only_where_each_of_its_members_is(cell: Cell) -> None:
    for member, conc in (("p", 1), ("q", None)):
        row = {"name": f"pool-fast|{member}", "account": member, "quota": f"{member}/m", "real": f"{member}:m"}
        cell.run(admin.write_plans(cell.keys, [row | {"account_limits": {"conc": conc}, "quota_limits": {}}]))
    cell.run(admin.write_plans(cell.keys, [{"name": "pool-fast", "members": ["p", "q"]}]))
    cell.submit("a", "b", queue="pool-fast", target="pool-fast")
    cell.take(1, queues=("pool-fast",))
    assert cell.run(reads.why(cell.keys, "b")) == reads.Why(State.QUEUED, [])
    cell.redis("HSET", cell.keys.breaker("q"), "state", "open", "until", cell.now() + 500)
    assert hold(cell, "b").name == "q"


def test_nothing_holds_an_ended_job(cell: Cell) -> None:
    cell.submit("a")
    cell.settle(cell.claim())
    assert cell.run(reads.why(cell.keys, "a")) == reads.Why(State.SUCCEEDED, [])
