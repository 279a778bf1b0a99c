"""What a job waited for stays known when the wait is over."""

from __future__ import annotations

from homa_shared.model.constants import WAIT_TOLD_MS
from homa_shared.model.waits import Wait, waits_of
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim
from tests.transitions.cell import Cell

LONG_MS = 5000


def earlier(cell: Cell, job_id: str, *fields: str) -> None:
    """What the record tells of times was so much earlier."""
    for field in fields:
        at = int(cell.redis("HGET", cell.keys.job(job_id), field))
        cell.redis("HSET", cell.keys.job(job_id), field, at - LONG_MS)


def opened(cell: Cell, scope: str) -> None:
    """The quota of a scope is there again."""
    cell.redis("HDEL", cell.keys.scope(scope), "r", "t", "frozen")


def claim_of(cell: Cell, job_id: str) -> Claim:
    found = {claim.id: claim for claim in cell.take().claims}
    assert job_id in found, found
    return found[job_id]


def kinds(waits: tuple[Wait, ...]) -> list[tuple[str, str]]:
    assert all(LONG_MS <= wait.took_ms < LONG_MS + 60_000 for wait in waits), waits
    return [(wait.kind, wait.name) for wait in waits]


def held_by_rpm(cell: Cell, job_id: str = "b") -> Claim:
    """A job that waited for its limit of requests, and was taken."""
    scope = cell.plan(rpm=60)
    cell.submit("a", job_id)
    cell.take()
    earlier(cell, job_id, "sb")
    opened(cell, scope)
    return claim_of(cell, job_id)


def test_a_running_job_tells_for_which_limit_it_waited(cell: Cell) -> None:
    held_by_rpm(cell)
    assert kinds(cell.job("b").waits) == [("rpm", "p/m")]
    assert cell.job("a").waits == ()


def test_the_attempt_that_won_tells_of_its_wait(cell: Cell) -> None:
    cell.settle_together(held_by_rpm(cell))
    (attempt,) = cell.view("b").attempts
    assert kinds(attempt.waits) == [("rpm", "p/m")]
    assert cell.redis("HGET", cell.keys.job("b"), "rd") is None


def test_each_attempt_tells_of_its_own_wait(cell: Cell) -> None:
    first = held_by_rpm(cell)
    cell.requeue(first, outcome="overloaded")
    assert cell.job("b").waits == ()
    opened(cell, "p/m")
    cell.settle(claim_of(cell, "b"))
    failed, won = cell.view("b").attempts
    assert kinds(failed.waits) == [("rpm", "p/m")]
    assert won.waits == ()


def test_a_wait_begins_anew_with_each_attempt(cell: Cell) -> None:
    scope = cell.plan(rpm=60)
    cell.submit("b")
    first = cell.claim()
    earlier(cell, "b", "sb")
    cell.requeue(first, outcome="overloaded")
    cell.take()  # its limit holds it, for a moment
    opened(cell, scope)
    cell.settle(claim_of(cell, "b"))
    assert [attempt.waits for attempt in cell.view("b").attempts] == [(), ()]


def test_an_attempt_handed_back_unsent_keeps_what_was_waited_for(cell: Cell) -> None:
    cell.release(held_by_rpm(cell))
    assert kinds(cell.job("b").waits) == [("rpm", "p/m")]


def test_short_waits_and_waits_for_a_worker_are_not_written(cell: Cell) -> None:
    scope = cell.plan(rpm=60)
    cell.submit("a", "b")
    cell.take()
    opened(cell, scope)
    claim_of(cell, "b")
    assert cell.job("b").waits == ()
    cell.redis("HSET", cell.keys.scope(scope), "held_till", cell.now() - 2 * LONG_MS)
    opened(cell, scope)
    cell.submit("c")
    earlier(cell, "c", "sb")
    claim_of(cell, "c")
    assert cell.job("c").waits == ()
    assert WAIT_TOLD_MS <= LONG_MS


