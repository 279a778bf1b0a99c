"""Cache and single flight: equal jobs are called once, and none is forgotten when the one that is called fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import divert, sweep
from homa_shared.store.transitions.next_target import NextTarget
from tests.transitions.cell import BOUND, COST, MODEL, Cell

KEY = "c0ffee"


def equal(cell: Cell, *ids: str, **more: Any) -> None:
    cell.submit(*ids, cache_key=KEY, **more)


def reply(cell: Cell, job_id: str) -> dict[str, Any]:
    found = cell.run(reads.resolved_replies(cell.keys, [job_id]))[0]
    told: dict[str, Any] = orjson.loads(found or b"{}")
    return told


def stats(cell: Cell) -> dict[str, int]:
    """What was counted of replies; of vectors nothing was."""
    told = cell.run(admin.cache_stats(cell.keys))
    of_vectors = {name: told.pop(name) for name in list(told) if name.startswith("vector")}
    assert not any(of_vectors.values())
    return told


def test_an_equal_job_gets_the_reply_that_is_kept(cell: Cell) -> None:
    equal(cell, "a")
    cell.settle(cell.claim())
    equal(cell, "b", custom_id="row 2")
    assert cell.taken() == []
    assert cell.state("b") is State.SUCCEEDED
    assert reply(cell, "b") == {
        "body": {"said": "a"},
        "cost_nano": 0,
        "cached": "a",
        "custom_id": "row 2",
        "prior_nano": 0,
    }
    assert cell.run(reads.reply(cell.keys, "b")) != cell.run(reads.reply(cell.keys, "a"))
    assert stats(cell) == {"hits": 1, "misses": 1, "followers": 0, "stored": 1, "entries": 1}


def test_a_reply_from_the_cache_costs_nothing_and_names_its_source(cell: Cell) -> None:
    equal(cell, "a")
    cell.settle(cell.claim())
    equal(cell, "b")
    cell.take()
    line = cell.run(reads.ledger(cell.keys))[-1]
    assert (line.job, line.outcome, line.nano_usd) == ("b", "cached a", 0)
    assert cell.run(reads.costs(cell.keys)).nano_usd == COST


def test_equal_jobs_in_flight_follow_the_first(cell: Cell) -> None:
    equal(cell, "a", "b", "c")
    claim = cell.take().claims[0]
    assert cell.state("b") is cell.state("c") is State.WAITING
    cell.settle(claim)
    assert [reply(cell, job_id)["body"] for job_id in "bc"] == [{"said": "a"}] * 2
    assert (stats(cell)["followers"], cell.counters()["live"]) == (2, 0)


def test_more_followers_than_one_call_ends_are_ended_by_housekeeping(cell: Cell) -> None:
    equal(cell, "a", *(f"f{i}" for i in range(250)))
    claim = cell.take(10).claims[0]
    while cell.take(10).wait_ms == 1:
        pass  # one call sets a hundred aside
    cell.settle(claim)
    assert cell.counters()["live"] == 150
    cell.sweep()
    assert cell.counters()["live"] == 0


@pytest.mark.parametrize("how", ["fail", "cancel", "deadline", "reroute", "poison"])
def test_a_leader_that_ends_otherwise_hands_over(cell: Cell, how: str) -> None:
    equal(cell, "a", "b", "c", deadline_ms=600_000)
    claim = cell.take().claims[0]
    if how == "fail":
        cell.fail(claim)
    elif how == "cancel":
        cell.run(admin.cancel(cell.keys, ["a"]))
        cell.requeue(claim)
    elif how == "deadline":
        cell.redis("HSET", cell.keys.job("a"), "dl", 1)
        cell.requeue(claim)
    elif how == "reroute":
        cell.requeue(claim, "job.rerouted", to=NextTarget("q:m", "q", BOUND))
    else:
        cell.redis("HSET", cell.keys.job("a"), "px", 2)
        cell.lose(claim)
    second = cell.claim()
    assert second.id == "b"
    assert cell.state("c") is State.WAITING
    cell.settle(second)
    assert reply(cell, "c")["body"] == {"said": "b"}


@pytest.mark.parametrize("how", ["cancelled", "expired", "over budget", "too large"])
def test_a_leader_that_take_itself_ends_hands_over(cell: Cell, how: str) -> None:
    equal(cell, "a", "b", deadline_ms=600_000, tokens=(10, 0, 0))
    claim = cell.take().claims[0]
    cell.requeue(claim)
    if how == "cancelled":
        cell.redis("HSET", cell.keys.job("a"), "cx", 1)
    elif how == "expired":
        cell.redis("HSET", cell.keys.job("a"), "dl", 1)
    elif how == "over budget":
        cell.redis("HSET", cell.keys.job("a"), "jb", 1)
    else:
        cell.plan(tpm=100)
        cell.redis("HSET", cell.keys.job("a"), "rt", 1000)
    assert cell.taken() == ["b"]


def test_followers_of_a_leader_that_vanished_are_not_forgotten(cell: Cell) -> None:
    equal(cell, "a", "b")
    cell.take()
    cell.cooked = True
    cell.redis("DEL", cell.keys.job("a"))
    cell.sweep()
    assert cell.state("b") is State.QUEUED


def test_a_rerouted_job_answers_nobody_for_its_first_target(cell: Cell) -> None:
    equal(cell, "a")
    cell.requeue(cell.claim(), "job.rerouted", to=NextTarget("q:m", "q", BOUND))
    cell.settle(cell.claim(provider="q", queues=("q",)))
    equal(cell, "b")
    assert cell.taken() == ["b"]
    assert stats(cell)["hits"] == 0


def test_a_diverted_leader_hands_over(cell: Cell) -> None:
    equal(cell, "a", "b", fallbacks_left=1)
    cell.requeue(cell.take().claims[0])
    assert cell.run(divert(cell.keys, "a", MODEL, "frozen", NextTarget("q:m", "q", BOUND))) == "ok"
    assert cell.taken() == ["b"]


def test_equal_jobs_are_served_in_the_highest_lane_among_them(cell: Cell) -> None:
    cell.plan(conc=1)
    equal(cell, "low", lane="bulk")
    cell.requeue(cell.claim())
    cell.submit("filler", lane="default")
    equal(cell, "urgent", lane="high")
    claim = cell.claim()
    assert claim.id == "urgent"
    cell.settle(claim)
    cell.settle(cell.claim())
    cell.take()
    assert reply(cell, "low")["body"] == {"said": "urgent"}


def test_followers_keep_their_deadlines(cell: Cell) -> None:
    equal(cell, "a")
    equal(cell, "b", deadline_ms=60_000)
    cell.take()
    cell.redis("ZADD", cell.keys.deadlines(), 1, "b")
    cell.sweep()
    assert (cell.state("a"), cell.state("b")) == (State.RUNNING, State.EXPIRED)


def test_a_reply_lives_as_long_as_those_that_refer_to_it(cell: Cell) -> None:
    equal(cell, "a")
    cell.settle(cell.claim())
    cell.redis("PEXPIRE", cell.keys.reply("a"), 5000)
    equal(cell, "b")
    cell.take()
    assert cell.redis("PTTL", cell.keys.reply("a")) > 600_000_000


def test_only_as_many_replies_are_kept_as_settings_say(cell: Cell) -> None:
    cell.config(**{"cache.entries": 2})
    for n in range(4):
        cell.submit(f"j{n}", cache_key=f"k{n}")
        cell.settle(cell.claim())
    assert stats(cell)["entries"] == 2
    assert cell.redis("EXISTS", cell.keys.cached("k0")) == 0


def test_clearing_the_cache_forgets_replies_in_slices(cell: Cell) -> None:
    for n in range(3):
        cell.submit(f"j{n}", cache_key=f"k{n}")
        cell.settle(cell.claim())
    assert [cell.run(admin.clear_cache(cell.keys, 2)) for _ in range(3)] == [2, 1, 0]
    equal(cell, "again")
    assert cell.taken() == ["again"]


def test_tenants_that_do_not_ask_for_it_share_nothing(cell: Cell) -> None:
    cell.submit("a", "b")
    assert cell.taken() == ["a", "b"]


def test_the_most_urgent_follower_leads_next(cell: Cell) -> None:
    equal(cell, "a", lane="bulk")
    claim = cell.claim()
    equal(cell, "b", lane="bulk")
    equal(cell, "c", lane="high")
    assert cell.taken() == []
    cell.fail(claim)
    cell.sweep()
    assert cell.taken() == ["c"]
    assert cell.state("b") is State.WAITING


def test_nobody_follows_a_leader_into_a_paused_batch(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "batch", {}))
    scope = cell.plan()
    equal(cell, "batch-0", batch="batch")
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() + 60_000)
    assert cell.taken() == []
    equal(cell, "follower", lane="bulk")
    cell.run(admin.pause_batch(cell.keys, "batch", "enough"))
    cell.redis("HDEL", cell.keys.scope(scope), "frozen")
    assert cell.taken() == ["follower"]
    assert cell.job("batch-0").waits_for == "batch:batch"


def test_nobody_follows_a_leader_that_waits_for_a_budgets_next_period(cell: Cell) -> None:
    cell.budget(10, scope="tag", match="team", on_exceed="defer", period="month")
    cell.plan()
    equal(cell, "poor", tags="team=a")
    equal(cell, "rich", tags="team=b")
    cell.budget(10, scope="tag", match="team=a", on_exceed="defer", period="month")
    assert cell.taken() == ["rich"]


def test_a_reply_that_others_refer_to_outlives_the_purge_of_its_job(cell: Cell) -> None:
    equal(cell, "a")
    cell.settle(cell.claim())
    equal(cell, "b")
    cell.take()
    assert cell.run(admin.purge(cell.keys, ["a"])) == 1
    assert cell.state("a") is None
    assert reply(cell, "b")["body"] == {"said": "a"}


def test_followers_of_a_reply_that_is_gone_are_called_instead_of_ended_by_it(cell: Cell) -> None:
    equal(cell, "a", "f1", "f2")
    claim = cell.take().claims[0]
    cell.redis("SET", cell.keys.cached(KEY), "gone")
    cell.fail(claim)
    cell.sweep()
    assert cell.state("f2") is State.WAITING
    assert cell.taken() == ["f1"]


@pytest.mark.parametrize("order", [admin.pause_batch, admin.cancel_batch])
def test_lines_that_lead_one_another_are_put_aside_in_small_portions(cell: Cell, order: Callable[..., Op[str]]) -> None:
    cell.run(admin.open_batch(cell.keys, "b", {}))
    lines = [f"b-{i}" for i in range(60)]
    equal(cell, *lines, batch="b")
    leader = cell.take(50).claims[0]
    cell.requeue(leader)
    cell.run(order(cell.keys, "b"))
    assert cell.take().wait_ms == 1, "the others are for the next call: each looks for an heir among those that follow"
    moved = sum(cell.state(line) is State.CANCELLED or cell.job(line).waits_for == "batch:b" for line in lines)
    assert 5 <= moved <= 15
    while cell.take().wait_ms == 1:
        pass
    assert {cell.state(line) for line in lines} <= {State.CANCELLED, State.WAITING}
    assert not any((cell.job(line).waits_for or "").startswith("follow") for line in lines)


def test_a_reply_that_breaks_off_is_kept_for_no_equal_job(cell: Cell) -> None:
    equal(cell, "a")
    cell.settle(cell.claim(), partial=True)
    assert cell.state("a") is State.SUCCEEDED
    equal(cell, "b")
    assert cell.taken() == ["b"], "asked again: there may be more to say"
    assert (stats(cell)["stored"], stats(cell)["entries"]) == (0, 0)


def test_followers_end_by_a_reply_that_breaks_off_however_many_they_are(cell: Cell) -> None:
    followers = [f"f{i}" for i in range(150)]
    equal(cell, "a", *followers)
    claim = cell.take(10).claims[0]
    while cell.take(10).wait_ms == 1:
        pass
    cell.settle(claim, partial=True)
    assert cell.counters()["live"] == 50
    cell.sweep()
    assert {reply(cell, job_id)["body"]["said"] for job_id in followers} == {"a"}
    equal(cell, "b")
    assert cell.taken() == ["b"]


def test_a_late_reply_that_breaks_off_leaves_those_who_follow_another_to_that_one(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "x", {}))
    equal(cell, "a", batch="x")
    late = cell.claim()
    equal(cell, "b", "c")
    assert cell.taken() == []
    cell.run(admin.pause_batch(cell.keys, "x"))
    cell.lose(late)
    while (taken := cell.take()).wait_ms == 1 and not taken.claims:
        pass
    assert [claim.id for claim in taken.claims] == ["b"], "who waits for his batch leads nobody"
    cell.settle(late, partial=True)
    assert (cell.state("a"), cell.state("c")) == (State.SUCCEEDED, State.WAITING)
    cell.settle(taken.claims[0])
    assert reply(cell, "c")["body"] == {"said": "b"}


def led_by_one(cell: Cell, count: int, **more: Any) -> list[str]:
    """Equal jobs that wait, all but the first of them for that one."""
    ids = [f"e{n}" for n in range(count)]
    equal(cell, *ids, **more)
    leader = cell.take(10).claims[0]
    while cell.take(10).wait_ms == 1:
        pass
    cell.requeue(leader, delay_ms=3_600_000)
    return ids


def test_equal_jobs_are_cancelled_in_small_portions_and_one_call_all_the_same(cell: Cell) -> None:
    ids = led_by_one(cell, 100)
    op = admin.cancel(cell.keys, ids)
    first = len(cell.store._replies(op)[0])
    assert 5 <= first <= 30, "each hands the lead on"
    assert cell.counters()["live"] == 100 - first
    assert cell.run(op) == ["cancelled"] * 100
    assert cell.counters()["live"] == 0


def test_equal_jobs_that_nobody_follows_any_more_are_cancelled_in_one_portion(cell: Cell) -> None:
    ids = led_by_one(cell, 100)
    followers = ids[1:]
    assert len(cell.store._replies(admin.cancel(cell.keys, followers))[0]) == 99
    assert cell.run(admin.cancel(cell.keys, ids)) == ["cancelled"] * 100


def test_equal_jobs_expire_in_small_portions(cell: Cell) -> None:
    led_by_one(cell, 100, deadline_ms=60_000)
    for job_id in cell.scores(cell.keys.deadlines()):
        cell.redis("ZADD", cell.keys.deadlines(), "XX", 1 if job_id == "e0" else 2 + int(job_id[1:]), job_id)
        cell.redis("HSET", cell.keys.job(job_id), "dl", 1)
    cell.redis("HDEL", cell.keys.beat(), "swept")
    assert cell.run(sweep(cell.keys, slice_size=200, lease_ms=30_000)), "there is more to do"
    assert 5 <= cell.counters()["expired"] <= 30
    cell.sweep(200)
    assert (cell.counters()["expired"], cell.counters()["live"]) == (100, 0)
