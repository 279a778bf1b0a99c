"""How attempts and jobs end: once, with their cost in the books, whatever arrives twice, late or from a stranger."""

from __future__ import annotations

import orjson
import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.model.tokens import Tokens
from homa_shared.store import reads
from homa_shared.store.operation import read
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import renew
from homa_shared.store.transitions.next_target import NextTarget
from tests.transitions.cell import BOUND, COST, LEASE_MS, Cell


def attempts(cell: Cell, job_id: str = "a") -> list[tuple[int, str, int, int]]:
    return [(a.number, a.outcome, a.nano_usd, a.unresolved_nano_usd) for a in cell.view(job_id).attempts]


def test_a_good_reply_ends_the_job(cell: Cell) -> None:
    cell.submit("a", tags="team=x", custom_id="row 1")
    assert cell.settle(cell.claim()) == "ok"
    view = cell.view("a")
    assert view.job.state is State.SUCCEEDED
    assert (view.job.cost_nano_usd, view.job.custom_id, view.job.tags) == (COST, "row 1", {"team": "x"})
    assert orjson.loads(view.reply or b"")["body"] == {"said": "a"}
    assert view.request is None
    assert attempts(cell) == [(1, "succeeded", COST, 0)]
    assert cell.scores(cell.keys.leases()) == {}