def test_slots_freezes_and_breakers_are_told_by_their_names(cell: Cell) -> None:
    scope = cell.plan(conc=1)
    cell.submit("a", "b")
    first = cell.claim()
    cell.take()
    earlier(cell, "b", "sb")
    cell.settle(first)
    second = claim_of(cell, "b")
    assert kinds(cell.job("b").waits) == [("concurrency", "p")]
    cell.requeue(second, outcome="rate_limited", freeze_ms=9000)
    cell.take()
    earlier(cell, "b", "rd")
    opened(cell, scope)
    cell.redis("HSET", cell.keys.breaker("p:m"), "state", "open", "until", cell.now() + 60_000)
    third = cell.take().claims
    assert third == []
    assert cell.redis("HGET", cell.keys.scope(scope), "held") == b"breaker p:m"
    cell.redis("DEL", cell.keys.breaker("p:m"))
    claim_of(cell, "b")
    assert kinds(cell.job("b").waits) == [("breaker", "p:m")]


def test_an_unfrozen_scope_holds_nobody(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit("a")
    cell.requeue(cell.claim(), outcome="rate_limited", freeze_ms=90_000)
    cell.take()
    assert int(cell.redis("HGET", cell.keys.scope(scope), "held_till")) > cell.now() + 60_000
    cell.run(admin.unfreeze(cell.keys, scope))
    assert int(cell.redis("HGET", cell.keys.scope(scope), "held_till")) <= cell.now()


def test_waits_aside_are_told_with_the_limit_behind_them(cell: Cell) -> None:
    scope = cell.plan(rpm=60)
    cell.budget(150)
    cell.submit("a", "b")
    first = cell.claim()
    opened(cell, scope)
    cell.take()
    assert cell.job("b").waits_for == "budget:b"
    earlier(cell, "b", "rd")
    cell.settle(first, nano=1)
    cell.submit("first")
    cell.redis("HSET", cell.keys.scope(scope), "r", 2**53)
    cell.take()
    earlier(cell, "b", "rd")
    opened(cell, scope)
    cell.take(1)
    assert kinds(cell.job("b").waits) == [("budget", "b"), ("rpm", "p/m")]


def test_waits_of_one_kind_are_one(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "b", {}))
    cell.submit("b-0", batch="b")
    for _ in range(2):
        cell.run(admin.pause_batch(cell.keys, "b", ""))
        cell.take()
        earlier(cell, "b-0", "rd")
        cell.run(admin.resume_batch(cell.keys, "b"))
    (wait,) = cell.job("b-0").waits
    assert (wait.kind, wait.name) == ("batch", "b")
    assert wait.took_ms >= 2 * LONG_MS


def test_a_paused_queue_is_told_for_as_long_as_it_was(cell: Cell) -> None:
    scope = cell.plan(rpm=60)
    cell.submit("b")
    cell.run(admin.pause_queue(cell.keys, "p"))
    cell.take()
    earlier(cell, "b", "sb")
    cell.redis("HSET", cell.keys.queue("p"), "paused", cell.now() - LONG_MS)
    cell.run(admin.resume_queue(cell.keys, "p"))
    claim_of(cell, "b")
    assert kinds(cell.job("b").waits) == [("pause", "p")]
    opened(cell, scope)
    cell.submit("c")
    earlier(cell, "c", "sb")
    cell.redis("HSET", cell.keys.queue("p"), "was_paused", f"0 {cell.now() - 3 * LONG_MS}")
    cell.take()
    assert cell.job("c").waits == ()


def test_lines_that_tell_nothing_are_passed_over() -> None:
    assert waits_of("") == waits_of("x\n12\nrpm p/m\n-5 rpm p") == ()
    assert waits_of("3200 rpm openai/gpt-*\n7 budget a b") == (
        Wait(3200, "rpm", "openai/gpt-*"),
        Wait(7, "budget", "a b"),
    )
    assert [wait.words for wait in waits_of("1 follow 9f\n1 budget acme\n1 frozen p/m\n1 otpm p/m")] == [
        "an equal job in flight",
        "room in the budget acme",
        "the freeze of p/m",
        "otpm of p/m",
    ]