def test_whoever_waits_for_the_end_is_told(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    with cell.store.subscription([cell.keys.channel_end("a")]) as channel:
        channel.get_message(timeout=1)
        cell.settle(claim)
        message = channel.get_message(timeout=5)
        assert message is not None
        assert message["data"] == b"succeeded"


def test_a_request_is_kept_after_success_where_settings_say_so(cell: Cell) -> None:
    cell.config(**{"keep.requests": 60_000})
    cell.submit("a")
    cell.settle(cell.claim())
    assert cell.view("a").request == b"{}"


def test_settling_twice_changes_nothing(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    assert [cell.settle(claim), cell.settle(claim)] == ["ok", "ok"]
    assert len(cell.run(reads.ledger(cell.keys))) == 1
    assert cell.counters()["succeeded"] == 1


def test_a_success_without_usage_stays_open_at_its_bound_until_resolved(cell: Cell) -> None:
    cell.submit("a")
    cell.settle(cell.claim(), charge=Charge.UNRESOLVED)
    assert attempts(cell) == [(1, "succeeded", 0, BOUND)]
    assert cell.run(reads.unresolved(cell.keys))[0][0] == "a:1"
    assert cell.run(admin.resolve(cell.keys, "a", 1, 33, "invoice 7")) == "ok"
    assert cell.run(admin.resolve(cell.keys, "a", 1, 44)) == "stale"
    assert attempts(cell) == [(1, "succeeded", 33, 0)]
    assert cell.run(reads.unresolved(cell.keys)) == []
    assert cell.run(reads.costs(cell.keys)).nano_usd == 33


def test_an_unpriced_reply_says_so_and_never_counts_as_free(cell: Cell) -> None:
    cell.submit("a")
    cell.settle(cell.claim(), nano=None)
    table = cell.run(reads.costs(cell.keys))
    assert (table.nano_usd, table.unpriced) == (0, 1)
    assert cell.view("a").attempts[0].unpriced


def test_a_failed_job_is_kept_with_its_request(cell: Cell) -> None:
    cell.submit("a")
    cell.fail(cell.claim(), note='{"error":"bad field","status":400}')
    view = cell.view("a")
    assert (view.job.state, view.request) == (State.FAILED, b"{}")
    assert (view.attempts[0].error, view.attempts[0].note["status"]) == ("bad field", 400)
    assert cell.run(admin.purgeable(cell.keys, cell.now())) == ["a"]


def test_a_stale_failure_is_refused(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.settle(claim)
    assert cell.fail(claim) == "stale"
    assert cell.state("a") is State.SUCCEEDED


def test_a_stale_failure_corrects_the_cost_and_nothing_else(cell: Cell) -> None:
    cell.submit("a")
    first = cell.claim()
    cell.lose(first)
    assert attempts(cell) == [(1, "lost", 0, BOUND)]
    assert cell.fail(first, charge=Charge.ACTUAL, nano=12) == "late"
    assert cell.state("a") is State.QUEUED
    assert attempts(cell) == [(1, "lost", 12, 0)]
    assert cell.requeue(first) == "stale"


def test_reports_of_jobs_that_nobody_knows_are_answered_so(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.cooked = True
    cell.redis("DEL", cell.keys.job("a"))
    assert cell.settle(claim) == cell.fail(claim) == cell.requeue(claim) == "unknown"
    assert cell.run(admin.resolve(cell.keys, "a", 1, 5)) == "unknown"


def test_a_late_reply_ends_a_job_that_waits_again(cell: Cell) -> None:
    cell.submit("a")
    first = cell.claim()
    cell.lose(first)
    assert cell.settle(first) == "late"
    assert cell.state("a") is State.SUCCEEDED
    assert attempts(cell) == [(1, "succeeded", COST, 0)]
    assert cell.taken() == []
    assert cell.counters()["live"] == 0


def test_a_late_reply_calls_off_the_other_attempt(cell: Cell) -> None:
    cell.submit("a")
    first = cell.claim()
    cell.lose(first)
    second = cell.claim(worker="w2")
    assert cell.settle(first) == "late"
    assert cell.orders("w2") == ["cancel a 2"]
    assert attempts(cell) == [(1, "succeeded", COST, 0), (2, "superseded", 0, BOUND)]
    # What the other one learns of its cost still counts; its reply no longer matters.
    assert cell.settle(second, nano=80) == "late"
    assert cell.job("a").cost_nano_usd == COST + 80
    assert orjson.loads(cell.view("a").reply or b"")["cost_nano"] == COST
    assert [cell.settle(first), cell.settle(second)] == ["ok", "ok"]
    assert cell.job("a").cost_nano_usd == COST + 80


def test_a_reply_after_the_end_is_kept_and_marked_late(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.fail(claim, "cancelled", charge=Charge.UNRESOLVED)
    assert cell.settle(claim) == "late"
    reply = orjson.loads(cell.view("a").reply or b"")
    assert (cell.state("a"), reply["late"], reply["body"]) == (State.CANCELLED, True, {"said": "a"})
    assert cell.job("a").cost_nano_usd == COST


def test_a_deferred_job_comes_back_to_the_same_target(cell: Cell) -> None:
    cell.submit("a")
    assert cell.requeue(cell.claim(), delay_ms=60_000) == "ok"
    assert cell.state("a") is State.DUE
    cell.redis("ZADD", cell.keys.due(), 1, "a")
    claim = cell.claim()
    assert (claim.attempt, claim.tries, claim.target) == (2, 2, "p:m")
    assert attempts(cell) == [(1, "overloaded", 0, 0)]


def test_waiting_for_quota_is_no_attempt(cell: Cell) -> None:
    cell.submit("a")
    cell.requeue(cell.claim(), counts=False, outcome="rate_limited")
    claim = cell.claim()
    assert (claim.attempt, claim.tries) == (2, 1)


def test_a_rerouted_job_waits_for_its_next_target(cell: Cell) -> None:
    cell.submit("a", fallbacks_left=1)
    cell.requeue(cell.claim(), "job.rerouted", to=NextTarget("q:n", "q", 5, Tokens(9)))
    assert cell.taken() == []
    claim = cell.claim(provider="q", queues=("q",))
    assert (claim.target, claim.bound, claim.total_tokens, claim.fallbacks_left) == ("q:n", 5, 9, 0)
    assert "job.rerouted" in cell.events()


def test_a_released_job_is_as_if_it_had_not_been_taken(cell: Cell) -> None:
    scope = cell.plan(rpm=600, conc=5)
    cell.submit("a", "b")
    cell.release(cell.claim())
    assert cell.run(reads.ledger(cell.keys)) == []
    assert float(cell.redis("HGET", cell.keys.scope(scope), "r")) // 1000 <= cell.now()
    claim = cell.claim()
    assert (claim.id, claim.tries) == ("a", 1)
    assert attempts(cell) == []


def test_a_job_cancelled_while_it_ran_does_not_go_on(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    assert cell.run(admin.cancel(cell.keys, ["a"])) == ["cancelling"]
    assert cell.orders() == ["cancel a 1"]
    assert cell.requeue(claim) == "ended"
    assert cell.state("a") is State.CANCELLED


def called_off(cell: Cell, *names: str) -> list[str]:
    return cell.run(renew(cell.keys, worker="w", lease_ms=LEASE_MS, facts={"provider": "p"}, attempts=names)).called_off


def test_a_cancelled_attempt_is_called_off_at_each_beat_should_the_order_be_lost(cell: Cell) -> None:
    cell.submit("a", "b")
    first, second = cell.take().claims
    assert called_off(cell, first.name, second.name) == []
    cell.run(admin.cancel(cell.keys, ["a"]))
    cell.redis("DEL", cell.keys.control("w"))
    assert [called_off(cell, first.name, second.name) for _ in range(2)] == [["a:1"]] * 2
    cell.fail(first, "cancelled", "cancelled")
    assert called_off(cell, first.name) == [], "it is over"


def test_an_attempt_whose_job_another_one_ended_is_called_off_should_the_order_be_lost(cell: Cell) -> None:
    cell.submit("a")
    slow = cell.claim(worker="slow")
    cell.lose(slow)
    second = cell.claim()
    assert called_off(cell, second.name) == []
    cell.settle(slow)
    cell.redis("DEL", cell.keys.control("w"))
    assert called_off(cell, second.name) == ["a:2"]
    assert called_off(cell, slow.name) == [], "its reply is the job's"


def test_an_attempt_that_was_overtaken_goes_on_and_tells_its_cost(cell: Cell) -> None:
    cell.submit("a")
    slow = cell.claim(worker="slow")
    cell.lose(slow)
    cell.settle(cell.claim())
    assert called_off(cell, slow.name) == []
    cell.settle(slow)
    assert cell.run(reads.unresolved(cell.keys)) == []


def test_a_job_past_its_deadline_does_not_go_on(cell: Cell) -> None:
    cell.submit("a", deadline_ms=60_000)
    claim = cell.claim()
    cell.redis("HSET", cell.keys.job("a"), "dl", 1)
    assert cell.requeue(claim) == "ended"
    assert cell.state("a") is State.EXPIRED


def test_a_good_reply_counts_though_cancel_was_asked_for(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.run(admin.cancel(cell.keys, ["a"]))
    assert cell.settle(claim) == "ok"
    assert cell.state("a") is State.SUCCEEDED


@pytest.mark.parametrize("how", ["queued", "due", "waiting"])
def test_a_job_that_waits_is_cancelled_at_once(cell: Cell, how: str) -> None:
    if how == "waiting":
        cell.run(admin.open_batch(cell.keys, "a", {}))
        cell.run(admin.pause_batch(cell.keys, "a"))
        cell.submit("a", batch="a")
        cell.take()
    else:
        cell.submit("a", due_ms=60_000 if how == "due" else 0)
    assert cell.state("a") == how
    assert cell.run(admin.cancel(cell.keys, ["a", "nobody"])) == ["cancelled", "unknown"]
    assert cell.run(admin.cancel(cell.keys, ["a"])) == ["cancelled"]
    assert cell.counters() == {"submitted": 1, "live": 0, "cancelled": 1}
    assert set(cell.numbers(cell.keys.queue("p")).values()) == {0}


def test_cancelling_nothing_asks_nobody(cell: Cell) -> None:
    assert cell.run(admin.cancel(cell.keys, [])) == []
    assert cell.run(admin.purge(cell.keys, [])) == 0


def test_what_has_ended_lives_for_its_retention(cell: Cell) -> None:
    cell.config(**{"keep.results": 90_000})
    cell.submit("a", "b")
    cell.settle(cell.claim())
    cell.fail(cell.claim())
    for key in (
        cell.keys.job("a"),
        cell.keys.reply("a"),
        cell.keys.job("b"),
        cell.keys.attempts("b"),
        cell.keys.request("b"),
    ):
        ttl = cell.run(read((("PTTL", key),), lambda r: int(r[0])))
        assert 80_000 < ttl <= 90_000


def test_a_result_that_is_kept_for_no_time_still_ends_its_job_and_pays_for_it(cell: Cell) -> None:
    cell.config(**{"keep.results": 0})
    cell.submit("a")
    assert cell.settle(cell.claim()) == "ok"
    assert (cell.counters()["live"], cell.counters()["succeeded"]) == (0, 1)
    assert cell.run(reads.costs(cell.keys)).nano_usd == COST


def test_a_job_that_meets_a_full_quota_for_days_keeps_a_short_history(cell: Cell) -> None:
    cell.submit("a", max_attempts=3)
    cell.requeue(cell.claim())
    for _ in range(120):
        cell.requeue(cell.claim(), outcome="rate_limited", counts=False)
    claim = cell.claim()
    cell.settle(claim)
    told = [attempt.number for attempt in cell.view("a").attempts]
    assert told == [1, *range(72, 122), claim.attempt]
    assert len(cell.run(reads.ledger(cell.keys))) == 122, "the ledger has every call"
